"""An account for people: no tokens."""

from datetime import datetime
from typing import Any

from actors.account.state import AccountState, Erasure, Errand
from domain.ids import EntityKey


def view(key: EntityKey, s: AccountState) -> dict[str, Any]:
    profile = s.profile
    return {
        "id": key.id,
        "org": s.org,
        "platform": s.platform,
        "external_id": s.external_id,
        "user_id": s.user_id,
        "app_id": s.app_id,
        "status": s.status.value,
        "reason": s.reason,
        "scopes": list(s.scopes),
        "profile": {
            "username": profile.get("username", ""),
            "display_name": profile.get("displayName", ""),
            "follower_count": profile.get("followerCount"),
            "profile_image_url": profile.get("profileImageUrl"),
            "bio": profile.get("bio", ""),
            "is_verified": profile.get("isVerified", False),
        },
        "config": {
            "auto_sync": s.config.auto_sync,
            "sync_frequency": s.config.sync_frequency,
            "content_types": list(s.config.content_types),
            "commerce_enabled": s.config.commerce_enabled,
        },
        "token": {
            "expires_at": _time(s.token.expires_at),
            "refreshed_at": _time(s.token.refreshed_at),
            "refreshes": s.token.refreshes,
            "refresh_in_doubt": s.token.in_doubt,
            "outcome_unknown": s.token.doubtful,  # the last refresh was not answered: it may be spent
            "refreshing": s.intent is not None,
            "failures": s.token.failures,
            "retry_at": _time(s.token.retry_at),
            "data_access_until": _time(s.token.data_access_until),
            "data_access_ending": s.token.data_access_ending,  # connect again, or reading ends
        },
        "sync": {
            name: {
                "phase": s.job.mode.value if s.job and s.job.source == name else "idle",
                "backfilled": source.backfilled,
                "last_run_at": _time(source.last_run_at),
                "next_run_at": _time(source.next_run_at),
                "items": source.items,
                "pages": source.pages,
                "deleted": source.deleted,
                "last_error": source.last_error,
            }
            for name, source in s.sources.items()
        },
        "job": {
            "source": s.job.source,
            "mode": s.job.mode.value,
            "items": s.job.items,
            "pages": s.job.pages,
            "failures": s.job.failures,
            "waiting_until": _time(s.job.wait_until),
            "held_by": _held_by(s.job.held_by) if s.job.wait_until else None,
        }
        if s.job
        else None,
        "waiting_work": [
            *({"source": j.source, "mode": j.mode.value} for j in s.shelved),
            *({"source": w.source, "mode": w.mode.value} for w in s.wishes),
        ],
        "waiting_reads": len(s.reread),  # content whose totals are in doubt, or that was only heard of
        "budget": {
            family: {"limit": w.limit, "used": w.used, "resets_at": _time(w.resets_at)}
            for family, w in s.budget.items()
        },
        "publications": [
            {
                "id": p.id,
                "status": p.phase.value,
                "due_at": _time(p.due_at),
                "late": p.late,
                "failures": p.failures,
            }
            for p in s.publications
        ],
        "grants": {
            name: {
                "external_id": g.external_id,
                "scopes": list(g.scopes),
                "granted_at": _time(g.granted_at),
                "expires_at": _time(g.token.expires_at),
                "lost": g.lost,  # why it has to be given again
            }
            for name, g in s.grants.items()
        },
        "operations": [
            {
                "id": f"{key.id}|{t.id}" if t.shown else None,  # scheduled ones have none
                "what": t.what.value,
                "status": t.phase.value,
                "items": t.items,
                "failures": t.failures,
                "waiting_until": _time(t.wait_until),
                "held_by": _held_by(t.held_by) if t.wait_until else None,
            }
            for t in s.tasks
        ],
        "scheduled": {
            what: {
                "next_run_at": _time(plan.next_at),
                "last_run_at": _time(plan.last_run_at),
                "last_error": plan.last_error,
            }
            for what, plan in s.plans.items()
        },
        "erasure": _erasure(s.erasure),
        "counters": s.counters,
        "webhooks_subscribed": s.subscribed,
        "webhooks": _webhooks(s),
        "created_at": _time(s.created_at),
        "updated_at": _time(s.updated_at),
        "last_sync_at": _time(s.last_sync_at),
    }


def _erasure(erasure: Erasure | None) -> dict[str, Any] | None:
    if erasure is None:
        return None
    return {
        "status": "erasing" if erasure.ended_at is None else "done",
        "asked_at": _time(erasure.asked_at),
        "begun_at": _time(erasure.begun_at),
        "ended_at": _time(erasure.ended_at),
        "documents": erasure.documents,
    }


def _held_by(text: str | None) -> dict[str, str] | None:
    """Whose limit the work waits for: the account's own, that of all accounts of its app, or trouble of the
    platform."""
    if text is None:
        return None
    whose, _, which = text.partition(":")
    return {"whose": whose, "limit": which}


def _webhooks(s: AccountState) -> dict[str, Any]:
    """Whether the platform sends them, why not, and when it is asked again."""
    owed = s.errands.get(Errand.SUBSCRIBE)
    return {
        "subscribed": s.subscribed,
        "problem": s.not_subscribed,
        "failures": owed.failures if owed else 0,
        "asking": owed is not None and owed.call is not None,
        "retry_at": _time(owed.wait_until) if owed else None,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
