"""The steps of tasks, as the handler makes them: on scripted capabilities and a store in memory."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import orjson
import pytest
from msgspec.structs import replace

from actors.account.documents import CONTENT
from actors.account.effects import DecisiveStep, TaskStep
from actors.account.operations.operations import begun
from actors.account.operations.performer import Performer
from actors.account.operations.task import OPERATIONS, Phase, Step, What, operation_document
from actors.account.operations.told import AD_ACCOUNTS, AD_DAYS, ADS, INSIGHTS, ORDERS, PRODUCTS, STREAMS
from actors.account.tokens.token import Call
from actors.runtime.failpoints import Failpoint
from domain.advertising import AdLevel, Promoted
from domain.budget import Priority
from domain.content import ContentKind
from domain.ids import AccountId
from domain.live import ChatPage
from domain.money import Money
from platforms.base import Page
from platforms.outcome import Ok, Outcome, Rejected, RetryAfter, Unknown
from storage.crypto import field_aad
from storage.records import StoreUnavailable
from tests.fakes.capabilities import Advertising, Targeting, days, order, said
from tests.unit.account.asking import Able
from tests.unit.account.driver import comment
from tests.unit.account.surroundings import APP, Surroundings

ACCOUNT = AccountId("facebook", "100", "org_a")


class Desk:
    """Carries tasks out to their end, each step from what the one before left."""

    def __init__(self) -> None:
        self.around = Surroundings()
        self.able = Able()
        self.keyring, self.sides, self.clock = self.around.keyring, self.around.sides, self.around.clock
        self.performer = Performer(cast(Any, None), self.keyring, self.sides, self.clock)
        self.facts_bytes = 0

    def seal(self, name: str, value: str) -> bytes:
        return self.keyring.seal(value.encode(), field_aad("social_accounts", str(ACCOUNT), name))

    async def asked(self, what: What, wish: dict[str, Any], facts: dict[str, Any] | None = None) -> TaskStep:
        task = begun("op_1", what, facts or {}, Priority.PERSON, self.clock.now())
        document = operation_document(
            str(ACCOUNT), "org_a", "facebook", task, wish, "usr_1", self.clock.now(), self.keyring.seal
        )
        await self.sides.upsert_many(OPERATIONS, [document])
        call = Call("call_1", self.clock.now() + timedelta(seconds=60))
        kind = DecisiveStep if task.decisive else TaskStep
        access, secret = self.seal("accessToken", "page-token"), self.seal("refreshToken", "person-token")
        return kind(call, task, {"x": 1}, access, secret, "100", app_id="app_x", priority=Priority.PERSON)

    async def make(self, effect: TaskStep) -> Outcome[Step | None]:
        return await self.performer.perform(ACCOUNT, cast(Any, self.able), APP, effect)

    async def run(self, what: What, facts: dict[str, Any] | None = None, **wish: Any) -> list[Step]:
        effect, steps = await self.asked(what, wish, facts), []
        for _ in range(100):
            outcome = await self.make(effect)
            assert isinstance(outcome, Ok) and outcome.value is not None, outcome
            step = outcome.value
            steps.append(step)
            for collection, document in step.documents:
                await self.sides.upsert_many(collection, [document])
            if step.facts is None:
                return steps
            stored = orjson.dumps(dict(step.facts))
            self.facts_bytes = max(self.facts_bytes, len(stored))
            effect = replace(effect, task=replace(effect.task, facts=stored))
            self.clock.advance(0.25)
        raise AssertionError("it never ends")

    def all(self, collection: str) -> list[dict[str, Any]]:
        return self.sides.all(collection)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- comments -----------------------------------------------------------------------------------------
class Commented(Able):
    """Two pages, the account's own words among them."""

    def __init__(self) -> None:
        super().__init__()
        self.comments = self
        self.asked: list[Any] = []

    async def page(self, access: Any, since: Any, cursor: str | None) -> Outcome[Page]:
        self.asked.append((since, cursor))
        found = comment("c2", author=access.external_id) if cursor else comment("c1", author="someone")
        return Ok(Page(remarks=(found,), next_cursor=None if cursor else "next"))


