"""When a token must be refreshed: decisions with their reason, from plain values."""

from dataclasses import dataclass
from datetime import datetime, timedelta

UNRESOLVED_GRACE = timedelta(seconds=5)
"""Nobody treats an intent without a result as unknown earlier than this after its `not_after`."""

BACKOFF_S = (5.0, 15.0, 60.0, 300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Decision:
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
    if retry_at is not None and retry_at > now:
        return Decision(False, "backing_off", retry_at)
    lifetime = expires_at - issued_at
    due_at = max(expires_at - lifetime * margin, issued_at + timedelta(seconds=min_age_s))
    if now < due_at:
        old_enough = now >= issued_at + timedelta(seconds=min_age_s)
        return Decision(False, "fresh" if old_enough else "too_young", due_at)
    return Decision(True, "expired" if now >= expires_at else "due")


def backoff(failures: int) -> timedelta:
    """Pause after the n-th failure in a row (1-based)."""
    return timedelta(seconds=BACKOFF_S[min(max(failures, 1), len(BACKOFF_S)) - 1])
