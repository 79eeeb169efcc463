"""Everything people do on Pinterest, over the control API or the API of an app. Nobody is told: Pinterest has
no webhooks for it."""

import random
from typing import Any

from sandbox.acts import Act, Done
from sandbox.generate import draft_post, short_title, voice_of
from sandbox.ids import seeded
from sandbox.pinterest.boards import Boards
from sandbox.pinterest.history import pinterest_media
from sandbox.state import State
from sandbox.web import BadInput
from sandbox.world import Content, Profile

_KINDS = {"video": "video", "reel": "video", "carousel": "carousel"}


class People:
    def __init__(self, state: State, boards: Boards) -> None:
        self._state, self._world, self._boards = state, state.world, boards
        self._acts = 0

    def act(self, account: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at Pinterest; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        done: Done = handler(account, act, seeded(self._state.seed, "act", account.id, self._acts))
        return done

    def pin(
        self, account: Profile, kind: str, title: str, text: str, facts: dict[str, Any], files: int
    ) -> Content:
        """Publish. A carousel has as many pictures as were sent."""
        new_id = self._world.ids.numbered("8803", 18)
        media = pinterest_media(seeded(self._state.seed, new_id), new_id, kind)
        if kind == "carousel":
            while len(media) < files:
                media += pinterest_media(seeded(self._state.seed, new_id, len(media)), new_id, "image")
            media = media[:files]
        now = self._state.clock.now_ms()
        content = Content("pinterest", new_id, kind, account.id, text, now, account.lang, media)
        content.title, content.facts = title, dict(facts)
        return self._world.add(content)

    def _act_post(self, account: Profile, act: Act, rng: random.Random) -> Done:
        boards = list(self._boards.of(account))
        if not boards:
            raise BadInput("the account has no board left to pin to")
        friend = act.author_in(self._world, "pinterest", rng)
        text = act.text or draft_post(rng, voice_of(account), account, friend, short_links=False).text
        facts = {"board_id": rng.choice(boards), "link": f"{account.website}/p/{rng.randrange(100, 999)}"}
        kind = _KINDS.get(act.media or "image", "image")
        return Done(self.pin(account, kind, short_title(text), text, facts, 3).id)

    def _act_comment(self, account: Profile, act: Act, rng: random.Random) -> Done:
        return self._counted(account, act, rng, "comments")

    def _act_like(self, account: Profile, act: Act, rng: random.Random) -> Done:
        return self._counted(account, act, rng, "likes")

    def _act_share(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Somebody saves the Pin to a board of their own."""
        return self._counted(account, act, rng, "saves")

    def _counted(self, account: Profile, act: Act, rng: random.Random, metric: str) -> Done:
        target = act.target_in(self._world, account, rng)
        target.metrics[metric] += 1
        target.metrics["views"] += 1
        return Done(target.id)

    def _act_follow(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.followers = max(0, account.followers + (-1 if act.kind == "unfollow" else 1))
        return Done(act.author_in(self._world, "pinterest", rng).id)

    _act_unfollow = _act_follow

    def _act_edit(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = act.target_in(self._world, account, rng)
        target.text = act.text or f"{target.text} ✨"
        return Done(target.id)

    def _act_delete(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = act.target_in(self._world, account, rng)
        self._world.remove(target)
        return Done(target.id)

    def _act_board(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """A new board, named by `text`."""
        name = act.text or f"{rng.choice(voice_of(account).products)} {self._acts}"
        return Done(self._boards.create(account, name, "", "PUBLIC", self._state.clock.now_ms()).id)

    def _act_profile(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.bio = act.text or f"{account.bio} Now also online."
        return Done(account.id)

    def _act_revoke(self, account: Profile, act: Act, rng: random.Random) -> Done:
        self._state.tokens.withdraw("pinterest", account.id)
        return Done(account.id)


KINDS = tuple(name.removeprefix("_act_") for name in vars(People) if name.startswith("_act_"))
