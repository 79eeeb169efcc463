"""When a token must be refreshed: decisions with their reason, from plain values."""

from datetime import datetime, timedelta

from msgspec import Struct

UNRESOLVED_GRACE = timedelta(seconds=5)
"""Nobody treats an intent without a result as unknown earlier than this after its `not_after`."""

BACKOFF_S = (5.0, 15.0, 60.0, 300.0, 900.0)


class Decision(Struct, frozen=True):
    """`at` is when to decide again; None: never by itself."""

    act: bool
    reason: str
    at: datetime | None = None


def refresh_decision(
    now: datetime,
    *,
    issued_at: datetime,
    expires_at: datetime | None,
    margin: float,
    min_age_s: int,
    retry_at: datetime | None,
    refreshable: bool,
) -> Decision:
    """Refresh when less than `margin` of the lifetime is left, not before `min_age_s` after issue.

    Reasons: no_expiry, cannot_refresh, backing_off, too_young, fresh, due, expired.
    """
    if expires_at is None:
        return Decision(False, "no_expiry")
    if not refreshable:
        return Decision(False, "cannot_refresh", expires_at if expires_at > now else None)
    old_enough_at = issued_at + timedelta(seconds=min_age_s)
    due_at = max(expires_at - (expires_at - issued_at) * margin, old_enough_at, retry_at or issued_at)
    if now >= due_at:
        return Decision(True, "expired" if now >= expires_at else "due")
    if retry_at is not None and retry_at > now:
        return Decision(False, "backing_off", due_at)
    return Decision(False, "fresh" if now >= old_enough_at else "too_young", due_at)


def backoff(failures: int) -> timedelta:
    """Pause after the n-th failure in a row (1-based)."""
    return timedelta(seconds=BACKOFF_S[min(max(failures, 1), len(BACKOFF_S)) - 1])
