"""What an account asks of the outside. Tokens travel sealed; the handler opens them for the call alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from actors.account.operations.task import Task
from actors.account.publishing.publication import Publication
from actors.account.tokens.token import Call
from actors.runtime.entity import Effect
from domain.budget import Priority


class Refresh(Effect, frozen=True):
    """Once-only for rotating tokens: not sent after `not_after`, ended before it."""

    intent_id: str
    app_id: str
    access: bytes
    refresh: bytes | None
    not_after: datetime
    grant: str | None = None  # of a further consent; None: the account's own
    once: ClassVar[bool] = True


class PlatformCall(Effect, frozen=True, kw_only=True):
    """A call to a platform's API: before it is sent it is paid from what all accounts of the application
    share."""

    app_id: str
    priority: Priority


class FetchPage(PlatformCall, frozen=True):
    call: Call
    source: str
    access: bytes
    cursor: str | None
    since: datetime | None
    newer_than_id: str | None
    etag: str | None = None
    early: ClassVar[bool] = True


class Recall(Effect, frozen=True):
    """A call that still waits to be paid comes back unsent: there is something more urgent to do."""

    call_id: str


class ChooseRecheck(Effect, frozen=True):
    """Which known content to read by id: what a fully listed window no longer showed, then the newest."""

    call: Call
    job_id: str
    window_from: datetime | None
    window_to: datetime | None
    limit: int


class ReadItems(PlatformCall, frozen=True):
    call: Call
    ids: tuple[str, ...]
    access: bytes
    early: ClassVar[bool] = True


class FetchProfile(PlatformCall, frozen=True):
    call: Call
    access: bytes


class Subscribe(PlatformCall, frozen=True):
    call: Call
    access: bytes


class Revoke(Effect, frozen=True):
    """To the token endpoint, for which the platforms name no limit: nothing is reserved for it."""

    app_id: str
    access: bytes
    refresh: bytes | None


class ReplayParked(Effect, frozen=True):
    """Events that came before anybody had connected the account. With `again_at` the success is told: without
    it the account looks again then."""

    again_at: datetime | None


class FindRemains(Effect, frozen=True):
    """What one of the places of `erasure` still holds of the account, at most a page of it. `since` is when
    its erasure began."""

    call: Call
    place: str
    since: datetime


class PublishStep(PlatformCall, frozen=True):
    """The step that `record` says is next. A decisive one is not begun late and ends before `call.until`."""

    call: Call
    record: Publication
    calls: Mapping[str, int]
    access: bytes
    grant: str | None = None  # the token's, and the surface that it is for
    surface: str | None = None
    once: ClassVar[bool] = True


class LookForPublication(PlatformCall, frozen=True):
    """Whether it is out, and under which id."""

    call: Call
    record: Publication
    calls: Mapping[str, int]
    access: bytes
    grant: str | None = None
    surface: str | None = None


class TaskStep(PlatformCall, frozen=True):
    """The next step of a task, or the look for it. Tokens are sealed; `grant` says where they belong."""

    call: Call
    task: Task
    calls: Mapping[str, int]
    access: bytes
    secret: bytes | None
    external_id: str
    grant: str | None = None
    surface: str | None = None


class DecisiveStep(TaskStep, frozen=True):
    """One that must not happen twice: not begun late, ended before `call.until`."""

    once: ClassVar[bool] = True
