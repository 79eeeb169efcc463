"""Everything people do on TikTok, over the control API or the API of an app."""

import random

from sandbox.acts import Act, Done
from sandbox.generate import draft_comment, draft_post, voice_of
from sandbox.ids import seeded
from sandbox.state import State
from sandbox.tiktok.history import tiktok_media
from sandbox.tiktok.webhooks import Describer
from sandbox.web import BadInput
from sandbox.world import Content, Media, Profile

_REMOVED_BY_USER = 1


class People:
    """TikTok tells the developers' service of publications and permissions only: likes and follows move the
    numbers and nothing else, comments are told to those who ask the business service."""

    def __init__(self, state: State) -> None:
        self._state, self._world = state, state.world
        self._describe = Describer(state)
        self._acts = 0
        # What apps published: content id -> app, publish id and type, which its events name.
        self.published_by_api: dict[str, tuple[str, str, str]] = {}

    def act(self, account: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at TikTok; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        rng = seeded(self._state.seed, "act", account.id, self._acts)
        done: Done = handler(account, act, rng)
        return done

    def publish(self, account: Profile, kind: str, text: str, media: list[Media]) -> Content:
        """Each content has a millisecond of its own: cursors are times."""
        newest, _ = self._world.timeline("tiktok", account.id).older(None, 1, lambda c: True)
        now = self._state.clock.now_ms()
        moment = max(now, newest[0].created_ms + 1) if newest else now
        new_id = self._world.ids.numbered("75", 19)
        content = Content("tiktok", new_id, kind, account.id, text, moment, account.lang, media)
        return self._world.add(content)

    def _act_post(self, account: Profile, act: Act, rng: random.Random) -> Done:
        friend = act.author_in(self._world, "tiktok", rng)
        text = act.text or draft_post(rng, voice_of(account), account, friend, short_links=False).text
        kind = "photo" if act.media in ("image", "carousel") else "video"
        media = tiktok_media(rng, f"{account.username}{self._acts}", kind)
        return Done(self.publish(account, kind, text, media).id)

    def _act_comment(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Under a video, or under a comment; TikTok has no replies to replies."""
        target, author = act.target_in(self._world, account, rng), act.author_in(self._world, "tiktok", rng)
        if target.kind == "comment" and target.parent_id != target.root_id:
            target = self._world.content["tiktok", target.parent_id or ""]
        text, now = act.text or draft_comment(rng, voice_of(account), author), self._state.clock.now_ms()
        new_id = self._world.ids.numbered("76", 19)
        item = Content("tiktok", new_id, "comment", author.id, text, now, account.lang)
        item.root_id, item.parent_id = target.root_id or target.id, target.id
        target.metrics["views"] += target.kind != "comment"
        return Done(self._world.add(item).id)

    def _act_like(self, account: Profile, act: Act, rng: random.Random) -> Done:
        return self._counted(account, act, rng, "likes")

    def _act_share(self, account: Profile, act: Act, rng: random.Random) -> Done:
        return self._counted(account, act, rng, "shares")

    def _counted(self, account: Profile, act: Act, rng: random.Random, metric: str) -> Done:
        target = act.target_in(self._world, account, rng)
        target.metrics[metric] += 1
        target.metrics["views"] += 1
        return Done(target.id)

    def _act_follow(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.followers = max(0, account.followers + (-1 if act.kind == "unfollow" else 1))
        return Done(act.author_in(self._world, "tiktok", rng).id)

    _act_unfollow = _act_follow

    def _act_delete(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = act.target_in(self._world, account, rng)
        self._world.remove(target)
        return Done(target.id, self._not_public(account, target))

    def _act_private(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """The creator makes a video private: it is no longer listed."""
        target = act.target_in(self._world, account, rng)
        target.hidden = True
        return Done(target.id, self._not_public(account, target))

    def _act_profile(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.bio = act.text or f"{account.bio} Now also online."
        return Done(account.id)

    def _act_revoke(self, account: Profile, act: Act, rng: random.Random) -> Done:
        queued: list[str] = []
        for app_id in self._state.tokens.authorised_apps("tiktok", account.id):
            content = {"reason": _REMOVED_BY_USER}
            queued += self._state.events.emit(
                self._describe.told(account, "authorization.removed", content, "revoke", account.id, app_id)
            )
        self._state.tokens.withdraw("tiktok", account.id)
        return Done(account.id, queued)

    def _not_public(self, account: Profile, content: Content) -> list[str]:
        """Told of what an app published, to that app."""
        if content.id not in self.published_by_api:
            return []
        app_id, publish_id, publish_type = self.published_by_api[content.id]
        told = {"publish_id": publish_id, "post_id": content.id, "publish_type": publish_type}
        event = "post.publish.no_longer_publicaly_available"
        happening = self._describe.told(account, event, told, "not_public", content.id, app_id, content.id)
        return self._state.events.emit(happening)


KINDS = tuple(name.removeprefix("_act_") for name in vars(People) if name.startswith("_act_"))
