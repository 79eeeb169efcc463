"""Around a call to a platform: tokens opened for it alone, the last look at the clock, parked mail."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.account.effects import (
    ChooseRecheck,
    FetchPage,
    FetchProfile,
    ReadItems,
    Refresh,
    ReplayParked,
    Revoke,
    Subscribe,
)
from actors.account.handler import REPLAY_BATCH, AccountHandler
from actors.runtime.entity import Effect, Message
from actors.runtime.failpoints import Failpoint, Failpoints
from domain.clock import ManualClock
from domain.content import Profile
from domain.ids import AccountId
from domain.secrets import Secret
from platforms.base import Grant, ItemReads, Page, PageQuery, PlatformApp
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, RetryAfter, Unknown
from storage.crypto import Keyring, SealBroken, field_aad
from storage.ports import Mailboxes, Parking
from storage.records import ZERO, Cursor, Document, Mail, StoreUnavailable
from storage.records import Page as Stored
from tests.fakes.documents import FakeParking
from tests.fakes.streams import FakeMailboxes, FakeRedis
from tests.unit.account.driver import TWITTER, post

ACCOUNT = AccountId("twitter", "100", "org_a")
APP = PlatformApp("app_x", "twitter", "client", Secret("app-secret"), (Secret("app-secret"),))
GRANT = Grant(Secret("access-new"), Secret("refresh-new"), 7200, ("tweet.read",))


class FakePlatform:
    """Answers what the test put there and keeps what it was asked; the fields are named as the calls."""

    spec = TWITTER

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.refreshes: Outcome[Grant] = Ok(GRANT)
        self.reads: Outcome[Any] = Ok(None)
        self.takes = 0.0

    async def refresh(self, http: Any, app: PlatformApp, grant: Grant, timeout_s: float) -> Outcome[Grant]:
        self.asked.append(("refresh", (grant, timeout_s)))
        await asyncio.sleep(self.takes)
        return self.refreshes

    async def revoke(self, http: Any, app: PlatformApp, grant: Grant) -> Outcome[None]:
        self.asked.append(("revoke", grant))
        return Ok(None)

    async def list_page(self, http: Any, token: Secret, external_id: str, query: PageQuery) -> Outcome[Page]:
        self.asked.append(("list_page", (token.reveal(), external_id, query)))
        return self.reads

    async def read_items(
        self, http: Any, token: Secret, external_id: str, ids: Sequence[str]
    ) -> Outcome[ItemReads]:
        self.asked.append(("read_items", (token.reveal(), external_id, ids)))
        return self.reads

    async def profile(self, http: Any, token: Secret) -> Outcome[Profile]:
        self.asked.append(("profile", token.reveal()))
        return self.reads

    async def subscribe(
        self, http: Any, app: PlatformApp, token: Secret, external_id: str, callback_url: str
    ) -> Outcome[None]:
        self.asked.append(("subscribe", (token.reveal(), external_id, callback_url)))
        return self.reads


class Contents:
    """Stored content, newest first."""

    def __init__(self, documents: Sequence[Document] = ()) -> None:
        self.documents = list(documents)
        self.asked = 0

    async def page(
        self, collection: str, org: str, filters: Any, limit: int, after: Cursor | None = None
    ) -> Stored:
        assert (collection, org, filters) == ("social_content", "org_a", {"socialAccountId": str(ACCOUNT)})
        self.asked += 1
        start = int(after.id) if after else 0
        end = start + limit
        more = end < len(self.documents)
        return Stored(self.documents[start:end], Cursor(datetime.min, str(end)) if more else None)


class Surroundings:
    def __init__(self) -> None:
        self.platform = FakePlatform()
        self.clock = ManualClock()
        self.keyring = Keyring.generate()
        self.contents = Contents()
        self.parking: Parking = FakeParking()
        self.redis = FakeRedis(self.clock)
        self.mailboxes: Mailboxes = FakeMailboxes(self.redis)
        self.app: PlatformApp | None = APP
        self.apps_away = False
        self.failpoints = Failpoints()
        self.counted: list[dict[str, Any]] = []

    async def run(self, effect: Effect) -> list[Message]:
        async def find_app(app_id: str) -> PlatformApp | None:
            if self.apps_away:
                raise StoreUnavailable("away")
            return self.app

        platforms: Any = {"twitter": self.platform}
        http: Any = None
        handler = AccountHandler(
            platforms,
            http,
            find_app,
            self.keyring,
            self.contents,
            self.parking,
            self.mailboxes,
            partitions=64,
            public_url="https://rookery.example",
            clock=self.clock,
            failpoints=self.failpoints,
            count=lambda name, n=1, **labels: self.counted.append(labels),
        )
        return await handler.run(ACCOUNT.key, effect)

    def seal(self, field: str, value: str) -> bytes:
        return self.keyring.seal(value.encode(), field_aad("social_accounts", str(ACCOUNT), field))

    def open(self, field: str, sealed: bytes) -> str:
        return self.keyring.open(sealed, field_aad("social_accounts", str(ACCOUNT), field)).decode()

    def refresh(self, left_s: float = 20.0) -> Refresh:
        not_after = self.clock.now() + timedelta(seconds=left_s)
        access, refresh = self.seal("accessToken", "access-old"), self.seal("refreshToken", "refresh-old")
        return Refresh("int_1", "app_x", access, refresh, not_after)

    @property
    def access(self) -> bytes:
        return self.seal("accessToken", "access-old")


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


# -- refresh ----------------------------------------------------------------------------------------


async def test_a_refresh_presents_the_opened_tokens_and_seals_the_new_ones(around: Surroundings) -> None:
    (message,) = await around.run(around.refresh())
    ((_, (grant, timeout_s)),) = around.platform.asked
    assert grant.access_token.reveal() == "access-old"
    assert grant.refresh_token.reveal() == "refresh-old"
    assert timeout_s < 20.0  # the call itself ends before `not_after`
    assert message.name == "refreshed"
    assert (message.data["intent_id"], message.data["outcome"]) == ("int_1", Ok(None))
    assert around.open("accessToken", message.data["access"]) == "access-new"
    assert around.open("refreshToken", message.data["refresh"]) == "refresh-new"
    assert (message.data["expires_in_s"], message.data["scopes"]) == (7200, ("tweet.read",))
    assert around.failpoints.passed == {
        Failpoint.INTENT_SAVED: 1,
        Failpoint.INTENT_BEFORE_SEND: 1,
        Failpoint.INTENT_ANSWERED: 1,
    }


async def test_tokens_are_sealed_for_their_own_record_and_field(around: Surroundings) -> None:
    (message,) = await around.run(around.refresh())
    with pytest.raises(SealBroken):
        around.open("refreshToken", message.data["access"])


async def test_no_token_in_clear_in_any_message_or_effect(around: Surroundings) -> None:
    around.platform.reads = Ok(Page((post(1),)))
    for effect in (around.refresh(), FetchPage("job_1", "posts", around.access, None, None, None)):
        messages = await around.run(effect)
        seen = f"{effect!r}{messages!r}{around.counted!r}"
        for token in ("access-old", "refresh-old", "access-new", "refresh-new", "app-secret"):
            assert token not in seen


async def test_no_refresh_token_given_is_none_not_something_sealed(around: Surroundings) -> None:
    around.platform.refreshes = Ok(replace(GRANT, refresh_token=None))
    (message,) = await around.run(around.refresh())
    assert message.data["refresh"] is None


@pytest.mark.parametrize("left_s", [1.0, 0.0, -3600.0])
async def test_pain_02_a_refresh_that_comes_too_late_is_not_sent(around: Surroundings, left_s: float) -> None:
    (message,) = await around.run(around.refresh(left_s))
    assert around.platform.asked == []
    assert isinstance(message.data["outcome"], RetryAfter)  # surely not sent: safe to decide again
    assert Failpoint.INTENT_BEFORE_SEND not in around.failpoints.passed


async def test_pain_02_a_refresh_is_ended_before_its_intent_is(around: Surroundings) -> None:
    around.platform.takes = 60.0
    (message,) = await around.run(around.refresh(1.05))
    assert isinstance(message.data["outcome"], Unknown)


@pytest.mark.parametrize(
    ("missing", "reason"), [("app", "platform_app_missing"), ("store", "store_unavailable")]
)
async def test_without_its_app_a_refresh_is_not_sent(around: Surroundings, missing: str, reason: str) -> None:
    around.app = None
    around.apps_away = missing == "store"
    (message,) = await around.run(around.refresh())
    assert around.platform.asked == []
    assert message.data["outcome"].reason == reason


@pytest.mark.parametrize(
    "outcome",
    [ReauthRequired("refresh_token_invalid"), Unknown("sent"), RetryAfter(5, LimitScope.APP, "503")],
)
async def test_what_the_platform_says_is_data(around: Surroundings, outcome: Outcome[Grant]) -> None:
    around.platform.refreshes = outcome
    (message,) = await around.run(around.refresh())
    assert message.data == {"intent_id": "int_1", "outcome": outcome}


# -- reading ----------------------------------------------------------------------------------------


async def test_a_page_is_asked_as_decided_and_dated_before_the_call(around: Surroundings) -> None:
    since = around.clock.now() - timedelta(hours=1)
    around.platform.reads = Ok(Page((post(1),)))
    asked_at = around.clock.now()
    (message,) = await around.run(FetchPage("job_1", "posts", around.access, "c1", since, "99"))
    ((_, (token, external_id, query)),) = around.platform.asked
    assert (token, external_id) == ("access-old", "100")
    assert query == PageQuery(TWITTER.sources[0], "c1", since, "99")
    assert message.name == "page_fetched"
    assert (message.data["job_id"], message.data["outcome"]) == ("job_1", around.platform.reads)
    assert message.data["asked_at"] == asked_at


async def test_reading_by_id(around: Surroundings) -> None:
    around.platform.reads = Ok(ItemReads(gone=frozenset({"2"})))
    effect = ReadItems("job_1", ("1", "2"), around.access)
    (message,) = await around.run(effect)
    assert around.platform.asked == [("read_items", ("access-old", "100", ("1", "2")))]
    assert (message.name, message.data["access"]) == ("items_read", effect.access)


async def test_calls_are_counted_by_outcome(around: Surroundings) -> None:
    around.platform.reads = RetryAfter(60, LimitScope.ACCOUNT, "http_429", rate_limited=True)
    await around.run(FetchPage("job_1", "posts", around.access, None, None, None))
    await around.run(around.refresh())
    assert around.counted == [
        {"platform": "twitter", "family": "tweets", "outcome": "rate_limited"},
        {"platform": "twitter", "family": "refresh", "outcome": "ok"},
    ]


async def test_a_profile_becomes_fields_of_the_document(around: Surroundings) -> None:
    around.platform.reads = Ok(Profile("100", "kiln", follower_count=7, alias_ids=("178",)))
    (message,) = await around.run(FetchProfile(around.access))
    assert message.name == "profile_fetched"
    profile = message.data["profile"]
    assert (profile["username"], profile["followerCount"], profile["aliasIds"]) == ("kiln", 7, ["178"])


async def test_a_profile_that_cannot_be_read_changes_nothing(around: Surroundings) -> None:
    around.platform.reads = ReauthRequired("token_refused")
    assert await around.run(FetchProfile(around.access)) == []


# -- around a connection ----------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "ok"), [(Ok(None), True), (Unknown("sent"), False)])
async def test_subscribing_names_the_address_of_the_app(
    around: Surroundings, outcome: Outcome[None], ok: bool
) -> None:
    around.platform.reads = outcome
    (message,) = await around.run(Subscribe("app_x", around.access))
    url = "https://rookery.example/webhooks/twitter/app_x"
    assert around.platform.asked == [("subscribe", ("access-old", "100", url))]
    assert message == Message("subscribed", {"ok": ok})


async def test_revoking_gives_the_platform_both_tokens(around: Surroundings) -> None:
    refresh = around.seal("refreshToken", "refresh-old")
    assert await around.run(Revoke("app_x", around.access, refresh)) == []
    ((_, grant),) = around.platform.asked
    assert (grant.access_token.reveal(), grant.refresh_token.reveal()) == ("access-old", "refresh-old")


async def test_nothing_is_revoked_where_there_is_nothing(around: Surroundings) -> None:
    await around.run(Revoke("app_x", b"", None))
    assert around.platform.asked == []


def parked(n: int, target: str = "twitter:100") -> list[Mail]:
    return [Mail(target, f"e{i}", b"sealed-%d" % i) for i in range(n)]


async def owed(around: Surroundings) -> list[str]:
    stream = f"mailbox:account:{ACCOUNT.key.partition(64)}"
    entries = (await around.mailboxes.read({stream: ZERO}, 10_000, 0)).get(stream, [])
    return [e.mail.event_id for e in entries]


async def test_pain_15_parked_events_go_through_the_mailbox_under_their_own_ids(around: Surroundings) -> None:
    await around.parking.park(parked(3), around.clock.now())
    await around.parking.park(parked(1, "twitter:999"), around.clock.now())
    assert await around.run(ReplayParked()) == []
    assert await owed(around) == ["e0", "e1", "e2"]
    assert await around.parking.counts(10) == {"twitter:999": 1}


class Refusing(FakeMailboxes):
    """Takes some batches, then the store is away."""

    def __init__(self, redis: FakeRedis, batches: int) -> None:
        super().__init__(redis)
        self.batches = batches

    async def tell(self, mails: Sequence[tuple[str, Mail]]) -> None:
        if self.batches == 0:
            raise StoreUnavailable("away")
        self.batches -= 1
        await super().tell(mails)


async def test_pain_09_what_the_mailbox_did_not_take_stays_parked(around: Surroundings) -> None:
    around.mailboxes = Refusing(around.redis, batches=1)
    await around.parking.park(parked(REPLAY_BATCH + 7), around.clock.now())
    assert await around.run(ReplayParked()) == []
    assert await around.parking.counts(10) == {"twitter:100": 7}
    around.mailboxes = FakeMailboxes(around.redis)
    await around.run(ReplayParked())
    assert sorted(await owed(around)) == sorted(f"e{i}" for i in range(REPLAY_BATCH + 7))


# -- what to read again -----------------------------------------------------------------------------


NEWEST = ManualClock().now()


def stored(n: int, *, listed_in: str | None = "job_1", status: str = "active") -> Document:
    """Content `n` minutes older than the newest."""
    return {
        "externalContentId": str(n),
        "status": status,
        "listedIn": listed_in,
        "publishedAt": NEWEST - timedelta(minutes=n),
    }


async def choose(around: Surroundings, minutes: float | None, limit: int = 100) -> tuple[str, ...]:
    begin = None if minutes is None else NEWEST - timedelta(minutes=minutes)
    (message,) = await around.run(ChooseRecheck("job_1", "posts", begin, NEWEST, limit))
    assert (message.name, message.data["job_id"]) == ("recheck_chosen", "job_1")
    ids: tuple[str, ...] = message.data["ids"]
    return ids


async def test_what_the_listing_did_not_show_comes_first_then_the_newest(around: Surroundings) -> None:
    unseen = {3, 7}
    around.contents = Contents(
        [stored(n, listed_in=None if n in unseen or n > 9 else "job_1") for n in range(20)]
    )
    assert await choose(around, minutes=9) == ("3", "7", *map(str, range(10, 20)))
    assert await choose(around, minutes=9, limit=3) == ("3", "7", "10")


async def test_without_a_window_nothing_counts_as_missing(around: Surroundings) -> None:
    around.contents = Contents([stored(n, listed_in=None) for n in range(150)])
    assert await choose(around, minutes=None) == tuple(map(str, range(100)))
    assert around.contents.asked == 1


async def test_what_is_gone_or_superseded_is_not_read_again(around: Surroundings) -> None:
    statuses = ["active", "deleted", "superseded", "pending"]
    around.contents = Contents([stored(n, listed_in=None, status=s) for n, s in enumerate(statuses)])
    assert await choose(around, minutes=60) == ("0", "3")


async def test_missing_content_is_looked_for_through_the_whole_window(around: Surroundings) -> None:
    documents = [stored(n) for n in range(450)]
    documents[399] = stored(399, listed_in="job_0")
    documents[449] = stored(449, listed_in="job_0")
    around.contents = Contents(documents)
    assert await choose(around, minutes=400) == ("399", "449")
    assert await choose(around, minutes=100) == ()
    assert around.contents.asked == 5 + 2


async def test_an_account_without_content_has_nothing_to_read(around: Surroundings) -> None:
    assert await choose(around, minutes=60) == ()


async def test_an_effect_of_another_kind_is_a_defect(around: Surroundings) -> None:
    with pytest.raises(TypeError):
        await around.run(Effect())
