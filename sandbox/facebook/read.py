"""Reading pages, posts and comments; several questions in one (batch).

Source: Graph API references page, post, comment; "Batch requests".
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.facebook import shapes
from sandbox.facebook.access import Access, Caller
from sandbox.facebook.roles import TASKS, Roles
from sandbox.meta import errors
from sandbox.meta.errors import Refused
from sandbox.meta.fields import Wanted, parse
from sandbox.meta.paging import moment, page, page_of
from sandbox.routing import Operation, Routes
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Media, Profile

LIST_AT_MOST = 100
BATCH_AT_MOST = 50
_READ = "pages_read_engagement pages_show_list"
_USER_CONTENT = "pages_read_user_content"
Keep = Callable[[Content], bool]


def bad_parameter(message: str) -> Refused:
    return Refused(errors.graph_error(100, f"(#100) {message}"))


class Reading:
    def __init__(self, state: State, access: Access, roles: Roles) -> None:
        self._state, self._world, self._access, self._roles = state, state.world, access, roles
        # Photos that were uploaded and are not shown anywhere yet.
        self.photos: dict[str, Media] = {}

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            op("GET", "/:id/accounts", self.accounts, "pages_show_list"),
            op("GET", "/:id/feed", self.feed, _READ),
            op("GET", "/:id/posts", self.posts, _READ),
            op("GET", "/:id/published_posts", self.posts, _READ),
            op("GET", "/:id/tagged", self.tagged, _USER_CONTENT),
            op("GET", "/:id/visitor_posts", self.nothing, _USER_CONTENT),
            op("GET", "/:id/videos", self.videos, _READ),
            op("GET", "/:id/video_reels", self.reels, _READ),
            op("GET", "/:id/stories", self.stories, _READ),
            op("GET", "/:id/comments", self.comments, "pages_read_user_content pages_read_engagement"),
            op("GET", "/:id/reactions", self.reactions, _READ),
            op("GET", "/:id/likes", self.reactions, _READ),
            op("GET", "/:id/attachments", self.attachments, _READ),
        ]

    async def object(self, call: Call, caller: Caller) -> Reply:
        """A person, a page, a post, a comment, a photo or a video."""
        object_id = call.params["id"]
        if object_id in ("me", caller.id):
            if caller.page is None:
                shown = {"id": caller.person, "name": "Pat Manager"}
                names = {want.name for want in self.wanted(call)} or {"id", "name"}
                return json_reply({k: v for k, v in shown.items() if k in names | {"id"}})
            return json_reply(shapes.page(self._world, caller.page, self._page_fields(call), {}))
        account = self._world.accounts.get(("facebook", object_id))
        if account is not None:
            return json_reply(
                shapes.page(self._world, account, self._page_fields(call), self._secrets(caller, account))
            )
        content = self._visible(object_id, caller)
        if content is not None and content.kind == "comment":
            return json_reply(
                shapes.comment(self._world, content, self.wanted(call, shapes.default_comment()))
            )
        if content is not None:
            return json_reply(shapes.post(self._world, content, self.wanted(call, shapes.default_post())))
        return json_reply(self._file(object_id, call, caller))

    async def accounts(self, call: Call, caller: Caller) -> Reply:
        """The pages that the consent opened, each with a token of its own."""
        if caller.page is not None or call.params["id"] not in ("me", caller.person):
            raise Refused(errors.no_such_object(call.params["id"]))
        default = [Wanted(n) for n in ("access_token", "category", "category_list", "name", "id", "tasks")]
        wanted = self.wanted(call, default)
        pages = self._roles.pages(caller.token.grant)
        return page_of(
            call,
            pages,
            LIST_AT_MOST,
            lambda p: shapes.page(self._world, p, wanted, self._secrets(caller, p)),
        )

    async def feed(self, call: Call, caller: Caller) -> Reply:
        """The page's own posts, unpublished ones among them."""
        return self._list(call, caller, lambda c: c.kind != "story")

    async def posts(self, call: Call, caller: Caller) -> Reply:
        return self._list(call, caller, lambda c: c.kind != "story" and not c.hidden)

    async def tagged(self, call: Call, caller: Caller) -> Reply:
        """Posts of others; newest first, by cursor."""
        own = self._own(call, caller)
        wanted = self.wanted(call, shapes.default_post())
        keep = self._window(call, lambda c: True)
        feed = self._world.mentions("facebook", own.id)
        return page(call, feed, _limit(call), keep, lambda c: shapes.post(self._world, c, wanted))

    async def nothing(self, call: Call, caller: Caller) -> Reply:
        self._own(call, caller)
        return json_reply({"data": []})

    async def videos(self, call: Call, caller: Caller) -> Reply:
        return self._films(call, caller, ("video", "reel"))

    async def reels(self, call: Call, caller: Caller) -> Reply:
        return self._films(call, caller, ("reel",))

    async def stories(self, call: Call, caller: Caller) -> Reply:
        own, now = self._own(call, caller), self._state.clock.now_ms()
        states = call.query.get("status", "")
        rows = [
            shapes.story(c, now)
            for c in reversed(list(self._world.timeline("facebook", own.id)))
            if c.kind == "story" and not c.deleted
        ]
        shown = [row for row in rows if not states or row["status"] in states]
        return page_of(call, shown, LIST_AT_MOST, lambda row: row)

    async def comments(self, call: Call, caller: Caller) -> Reply:
        content = self.needed(call.params["id"], caller)
        wanted = self.wanted(call, shapes.default_comment())
        rows = shapes.comments_of(self._world, content, call.query)
        reply = page_of(call, rows, LIST_AT_MOST, lambda c: shapes.comment(self._world, c, wanted))
        if "summary" in call.query:
            answer = json.loads(reply.body) | {"summary": shapes.comments_summary(self._world, content)}
            return json_reply(answer)
        return reply

    async def reactions(self, call: Call, caller: Caller) -> Reply:
        content = self.needed(call.params["id"], caller)
        return json_reply(shapes.reactions(self._world, content, Wanted("reactions", dict(call.query))))

    async def attachments(self, call: Call, caller: Caller) -> Reply:
        return json_reply({"data": shapes.attachments(self.needed(call.params["id"], caller))})

    def own(self, call: Call, caller: Caller) -> Profile:
        """The page in the path, with the page's own token."""
        if caller.page is None:
            raise Refused(errors.graph_error(210, "(#210) A page access token is required."))
        return self._own(call, caller)

    def needed(self, object_id: str, caller: Caller) -> Content:
        content = self._visible(object_id, caller)
        if content is None:
            raise Refused(errors.no_such_object(object_id))
        return content

    def wanted(self, call: Call, default: list[Wanted] | None = None) -> list[Wanted]:
        if not call.query.get("fields"):
            return default or []
        try:
            return parse(call.query["fields"])
        except ValueError as error:
            raise Refused(errors.graph_error(2500, f"Syntax error in fields: {error}")) from None

    def _own(self, call: Call, caller: Caller) -> Profile:
        """The page of the token, or with a person's token one that the consent opened."""
        object_id = call.params["id"]
        if caller.page is not None:
            if object_id in ("me", caller.page.id):
                return caller.page
        else:
            for found in self._roles.pages(caller.token.grant):
                if found.id == object_id:
                    return found
        raise Refused(errors.no_such_object(object_id))

    def _secrets(self, caller: Caller, account: Profile) -> dict[str, Any]:
        if caller.page is not None or account not in self._roles.pages(caller.token.grant):
            return {}
        token = self._roles.page_token(caller.token, account, self._state.clock.now_ms())
        return {"access_token": token.value, "tasks": list(TASKS)}

    def _page_fields(self, call: Call) -> list[Wanted]:
        return self.wanted(call, [Wanted("name"), Wanted("id")])

    def _list(self, call: Call, caller: Caller, keep: Keep) -> Reply:
        own = self._own(call, caller)
        wanted = self.wanted(call, shapes.default_post())
        feed = self._world.timeline("facebook", own.id)
        keep = self._window(call, keep)
        return page(call, feed, _limit(call), keep, lambda c: shapes.post(self._world, c, wanted))

    def _films(self, call: Call, caller: Caller, kinds: tuple[str, ...]) -> Reply:
        own = self._own(call, caller)
        wanted = self.wanted(call, [Wanted("description"), Wanted("updated_time"), Wanted("id")])
        feed = self._world.timeline("facebook", own.id)
        keep = self._window(call, lambda c: c.kind in kinds and not c.hidden)
        return page(call, feed, _limit(call), keep, lambda c: shapes.video(self._world, c, wanted))

    def _window(self, call: Call, keep: Keep) -> Keep:
        since, until = moment(call, "since"), moment(call, "until")

        def inside(content: Content) -> bool:
            return (
                not content.deleted
                and (since is None or content.created_ms >= since)
                and (until is None or content.created_ms <= until)
                and keep(content)
            )

        return inside

    def _visible(self, object_id: str, caller: Caller) -> Content | None:
        """Of own pages, and comments there; posts of others that tag a page."""
        content = self._world.find("facebook", object_id)
        if content is None:
            return None
        root = self._world.find("facebook", content.root_id) if content.root_id else content
        if root is None:
            return None
        own = [caller.page] if caller.page else self._roles.pages(caller.token.grant)
        tagged = any(c is root for p in own for c in self._world.mentions("facebook", p.id))
        return content if tagged or root.author_id in {p.id for p in own} else None

    def _file(self, object_id: str, call: Call, caller: Caller) -> dict[str, Any]:
        """A photo, a video or a story by its number."""
        own = [caller.page] if caller.page else self._roles.pages(caller.token.grant)
        for account in own:
            for content in self._world.timeline("facebook", account.id):
                if content.deleted:
                    continue
                if content.kind == "story" and content.id.partition("_")[2] == object_id:
                    return {"id": object_id}
                for item in content.media:
                    if item.id != object_id:
                        continue
                    if item.kind == "VIDEO":
                        default = [Wanted("description"), Wanted("updated_time"), Wanted("id")]
                        return shapes.video(self._world, content, self.wanted(call, default))
                    default = [Wanted("created_time"), Wanted("name"), Wanted("id")]
                    return shapes.photo(item, content, self.wanted(call, default))
        if object_id in self.photos:
            return shapes.photo(self.photos[object_id], None, self.wanted(call, [Wanted("id")]))
        raise Refused(errors.no_such_object(object_id))


