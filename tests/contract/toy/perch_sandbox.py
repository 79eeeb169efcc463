"""Perch, emulated. This is `sandbox/perch.py`."""

from sandbox.acts import Act, Done
from sandbox.clock import iso_z
from sandbox.emulation import Emulation
from sandbox.generate import History, draft_post
from sandbox.ids import seeded
from sandbox.plain import WINDOW, Plain
from sandbox.platform import Platform
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply
from sandbox.world import Content, Profile, World


def post_of(world: World, account: Profile, text: str, at_ms: int) -> Content:
    return Content("perch", world.ids.numbered("9", 12), "post", account.id, text, at_ms)


class PerchHistory(History):
    def post(self, number: int, moment: int) -> None:
        draft = draft_post(self.rng, self.voice, self.account, self.friend(), short_links=False)
        self.publish(post_of(self.world, self.account, draft.text, moment))


def perch(state: State) -> Platform:
    world, plain = state.world, Plain(state, "perch", "Perch", "api.perch.example", ("read", "write"))

    def shown(post: Content) -> dict[str, object]:
        likes, at = post.metrics["likes"], iso_z(post.created_ms)
        return {"id": post.id, "text": post.text, "likes": likes, "at": at}

    async def me(call: Call, account: Profile) -> Reply:
        return json_reply({"id": account.id, "name": account.username, "followers": account.followers})

    async def posts(call: Call, account: Profile) -> Reply:
        """Newest first; `before` is the id that the last page ended with."""
        last, limit = world.find("perch", call.query.get("before", "")), int(call.query.get("limit", "50"))
        feed = world.timeline("perch", account.id)
        rows, more = feed.older(last.key if last else None, limit, lambda post: not post.deleted)
        return json_reply({"posts": [shown(row) for row in rows], "next": rows[-1].id if more else None})

    async def post(call: Call, account: Profile) -> Reply:
        found = world.find("perch", call.params["id"])
        return json_reply(shown(found)) if found else json_reply({"error": "no_such_post"}, 404)

    async def publish(call: Call, account: Profile) -> Reply:
        made = post_of(world, account, call.json()["text"], state.clock.now_ms())
        return json_reply(shown(world.add(made)))

    def act(account: Profile, wish: Act) -> Done:
        target = wish.target_in(world, account, seeded(state.seed, wish))
        world.remove(target)
        return Done(target.id)

    handlers = {"GET /me": me, "GET /posts": posts, "GET /posts/:id": post, "POST /posts": publish}
    return Platform(
        "perch", plain.operations(handlers), plain.issue, act, ("delete",), rate_families=(WINDOW,)
    )


PERCH = Emulation("perch", perch, PerchHistory)
