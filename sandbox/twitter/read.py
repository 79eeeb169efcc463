"""Reading posts and users. Sources: spec 2.167; docs.x.com timelines, pagination and rate limits."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from sandbox.clock import DAY_MS, parse_moment
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors, metrics, shapes
from sandbox.twitter.access import Access, Caller
from sandbox.twitter.errors import Refused
from sandbox.twitter.shapes import Wish
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Feed, Profile

TIMELINE_DEPTH = 3200
MENTIONS_DEPTH = 800
SEARCH_DAYS = 7
_IDS_AT_MOST = 100


class Reading:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._world, self._access = state, state.world, access

    def operations(self) -> list[Operation]:
        op = self._access.operation
        read = "tweet.read users.read"
        return [
            op("GET", "/2/users/me", self.me, scopes=read, per_user=75),
            op("GET", "/2/users/by/username/:username", self.by_username, per_user=900, per_app=300),
            op("GET", "/2/users/:id", self.user, per_user=900, per_app=300),
            op("GET", "/2/users/:id/tweets", self.timeline, scopes=read, per_user=900, per_app=10_000),
            op("GET", "/2/users/:id/mentions", self.mentions, scopes=read, per_user=300, per_app=450),
            op("GET", "/2/tweets", self.posts, scopes=read, per_user=5000, per_app=3500),
            op("GET", "/2/tweets/search/recent", self.search, scopes=read, per_user=300, per_app=450),
            op("GET", "/2/tweets/:id", self.post, scopes=read, per_user=900, per_app=450),
        ]

    async def me(self, call: Call, caller: Caller) -> Reply:
        return json_reply({"data": shapes.user(self._world, caller.owner(), Wish.of(call.query))})

    async def user(self, call: Call, caller: Caller) -> Reply:
        profile = self._world.people.get(("twitter", call.params["id"]))
        if profile is None:
            return json_reply({"errors": [errors.not_found_error(call.params["id"], "user")]})
        return json_reply({"data": shapes.user(self._world, profile, Wish.of(call.query))})

    async def by_username(self, call: Call, caller: Caller) -> Reply:
        name = call.params["username"]
        profile = self._world.by_username("twitter", name)
        if profile is None:
            return json_reply({"errors": [errors.not_found_error(name, "user", "username")]})
        return json_reply({"data": shapes.user(self._world, profile, Wish.of(call.query))})

    async def timeline(self, call: Call, caller: Caller) -> Reply:
        excluded = set(filter(None, call.query.get("exclude", "").split(",")))
        if not excluded <= {"replies", "retweets"}:
            raise Refused(
                errors.invalid("exclude", call.query["exclude"], "exclude takes replies and retweets")
            )
        hidden = {kind for name, kind in (("replies", "reply"), ("retweets", "repost")) if name in excluded}
        profile = self._person(call.params["id"])
        depth = MENTIONS_DEPTH if "replies" in excluded else TIMELINE_DEPTH
        feed = self._world.timeline("twitter", profile.id)
        return self._page(call, caller, feed, depth, lambda c: c.kind not in hidden)

    async def mentions(self, call: Call, caller: Caller) -> Reply:
        profile = self._person(call.params["id"])
        feed = self._world.mentions("twitter", profile.id)
        return self._page(call, caller, feed, MENTIONS_DEPTH, lambda c: True)

    async def search(self, call: Call, caller: Caller) -> Reply:
        """Knows `conversation_id:ID`, `from:user`, `to:user`, `is:reply` and plain words, joined by AND."""
        query = call.query.get("query", "")
        if not 1 <= len(query) <= 512:
            raise Refused(errors.invalid("query", query, "query must have 1 to 512 characters"))
        oldest = self._state.clock.now_ms() - SEARCH_DAYS * DAY_MS
        feed, keep = self._searched(query)
        return self._page(
            call,
            caller,
            feed,
            TIMELINE_DEPTH,
            lambda c: c.created_ms >= oldest and keep(c),
            ("next_token", 10),
        )

    async def posts(self, call: Call, caller: Caller) -> Reply:
        ids = [part for part in call.query.get("ids", "").split(",") if part]
        if not 1 <= len(ids) <= _IDS_AT_MOST or not all(part.isdigit() for part in ids):
            raise Refused(errors.invalid("ids", call.query.get("ids", ""), "ids takes 1 to 100 numeric ids"))
        found = [c for c in (self._world.find("twitter", part) for part in ids) if c]
        missing = [part for part in ids if not self._world.find("twitter", part)]
        return self._answer(call, caller, found, missing=missing)

    async def post(self, call: Call, caller: Caller) -> Reply:
        content = self._world.find("twitter", call.params["id"])
        if content is None:
            return json_reply({"errors": [errors.not_found_error(call.params["id"])]})
        wish = Wish.of(call.query)
        answer: dict[str, Any] = {
            "data": shapes.post(self._world, content, wish, self._owns(caller, content))
        }
        included = shapes.includes(self._world, [content], wish, lambda c: self._owns(caller, c))
        withheld = self._withheld(caller, [content], wish)
        answer |= ({"includes": included} if included else {}) | ({"errors": withheld} if withheld else {})
        return json_reply(answer)

    def _person(self, user_id: str) -> Profile:
        profile = self._world.people.get(("twitter", user_id))
        if profile is None:
            raise Refused(json_reply({"errors": [errors.not_found_error(user_id, "user")]}))
        return profile

    def _searched(self, query: str) -> tuple[Feed, Callable[[Content], bool]]:
        """The smallest feed that holds all matches, and the test for the rest of the query."""
        feed: Feed | None = None
        tests: list[Callable[[Content], bool]] = []
        for word in query.split():
            name, colon, value = word.partition(":")
            if colon and name == "conversation_id":
                feed = self._world.thread("twitter", value)
                continue
            if colon and name == "from":
                profile = self._world.by_username("twitter", value.lstrip("@"))
                feed = feed or self._world.timeline("twitter", profile.id if profile else value)
            tests.append(self._test(word))
        if feed is None:
            feed = Feed()
            for content in self._world.content.values():
                if content.platform == "twitter":
                    feed.add(content)
        return feed, lambda content: all(test(content) for test in tests)

    def _test(self, word: str) -> Callable[[Content], bool]:
        name, colon, value = word.partition(":")
        if colon and name in ("from", "to"):
            profile = self._world.by_username("twitter", value.lstrip("@"))
            ids = {value, profile.id if profile else value}
            return lambda c: (c.author_id if name == "from" else self._answered(c)) in ids
        if word in ("is:reply", "-is:reply"):
            wanted = word == "is:reply"
            return lambda c: (c.kind == "reply") is wanted
        text = word.strip('"').lower()
        return lambda c: text in c.text.lower()

    def _answered(self, content: Content) -> str | None:
        parent = self._world.content.get(("twitter", content.parent_id or ""))
        return parent.author_id if parent else None

    def _owns(self, caller: Caller, content: Content) -> bool:
        """Whether the caller may see its private metrics."""
        own = caller.account is not None and caller.account.id == content.author_id
        return own and metrics.shown_to_author(content, self._state.clock.now_ms())

    def _withheld(self, caller: Caller, contents: list[Content], wish: Wish) -> list[dict[str, Any]]:
        """A partial error for each private field that was asked for and is not shown."""
        fields = sorted(wish.post & {"non_public_metrics", "organic_metrics", "promoted_metrics"})
        return [
            errors.field_withheld(content.id, field)
            for content in contents
            if not self._owns(caller, content)
            for field in fields
        ]

    def _page(
        self,
        call: Call,
        caller: Caller,
        feed: Feed,
        depth: int,
        keep: Callable[[Content], bool],
        paging: tuple[str, int] = ("pagination_token", 5),
    ) -> Reply:
        query = call.query
        parameter, least = paging
        size = _number(query, "max_results", 10, least, 100)
        bounds = _bounds(query)
        # The horizon: nothing older than the newest `depth` contents can be listed.
        newest, _ = feed.older(None, depth, lambda c: not c.deleted)
        horizon = newest[-1].key if newest else (0, 0)

        def wanted(content: Content) -> bool:
            return not content.deleted and content.key >= horizon and bounds(content) and keep(content)

        token = query.get(parameter) or query.get("pagination_token")
        if token is None:
            found, more = feed.older(None, size, wanted)
            backwards = False
        else:
            direction, key = _read_token(token, parameter)
            backwards = direction == "p"
            found, more = feed.newer(key, size, wanted) if backwards else feed.older(key, size, wanted)
        meta: dict[str, Any] = {"result_count": len(found)}
        if found:
            meta |= {"newest_id": found[0].id, "oldest_id": found[-1].id}
            if more or backwards:
                meta["next_token"] = _token("n", found[-1].key)
            if token is not None and (more or not backwards):
                meta["previous_token"] = _token("p", found[0].key)
        return self._answer(call, caller, found, meta=meta)

    def _answer(
        self,
        call: Call,
        caller: Caller,
        found: list[Content],
        meta: dict[str, Any] | None = None,
        missing: list[str] | None = None,
    ) -> Reply:
        wish = Wish.of(call.query)
        answer: dict[str, Any] = {}
        if found:
            answer["data"] = [shapes.post(self._world, c, wish, self._owns(caller, c)) for c in found]
            included = shapes.includes(self._world, found, wish, lambda c: self._owns(caller, c))
            if included:
                answer["includes"] = included
        wrong = [errors.not_found_error(part, parameter="ids") for part in missing or ()]
        wrong += self._withheld(caller, found, wish)
        if wrong:
            answer["errors"] = wrong
        return json_reply(answer | ({"meta": meta} if meta is not None else {}))


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    value = query.get(name, str(default))
    if not value.isdigit() or not least <= int(value) <= most:
        message = f"The `{name}` query parameter value [{value}] is not between {least} and {most}"
        raise Refused(errors.invalid(name, value, message))
    return int(value)


def _bounds(query: dict[str, str]) -> Callable[[Content], bool]:
    """`since_id` and `until_id` exclude their own post; `start_time` is inclusive, `end_time` exclusive."""
    ids: dict[str, int] = {}
    for name in ("since_id", "until_id"):
        if name in query:
            if not query[name].isdigit():
                raise Refused(errors.invalid(name, query[name], f"{name} must be a numeric id"))
            ids[name] = int(query[name])
    times: dict[str, int] = {}
    for name in ("start_time", "end_time"):
        if name in query:
            try:
                times[name] = parse_moment(query[name])
            except ValueError:
                raise Refused(errors.invalid(name, query[name], f"{name} must be an RFC 3339 time")) from None
    since, until = ids.get("since_id", -1), ids.get("until_id")
    start, end = times.get("start_time", 0), times.get("end_time")

    def inside(content: Content) -> bool:
        number = int(content.id)
        return (
            number > since
            and (until is None or number < until)
            and content.created_ms >= start
            and (end is None or content.created_ms < end)
        )

    return inside


def _token(direction: str, key: tuple[int, int]) -> str:
    return base64.b32encode(f"{direction}{key[0]}.{key[1]}".encode()).decode().rstrip("=").lower()


def _read_token(token: str, parameter: str) -> tuple[str, tuple[int, int]]:
    try:
        text = base64.b32decode(token.upper() + "=" * (-len(token) % 8)).decode()
        moment, _, number = text[1:].partition(".")
        if text[0] not in "np":
            raise ValueError(text)
        return text[0], (int(moment), int(number))
    except (binascii.Error, ValueError, IndexError, UnicodeDecodeError):
        raise Refused(
            errors.invalid(parameter, token, f"{parameter} is not a token this endpoint gave")
        ) from None
