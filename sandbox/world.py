"""Who exists on the emulated platforms and what they have published."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.ids import IdSource, person_id, seeded

PEOPLE_PER_PLATFORM = 300
_METRICS = ("likes", "comments", "shares", "views", "quotes", "saves")


@dataclass(slots=True)
class Profile:
    """An account or a person who comments; `account_type` is set for accounts only."""

    platform: str
    id: str
    username: str
    name: str
    bio: str = ""
    lang: str = "en"
    website: str = ""
    created_ms: int = 0
    followers: int = 0
    following: int = 0
    verified: bool = False
    account_type: str | None = None


@dataclass(slots=True)
class Media:
    id: str
    kind: str  # photo, video or animated_gif at X; IMAGE or VIDEO at Instagram
    url: str
    preview_url: str | None
    width: int
    height: int
    duration_ms: int | None = None
    alt_text: str | None = None


@dataclass(slots=True)
class Content:
    """A post, a reply, a comment or a story. Times are unix milliseconds."""

    platform: str
    id: str
    kind: str
    author_id: str
    text: str
    created_ms: int
    lang: str = "en"
    media: list[Media] = field(default_factory=list)
    # What a reply or comment answers, and the post that started it all.
    parent_id: str | None = None
    root_id: str | None = None
    quoted_id: str | None = None
    reposted_id: str | None = None
    # Short link in the text -> address it leads to.
    links: dict[str, str] = field(default_factory=dict)
    edit_ids: list[str] = field(default_factory=list)
    metrics: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_METRICS, 0))
    deleted: bool = False
    hidden: bool = False
    expires_ms: int | None = None
    title: str = ""
    # What one platform alone knows of it, by that platform's names.
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, int]:
        number = int(self.id) if self.id.isdigit() else int.from_bytes(self.id.encode(), "big")
        return self.created_ms, number


class Feed:
    """Contents in the order of their creation, readable newest first from any point without gaps."""

    def __init__(self) -> None:
        self._keys: list[tuple[int, int]] = []
        self._items: dict[tuple[int, int], Content] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Content]:
        return (self._items[key] for key in self._keys)

    def add(self, content: Content) -> None:
        if content.key not in self._items:
            insort(self._keys, content.key)
            self._items[content.key] = content

    def older(
        self, than: tuple[int, int] | None, limit: int, keep: Callable[[Content], bool]
    ) -> tuple[list[Content], bool]:
        """Up to `limit` contents older than the key, newest first, and whether there are more."""
        start = len(self._keys) if than is None else bisect_left(self._keys, than)
        return self._take(reversed(self._keys[:start]), limit, keep)

    def newer(
        self, than: tuple[int, int], limit: int, keep: Callable[[Content], bool]
    ) -> tuple[list[Content], bool]:
        """The `limit` contents just newer than the key, newest first, and whether there are more."""
        found, more = self._take(iter(self._keys[bisect_right(self._keys, than) :]), limit, keep)
        return found[::-1], more

    def _take(
        self, keys: Iterator[tuple[int, int]], limit: int, keep: Callable[[Content], bool]
    ) -> tuple[list[Content], bool]:
        found: list[Content] = []
        for key in keys:
            content = self._items[key]
            if not keep(content):
                continue
            if len(found) == limit:
                return found, True
            found.append(content)
        return found, False


class World:
    """Accounts, people and content of all platforms, indexed the ways the platforms' reads need."""

    def __init__(self, seed: str, epoch_ms: int) -> None:
        self.seed = seed
        self.epoch_ms = epoch_ms
        self.ids = IdSource()
        self.accounts: dict[tuple[str, str], Profile] = {}
        self.people: dict[tuple[str, str], Profile] = {}
        self.content: dict[tuple[str, str], Content] = {}
        self._usernames: dict[tuple[str, str], Profile] = {}
        self._crowd: dict[str, list[Profile]] = {}
        self._timelines: dict[tuple[str, str], Feed] = {}
        self._mentions: dict[tuple[str, str], Feed] = {}
        self._answers: dict[tuple[str, str], Feed] = {}
        self._threads: dict[tuple[str, str], Feed] = {}

    def add_account(self, profile: Profile) -> None:
        self.accounts[profile.platform, profile.id] = profile
        self.add_person(profile)

    def add_person(self, profile: Profile) -> None:
        self.people[profile.platform, profile.id] = profile
        self._usernames[profile.platform, profile.username.lower()] = profile

    def by_username(self, platform: str, username: str) -> Profile | None:
        return self._usernames.get((platform, username.lower()))

    def rename(self, profile: Profile, username: str) -> None:
        self._usernames.pop((profile.platform, profile.username.lower()), None)
        profile.username = username
        self._usernames[profile.platform, username.lower()] = profile

    def crowd(self, platform: str) -> list[Profile]:
        """The people who comment, like and follow: always the same ones for a seed."""
        if platform not in self._crowd:
            self._crowd[platform] = [self._person(platform, n) for n in range(PEOPLE_PER_PLATFORM)]
            for person in self._crowd[platform]:
                self.add_person(person)
        return self._crowd[platform]

    def add(self, content: Content) -> Content:
        """Publish: index the content and count it at what it answers."""
        self.content[content.platform, content.id] = content
        if content.kind != "comment":
            self.timeline(content.platform, content.author_id).add(content)
        if content.parent_id:
            self.answers(content.platform, content.parent_id).add(content)
        if content.root_id:
            self.thread(content.platform, content.root_id).add(content)
        self._count(content, 1)
        return content

    def remove(self, content: Content) -> None:
        """Delete for everybody; the record stays for the ledger."""
        if content.deleted:
            return
        content.deleted = True
        self._count(content, -1)

    def _count(self, content: Content, step: int) -> None:
        concerned = [
            (content.parent_id, "comments"),
            (content.quoted_id, "quotes"),
            (content.reposted_id, "shares"),
        ]
        if content.kind == "comment" and content.root_id != content.parent_id:
            # Instagram counts replies to a comment at the media as well; X counts direct replies only.
            concerned.append((content.root_id, "comments"))
        for other, counter in concerned:
            target = self.content.get((content.platform, other)) if other else None
            if target:
                target.metrics[counter] += step

    def find(self, platform: str, content_id: str) -> Content | None:
        content = self.content.get((platform, content_id))
        return None if content is None or content.deleted else content

    def timeline(self, platform: str, author_id: str) -> Feed:
        return self._timelines.setdefault((platform, author_id), Feed())

    def mentions(self, platform: str, account_id: str) -> Feed:
        return self._mentions.setdefault((platform, account_id), Feed())

    def answers(self, platform: str, content_id: str) -> Feed:
        """Direct replies to one content."""
        return self._answers.setdefault((platform, content_id), Feed())

    def thread(self, platform: str, root_id: str) -> Feed:
        """Everything in one conversation, the first post included."""
        return self._threads.setdefault((platform, root_id), Feed())

    def _person(self, platform: str, number: int) -> Profile:
        rng = seeded(self.seed, platform, "person", number)
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        joint = rng.choice(["", "_", "."] if platform == "instagram" else ["", "_"])
        return Profile(
            platform=platform,
            id=person_id(
                platform, 18 if platform == "twitter" else 16, self.seed, platform, "person", number
            ),
            username=f"{first}{joint}{last}{number}".lower(),
            name=f"{first} {last}",
            created_ms=self.epoch_ms - rng.randrange(400, 4000) * 86_400_000,
            followers=rng.randrange(3, 2500),
            following=rng.randrange(10, 1500),
        )


_FIRST = (
    *(
        "Ana",
        "Bo",
        "Carla",
        "Dmitri",
        "Elif",
        "Femi",
        "Greta",
        "Hugo",
        "Ines",
        "Jonas",
        "Kaja",
        "Lea",
        "Milo",
    ),
    *("Nadia", "Omar", "Petra", "Quentin", "Rosa", "Sven", "Tuva", "Uma", "Vera", "Wim", "Xenia", "Yara"),
)
_LAST = (
    *("Adler", "Brun", "Costa", "Dahl", "Ekman", "Faure", "Greco", "Horn", "Ito", "Jansen", "Kowal", "Lind"),
    *("Moreau", "Novak", "Okoye", "Perez"),
)
