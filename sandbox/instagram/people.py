"""Everything people do on Instagram, over the control API or the service's own calls."""

import random

from sandbox.acts import Act, Done
from sandbox.clock import DAY_MS
from sandbox.generate import draft_comment, draft_post, voice_of
from sandbox.ids import seeded
from sandbox.instagram.history import media_for
from sandbox.instagram.webhooks import Describer
from sandbox.meta.webhooks import signed_request
from sandbox.state import State
from sandbox.web import BadInput
from sandbox.world import Content, Media, Profile


class People:
    """Every change of Instagram's world passes here, so that its events are never forgotten."""

    def __init__(self, state: State) -> None:
        self._state, self._world = state, state.world
        self._describe = Describer(state)
        self._acts = 0

    def act(self, account: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at Instagram; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        rng = seeded(self._state.seed, "act", account.id, self._acts)
        done: Done = handler(account, act, rng)
        return done

    def comment(
        self, account: Profile, author: Profile, target: Content, text: str
    ) -> tuple[Content, list[str]]:
        """A comment on a media, or a reply to a comment, on media of `account`."""
        media = target
        if target.kind == "comment":
            root = self._world.find("instagram", target.root_id or "")
            if root is None:
                raise BadInput("the media this comment was made on is deleted")
            media = root
        item = self._new("1791", "comment", author, text)
        item.root_id = media.id
        # Replies to a reply are kept under the comment that started the thread.
        item.parent_id = target.parent_id if target.parent_id not in (None, media.id) else target.id
        self._world.add(item)
        owner = self._world.accounts.get(("instagram", media.author_id))
        queued: list[str] = []
        if owner:
            queued = self._state.events.emit(self._describe.comment(owner, media, item, author))
        return item, queued

    def publish(self, account: Profile, kind: str, text: str, media: list[Media]) -> Content:
        """What an app made public; Instagram announces nothing of the account's own."""
        content = self._new("1802", kind, account, text)
        content.media = media
        if kind == "story":
            content.expires_ms = content.created_ms + DAY_MS
        return self._world.add(content)

    def _act_comment(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = (
            act.target_in(self._world, account, rng),
            act.author_in(self._world, "instagram", rng),
        )
        text = act.text or draft_comment(rng, voice_of(account), account)
        item, queued = self.comment(account, author, target, text)
        return Done(item.id, queued)

    def _act_mention(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Half the time in the caption of somebody's picture, else in a comment on one."""
        author = act.author_in(self._world, "instagram", rng)
        text = act.text or f"{draft_comment(rng, voice_of(account), account)} @{account.username}"
        if f"@{account.username}".lower() not in text.lower():
            text = f"{text} @{account.username}"
        in_caption = rng.random() < 0.5
        media = self._new("1802", "image", author, text if in_caption else "")
        media.media = media_for(rng, media.id, "image")
        self._world.add(media)
        comment = None
        if not in_caption:
            comment = self._new("1791", "comment", author, text)
            comment.root_id = comment.parent_id = media.id
            self._world.add(comment)
        happening = self._describe.mention(account, media, comment, author)
        return Done(happening.subject_id, self._state.events.emit(happening))

    def _act_like(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Instagram sends no webhook for likes; the count rises."""
        target = act.target_in(self._world, account, rng)
        target.metrics["likes"] += 1
        target.metrics["views"] += 1
        return Done(target.id)

    def _act_post(self, account: Profile, act: Act, rng: random.Random) -> Done:
        kind = act.media or "image"
        if kind == "story":
            return self._act_story(account, act, rng)
        friend = act.author_in(self._world, "instagram", rng)
        text = act.text or draft_post(rng, voice_of(account), account, friend, short_links=False).text
        content = self._new("1802", kind, account, text)
        content.media = media_for(rng, content.id, kind)
        return Done(self._world.add(content).id)

    def _act_story(self, account: Profile, act: Act, rng: random.Random) -> Done:
        story = self._new("1802", "story", account, "")
        story.media = media_for(rng, story.id, "video" if act.media in ("video", "reel") else "image")
        story.expires_ms = story.created_ms + DAY_MS
        story.metrics["views"] = rng.randrange(3, 400)
        return Done(self._world.add(story).id)

    def _act_story_end(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """The story named, or the newest live one, ends now: Meta sends its insights."""
        now = self._state.clock.now_ms()
        live = [
            c
            for c in self._world.timeline("instagram", account.id)
            if c.kind == "story" and not c.deleted and (c.expires_ms or 0) > now
        ]
        chosen = [c for c in live if act.content_id in (None, c.id)]
        if not chosen:
            raise BadInput("the account has no such live story; act story first")
        chosen[-1].expires_ms = now
        return Done(
            chosen[-1].id, self._state.events.emit(self._describe.story_insights(account, chosen[-1]))
        )

    def _act_message(self, account: Profile, act: Act, rng: random.Random) -> Done:
        author = act.author_in(self._world, "instagram", rng)
        text = act.text or draft_comment(rng, voice_of(account), account)
        happening = self._describe.message(account, author, text)
        return Done(happening.subject_id, self._state.events.emit(happening))

    def _act_follow(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Counted, not announced."""
        account.followers = max(0, account.followers + (-1 if act.kind == "unfollow" else 1))
        return Done(act.author_in(self._world, "instagram", rng).id)

    _act_unfollow = _act_follow

    def _act_edit(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """A new caption under the same id; Meta sends nothing."""
        target = act.target_in(self._world, account, rng)
        target.text = act.text or f"{target.text} (edited)"
        return Done(target.id)

    def _act_delete(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """Meta sends nothing for deletions."""
        target = act.target_in(self._world, account, rng)
        self._world.remove(target)
        return Done(target.id)

    def _act_profile(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.bio = act.text or f"{account.bio} Now also online."
        return Done(account.id)

    def _act_revoke(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """The person removes the app: tokens die, and apps with a deauthorize address are told."""
        now_s = self._state.clock.now_ms() // 1000
        for app_id in self._state.tokens.authorised_apps("instagram", account.id):
            app = self._state.app_of(app_id)
            if app.deauthorize_url:
                note = signed_request(app.client_secret, account.id, now_s)
                self._state.deliverer.post_form(app.deauthorize_url, {"signed_request": note})
        self._state.tokens.withdraw("instagram", account.id)
        return Done(account.id)

    def _new(self, prefix: str, kind: str, author: Profile, text: str) -> Content:
        new_id = self._world.ids.numbered(prefix, 17)
        return Content("instagram", new_id, kind, author.id, text, self._state.clock.now_ms(), author.lang)


KINDS = tuple(name.removeprefix("_act_") for name in vars(People) if name.startswith("_act_"))
