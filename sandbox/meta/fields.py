"""The Graph API's field language: `id,children{media_url},comments.limit(5){id,text}`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(r"\w+")
_ARGUMENT = re.compile(r"\.(\w+)\(([^()]*)\)")


@dataclass(slots=True)
class Wanted:
    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    inner: list["Wanted"] | None = None


def parse(text: str) -> list[Wanted]:
    """ValueError when the text is not in the field language."""
    wanted, end = _list(text.replace(" ", ""), 0, 0)
    if end != len(text.replace(" ", "")):
        raise ValueError(f"unexpected {text.replace(' ', '')[end]!r} at {end}")
    return wanted


def chosen(
    shown: dict[str, Any], wanted: list[Wanted], edges: dict[str, Callable[[Wanted], Any]]
) -> dict[str, Any]:
    """The fields asked for and always the id. What an object does not have is left out, as Meta does."""
    result: dict[str, Any] = {}
    for want in wanted:
        value = edges[want.name](want) if want.name in edges else shown.get(want.name)
        if value is not None:
            result[want.name] = value
    result.setdefault("id", shown["id"])
    return result


def _list(text: str, at: int, depth: int) -> tuple[list[Wanted], int]:
    if depth > 5:
        raise ValueError("fields are nested too deeply")
    found: list[Wanted] = []
    while True:
        name = _NAME.match(text, at)
        if not name:
            raise ValueError(f"a field name is missing at {at}")
        wanted, at = Wanted(name.group()), name.end()
        while argument := _ARGUMENT.match(text, at):
            wanted.arguments[argument.group(1)] = argument.group(2)
            at = argument.end()
        if text[at : at + 1] == "{":
            wanted.inner, at = _list(text, at + 1, depth + 1)
            if text[at : at + 1] != "}":
                raise ValueError("a closing } is missing")
            at += 1
        found.append(wanted)
        if text[at : at + 1] != ",":
            return found, at
        at += 1
