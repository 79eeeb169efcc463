"""What a process has for itself: memory that would be free if it ended."""

import re
from pathlib import Path

_PRIVATE = re.compile(r"^Private_(?:Clean|Dirty):\s+(\d+) kB$", re.MULTILINE)


def private_bytes() -> int:
    """Private memory of this process (USS), as the kernel counts it."""
    return sum(int(kib) for kib in _PRIVATE.findall(Path("/proc/self/smaps_rollup").read_text())) * 1024