async def test_comments_come_page_by_page_with_the_accounts_own_under_its_id(desk: Desk) -> None:
    desk.able = able = Commented()
    effect = await desk.asked(What.COMMENTS, {}, {"since": "2026-04-20T08:00:00+00:00"})
    effect, remarks = replace(effect, external_id="business-7"), list[Any]()
    for _ in range(2):
        step = (await desk.make(effect)).value  # type: ignore[union-attr]
        assert step is not None and step.listed
        remarks += step.remarks
        facts = orjson.dumps(dict(step.facts or {}))
        effect = replace(effect, task=replace(effect.task, facts=facts))
    since = datetime(2026, 4, 20, 8, tzinfo=UTC)
    assert able.asked == [(since, None), (since, "next")] and facts == b"{}"
    assert [r.author.external_id for r in remarks] == ["someone", ACCOUNT.external_id]


# -- tokens -------------------------------------------------------------------------------------------
async def test_tokens_are_opened_for_the_call_alone(desk: Desk) -> None:
    await desk.run(What.CATALOGS)
    ((access,),) = desk.able.commerce.calls("catalogs")
    assert (access.token.reveal(), access.token_secret.reveal()) == ("page-token", "person-token")
    assert "page-token" not in repr(access)


async def test_a_store_that_is_away_costs_no_call(desk: Desk) -> None:
    effect = await desk.asked(What.PRODUCTS, {"catalog": "cat1"})
    desk.performer._sides = cast(Any, Away())
    assert isinstance(await desk.make(effect), RetryAfter)
    assert desk.able.commerce.asked == []


class Away:
    async def load_many(self, collection: str, ids: Any) -> Any:
        raise StoreUnavailable("away")


async def test_a_decisive_step_passes_the_failpoints_of_an_intent_and_ends_in_its_time(desk: Desk) -> None:
    around = desk.around
    effect = await desk.asked(What.CREATE_AD_CAMPAIGN, {"account": {}, "name": "x", "objective": "y"})
    late = type(effect)(
        Call("call_1", desk.clock.now() + timedelta(seconds=5.5)),
        effect.task,
        effect.calls,
        effect.access,
        None,
        "100",
        app_id="app_x",
        priority=Priority.PERSON,
    )
    (message,) = await around.run(late)
    assert message.data["outcome"].reason == "too_late_to_send"
    assert around.failpoints.passed == {Failpoint.INTENT_SAVED: 1}
    assert desk.able.ads.asked == []


# -- insights -----------------------------------------------------------------------------------------
async def add_content(desk: Desk, id_: str, age_days: float, status: str = "active") -> None:
    document = {
        "_id": f"{ACCOUNT}|{id_}",
        "org": "org_a",
        "socialAccountId": str(ACCOUNT),
        "externalContentId": id_,
        "contentType": "photo",
        "publishedAt": desk.clock.now() - timedelta(days=age_days),
        "status": status,
    }
    await desk.sides.upsert_many(CONTENT, [document])


async def test_numbers_of_recent_content_one_call_each_and_one_refusal_hides_no_other(desk: Desk) -> None:
    for n in range(4):
        await add_content(desk, str(n), n + 1, "deleted" if n == 1 else "active")
    await add_content(desk, "old", 40)
    desk.able.insights.faults["of_content"].append(Rejected("100", "It has no numbers."))
    steps = await desk.run(What.CONTENT_INSIGHTS)
    asked = [(content, kind) for _, content, kind in desk.able.insights.calls("of_content")]
    assert asked == [(id_, ContentKind.PHOTO) for id_ in ("0", "2", "3")]
    assert steps[0].note == "0: It has no numbers."
    rows = desk.all(INSIGHTS)
    assert sorted(r["contentId"] for r in rows) == [f"{ACCOUNT}|2", f"{ACCOUNT}|3"]
    reach = next(m for m in rows[0]["metrics"] if m["name"] == "reach")
    assert (reach["value"], reach["reason"]) == (None, "too_few_viewers")


async def test_one_content_is_asked_about_however_old_and_its_refusal_is_told(desk: Desk) -> None:
    await add_content(desk, "old", 400)
    await desk.run(What.CONTENT_INSIGHTS, {"only": f"{ACCOUNT}|old"})
    assert len(desk.all(INSIGHTS)) == 1
    desk.able.insights.faults["of_content"].append(Rejected("100", "No."))
    assert isinstance(
        await desk.make(await desk.asked(What.CONTENT_INSIGHTS, {}, {"only": f"{ACCOUNT}|old"})), Rejected
    )


