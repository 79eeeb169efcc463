"""An account for people: no tokens."""

from datetime import datetime
from typing import Any

from actors.account.state import AccountState
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
            "refreshing": s.intent is not None,
            "failures": s.token.failures,
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
        }
        if s.job
        else None,
        "waiting_work": [{"source": w.source, "mode": w.mode.value} for w in s.wishes],
        "budget": {
            family: {"limit": w.limit, "used": w.used, "resets_at": _time(w.resets_at)}
            for family, w in s.budget.items()
        },
        "counters": s.counters,
        "webhooks_subscribed": s.subscribed,
        "created_at": _time(s.created_at),
        "updated_at": _time(s.updated_at),
        "last_sync_at": _time(s.last_sync_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
