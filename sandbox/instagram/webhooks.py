"""Instagram's webhooks: what each happening looks like. Source: "Instagram Platform: Webhooks"."""

from typing import Any

from sandbox.apps import PlatformApp, Subscription
from sandbox.clock import DAY_MS
from sandbox.events import Happening
from sandbox.ids import secret
from sandbox.instagram.shapes import product_type
from sandbox.state import State
from sandbox.world import Content, Profile

FIELDS = ("comments", "live_comments", "mentions", "messages", "story_insights")
_TOO_FEW_VIEWERS = 5


class Describer:
    def __init__(self, state: State) -> None:
        self._state = state

    def comment(self, account: Profile, media: Content, comment: Content, author: Profile) -> Happening:
        sender = {"id": author.id, "username": author.username}
        if author.id == account.id:
            sender["self_ig_scoped_id"] = author.id
        value: dict[str, Any] = {"id": comment.id}
        if comment.parent_id != media.id:
            value["parent_id"] = comment.parent_id
        value |= {"text": comment.text, "from": sender}
        value["media"] = {"id": media.id, "media_product_type": product_type(media)}
        return self._change(account, "comments", "comment", comment.id, comment.id, value, media.id, author)

    def mention(
        self, account: Profile, media: Content, comment: Content | None, author: Profile
    ) -> Happening:
        value = {"media_id": media.id} | ({"comment_id": comment.id} if comment else {})
        subject = comment.id if comment else media.id
        return self._change(account, "mentions", "mention", subject, subject, value, media.id, author)

    def story_insights(self, account: Profile, story: Content) -> Happening:
        views = story.metrics["views"]
        known = views >= _TOO_FEW_VIEWERS
        shares = {
            "impressions": 1,
            "reach": 1.1,
            "taps_forward": 3,
            "taps_back": 30,
            "exits": 8,
            "replies": 90,
        }
        value: dict[str, Any] = {"media_id": story.id}
        value |= {name: int(views / share) if known else -1 for name, share in shares.items()}
        event_id = f"{story.id}:story_insights"
        return self._change(account, "story_insights", "story_end", story.id, event_id, value, story.id, None)

    def message(self, account: Profile, author: Profile, text: str) -> Happening:
        now = self._state.clock.now_ms()
        mid = "aWdfZAG" + secret(60, account.id, author.id, now, self._state.world.ids.numbered("", 9))
        entry = {
            "id": account.id,
            "time": now,
            "messaging": [
                {
                    "sender": {"id": author.id},
                    "recipient": {"id": account.id},
                    "timestamp": now,
                    "message": {"mid": mid, "text": text},
                }
            ],
        }
        return Happening(
            account=account,
            type="messages",
            kind="message",
            subject_id=mid,
            describe=lambda app, event_id, wanted: entry,
            event_id=lambda: mid,
            author=author,
        )

    def _change(
        self,
        account: Profile,
        name: str,
        kind: str,
        subject_id: str,
        event_id: str,
        value: dict[str, Any],
        content_id: str,
        author: Profile | None,
    ) -> Happening:
        time_s = self._state.clock.now_ms() // 1000

        def describe(app: PlatformApp, event_id: str, wanted: Subscription | None) -> dict[str, Any]:
            if app.dialect == "flat":
                return {"id": account.id, "time": time_s, "field": name, "value": value}
            return {"id": account.id, "time": time_s, "changes": [{"field": name, "value": value}]}

        return Happening(
            account=account,
            type=name,
            kind=kind,
            subject_id=subject_id,
            describe=describe,
            event_id=lambda: event_id,
            content_id=content_id,
            author=author,
        )


def story_is_live(story: Content, now_ms: int) -> bool:
    return not story.deleted and now_ms < (story.expires_ms or story.created_ms + DAY_MS)
