"""Everything people do on Facebook, over the control API or the service's own calls."""

import random

from sandbox.acts import Act, Done
from sandbox.clock import DAY_MS
from sandbox.events import Happening
from sandbox.facebook.history import facebook_media
from sandbox.facebook.roles import Roles
from sandbox.facebook.webhooks import Describer
from sandbox.generate import draft_comment, draft_post, voice_of
from sandbox.ids import seeded
from sandbox.meta.webhooks import signed_request
from sandbox.state import State
from sandbox.web import BadInput
from sandbox.world import Content, Media, Profile

_REVOKED = ("pages_show_list", "pages_read_engagement")


class People:
    """Every change of Facebook's world passes here, so that its events are never forgotten."""

    def __init__(self, state: State, roles: Roles) -> None:
        self._state, self._world, self._roles = state, state.world, roles
        self._describe = Describer(state)
        self._acts = 0

    def act(self, page: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at Facebook; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        rng = seeded(self._state.seed, "act", page.id, self._acts)
        done: Done = handler(page, act, rng)
        return done

    def comment(self, author: Profile, target: Content, text: str) -> tuple[Content, list[str]]:
        """A comment on a post, or a reply to a comment."""
        post = target
        if target.kind == "comment":
            root = self._world.find("facebook", target.root_id or "")
            if root is None:
                raise BadInput("the post this comment was made on is deleted")
            post = root
        number = self._world.ids.numbered("8801", 15)
        item = self._new(f"{post.id.partition('_')[2]}_{number}", "comment", author, text)
        item.root_id = post.id
        item.parent_id = target.parent_id if target.parent_id not in (None, post.id) else target.id
        self._world.add(item)
        owner = self._page_of(post)
        queued = self._emit(self._describe.comment(owner, post, item, author)) if owner else []
        return item, queued

    def publish(
        self,
        page: Profile,
        kind: str,
        text: str,
        media: list[Media],
        link: str | None = None,
        hidden: bool = False,
        title: str | None = None,
    ) -> Content:
        content = self._new(self._post_id(page), kind, page, text)
        content.media, content.hidden = media, hidden
        content.links = {name: value for name, value in (("link", link), ("title", title)) if value}
        if kind == "story":
            content.expires_ms = content.created_ms + DAY_MS
        self._world.add(content)
        if kind != "story":
            self._emit(self._describe.post(page, content, page))
        return content

    def edited(self, page: Profile, content: Content, text: str) -> list[str]:
        content.text = text
        if content.kind == "comment":
            post = self._world.content["facebook", content.root_id or ""]
            author = self._world.people["facebook", content.author_id]
            return self._emit(self._describe.comment(page, post, content, author, "edited"))
        return self._emit(self._describe.post(page, content, page, "edited"))

    def removed(self, page: Profile, content: Content) -> list[str]:
        self._world.remove(content)
        author = self._world.people["facebook", content.author_id]
        if content.kind == "comment":
            post = self._world.content["facebook", content.root_id or ""]
            return self._emit(self._describe.comment(page, post, content, author, "remove"))
        return self._emit(self._describe.post(page, content, author, "remove"))

    def _act_comment(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target, author = act.target_in(self._world, page, rng), self._author(act, rng)
        text = act.text or draft_comment(rng, voice_of(page), author)
        item, queued = self.comment(author, target, text)
        return Done(item.id, queued)

    def _act_mention(self, page: Profile, act: Act, rng: random.Random) -> Done:
        """Somebody's own post that tags the page by its name."""
        author = self._author(act, rng)
        text = act.text or draft_comment(rng, voice_of(page), author)
        if page.name not in text:
            text = f"{text} {page.name}"
        post_id = f"{author.id}_{self._world.ids.numbered('5551', 15)}"
        post = self._new(post_id, "post", author, text)
        self._world.mentions("facebook", page.id).add(self._world.add(post))
        return Done(post.id, self._emit(self._describe.mention(page, post, author)))

    def _act_like(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target, author = act.target_in(self._world, page, rng), self._author(act, rng)
        target.metrics["likes"] += 1
        target.metrics["views"] += 1
        if target.kind == "comment":
            return Done(target.id)
        return Done(target.id, self._emit(self._describe.reaction(page, target, author)))

    def _act_unlike(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target, author = act.target_in(self._world, page, rng), self._author(act, rng)
        target.metrics["likes"] = max(0, target.metrics["likes"] - 1)
        return Done(target.id, self._emit(self._describe.reaction(page, target, author, "remove")))

    def _act_share(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target, author = act.target_in(self._world, page, rng), self._author(act, rng)
        share_id = f"{author.id}_{self._world.ids.numbered('5552', 15)}"
        share = self._new(share_id, "share", author, act.text or "")
        self._world.add(share)
        target.metrics["shares"] += 1
        return Done(share.id, self._emit(self._describe.share(page, target, share, author)))

    def _act_rating(self, page: Profile, act: Act, rng: random.Random) -> Done:
        author = self._author(act, rng)
        text = act.text or draft_comment(rng, voice_of(page), author)
        happening = self._describe.rating(page, author, text)
        return Done(happening.subject_id, self._emit(happening))

    def _act_post(self, page: Profile, act: Act, rng: random.Random) -> Done:
        kind = act.media or "post"
        if kind == "story":
            return self._act_story(page, act, rng)
        friend = rng.choice(self._world.crowd("facebook"))
        text = act.text
        if text is None:
            draft = draft_post(rng, voice_of(page), page, friend, short_links=False)
            text = draft.text.replace(f"@{friend.username}", friend.name)
        content = self._new(self._post_id(page), kind, page, text)
        content.media = facebook_media(rng, content.id, kind)
        self._world.add(content)
        return Done(content.id, self._emit(self._describe.post(page, content, page)))

    def _act_story(self, page: Profile, act: Act, rng: random.Random) -> Done:
        """Facebook sends no webhook for stories."""
        story = self._new(self._post_id(page), "story", page, "")
        story.media = facebook_media(rng, story.id, "video" if act.media in ("video", "reel") else "image")
        story.expires_ms = story.created_ms + DAY_MS
        return Done(self._world.add(story).id)

    def _act_message(self, page: Profile, act: Act, rng: random.Random) -> Done:
        author = self._author(act, rng)
        happening = self._describe.message(
            page, author, act.text or draft_comment(rng, voice_of(page), author)
        )
        return Done(happening.subject_id, self._emit(happening))

    def _act_follow(self, page: Profile, act: Act, rng: random.Random) -> Done:
        """Counted, not announced."""
        page.followers = max(0, page.followers + (-1 if act.kind == "unfollow" else 1))
        return Done(self._author(act, rng).id)

    _act_unfollow = _act_follow

    def _act_edit(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target = act.target_in(self._world, page, rng)
        return Done(target.id, self.edited(page, target, act.text or f"{target.text} (edited)"))

    def _act_delete(self, page: Profile, act: Act, rng: random.Random) -> Done:
        target = act.target_in(self._world, page, rng)
        return Done(target.id, self.removed(page, target))

    def _act_profile(self, page: Profile, act: Act, rng: random.Random) -> Done:
        page.bio = act.text or f"{page.bio} Now also online."
        return Done(page.id, self._emit(self._describe.profile(page, "about", page.bio)))

    def _act_revoke(self, page: Profile, act: Act, rng: random.Random) -> Done:
        """The person who manages the page removes the app: tokens of all its pages die, apps are told by the
        permissions webhook and by the deauthorise callback."""
        now_s = self._state.clock.now_ms() // 1000
        queued: list[str] = []
        for app, person, pages in self._roles.withdraw(page):
            for name in _REVOKED:
                queued += self._emit(self._describe.permission(page, app, person, name, pages))
            if app.deauthorize_url:
                note = signed_request(app.client_secret, person, now_s)
                self._state.deliverer.post_form(app.deauthorize_url, {"signed_request": note})
        self._state.tokens.withdraw("facebook", page.id)
        return Done(page.id, queued)

    def _act_delete_data(self, page: Profile, act: Act, rng: random.Random) -> Done:
        """The person asks the apps to delete what they know, after removing them."""
        now_s = self._state.clock.now_ms() // 1000
        told = [
            (self._state.app_of(grant.app_id), consent.person)
            for grant in self._state.tokens.grants
            if grant.authorised and (consent := self._roles.consent(grant)) and page.id in consent.pages
        ]
        done = self._act_revoke(page, act, rng)
        for app, person in told:
            if app.data_deletion_url:
                note = signed_request(app.client_secret, self._roles.scoped(app, person), now_s)
                self._state.deliverer.post_form(app.data_deletion_url, {"signed_request": note})
        return done

    def _page_of(self, post: Content) -> Profile | None:
        return self._world.accounts.get(("facebook", post.author_id))

    def _author(self, act: Act, rng: random.Random) -> Profile:
        return act.author_in(self._world, "facebook", rng)

    def _emit(self, happening: Happening) -> list[str]:
        return self._state.events.emit(happening)

    def _post_id(self, page: Profile) -> str:
        return f"{page.id}_{self._world.ids.numbered('1222', 15)}"

    def _new(self, new_id: str, kind: str, author: Profile, text: str) -> Content:
        return Content("facebook", new_id, kind, author.id, text, self._state.clock.now_ms(), author.lang)


KINDS = tuple(name.removeprefix("_act_") for name in vars(People) if name.startswith("_act_"))
