"""Publishing and deleting posts over the API, and everything people do on X, over the control API."""

import random
from typing import Any

from sandbox.acts import Act, Done
from sandbox.clock import iso_z
from sandbox.generate import draft_comment, draft_post, voice_of
from sandbox.ids import hexadecimal, seeded
from sandbox.ledger import Publication
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.twitter import errors
from sandbox.twitter.access import Access, Caller
from sandbox.twitter.errors import Refused
from sandbox.twitter.events import Describer
from sandbox.twitter.history import x_media
from sandbox.twitter.media import Uploads
from sandbox.web import BadInput, Call, Reply, json_reply
from sandbox.world import Content, Media, Profile

_TEXT_AT_MOST = 280


class Writing:
    """Every change of X's world, whoever makes it, passes here, so that its events are never forgotten."""

    def __init__(self, state: State, access: Access, uploads: Uploads) -> None:
        self._state, self._world, self._access = state, state.world, access
        self._uploads = uploads
        self._describe = Describer(state)
        self._acts = 0

    def operations(self) -> list[Operation]:
        op = self._access.operation
        scopes = "tweet.read tweet.write users.read"
        return [
            op("POST", "/2/tweets", self.create, scopes=scopes, per_user=100),
            op("DELETE", "/2/tweets/:id", self.delete, scopes=scopes, per_user=50),
        ]

    async def create(self, call: Call, caller: Caller) -> Reply:
        wish, account = call.json(), caller.owner()
        text = wish.get("text", "")
        worded = isinstance(text, str) and (text.strip() or wish.get("media"))
        if not worded or len(text) > _TEXT_AT_MOST:
            raise Refused(errors.invalid("text", str(text)[:50], "text must have 1 to 280 characters"))
        if wish.get("poll"):
            raise Refused(errors.problem(501, "Not Implemented", "The sandbox does not emulate polls."))
        attached = wish.get("media")
        ids = attached.get("media_ids") if isinstance(attached, dict) else None
        media = self._uploads.attach(ids, account.id) if isinstance(ids, list) else []
        recent = self._world.timeline("twitter", account.id).older(None, 20, lambda c: not c.deleted)[0]
        if any(content.text == text and content.kind != "repost" for content in recent):
            self._state.ledger.duplicates_refused += 1
            raise Refused(errors.forbidden("You are not allowed to create a Tweet with duplicate content."))
        reply = wish.get("reply")
        parent_id = reply.get("in_reply_to_tweet_id") if isinstance(reply, dict) else None
        parent, quoted = self._known(parent_id), self._known(wish.get("quote_tweet_id"))
        kind = "reply" if parent else "quote" if quoted else "post"
        content, _ = self.publish(account, kind, text, parent=parent, quoted=quoted, media=media)
        self._state.ledger.posts_created.append(
            {
                "platform": "twitter",
                "external_id": account.id,
                "app_id": caller.app.id,
                "id": content.id,
                "text": text,
                "answered": call.answered,
            }
        )
        files = self._uploads.fingerprints(ids) if isinstance(ids, list) else []
        what = hexadecimal(32, kind, text, content.parent_id, content.quoted_id, *files)
        now = iso_z(self._state.clock.now_ms())
        self._state.ledger.publications.append(
            Publication("twitter", account.id, caller.app.id, content.id, what, now)
        )
        data = {"id": content.id, "text": text, "edit_history_tweet_ids": content.edit_ids}
        return json_reply({"data": data}, 201)

    async def delete(self, call: Call, caller: Caller) -> Reply:
        content = self._world.find("twitter", call.params["id"])
        if content is None:
            raise Refused(json_reply({"errors": [errors.not_found_error(call.params["id"])]}))
        if content.author_id != caller.owner().id:
            raise Refused(errors.forbidden("You are not authorized to delete this Tweet."))
        self.remove(content)
        return json_reply({"data": {"deleted": True}})

    def publish(
        self,
        author: Profile,
        kind: str,
        text: str,
        parent: Content | None = None,
        quoted: Content | None = None,
        reposted: Content | None = None,
        media: list[Media] | None = None,
        links: dict[str, str] | None = None,
        concerned: Profile | None = None,
        edited: Content | None = None,
    ) -> tuple[Content, list[str]]:
        """The new post, and the ids of the events queued for the accounts it concerns.
        `concerned`: an account the text mentions. `edited`: the version this one takes the place of."""
        now = self._state.clock.now_ms()
        new_id = self._world.ids.snowflake(now)
        content = Content("twitter", new_id, kind, author.id, text, now, author.lang, edit_ids=[new_id])
        content.parent_id = parent.id if parent else None
        content.root_id = (parent.root_id or parent.id) if parent else new_id
        content.quoted_id = quoted.id if quoted else None
        content.reposted_id = reposted.id if reposted else None
        content.media, content.links = media or [], links or {}
        if edited:
            self._replace(edited, content)
        self._world.add(content)
        queued: list[str] = []
        if author.account_type:
            queued += self._emit(author, "post.create", kind, content)
        for target, event_type, name in (
            (parent, "post.reply.create", "comment"),
            (quoted, "post.quote.create", "quote"),
            (reposted, "post.repost.create", "repost"),
        ):
            owner = self._owner(target)
            if owner and owner.id != author.id:
                queued += self._emit(owner, event_type, name, content)
                if parent:
                    self._world.mentions("twitter", owner.id).add(content)
        if concerned and concerned.id != author.id:
            self._world.mentions("twitter", concerned.id).add(content)
            queued += self._emit(concerned, "post.mention.create", "mention", content)
        return content, queued

    def remove(self, content: Content) -> list[str]:
        self._world.remove(content)
        author = self._world.accounts.get(("twitter", content.author_id))
        return self._state.events.emit(self._describe.deleted(author, content)) if author else []

    def act(self, account: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at X; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        rng = seeded(self._state.seed, "act", account.id, self._acts)
        done: Done = handler(account, act, rng)
        return done

    def _act_post(self, account: Profile, act: Act, rng: random.Random) -> Done:
        draft = draft_post(rng, voice_of(account), account, self._author(act, rng), short_links=True)
        text, links = (act.text, {}) if act.text else (draft.text, draft.links)
        media = x_media(rng, f"{account.id}/{self._acts}", _MEDIA[act.media]) if act.media else []
        content, queued = self.publish(account, "post", text, media=media, links=links)
        return Done(content.id, queued)

    def _act_comment(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = self._target(account, act, rng), self._author(act, rng)
        text = act.text or draft_comment(rng, voice_of(account), account)
        if f"@{account.username}".lower() not in text.lower():
            text = f"@{account.username} {text}"
        # A reply to somebody else's reply reaches the account as a mention.
        concerned = None if target.author_id == account.id else account
        content, queued = self.publish(author, "reply", text, parent=target, concerned=concerned)
        return Done(content.id, queued)

    def _act_mention(self, account: Profile, act: Act, rng: random.Random) -> Done:
        author = self._author(act, rng)
        text = act.text or f"{draft_comment(rng, voice_of(account), account)} @{account.username}"
        if f"@{account.username}".lower() not in text.lower():
            text = f"{text} @{account.username}"
        content, queued = self.publish(author, "post", text, concerned=account)
        return Done(content.id, queued)

    def _act_quote(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = self._target(account, act, rng), self._author(act, rng)
        text = act.text or draft_comment(rng, voice_of(account), account)
        content, queued = self.publish(author, "quote", text, quoted=target)
        return Done(content.id, queued)

    def _act_repost(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = self._target(account, act, rng), self._author(act, rng)
        text = f"RT @{account.username}: {target.text}"
        content, queued = self.publish(author, "repost", text, reposted=target)
        return Done(content.id, queued)

    def _act_like(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = self._target(account, act, rng), self._author(act, rng)
        target.metrics["likes"] += 1
        target.metrics["views"] += 1
        happening = self._describe.like(account, target, author)
        return Done(happening.subject_id, self._state.events.emit(happening))

    def _act_follow(self, account: Profile, act: Act, rng: random.Random) -> Done:
        author, away = self._author(act, rng), act.kind == "unfollow"
        account.followers = max(0, account.followers + (-1 if away else 1))
        return Done(author.id, self._state.events.emit(self._describe.follow(account, author, away)))

    _act_unfollow = _act_follow

    def _act_edit(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """X keeps each version as a post of its own; the older one is no longer listed."""
        target = self._target(account, act, rng)
        if target.author_id != account.id:
            raise BadInput(f"content {target.id} is not the account's own, so the account cannot edit it")
        text = act.text or f"{target.text} (edited)"
        content, queued = self.publish(
            account, target.kind, text, media=target.media, links=target.links, edited=target
        )
        return Done(content.id, queued)

    def _act_delete(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = self._target(account, act, rng)
        return Done(target.id, self.remove(target))

    def _act_profile(self, account: Profile, act: Act, rng: random.Random) -> Done:
        before, account.bio = account.bio, act.text or f"{account.bio} Now also online."
        return Done(
            account.id, self._state.events.emit(self._describe.profile(account, "bio", before, account.bio))
        )

    def _act_revoke(self, account: Profile, act: Act, rng: random.Random) -> Done:
        queued: list[str] = []
        for app_id in self._state.tokens.authorised_apps("twitter", account.id):
            queued += self._state.events.emit(self._describe.revoked(account, self._state.app_of(app_id)))
        self._state.tokens.withdraw("twitter", account.id)
        return Done(account.id, queued)

    def _replace(self, old: Content, new: Content) -> None:
        """The new version keeps the place in the conversation, the numbers and the history of the old one."""
        self._world.remove(old)
        new.edit_ids = [*old.edit_ids, new.id]
        new.metrics = dict(old.metrics)
        new.root_id, new.parent_id, new.quoted_id = old.root_id, old.parent_id, old.quoted_id
        for version in old.edit_ids:
            self._world.content["twitter", version].edit_ids = new.edit_ids

    def _emit(self, account: Profile, event_type: str, kind: str, content: Content) -> list[str]:
        return self._state.events.emit(self._describe.post(account, event_type, kind, content))

    def _known(self, content_id: Any) -> Content | None:
        if content_id is None:
            return None
        content = self._world.find("twitter", str(content_id))
        if content is None:
            raise Refused(errors.forbidden("The post you refer to is deleted or not visible to you."))
        return content

    def _owner(self, content: Content | None) -> Profile | None:
        return self._world.accounts.get(("twitter", content.author_id)) if content else None

    def _author(self, act: Act, rng: random.Random) -> Profile:
        return act.author_in(self._world, "twitter", rng)

    def _target(self, account: Profile, act: Act, rng: random.Random) -> Content:
        return act.target_in(self._world, account, rng)


_MEDIA = {"image": "image", "carousel": "carousel", "video": "video", "reel": "video", "story": "image"}
KINDS = tuple(name.removeprefix("_act_") for name in vars(Writing) if name.startswith("_act_"))