async def test_numbers_of_a_day_are_one_row(desk: Desk) -> None:
    await desk.run(What.ACCOUNT_INSIGHTS)
    await desk.run(What.ACCOUNT_INSIGHTS)
    assert len(desk.all(INSIGHTS)) == 1
    desk.clock.advance(86_400)
    await desk.run(What.ACCOUNT_INSIGHTS)
    assert len(desk.all(INSIGHTS)) == 2


# -- ads ----------------------------------------------------------------------------------------------
async def test_all_accounts_are_walked_level_by_level_and_their_reports_read(desk: Desk) -> None:
    ads = desk.able.ads = Advertising("77", "78", "79")
    today = desk.clock.now().date()
    ads.spend = days(today - timedelta(days=4), 10, 20, 30, 40, 50)
    steps = await desk.run(What.ADS)
    assert len(desk.all(AD_ACCOUNTS)) == 3 and len(desk.all(ADS)) == 9
    rows = desk.all(AD_DAYS)
    assert len(rows) == 15 and {r["level"] for r in rows} == {"campaign"}
    assert sum(r["spend"]["minor"] for r in rows) == 3 * 150
    # One call a turn: accounts, then three levels and three steps of a report for each.
    assert len(steps) == 1 + 3 * (3 + 3) == len(ads.asked)
    assert desk.facts_bytes < 600
    group = next(a for a in desk.all(ADS) if a["externalId"] == "77-group")
    assert (group["parentId"], group["adAccountId"]) == (f"{ACCOUNT}|77-campaign", f"{ACCOUNT}|77")


async def test_a_report_alone_with_its_own_span_and_level(desk: Desk) -> None:
    desk.able.ads.spend = days(date(2025, 12, 1), 1, 2, 3, 4)
    wish: dict[str, Any] = {"levels": [], "report_level": "ad", "since": "2025-12-02", "until": "2025-12-03"}
    await desk.run(What.ADS, **wish)
    assert desk.all(ADS) == []
    assert [(r["adId"], r["spend"]["minor"]) for r in desk.all(AD_DAYS)] == [
        (f"{ACCOUNT}|77-ad", n) for n in (2, 3)
    ]


async def test_accounts_that_are_gone_are_not_walked_again(desk: Desk) -> None:
    desk.able.ads = Advertising("77", "78")
    await desk.run(What.ADS, levels=["campaign"])
    desk.clock.advance(60)
    desk.able.ads = Advertising("78")
    await desk.run(What.ADS, levels=["campaign"])
    walked = {account.external_id for _, account, _, _ in desk.able.ads.calls("objects")}
    assert walked == {"78"}


def _account() -> dict[str, Any]:
    return {"externalId": "77", "name": "Ads", "currency": "EUR", "timezone": None}


async def test_a_campaign_is_made_with_its_tag_and_found_by_it(desk: Desk) -> None:
    wish = {"account": _account(), "name": "Spring", "objective": "SALES"}
    wish["daily_budget"] = {"minor": 900, "currency": "EUR"}
    effect = await desk.asked(What.CREATE_AD_CAMPAIGN, wish, {"tag": "adc_1"})
    looking = replace(effect, task=replace(effect.task, phase=Phase.LOOKING))
    assert await desk.make(looking) == Ok(None)
    made = await desk.make(effect)
    assert isinstance(made, Ok) and made.value is not None and made.value.result is not None
    ((_, _, asked),) = desk.able.ads.calls("create_campaign")
    assert (asked.tag, asked.daily_budget, asked.lifetime_budget) == ("adc_1", Money(900, "EUR"), None)
    found = await desk.make(looking)
    assert isinstance(found, Ok) and found.value is not None
    assert found.value.result == made.value.result == {"ad_id": f"{ACCOUNT}|made-0"}


GROUP = {
    "name": "Germany",
    "campaign": {"id": "c1", "objective": "SALES", "has_budget": False},
    "goal": "CLICKS",
    "countries": ["DE", "FR"],
    "lifetime_budget": {"minor": 900, "currency": "EUR"},
    "starts_at": None,
    "ends_at": "2026-06-01T00:00:00Z",
    "settings": {"dsa_payor": "Kiln"},
}
SHOWN = {"platform": "facebook", "owner_id": "100", "external_id": "100_7", "kind": "photo"}
AD = {"name": "Bowl", "group": {"id": "g1"}, "content": SHOWN, "settings": {}}