class Batch:
    """`POST /`: each part is a call of its own, counted and refused by itself."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.routes = Routes(())

    def operations(self) -> list[Operation]:
        return [Operation("facebook", ("graph.facebook.com",), "POST", "/", self.run)]

    async def run(self, call: Call) -> Reply:
        form = call.fields()
        try:
            parts = json.loads(form.get("batch", ""))
        except ValueError:
            return errors.graph_error(100, "(#100) batch must be a JSON array")
        if not isinstance(parts, list) or not 0 < len(parts) <= BATCH_AT_MOST:
            return errors.graph_error(
                100, f"(#100) Too many requests in batch message: at most {BATCH_AT_MOST}"
            )
        with_headers = form.get("include_headers") != "false"
        rows = [await self._part(part, call, form, with_headers) for part in parts]
        return json_reply(rows)

    async def _part(
        self, part: Any, call: Call, form: dict[str, str], with_headers: bool
    ) -> dict[str, Any] | None:
        if not isinstance(part, dict) or not isinstance(part.get("relative_url"), str):
            return None
        address = urlsplit("/" + part["relative_url"].lstrip("/"))
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        if "access_token" in form and "access_token" not in query:
            query["access_token"] = form["access_token"]
        headers = {k: v for k, v in call.headers.items() if k == "authorization"}
        body = str(part.get("body") or "").encode()
        path = _unversioned(address.path)
        inner = Call(
            str(part.get("method", "GET")), call.host, path, query, headers, body, answered=call.answered
        )
        found = self.routes.find(call.host, inner.method, path)
        if found is None:
            reply = errors.graph_error(2500, f"Unknown path components: {path}")
        else:
            operation, inner.params = found
            reply = await operation.handler(inner)
            self._state.ledger.call(operation.name, str(reply.status))
        row: dict[str, Any] = {"code": reply.status, "body": reply.body.decode()}
        if with_headers:
            row["headers"] = [{"name": name, "value": value} for name, value in reply.headers.items()]
        return row


def _unversioned(path: str) -> str:
    first, _, rest = path.removeprefix("/").partition("/")
    return "/" + rest.rstrip("/") if first[:1] == "v" and first[1:2].isdigit() else path.rstrip("/") or "/"


def _limit(call: Call) -> int:
    """A larger page than a hundred is refused, not cut."""
    text = call.query.get("limit", "25")
    if text.isdigit() and int(text) > LIST_AT_MOST:
        raise bad_parameter(f"limit must be at most {LIST_AT_MOST}")
    return LIST_AT_MOST


def read_back(state: State, content: Content, fields: str | None) -> dict[str, Any]:
    """What a publishing call answers: the id, or the `fields` asked for."""
    return {"id": content.id} if not fields else shapes.post(state.world, content, parse(fields))
