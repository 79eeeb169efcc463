"""The table of operations the sandbox answers, by real host name, method and path template."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from sandbox.web import Call, Reply

Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`template` is written as the platforms' documentation does: `/2/users/:id/tweets`."""

    platform: str
    hosts: tuple[str, ...]
    method: str
    template: str
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        expression = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", self.template)
        object.__setattr__(self, "pattern", re.compile(expression))

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


class Routes:
    """Templates are tried in the order they were added, so put `/me` before `/:id`."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._table: dict[tuple[str, str], list[Operation]] = {}
        for operation in operations:
            for host in operation.hosts:
                self._table.setdefault((host, operation.method), []).append(operation)
        self.hosts = {host for host, _ in self._table}

    def find(self, host: str, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        for operation in self._table.get((host, method), ()):
            match = operation.pattern.fullmatch(path)
            if match:
                return operation, match.groupdict()
        return None