@pytest.mark.parametrize(
    ("what", "wish", "call", "parent"),
    [
        (What.CREATE_AD_GROUP, GROUP, "group", "c1"),
        (What.CREATE_AD, AD, "ad", "g1"),
    ],
)
async def test_what_is_below_a_campaign_is_made_with_its_tag_and_found_by_it(
    desk: Desk, what: What, wish: dict[str, Any], call: str, parent: str
) -> None:
    effect = await desk.asked(what, wish | {"account": _account()}, {"tag": "tag_1"})
    assert isinstance(effect, DecisiveStep)
    looking = replace(effect, task=replace(effect.task, phase=Phase.LOOKING))
    assert await desk.make(looking) == Ok(None)
    made = await desk.make(effect)
    assert isinstance(made, Ok) and made.value is not None and made.value.facts is None
    found = await desk.make(looking)
    assert isinstance(found, Ok) and found.value is not None
    assert found.value.result == made.value.result == {"ad_id": f"{ACCOUNT}|made-0"}
    ((_, _, asked),) = desk.able.ads.calls(f"create_{call}")
    assert asked == desk.able.ads.calls(f"find_{call}")[0][2]
    assert (asked.tag, asked.name, asked.settings) == ("tag_1", wish["name"], wish["settings"])
    ((collection, document),) = made.value.documents
    assert (collection, document["parentId"]) == (ADS, f"{ACCOUNT}|{parent}")
    assert (document["level"], document["adAccountId"]) == (call, f"{ACCOUNT}|77")
    if call == "group":
        assert (asked.countries, asked.lifetime_budget) == (("DE", "FR"), Money(900, "EUR"))
        assert (asked.starts_at, asked.ends_at) == (None, datetime(2026, 6, 1, tzinfo=UTC))
    else:
        assert asked.content == Promoted("facebook", "100", "100_7", ContentKind.PHOTO)


async def test_countries_that_are_objects_of_their_own_are_a_further_step_that_may_be_repeated(
    desk: Desk,
) -> None:
    ads = desk.able.ads = Targeting("77")
    wish = GROUP | {"account": _account()}
    effect = await desk.asked(What.CREATE_AD_GROUP, wish, {"tag": "tag_1"})
    looking = replace(effect, task=replace(effect.task, phase=Phase.LOOKING))
    for asked_for in (effect, looking):  # made, or found: it goes on alike
        made = await desk.make(asked_for)
        assert isinstance(made, Ok) and made.value is not None
        first = made.value
        assert first.facts == {"tag": "tag_1", "made": "made-0"} and first.calls == "ads.target_group"
        assert first.documents[0][1]["externalId"] == "made-0"
        assert first.result == {"ad_id": f"{ACCOUNT}|made-0"}
    assert first.facts is not None
    following = replace(effect, task=replace(effect.task, facts=orjson.dumps(dict(first.facts))))
    assert await desk.make(following) == await desk.make(following) == Ok(Step(None))
    assert len(ads.calls("create_group")) == 1
    (_, _, asked, group_id), _ = ads.calls("target_group")
    assert (asked.countries, group_id) == (("DE", "FR"), "made-0")
    ads.faults["target_group"].append(Rejected("country", "Nowhere."))
    refused = await desk.make(following)
    assert isinstance(refused, Rejected)
    assert refused.message.endswith("activated, it would be shown everywhere. Nowhere.")


async def test_budget_and_status_are_two_calls_in_two_turns(desk: Desk) -> None:
    await desk.run(What.ADS)
    wish: dict[str, Any] = {"ad": f"{ACCOUNT}|77-group", "account": _account(), "status": "active"}
    wish["daily_budget"] = {"minor": 500, "currency": "EUR"}
    steps = await desk.run(What.CHANGE_AD, **wish)
    assert [s.note for s in steps] == ["budget set", "status set"]
    assert desk.able.ads.calls("set_budget")[0][2:] == (AdLevel.GROUP, "77-group", Money(500, "EUR"))
    ad = next(a for a in desk.all(ADS) if a["externalId"] == "77-group")
    assert (ad["dailyBudget"]["minor"], ad["status"]) == (500, "active")


