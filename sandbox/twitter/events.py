"""What X sends when something happens: Activity API events, or Account Activity v2 objects.

Sources: docs.x.com "X Activity API" and "Account Activity API"; spec 2.167 activity payloads. Third
parties saw activity events still in legacy words, so that is what is sent.
"""

from collections.abc import Callable
from typing import Any

from sandbox.apps import PlatformApp, Subscription
from sandbox.clock import iso_z, ruby_style
from sandbox.events import Happening
from sandbox.ids import digits, hexadecimal
from sandbox.state import State
from sandbox.twitter import shapes
from sandbox.world import Content, Profile

_ALL = shapes.Wish(
    post={
        "author_id",
        "created_at",
        "conversation_id",
        "in_reply_to_user_id",
        "entities",
        "attachments",
        "referenced_tweets",
        "public_metrics",
        "lang",
        "note_tweet",
    },
    user={"public_metrics", "created_at", "verified", "profile_image_url"},
    media={"url", "preview_image_url", "width", "height", "duration_ms", "alt_text", "variants"},
    expansions={"author_id", "attachments.media_keys"},
)
_NO_DIRECTION = ("post.", "profile.", "oauth.")


class Describer:
    """Builds happenings whose payload is made in the dialect of each app."""

    def __init__(self, state: State) -> None:
        self._state, self._world = state, state.world

    def post(self, account: Profile, event_type: str, kind: str, content: Content) -> Happening:
        author = self._world.people["twitter", content.author_id]
        payload = shapes.post(self._world, content, _ALL)
        included = shapes.includes(self._world, [content], _ALL)
        return self._happening(
            account,
            event_type,
            kind,
            content.id,
            payload,
            "tweet_create_events",
            lambda: self._status(content),
            included=included,
            content_id=content.parent_id or content.quoted_id or content.reposted_id or content.id,
            author=author,
        )

    def deleted(self, account: Profile, content: Content) -> Happening:
        legacy = {
            "status": {"id": content.id, "user_id": content.author_id},
            "timestamp_ms": str(self._now()),
        }
        payload = {"id": content.id, "author_id": content.author_id}
        return self._happening(
            account,
            "post.delete",
            "delete",
            content.id,
            payload,
            "tweet_delete_events",
            lambda: legacy,
            content_id=content.id,
            author=account,
        )

    def like(self, account: Profile, content: Content, author: Profile) -> Happening:
        now = self._now()
        like_id = hexadecimal(32, content.id, author.id, self._world.ids.snowflake(now))
        payload = {
            "id": like_id,
            "created_at": iso_z(now),
            "timestamp_ms": str(now),
            "liked_tweet_id": content.id,
            "liked_tweet_author_id": content.author_id,
        }
        return self._happening(
            account,
            "like.create",
            "like",
            like_id,
            payload,
            "favorite_events",
            lambda: {
                "id": like_id,
                "created_at": ruby_style(now),
                "timestamp_ms": now,
                "favorited_status": self._status(content),
                "user": _old_user(author),
            },
            content_id=content.id,
            author=author,
            direction="inbound",
        )

    def follow(self, account: Profile, author: Profile, unfollow: bool) -> Happening:
        now = self._now()
        kind = "unfollow" if unfollow else "follow"
        payload = {
            "source": {"data": shapes.user(self._world, author, _ALL)},
            "target": {"data": shapes.user(self._world, account, _ALL)},
        }
        return self._happening(
            account,
            f"follow.{kind}",
            kind,
            author.id,
            payload,
            "follow_events",
            lambda: {
                "type": kind,
                "created_timestamp": str(now),
                "target": {"id": account.id, "screen_name": account.username},
                "source": {"id": author.id, "screen_name": author.username},
            },
            author=author,
            direction="inbound",
        )

    def profile(self, account: Profile, what: str, before: str, after: str) -> Happening:
        payload = {"before": before, "after": after}
        return self._happening(
            account,
            f"profile.update.{what}",
            "profile",
            account.id,
            payload,
            None,
            lambda: {},
            author=account,
        )

    def revoked(self, account: Profile, app: PlatformApp) -> Happening:
        moment = iso_z(self._now()).replace(".000Z", "+00:00")
        payload = {"date_time": moment, "user_id": account.id, "app_id": app.id}
        return self._happening(
            account,
            "oauth.revoke",
            "revoke",
            account.id,
            payload,
            "user_event",
            lambda: {"revoke": payload},
            only_app=app.id,
        )

    def _happening(
        self,
        account: Profile,
        event_type: str,
        kind: str,
        subject_id: str,
        payload: dict[str, Any],
        legacy_key: str | None,
        legacy: Callable[[], dict[str, Any]],
        included: dict[str, Any] | None = None,
        content_id: str | None = None,
        author: Profile | None = None,
        direction: str | None = None,
        only_app: str | None = None,
    ) -> Happening:
        def describe(app: PlatformApp, event_id: str, wanted: Subscription | None) -> dict[str, Any]:
            if app.dialect == "account_activity" and legacy_key == "user_event":
                return {"user_event": legacy()}
            if app.dialect == "account_activity" and legacy_key:
                return {"for_user_id": account.id, legacy_key: [legacy()]}
            concerned = {"user_id": account.id} if event_type != "oauth.revoke" else {}
            if direction and not event_type.startswith(_NO_DIRECTION):
                concerned["direction"] = direction
            data: dict[str, Any] = {"event_uuid": event_id, "event_type": event_type, "filter": concerned}
            if wanted and wanted.tag:
                data["tag"] = wanted.tag
            data["payload"] = payload
            if included:
                data["includes"] = included
            return {"data": data}

        return Happening(
            account=account,
            type=event_type,
            kind=kind,
            subject_id=subject_id,
            describe=describe,
            event_id=self._event_uuid,
            content_id=content_id,
            author=author,
            direction=direction,
            only_app=only_app,
        )

    def _event_uuid(self) -> str:
        """A signed 64-bit number as text: one in eight is negative, as documentation warns."""
        number = self._world.ids.snowflake(self._now())
        return f"-{number}" if int(digits(2, number)) % 8 == 0 else number

    def _now(self) -> int:
        return self._state.clock.now_ms()

    def _status(self, content: Content) -> dict[str, Any]:
        """A v1.1 status. Long texts come truncated with the whole in `extended_tweet`."""
        text = shapes.as_written(shapes.full_text(content))
        author = self._world.people["twitter", content.author_id]
        parent = self._world.content.get(("twitter", content.parent_id or ""))
        status: dict[str, Any] = {
            "id": int(content.id),
            "id_str": content.id,
            "created_at": ruby_style(content.created_ms),
            "timestamp_ms": str(content.created_ms),
            "text": text if len(text) <= 140 else text[:139] + "…",
            "truncated": len(text) > 140,
            "user": _old_user(author),
            "in_reply_to_status_id_str": content.parent_id,
            "in_reply_to_user_id_str": parent.author_id if parent else None,
            "quoted_status_id_str": content.quoted_id,
            "is_quote_status": content.quoted_id is not None,
            "lang": content.lang,
            "reply_count": content.metrics["comments"],
            "retweet_count": content.metrics["shares"],
            "favorite_count": content.metrics["likes"],
        }
        if status["truncated"]:
            status["extended_tweet"] = {"full_text": text}
        original = self._world.content.get(("twitter", content.reposted_id or ""))
        if original:
            status["retweeted_status"] = {"id_str": original.id, "text": original.text}
        return status


def _old_user(profile: Profile) -> dict[str, Any]:
    return {
        "id": int(profile.id),
        "id_str": profile.id,
        "screen_name": profile.username,
        "name": profile.name,
    }
