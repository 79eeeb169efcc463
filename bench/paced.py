"""An open-loop load generator: requests leave when they are due, whether or not earlier ones were answered.

So a server that falls behind is seen to: a latency counts from when the request was due. Sockets and epoll by
hand, like `bench.load`; it runs in a thread of its own. Loopback only.
"""

import re
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import status_of

_RETRY = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)
_PATIENCE_S = 15.0


@dataclass
class Answered:
    """One request: when it was due, when it was answered (seconds since the epoch), and how."""

    due: float
    at: float
    status: int
    retry_after: bool
    label: str


@dataclass
class Paced:
    answers: list[Answered] = field(default_factory=list)
    dropped: int = 0  # connections that the server closed before it had answered

    @property
    def statuses(self) -> Counter[int]:
        return Counter(a.status for a in self.answers)

    def accepted(self, label: str | None = None) -> list[Answered]:
        return [a for a in self.answers if a.status == 200 and label in (None, a.label)]


def percentile(values: list[float], share: float) -> float:
    """NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


class _Connection:
    __slots__ = ("answer", "due", "label", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer, self.due, self.label = b"", 0.0, ""


def send(
    port: int, make: Callable[[int], tuple[str, bytes]], rate: float, seconds: float, connections: int
) -> Paced:
    """`make(n)` gives the n-th request and its label. After `seconds` what is under way is waited for."""
    result = Paced()
    waiting: deque[tuple[float, str, bytes]] = deque()
    idle: list[_Connection] = []
    busy: dict[int, _Connection] = {}
    began, made = time.time(), 0
    total = int(rate * seconds)
    with select.epoll() as epoll:

        def connect() -> None:
            connection = _Connection(port)
            epoll.register(connection.socket, select.EPOLLIN)
            idle.append(connection)

        for _ in range(connections):
            connect()
        while made < total or waiting or busy:
            now = time.time()
            if now > began + seconds + _PATIENCE_S:
                break
            while made < total and began + made / rate <= now:
                waiting.append((began + made / rate, *make(made)))
                made += 1
            while waiting and idle:
                connection = idle.pop()
                connection.due, connection.label, data = waiting.popleft()
                busy[connection.socket.fileno()] = connection
                connection.socket.sendall(data)
            next_due = began + made / rate if made < total else now + 0.05
            for descriptor, _ in epoll.poll(max(0.0, min(0.05, next_due - time.time()))):
                connection = busy.get(descriptor) or next(c for c in idle if c.socket.fileno() == descriptor)
                data = connection.socket.recv(65_536)
                if not data:
                    result.dropped += descriptor in busy
                    busy.pop(descriptor, None)
                    if connection in idle:
                        idle.remove(connection)
                    epoll.unregister(descriptor)
                    connection.socket.close()
                    connect()
                    continue
                connection.answer += data
                status = status_of(connection.answer)
                if status is not None:
                    hint = _RETRY.search(connection.answer) is not None
                    result.answers.append(
                        Answered(connection.due, time.time(), status, hint, connection.label)
                    )
                    connection.answer = b""
                    del busy[descriptor]
                    idle.append(connection)
        for connection in (*idle, *busy.values()):
            connection.socket.close()
    return result