# -- commerce -----------------------------------------------------------------------------------------
async def test_products_page_by_page_and_put_in_by_a_batch_that_is_polled(desk: Desk) -> None:
    await desk.run(What.PRODUCTS, catalog="cat1")
    assert [p["retailerId"] for p in desk.all(PRODUCTS)] == ["SKU-1", "SKU-2"]
    desk.able.commerce.polls = 3
    wished = [
        {"retailer_id": id_, "title": "Vase", "price": {"minor": 100, "currency": "EUR"}}
        for id_ in ("SKU-8", "SKU-9")
    ]
    steps = await desk.run(What.UPSERT_PRODUCTS, catalog="cat1", products=wished)
    assert [s.wait_s for s in steps[:-1]] == [5.0, 1.0, 1.0]
    assert len(desk.able.commerce.calls("upsert")) == 1
    assert steps[-1].result == {"accepted": 1, "errors": [["SKU-9", "It has no picture."]]}
    assert "SKU-9" not in [p["retailerId"] for p in desk.all(PRODUCTS)]


async def test_an_orders_buyer_is_sealed(desk: Desk) -> None:
    desk.able.commerce.sold = [order("1001"), order("1002", paid=False)]
    await desk.run(What.ORDERS, {"since": "2026-01-01T00:00:00+00:00"})
    assert [o["paid"] for o in desk.all(ORDERS)] == [True, False]
    assert "BERTA" not in repr(desk.all(ORDERS))
    assert desk.able.commerce.calls("orders")[0][1] == datetime(2026, 1, 1, tzinfo=UTC)


# -- live ---------------------------------------------------------------------------------------------
async def test_a_broadcast_is_looked_for_among_those_nobody_knew(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(days=1)
    studio = desk.able.live
    studio.add("earlier", "Kiln", at)
    await desk.run(What.BROADCASTS)
    wish = {"title": "Kiln", "scheduled_at": at.isoformat(), "options": {}}
    effect = await desk.asked(What.CREATE_BROADCAST, wish)
    looking = replace(effect, task=replace(effect.task, phase=Phase.LOOKING))
    assert await desk.make(looking) == Ok(None)
    studio.add("ours", "Kiln", at)
    found = await desk.make(looking)
    assert isinstance(found, Ok) and found.value is not None and found.value.facts == {"made": "ours"}
    studio.faults["create"].append(Unknown("lost"))
    assert isinstance(await desk.make(effect), Unknown)


async def test_a_streams_name_is_kept_sealed(desk: Desk) -> None:
    steps = await desk.run(What.STREAM, broadcast="live0", title="Kiln")
    assert len(steps) == 2
    (stream,) = desk.all(STREAMS)
    assert stream["bound"] and "STREAM-NAME" not in repr(stream)
    name = desk.keyring.open(stream["name"], field_aad(STREAMS, f"{ACCOUNT}|live0", "name"))
    assert name == b"STREAM-NAME-1"


async def test_a_chat_is_read_as_often_as_allowed_until_it_ends(desk: Desk) -> None:
    desk.able.live.said.extend(
        [ChatPage((said("m1"),), "2", 4.0), ChatPage((), "3", 0.1), ChatPage(ended=True)]
    )
    steps = await desk.run(What.CHAT, broadcast="live0", chat="c")
    assert [c for _, _, c in desk.able.live.calls("chat")] == [None, "2", "3"]
    assert [s.wait_s for s in steps[:2]] == [4.0, 1.0]
    assert [r.content_id for s in steps for r in s.remarks] == ["live0"]


async def test_the_chat_of_a_broadcast_that_never_ends_is_read_for_a_day(desk: Desk) -> None:
    desk.able.live.said.extend([ChatPage((said(f"m{n}"),), str(n), 5.0) for n in range(9)])
    effect, begun = await desk.asked(What.CHAT, {"broadcast": "live0", "chat": "c"}), desk.clock.now()
    notes = []
    for hours in (0, 12, 13):
        desk.clock.advance(hours * 3600)
        outcome = await desk.make(effect)
        assert isinstance(outcome, Ok) and outcome.value is not None
        assert outcome.value.remarks, "what the last reading brought is kept, too"
        notes.append(outcome.value.note)
        if outcome.value.facts is None:
            break
        effect = replace(effect, task=replace(effect.task, facts=orjson.dumps(dict(outcome.value.facts))))
    assert desk.clock.now() - begun == timedelta(hours=25)
    assert isinstance(outcome, Ok) and outcome.value is not None
    assert outcome.value.facts is None and notes == [None, None, "read for a day: ask again to go on"]
