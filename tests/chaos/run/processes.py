"""Processes of the service under test, as the kernel shows them."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ops.processes import ProcessId

HEAD = "head"


@dataclass(frozen=True, slots=True)
class Seen:
    """A process of the deployment. `node`: HEAD or the name of a node."""

    id: ProcessId
    name: str
    command: str
    node: str


def seen_at(pid: int, node: str) -> Seen | None:
    """None when it has ended."""
    with suppress(OSError):
        id_ = ProcessId.of(pid)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return Seen(id_, name, command, node) if id_ else None
    return None


def descendants(pid: int) -> set[int]:
    """What it has started, and what these have."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    wave = {pid}
    while wave:
        wave = {child for child, parent in parents.items() if parent in wave} - found
        found |= wave
    return found
