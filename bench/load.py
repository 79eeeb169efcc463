"""A closed-loop HTTP/1.1 load generator: every connection sends its next request when it has its answer.

Sockets and epoll by hand, because on a small machine the generator competes with what it measures: this one
needs a few microseconds a request. Loopback only.
"""

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_PATIENCE_S = 10.0


@dataclass
class Load:
    """What came back: latencies of answers with status 200 in microseconds, and how many of each status."""

    seconds: float
    latencies_us: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0  # connections closed by the server

    @property
    def accepted(self) -> int:
        return self.statuses[200]

    @property
    def failed(self) -> int:
        return self.dropped + self.statuses.total() - self.accepted

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_us)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


class _Connection:
    __slots__ = ("answer", "sent_ns", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.sent_ns = 0

    def send(self, request: bytes) -> None:
        self.sent_ns = time.perf_counter_ns()
        self.socket.sendall(request)


def drive(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Send the requests in turn, over and over, for so long. Raises OSError when nobody listens."""
    load = Load(seconds)
    following = cycle(requests)
    with select.epoll() as epoll:
        open_ones: dict[int, _Connection] = {}

        def connect() -> None:
            connection = _Connection(port)
            open_ones[connection.socket.fileno()] = connection
            epoll.register(connection.socket, select.EPOLLIN)
            connection.send(next(following))

        for _ in range(connections):
            connect()
        end_ns = time.perf_counter_ns() + int(seconds * 1e9)
        while (now := time.perf_counter_ns()) < end_ns:
            for descriptor, _ in epoll.poll(min(1.0, (end_ns - now) / 1e9)):
                connection = open_ones[descriptor]
                data = connection.socket.recv(65_536)
                if not data:
                    load.dropped += 1
                    epoll.unregister(descriptor)
                    open_ones.pop(descriptor).socket.close()
                    connect()
                    continue
                connection.answer += data
                status = status_of(connection.answer)
                if status is not None:
                    load.statuses[status] += 1
                    if status == 200:
                        load.latencies_us.append((time.perf_counter_ns() - connection.sent_ns) / 1000)
                    connection.answer = b""
                    connection.send(next(following))
        for connection in open_ones.values():
            connection.socket.close()
    return load


def status_of(answer: bytes) -> int | None:
    """The status when the answer is complete. Chunked answers end with an empty chunk."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(answer, 0, end + 2)
    complete = len(answer) == end + 4 + int(length[1]) if length else answer.endswith(b"0\r\n\r\n")
    return int(answer[9:12]) if complete else None


def request(port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
