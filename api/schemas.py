"""What request bodies have in common."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Body(BaseModel):
    """A request body: unknown fields and values of another type are refused, never guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _only_text(value: object) -> object:
    # Without this a number would be taken as seconds since 1970.
    if not isinstance(value, str | datetime):
        raise ValueError("a time is written as text, such as 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_only_text)]
"""A time with its offset, as ISO 8601 text."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""An amount in minor units (cents)."""

Json = dict[str, Any]
"""An answer; what is in it is said by the owner that made it (see the entity's view)."""
