"""What a test or the traffic generator asks people on a platform to do."""

import random
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import person_id
from sandbox.web import BadInput
from sandbox.world import Content, Profile, World

MEDIA = ("image", "video", "carousel", "reel", "story")
_RECENT = 20


@dataclass(slots=True)
class Done:
    """`id`: the platform's id of what happened. `event_ids`: webhook events queued for it."""

    id: str
    event_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Act:
    kind: str
    content_id: str | None = None
    text: str | None = None
    author: dict[str, Any] | None = None
    media: str | None = None

    @classmethod
    def read(cls, wish: dict[str, Any]) -> "Act":
        unknown = set(wish) - {"kind", "content_id", "text", "author", "media"}
        if unknown:
            raise BadInput(
                f"unknown key {sorted(unknown)[0]!r}; an act takes kind, content_id, text, author, media"
            )
        kind, author, media = wish.get("kind"), wish.get("author"), wish.get("media")
        if not isinstance(kind, str):
            raise BadInput("kind is needed and must be a text")
        if author is not None and not isinstance(author, dict):
            raise BadInput('author must be an object such as {"username": "ana"}')
        if author is not None and author.get("id") is None and author.get("username") is None:
            raise BadInput("author needs an id or a username")
        if media is not None and media not in MEDIA:
            raise BadInput(f"media must be one of {', '.join(MEDIA)}; got {media!r}")
        text, content_id = wish.get("text"), wish.get("content_id")
        return cls(
            kind,
            None if content_id is None else str(content_id),
            None if text is None else str(text),
            author,
            media,
        )

    def author_in(self, world: World, platform: str, rng: random.Random) -> Profile:
        """The person named by `author` (made when unknown), or somebody of the crowd."""
        if self.author is None:
            return rng.choice(world.crowd(platform))
        wanted_id, username = self.author.get("id"), self.author.get("username")
        known = world.people.get((platform, str(wanted_id))) if wanted_id is not None else None
        if known is None and username is not None:
            known = world.by_username(platform, str(username))
        if known:
            return known
        person = Profile(
            platform=platform,
            id=str(wanted_id)
            if wanted_id is not None
            else person_id(platform, 18, world.seed, "author", username),
            username=str(username or f"user{wanted_id}"),
            name=str(self.author.get("name") or username or wanted_id),
            created_ms=world.epoch_ms,
        )
        world.add_person(person)
        return person

    def target_in(self, world: World, account: Profile, rng: random.Random) -> Content:
        """The content named by `content_id`, or one of the account's newest posts."""
        if self.content_id is not None:
            content = world.find(account.platform, self.content_id)
            if content is None:
                raise BadInput(
                    f"content {self.content_id} does not exist on {account.platform} or is deleted"
                )
            return content
        feed = world.timeline(account.platform, account.id)
        newest, _ = feed.older(None, _RECENT, lambda c: not c.deleted and c.kind not in ("repost", "story"))
        if not newest:
            raise BadInput("the account has no post to act on; post one first or name a content_id")
        return rng.choice(newest)
