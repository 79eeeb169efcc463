"""Everything that happens on YouTube, over the API or the control API; and who is told of it."""

import random
from typing import Any

from sandbox.acts import Act, Done
from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.generate import draft_comment, draft_post, short_title, voice_of
from sandbox.ids import base64_id, seeded
from sandbox.ledger import Publication
from sandbox.state import State
from sandbox.web import BadInput
from sandbox.world import Content, Media, Profile
from sandbox.youtube.history import comment_id, youtube_media
from sandbox.youtube.websub import Hub

STATUS_NAMES = (
    "privacyStatus",
    "publishAt",
    "license",
    "embeddable",
    "selfDeclaredMadeForKids",
    "containsSyntheticMedia",
)
PROCESSING_MS = 5000
_SHORT = ("reel", "story")


class People:
    """Every change of YouTube's world passes here, so that the hub hears of it."""

    def __init__(self, state: State, hub: Hub) -> None:
        self._state, self._world, self._hub = state, state.world, hub
        self._acts = self._made = 0
        self.fails: dict[str, str] = {}  # account -> how the processing of its next upload ends

    def act(self, account: Profile, act: Act) -> Done:
        """Do on the platform what `act` says; `BadInput` when it cannot be done."""
        handler = getattr(self, f"_act_{act.kind}", None)
        if handler is None:
            raise BadInput(
                f"kind {act.kind!r} is not something that happens at YouTube; use one of {', '.join(KINDS)}"
            )
        self._acts += 1
        done: Done = handler(account, act, seeded(self._state.seed, "act", account.id, self._acts))
        return done

    # -- what the API does too ----------------------------------------------------------------------
    def upload(
        self,
        account: Profile,
        app: PlatformApp,
        snippet: dict[str, Any],
        resource: dict[str, Any],
        size: int,
        digest: str,
    ) -> Content:
        """A video of which every byte has come. Whether it is a Short is taken from its own words: the
        sandbox does not look into the file."""
        title, text = snippet.get("title", "unknown"), snippet.get("description", "")
        kind = "short" if "#shorts" in f"{title} {text}".lower() else "video"
        video = self._new(kind, account, title, text)
        status = resource.get("status", {})
        paid = resource.get("paidProductPlacementDetails", {}).get("hasPaidProductPlacement", False)
        video.facts |= {name: status[name] for name in STATUS_NAMES if name in status}
        video.facts |= {
            "tags": snippet.get("tags", []),
            "categoryId": snippet.get("categoryId", "22"),
            "size": size,
            "sha256": digest,
            "hasPaidProductPlacement": paid,
            "processed_ms": self._state.clock.now_ms() + PROCESSING_MS,
            "processing": self.fails.pop(account.id, "processed"),
        }
        if "defaultLanguage" in snippet:
            video.facts["defaultLanguage"] = snippet["defaultLanguage"]
        shape = (1080, 1920) if kind == "short" else (1920, 1080)
        video.media = [Media(video.id, "video", "", None, *shape, 30_000)]
        self._world.add(video)
        at = iso_z(video.created_ms)
        self._state.ledger.publications.append(
            Publication("youtube", account.id, app.id, video.id, f"{title}\n{text}\n{digest}", at)
        )
        if video.facts.get("privacyStatus", "public") == "public":
            self._hub.published(account, video)
        return video

    def told_of_edit(self, account: Profile, video: Content) -> list[str]:
        return self._hub.published(account, video, edited=True)

    def remove(self, account: Profile, video: Content) -> list[str]:
        self._world.remove(video)
        return self._hub.gone(account, video)

    def comment(self, author: Profile, target: Content, text: str) -> Content:
        """Under a video, or in the thread of a comment. Nobody is told: YouTube pushes no comments."""
        self._made += 1
        top = None
        if target.kind == "comment":
            top = target.id if target.parent_id == target.root_id else target.parent_id
        new_id = comment_id(top, self._state.seed, "made", self._made)
        item = Content("youtube", new_id, "comment", author.id, text, self._state.clock.now_ms(), author.lang)
        item.root_id = target.root_id if target.kind == "comment" else target.id
        item.parent_id = top or target.id
        return self._world.add(item)

    # -- acts ---------------------------------------------------------------------------------------
    def _act_comment(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target, author = self._target(account, act, rng), act.author_in(self._world, "youtube", rng)
        text = act.text or draft_comment(rng, voice_of(account), account)
        return Done(self.comment(author, target, text).id)

    def _act_like(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = self._target(account, act, rng)
        target.metrics["likes"] += 1
        target.metrics["views"] += 1
        return Done(target.id)

    def _act_view(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = self._target(account, act, rng)
        target.metrics["views"] += 1
        return Done(target.id)

    def _act_post(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """A video uploaded in YouTube Studio."""
        friend = act.author_in(self._world, "youtube", rng)
        text = act.text or draft_post(rng, voice_of(account), account, friend, short_links=False).text
        video = self._new("short" if act.media in _SHORT else "video", account, short_title(text), text)
        video.media = [youtube_media(rng, video.id, video.kind)]
        self._world.add(video)
        return Done(video.id, self._hub.published(account, video))

    def _act_edit(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = self._target(account, act, rng)
        target.text = act.text or f"{target.text} (edited)"
        target.title = short_title(target.text)
        return Done(target.id, self.told_of_edit(account, target))

    def _act_delete(self, account: Profile, act: Act, rng: random.Random) -> Done:
        target = self._target(account, act, rng)
        if target.kind == "comment":
            self._world.remove(target)
            return Done(target.id)
        return Done(target.id, self.remove(account, target))

    def _act_private(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """The owner hides the video: for the hub that is the same as a deletion."""
        target = self._target(account, act, rng)
        target.facts["privacyStatus"] = "private"
        return Done(target.id, self._hub.gone(account, target))

    def _act_process(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """How YouTube ends with the next upload: `text` is `failed:codec`, `rejected:duplicate` and so on."""
        self.fails[account.id] = act.text or "failed:conversion"
        return Done(account.id)

    def _act_follow(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.followers = max(0, account.followers + (-1 if act.kind == "unfollow" else 1))
        return Done(act.author_in(self._world, "youtube", rng).id)

    _act_unfollow = _act_follow

    def _act_profile(self, account: Profile, act: Act, rng: random.Random) -> Done:
        account.bio = act.text or f"{account.bio} Now also online."
        return Done(account.id)

    def _act_revoke(self, account: Profile, act: Act, rng: random.Random) -> Done:
        """In the Google account's settings; Google tells nobody."""
        self._state.tokens.withdraw("youtube", account.id)
        return Done(account.id)

    def _target(self, account: Profile, act: Act, rng: random.Random) -> Content:
        return act.target_in(self._world, account, rng)

    def _new(self, kind: str, author: Profile, title: str, text: str) -> Content:
        self._made += 1
        new_id = base64_id(11, self._state.seed, author.id, "made", self._made)
        now = self._state.clock.now_ms()
        return Content("youtube", new_id, kind, author.id, text, now, author.lang, title=title)


KINDS = tuple(name.removeprefix("_act_") for name in vars(People) if name.startswith("_act_"))
