"""Reading accounts, media and comments, and the few writes a service needs for them.

Source: Instagram Platform reference; paging as "Paginated results" of the Graph API guide.
"""

from typing import Any

from sandbox.apps import Subscription
from sandbox.clock import DAY_MS, iso_z
from sandbox.ids import hexadecimal
from sandbox.instagram import errors, insights, shapes
from sandbox.instagram.access import Caller, Guard
from sandbox.instagram.people import People
from sandbox.instagram.webhooks import FIELDS, story_is_live
from sandbox.ledger import Publication
from sandbox.meta import errors as graph
from sandbox.meta import forms
from sandbox.meta.errors import Refused
from sandbox.meta.fields import Wanted, parse
from sandbox.meta.paging import moment, page
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content

_MEDIA_PAGE_AT_MOST = 100


class Reading:
    """`manages`: for apps with Facebook Login, which may delete media."""

    def __init__(self, state: State, access: Guard, people: People, manages: bool = False) -> None:
        self._state, self._world, self._access, self._people = state, state.world, access, people
        self._manages = manages

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/:id/media", self.media),
            op("GET", "/:id/stories", self.stories),
            op("GET", "/:id/children", self.children),
            op("GET", "/:id/comments", self.comments, "manage_comments"),
            op("POST", "/:id/comments", self.answer, "manage_comments"),
            op("GET", "/:id/replies", self.comments, "manage_comments"),
            op("POST", "/:id/replies", self.answer, "manage_comments"),
            op("GET", "/:id/insights", self.insights, "manage_insights"),
            op("POST", "/:id/subscribed_apps", self.subscribe),
            op("GET", "/:id/subscribed_apps", self.subscribed),
            op("DELETE", "/:id/subscribed_apps", self.unsubscribe),
            op("POST", "/:id", self.hide, "manage_comments"),
            op("DELETE", "/:id", self.delete, "manage_comments"),
        ]

    async def object(self, call: Call, caller: Caller) -> Reply:
        """An account, a media, a slide of an album or a comment, whichever has this id."""
        object_id = call.params["id"]
        if self._is_account(object_id, caller):
            wanted = self.wanted(call)
            return json_reply(
                shapes.user(
                    self._world,
                    caller.app,
                    caller.account,
                    wanted,
                    lambda want: self._mentioned(want, caller),
                )
            )
        content = self._visible(object_id, caller)
        if content and content.kind == "comment":
            wanted = self.wanted(call, shapes.default_comment())
            return json_reply(shapes.comment(self._world, content, wanted))
        if content:
            return json_reply(shapes.media(self._world, content, self.wanted(call)))
        for album in self._world.timeline("instagram", caller.account.id):
            for item in album.media:
                if item.id == object_id and not album.deleted:
                    return json_reply(shapes.child(album, item, self._world, self.wanted(call)))
        raise Refused(graph.no_such_object(object_id))

    async def media(self, call: Call, caller: Caller) -> Reply:
        self.own_account(call, caller)
        since, until = moment(call, "since"), moment(call, "until")

        def keep(content: Content) -> bool:
            return (
                not content.deleted
                and content.kind != "story"
                and (since is None or content.created_ms >= since)
                and (until is None or content.created_ms <= until)
            )

        wanted = self.wanted(call)
        feed = self._world.timeline("instagram", caller.account.id)
        return page(call, feed, _MEDIA_PAGE_AT_MOST, keep, lambda c: shapes.media(self._world, c, wanted))

    async def stories(self, call: Call, caller: Caller) -> Reply:
        self.own_account(call, caller)
        now, wanted = self._state.clock.now_ms(), self.wanted(call)
        feed = self._world.timeline("instagram", caller.account.id)
        live = [c for c in feed if c.kind == "story" and story_is_live(c, now)]
        return json_reply({"data": [shapes.media(self._world, story, wanted) for story in reversed(live)]})

    async def children(self, call: Call, caller: Caller) -> Reply:
        content = self._needed(call, caller)
        return json_reply(shapes.children(self._world, content, self.wanted(call)))

    async def comments(self, call: Call, caller: Caller) -> Reply:
        """Top-level comments of a media, or replies to a comment, newest first."""
        content = self._needed(call, caller)
        wanted = self.wanted(call, shapes.default_comment())
        feed = self._world.answers("instagram", content.id)
        show = lambda c: shapes.comment(self._world, c, wanted)  # noqa: E731
        return page(call, feed, shapes.COMMENTS_AT_MOST, lambda c: not c.deleted, show)

    async def answer(self, call: Call, caller: Caller) -> Reply:
        target, text = self._needed(call, caller), call.fields().get("message", "").strip()
        if (target.kind == "comment") is call.path.endswith("/comments"):
            raise Refused(graph.no_such_object(target.id))  # media have comments, comments have replies
        if not text:
            raise Refused(errors.bad_parameter("The parameter message is required"))
        comment, _ = self._people.comment(caller.account, caller.account, target, text)
        self._state.ledger.posts_created.append(
            {
                "platform": "instagram",
                "external_id": caller.account.id,
                "app_id": caller.app.id,
                "id": comment.id,
                "text": text,
                "answered": call.answered,
            }
        )
        what = hexadecimal(32, f"comment on {target.id}", text)
        now = iso_z(self._state.clock.now_ms())
        self._state.ledger.publications.append(
            Publication("instagram", caller.account.id, caller.app.id, comment.id, what, now)
        )
        return json_reply({"id": comment.id})

    async def hide(self, call: Call, caller: Caller) -> Reply:
        comment = self._needed(call, caller)
        wish = call.fields().get("hide")
        if comment.kind != "comment" or wish not in ("true", "false"):
            raise Refused(errors.bad_parameter("hide must be true or false, on a comment"))
        comment.hidden = wish == "true"
        return json_reply({"success": True})

    async def delete(self, call: Call, caller: Caller) -> Reply:
        comment = self._needed(call, caller)
        if comment.kind != "comment" and not self._manages:
            raise Refused(graph.missing_permission("instagram_manage_contents"))
        self._world.remove(comment)
        return json_reply({"success": True})

    async def insights(self, call: Call, caller: Caller) -> Reply:
        names = forms.names(call.query.get("metric", ""))
        if not names:
            raise Refused(errors.bad_parameter("The parameter metric is required"))
        if self._is_account(call.params["id"], caller):
            until = moment(call, "until") or self._state.clock.now_ms()
            since = moment(call, "since") or until - DAY_MS
            series = call.query.get("metric_type") == "time_series"
            rows = insights.of_account(
                self._world, caller.account, names, since, until, series, call.query.get("breakdown")
            )
        else:
            content = self._needed(call, caller)
            now, product = self._state.clock.now_ms(), shapes.product_type(content)
            rows = insights.of_media(content, product, names, call.query.get("breakdown"), now)
        return json_reply({"data": rows})

    async def subscribe(self, call: Call, caller: Caller) -> Reply:
        self.own_account(call, caller)
        names = [name for name in call.fields().get("subscribed_fields", "").split(",") if name]
        unknown = [name for name in names if name not in FIELDS]
        if not names or unknown:
            allowed = ", ".join(FIELDS)
            raise Refused(errors.bad_parameter(f"Param subscribed_fields[0] must be one of {{{allowed}}}"))
        subscriptions, now = caller.app.subscriptions, self._state.clock.now_ms()
        for name in names:
            key = f"{caller.account.id}:{name}"
            subscriptions.setdefault(key, Subscription(key, caller.account.id, name, now))
        return json_reply({"success": True})

    async def subscribed(self, call: Call, caller: Caller) -> Reply:
        self.own_account(call, caller)
        names = [s.type for s in caller.app.subscriptions.values() if s.external_id == caller.account.id]
        rows = [{"id": caller.app.id, "name": caller.app.name, "subscribed_fields": names}] if names else []
        return json_reply({"data": rows})

    async def unsubscribe(self, call: Call, caller: Caller) -> Reply:
        self.own_account(call, caller)
        for key in [k for k, s in caller.app.subscriptions.items() if s.external_id == caller.account.id]:
            del caller.app.subscriptions[key]
        return json_reply({"success": True})

    def _is_account(self, object_id: str, caller: Caller) -> bool:
        return object_id in ("me", caller.account.id, shapes.scoped_id(caller.app, caller.account))

    def own_account(self, call: Call, caller: Caller) -> None:
        if not self._is_account(call.params["id"], caller):
            raise Refused(graph.no_such_object(call.params["id"]))

    def _visible(self, object_id: str, caller: Caller) -> Content | None:
        """Own media, and comments on own media or by oneself."""
        content = self._world.find("instagram", object_id)
        if content is None:
            return None
        root = self._world.find("instagram", content.root_id) if content.root_id else content
        if root is None:
            return None
        return content if caller.account.id in (root.author_id, content.author_id) else None

    def _needed(self, call: Call, caller: Caller) -> Content:
        content = self._visible(call.params["id"], caller)
        if content is None:
            raise Refused(graph.no_such_object(call.params["id"]))
        return content

    def _mentioned(self, want: Wanted, caller: Caller) -> dict[str, Any]:
        """`mentioned_media.media_id(X){..}` and `mentioned_comment.comment_id(X){..}`: what others wrote."""
        kind = "comment" if want.name == "mentioned_comment" else "media"
        content = self._world.find("instagram", want.arguments.get(f"{kind}_id", ""))
        if content is None or f"@{caller.account.username}".lower() not in content.text.lower():
            raise Refused(graph.no_such_object(want.arguments.get(f"{kind}_id", "")))
        if kind == "comment":
            return shapes.comment(self._world, content, want.inner or [])
        return shapes.media(self._world, content, want.inner or [])

    def wanted(self, call: Call, default: list[Wanted] | None = None) -> list[Wanted]:
        if not call.query.get("fields"):
            return default or []
        try:
            return parse(call.query["fields"])
        except ValueError as error:
            raise Refused(graph.graph_error(2500, f"Syntax error in fields: {error}")) from None
