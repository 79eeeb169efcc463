"""Doing one fault of the schedule, and taking it back."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.run.processes import HEAD, Seen
from tests.chaos.run.schedule import Fault

Test = Callable[[Seen], bool]


def _titled(title: str) -> Test:
    """Ray's workers show what they run."""
    return lambda seen: seen.command.startswith(f"ray::{title}")


VICTIMS: dict[str, Test] = {
    "host": _titled("HostActor"),
    "webhook_replica": _titled("ServeReplica:webhooks"),
    "api_replica": _titled("ServeReplica:api"),
    "controller": _titled("ServeController"),
    "supervisor": _titled("SupervisorActor"),
    "haproxy": lambda seen: seen.name == "haproxy" and seen.node == HEAD,  # where the traffic comes in
    "raylet": lambda seen: seen.name == "raylet" and seen.node != HEAD,
    "gcs": lambda seen: seen.name == "gcs_server",
    "valkey": lambda seen: seen.name.startswith("valkey-server"),
    "documents": lambda seen: " -m ops.document_server" in seen.command,
}


class Target(Protocol):
    """What faults are done to."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those beside the head."""
        ...

    def processes(self) -> list[Seen]: ...

    def cut(self, node: str, *, from_all: bool) -> None: ...

    def heal(self, node: str) -> None: ...

    @property
    def head_starts(self) -> int:
        """How often the head was started."""
        ...

    def node_ids(self) -> list[str | None]:
        """Ray's names of the head's node and of the others; None for one that is not in today's cluster."""
        ...


class NoVictim(Exception):
    """Nothing of the kind is there at the moment."""


@dataclass(frozen=True, slots=True)
class Done:
    victim: str
    undo: Callable[[], None]


def inject(target: Target, fault: Fault) -> Done:
    """NoVictim when nothing of the kind is there."""
    how, _, whom = fault.kind.partition("_")
    if how == "cut":
        node = target.nodes[int(fault.pick * len(target.nodes))]
        target.cut(node, from_all=whom == "from_all")
        return Done(f"node {node}", lambda: target.heal(node))
    found = sorted((s for s in target.processes() if VICTIMS[whom](s)), key=lambda s: (s.node, s.id.pid))
    if not found:
        raise NoVictim(whom)
    seen = found[int(fault.pick * len(found))]
    with suppress(ProcessLookupError):
        os.kill(seen.id.pid, signal.SIGKILL if how == "kill" else signal.SIGSTOP)

    def go_on() -> None:
        with suppress(ProcessLookupError):
            if how == "stop" and seen.id.runs():
                os.kill(seen.id.pid, signal.SIGCONT)

    return Done(f"{whom} {seen.id.pid} on {seen.node}", go_on)


async def undo_later(done: Done, seconds: float) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        done.undo()
