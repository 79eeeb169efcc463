"""What request bodies have in common."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from unicodedata import category

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Body(BaseModel):
    """A request body: unknown fields and values of another type are refused, never guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _only_text(value: object) -> object:
    # Without this a number would be taken as seconds since 1970.
    if not isinstance(value, str | datetime):
        raise ValueError("a time is written as text, such as 2026-01-31T12:00:00Z")
    return value


def _visible(value: str) -> str:
    if any(category(character) == "Cc" for character in value):
        raise ValueError("text here holds no control characters")
    return value


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise ValueError("text here holds no NUL and no half characters (lone surrogates)")
    return value


Moment = Annotated[AwareDatetime, Field(strict=False, ge=_EARLIEST, lt=_LATEST), BeforeValidator(_only_text)]
"""A time with its offset, as ISO 8601 text, that every store can keep."""

Storable = AfterValidator(_storable)
"""Of people's own words, which may hold anything that every store and every platform can keep."""

Visible = AfterValidator(_visible)
"""Of text that is shown as it came, also in an operator's terminal."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Visible]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200), Visible]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""An amount in minor units (cents)."""

Json = dict[str, Any]
"""An answer; what is in it is said by the owner that made it (see the entity's view)."""
