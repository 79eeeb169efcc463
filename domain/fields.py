"""Reading a command's data: every reader answers a checked value or raises `Invalid` naming the field."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.clock import truncate_ms
from domain.errors import Conflict, Invalid

MAX_INTEGER = 2**53 - 1  # what JSON clients hold exactly
MAX_JSON_DEPTH = 5
MAX_JSON_NODES = 500

# Control characters except tab and line breaks, and lone surrogates: BSON and logs choke on them.
_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ID = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,300}")
_PLATFORM = re.compile(r"[a-z][a-z0-9_]{1,31}")


class Fields:
    """One JSON object of a command. `path` is where it sits, for error messages (`budget.`)."""

    __slots__ = ("_data", "_path")

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self._data = data
        self._path = path

    def __contains__(self, name: str) -> bool:
        """Whether the field is given at all (null counts as not given)."""
        return self._data.get(name) is not None

    def raw(self, name: str) -> Any:
        return self._data.get(name)

    def field(self, name: str) -> str:
        return self._path + name

    def invalid(self, name: str, sentence: str) -> Invalid:
        return Invalid("field_invalid", f"{self.field(name)}: {sentence}", field=self.field(name))

    # -- text ---------------------------------------------------------------------------------------
    def text(self, name: str, max_length: int) -> str:
        value = self.optional_text(name, max_length)
        if not value:
            raise Invalid("field_missing", f"{self.field(name)} is required.", field=self.field(name))
        return value

    def optional_text(self, name: str, max_length: int) -> str | None:
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > max_length or _UNSAFE.search(value):
            raise self.invalid(
                name, f"must be text of at most {max_length} characters without control characters."
            )
        return value

    def optional_id(self, name: str) -> str | None:
        """An id of another thing: one word, at most 300 characters."""
        value = self._data.get(name)
        return None if value is None else self._one_id(name, value)

    def ids(self, name: str, max_items: int) -> tuple[str, ...]:
        """A list of ids without repeats, in the order given; absent means empty."""
        found = (self._one_id(name, value) for value in self._list(name, max_items))
        return tuple(dict.fromkeys(found))

    def optional_platform(self, name: str) -> str | None:
        value = self._data.get(name)
        if value is not None and not (isinstance(value, str) and _PLATFORM.fullmatch(value)):
            raise self.invalid(name, "must be a platform's name such as instagram.")
        return value

    def platforms(self, name: str) -> tuple[str, ...]:
        values = self._list(name, 50)
        if not all(isinstance(value, str) and _PLATFORM.fullmatch(value) for value in values):
            raise self.invalid(name, "must list platforms' names such as instagram.")
        return tuple(dict.fromkeys(values))

    def _one_id(self, name: str, value: object) -> str:
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise self.invalid(name, "an id is one word of at most 300 characters.")
        return value

    # -- numbers ------------------------------------------------------------------------------------
    def integer(self, name: str, minimum: int = 0, maximum: int = MAX_INTEGER) -> int:
        value = self.optional_integer(name, minimum, maximum)
        if value is None:
            raise Invalid("field_missing", f"{self.field(name)} is required.", field=self.field(name))
        return value

    def optional_integer(self, name: str, minimum: int = 0, maximum: int = MAX_INTEGER) -> int | None:
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise self.invalid(name, f"must be a whole number from {minimum} to {maximum}.")
        return value

    # -- time ---------------------------------------------------------------------------------------
    def moment(self, name: str) -> datetime:
        """An RFC 3339 time with an offset, answered in UTC."""
        found = parse_moment(self._data.get(name))
        if found is None:
            raise self.invalid(name, "must be a time with an offset such as 2026-05-01T12:00:00Z.")
        return found

    def local_moment(self, name: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
        """A time in UTC; one without an offset is wall time in `zone`. A bare date is the start of that
        day, or with `end` the end of it: a campaign "until 24 December" runs through the 24th."""
        value = self._data.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str) and len(value) == 10:
                day = date.fromisoformat(value) + timedelta(days=1 if end else 0)
                moment = datetime.combine(day, time(), zone)
            else:
                moment = datetime.fromisoformat(value)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
            if not 2000 <= moment.year <= 2200:
                raise ValueError
            return truncate_ms(moment.astimezone(UTC))
        except (TypeError, ValueError, OverflowError):
            raise self.invalid(name, "must be a date or a time such as 2026-12-24T18:00:00.") from None

    # -- structure ----------------------------------------------------------------------------------
    def group(self, name: str) -> "Fields":
        """A nested object; absent or null reads as empty."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.invalid(name, "must be an object.")
        return Fields(value or {}, f"{self.field(name)}.")

    def groups(self, name: str, max_items: int) -> list["Fields"]:
        values = self._list(name, max_items)
        if not all(isinstance(value, Mapping) for value in values):
            raise self.invalid(name, "must be a list of objects.")
        return [Fields(value, f"{self.field(name)}[{n}].") for n, value in enumerate(values)]

    def json_object(self, name: str) -> dict[str, Any]:
        """Free-form JSON that is kept as it is, as far as BSON can hold it; absent means empty."""
        value = self._data.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not _storable(value, MAX_JSON_DEPTH, [MAX_JSON_NODES]):
            raise self.invalid(
                name,
                f"must be a JSON object of at most {MAX_JSON_NODES} values and {MAX_JSON_DEPTH} levels, "
                "without '$', '.' or control characters in its names.",
            )
        return dict(value)

    def _list(self, name: str, max_items: int) -> list[Any]:
        value = self._data.get(name)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)) or len(value) > max_items:
            raise self.invalid(name, f"must be a list of at most {max_items}.")
        return list(value)


def parse_moment(value: object) -> datetime | None:
    """RFC 3339 text with an offset to UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return truncate_ms(moment.astimezone(UTC)) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def check_version(data: Mapping[str, Any]) -> None:
    """Honour `if_version` (HTTP If-Match) against `_version`, which the runtime puts beside it."""
    wanted = data.get("if_version")
    if wanted is not None and wanted != data.get("_version"):
        raise Conflict("version_mismatch", "This was changed meanwhile: read it again, then decide again.")


def _storable(value: object, depth: int, nodes: list[int]) -> bool:
    nodes[0] -= 1
    if depth < 0 or nodes[0] < 0:
        return False
    if isinstance(value, Mapping):
        return all(
            isinstance(name, str)
            and len(name) <= 100
            and not _UNSAFE.search(name)
            and not name.startswith("$")
            and "." not in name
            and _storable(inner, depth - 1, nodes)
            for name, inner in value.items()
        )
    if isinstance(value, (list, tuple)):
        return all(_storable(inner, depth - 1, nodes) for inner in value)
    if isinstance(value, str):
        return len(value) <= 2000 and not _UNSAFE.search(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= MAX_INTEGER
    return value is None or isinstance(value, (bool, float))
