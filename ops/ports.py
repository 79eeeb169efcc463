"""Free ports for servers that must be found again where they were.

Not the ports the kernel gives to outgoing connections: while a server is away, any connection of any program
may be given one of those, and a client that tries again and again can even be connected to itself.
"""

import random
import socket
import time
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 20_000  # Ray's workers listen below it (10002 to 19999 unless told otherwise)
_LOOKS: Final = 64
_POLL_S: Final = 0.05


def free_port() -> int:
    """A port nobody listens on now, below those of outgoing connections where there is room."""
    highest = _first_outgoing() - 1
    for _ in range(_LOOKS if highest > _LOWEST else 0):
        port = random.randint(_LOWEST, highest)
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = HOST, patience_s: float = 0) -> bool:
    """Whether a server could listen there, at the latest after `patience_s`: one that was just killed holds
    its port until the last of its threads has ended."""
    deadline = time.monotonic() + patience_s
    while not _binds(host, port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _binds(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections just closed do not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _first_outgoing() -> int:
    """The lowest port the kernel gives to outgoing connections; 32768 where it does not say."""
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
