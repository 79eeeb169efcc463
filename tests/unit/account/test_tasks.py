"""What is asked of a platform beside sync and publishing, whatever it answers or does not."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.account.content.work import CALL_TIMEOUT
from actors.account.effects import DecisiveStep, Refresh, TaskStep
from actors.account.operations.operations import MAX_OPEN
from actors.account.operations.plans import EVERY, FIRST_AFTER, not_offered
from actors.account.operations.task import FIRST_CALL, ONCE, TAGGED, Phase, Step, What
from actors.account.operations.tasks import GIVE_UP_AFTER, LOOKS, MAX_FAILURES, UNDER_WAY
from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.errors import Conflict, Invalid, NotFound
from domain.events import EventType
from domain.tokens import UNRESOLVED_GRACE
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.registry import PLATFORMS
from tests.unit.account.asking import FACEBOOK, Able, Operator
from tests.unit.account.driver import TWITTER, Account

FAULT = RetryAfter(1.0, LimitScope.ACCOUNT, "unavailable")
UNHEARD = Unknown("it may have happened")
MADE = Ok(Step(None, items=1, result={"ad_id": "ad_1"}))


# -- walks --------------------------------------------------------------------------------------------
def test_a_walk_is_saved_before_each_next_call_and_goes_on_where_it_was() -> None:
    account = Operator()
    account.ask(What.PRODUCTS, catalog="cat1")
    effect = account.take(TaskStep)
    assert (effect.calls, orjson.loads(effect.task.facts)) == ({"catalog": 1}, {})
    account.crash()
    account.until(TaskStep)  # nobody heard of it: the same step again
    assert orjson.loads(account.waiting(TaskStep)[0].task.facts) == {}
    document = ("social_products", {"_id": f"{account.id}|p", "title": "Bowl"})
    account.step(Ok(Step({"cursor": "2"}, (document,), items=1)))
    assert account.side[SideRef(*_ref(document))]["title"] == "Bowl"
    account.crash()
    account.until(TaskStep)
    assert orjson.loads(account.waiting(TaskStep)[0].task.facts) == {"cursor": "2"}
    account.step(Ok(Step(None, items=2)))
    assert account.open == []
    found = account.operation()
    assert (found["status"], found["items"], found["reason"]) == ("done", 3, None)
    (event,) = account.told(EventType.OPERATION_ENDED)
    assert (event["operation_id"], event["status"], event["what"]) == ("op_1", "done", "products")


def _ref(document: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    return document[0], document[1]["_id"]


def test_what_was_asked_for_is_kept_sealed_and_taken_on_once() -> None:
    account = Operator()
    account.ask(What.PRODUCTS, catalog="cat1")
    assert b"cat1" not in account.operation()["wish"]
    account.ask(What.PRODUCTS, catalog="another")
    assert len(account.open) == 1


def test_a_call_is_reserved_in_the_windows_that_the_spec_names_for_it() -> None:
    account = Operator()
    account.ask(What.ADS)
    assert account.known.budget["marketing"].used == 10
    account.step(Ok(Step({"stage": "next"}, calls="ads.report")))
    assert account.known.budget["marketing"].used == 11


def test_a_limit_is_waited_for_and_is_no_failure() -> None:
    account = Operator()
    account.ask(What.CATALOGS)
    limit = RetryAfter(600.0, LimitScope.ACCOUNT, "rate_limited", rate_limited=True, family="catalog")
    account.step(limit)
    (task,) = account.open
    assert (task.failures, task.wait_until) == (0, account.now + timedelta(seconds=600))
    assert account.view["operations"][0]["held_by"] == {"whose": "account", "limit": "catalog"}
    used = account.known.budget["catalog"].used
    account.until(TaskStep)
    account.step(RetryAfter(5.0, LimitScope.APP, "held", rate_limited=True, held=True))
    assert account.known.budget["catalog"].used < used


def test_what_fails_again_and_again_fails_and_says_why() -> None:
    account = Operator()
    account.ask(What.CATALOGS)
    for _ in range(MAX_FAILURES):
        account.until(TaskStep)
        account.step(FAULT)
    assert account.operation()["reason"] == "gave_up_unavailable"
    account.ask(What.CATALOGS, "op_2")
    account.step(Rejected("100", "Facebook says no."))
    assert (account.operation("op_2")["status"], account.operation("op_2")["reason"]) == (
        "failed",
        "Facebook says no.",
    )


def test_nothing_waits_for_ever() -> None:
    account = Operator()
    account.ask(What.UPSERT_PRODUCTS, catalog="cat1", products=[])
    account.step(Ok(Step({"handle": "b"}, wait_s=7 * 86_400)))
    account.later(seconds=GIVE_UP_AFTER.total_seconds() + 1)
    for _ in range(50):
        if not account.open:
            break
        account.wake()
        if account.waiting(TaskStep):
            account.step(FAULT)
    assert account.operation()["status"] == "failed"


def test_two_calls_are_under_way_and_a_persons_comes_first() -> None:
    account = Operator()
    for n in range(UNDER_WAY + 2):
        account.ask(What.CATALOGS, f"op_{n}")
    assert len(account.waiting(TaskStep)) == UNDER_WAY
    account.step(Ok(Step(None)), account.waiting(TaskStep)[0])
    assert len([t for t in account.open if t.call]) == UNDER_WAY
    for n in range(UNDER_WAY + 2, MAX_OPEN + 1):
        account.ask(What.CATALOGS, f"op_{n}")
    with pytest.raises(Conflict, match="At most"):
        account.ask(What.CATALOGS, "op_more")


# -- refusals before anything -------------------------------------------------------------------------
@pytest.mark.parametrize("what", What)
def test_what_a_platform_does_not_have_is_said_before_anything_is_kept(what: What) -> None:
    account = Account(TWITTER)
    account.connect()
    data: dict[str, Any] = {
        "operation_id": "op_1",
        "what": what.value,
        "facts": {},
        "wish": {},
        "user_id": "usr_1",
    }
    with pytest.raises(Invalid, match="Not offered by the platform"):
        account.send("perform", data)
    assert account.known.tasks == ()


def test_the_platforms_own_sentence_is_told() -> None:
    account = Operator(able=Able({"orders": "It takes no orders."}))
    with pytest.raises(Invalid, match="It takes no orders"):
        account.ask(What.ORDERS)
    account.ask(What.CATALOGS)


@pytest.mark.parametrize("what", [What.CREATE_BROADCAST, What.STREAM, What.TRANSITION])
def test_live_videos_that_are_only_read_are_neither_made_nor_changed(what: What) -> None:
    account = Operator(able=PLATFORMS["facebook"])
    with pytest.raises(Invalid, match="Rookery reads a page's live videos"):
        account.ask(what)
    account.ask(What.BROADCASTS)
    account.ask(What.CHAT, "op_2")


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_call_of_every_capability_counts_in_a_window(name: str) -> None:
    platform = PLATFORMS[name]
    for what in What:
        if not_offered(platform, what) is None:
            for call in (FIRST_CALL[what], ONCE.get(what, FIRST_CALL[what])):
                for family in platform.spec.calls_of(call):
                    platform.spec.account_window(family)  # KeyError: the spec knows no such window
    for calls in platform.spec.capability_calls.values():
        for family in calls:
            platform.spec.account_window(family)


# -- what must not happen twice -----------------------------------------------------------------------
@pytest.mark.parametrize("what", TAGGED)
def test_an_unknown_outcome_is_looked_for_and_never_sent_again(what: What) -> None:
    account = Operator()
    account.ask(what, name="Spring")
    tag = orjson.loads(account.sent[0].task.facts)["tag"]
    account.step(UNHEARD)
    for n in range(len(LOOKS)):
        account.until(TaskStep)
        effect = account.take(TaskStep)
        assert not isinstance(effect, DecisiveStep) and effect.task.phase is Phase.LOOKING
        assert orjson.loads(effect.task.facts)["tag"] == tag, n
        account.step(Ok(None), effect)
    assert account.operation()["status"] == "unconfirmed"


def test_what_is_found_is_done() -> None:
    account = Operator()
    account.ask(What.CREATE_AD_CAMPAIGN, name="Spring")
    account.crash()
    account.later(seconds=CALL_TIMEOUT.total_seconds())
    account.tick()
    assert account.open[0].phase is Phase.RUNNING, "its sender may still be about to send"
    account.later(seconds=UNRESOLVED_GRACE.total_seconds())
    account.tick()
    assert [task.phase for task in account.open] == [Phase.LOOKING]
    account.until(TaskStep)
    account.step(MADE)
    assert account.operation()["result"] == {"ad_id": "ad_1"}


def test_an_answer_that_comes_late_is_believed() -> None:
    account = Operator()
    account.ask(What.CREATE_AD_CAMPAIGN, name="Spring")
    effect = account.take(DecisiveStep)
    account.later(seconds=90)
    account.tick()
    assert account.open[0].phase is Phase.LOOKING
    account.step(MADE, effect)
    assert account.operation()["status"] == "done" and account.open == []


def test_what_surely_did_not_happen_is_sent_again_and_may_be_cancelled_meanwhile() -> None:
    account = Operator()
    account.ask(What.CREATE_AD_CAMPAIGN, name="Spring")
    with pytest.raises(Conflict, match="may have happened"):
        account.send("cancel_operation", {"operation_id": "op_1"})
    account.step(FAULT)
    account.until(DecisiveStep)
    account.step(RetryAfter(30.0, LimitScope.ACCOUNT, "limit", rate_limited=True))
    account.send("cancel_operation", {"operation_id": "op_1"})
    assert account.operation()["status"] == "cancelled"
    with pytest.raises(Conflict, match="ended already"):
        account.send("cancel_operation", {"operation_id": "op_1"})
    with pytest.raises(NotFound):
        account.send("cancel_operation", {"operation_id": "op_2"})


def test_after_the_once_only_step_the_rest_is_repeatable() -> None:
    account = Operator()
    account.ask(What.CREATE_BROADCAST, title="Kiln", scheduled_at="2026-06-01T00:00:00Z")
    account.step(Ok(Step({"made": "live1"}, calls="live.list", note="made")))
    account.until(TaskStep)
    assert not account.sent
    account.crash()
    account.until(TaskStep)
    account.step(Ok(Step(None)))
    assert [what for _, what in account.operation()["steps"]] == ["begun", "made", "done"]


def test_a_disconnect_ends_everything_and_says_what_is_not_known() -> None:
    account = Operator()
    account.ask(What.CATALOGS, "op_read")
    account.ask(What.CREATE_AD_CAMPAIGN, "op_once", name="Spring")
    account.send("disconnect")
    assert account.operation("op_read")["status"] == "cancelled"
    assert account.operation("op_once")["status"] == "unconfirmed"
    assert account.known.tasks == ()


class Once(RuleBasedStateMachine):
    """A campaign to be made, on a platform and in a process that do anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Operator()
        self.account.ask(What.CREATE_AD_CAMPAIGN, name="Spring")
        self.may_exist = False
        self.resent = False

    @rule(seconds=st.sampled_from([1, 10, 30, 61, 300, 4000]))
    def time_passes(self, seconds: int) -> None:
        account = self.account
        account.later(seconds=seconds)
        before = len(account.sent)
        # A call that was given up may have done it all the same.
        self.may_exist |= any(c.call.until + UNRESOLVED_GRACE <= account.now for c in account.sent)
        account.tick()
        for refresh in account.waiting(Refresh):
            account.calls.remove(refresh)
            account.refreshed(Ok(None), refresh)
        self.resent |= self.may_exist and len(account.sent) > before

    @precondition(lambda self: self.account.waiting(TaskStep))
    @rule(
        newest=st.booleans(),
        outcome=st.sampled_from(
            [
                MADE,
                FAULT,
                UNHEARD,
                Rejected("1", "No."),
                ReauthRequired("token_refused"),
                RetryAfter(60.0, LimitScope.APP, "held", rate_limited=True, held=True),
            ]
        ),
    )
    def is_answered(self, newest: bool, outcome: Outcome[Any]) -> None:
        effect = self.account.waiting(TaskStep)[-1 if newest else 0]  # the older one was given up
        self.account.calls.remove(effect)
        decisive = isinstance(effect, DecisiveStep)
        if decisive and outcome in (MADE, UNHEARD):
            self.may_exist = True
        if not decisive and outcome is UNHEARD:
            outcome = Ok(None)
        before = len(self.account.sent)
        self.account.step(outcome, effect)
        self.resent |= self.may_exist and len(self.account.sent) > before

    @precondition(lambda self: self.account.waiting(TaskStep))
    @rule()
    def the_process_dies(self) -> None:
        self.may_exist |= bool(self.account.sent)
        self.account.crash()

    @invariant()
    def it_is_never_sent_again_once_it_may_exist(self) -> None:
        assert not self.resent

    @invariant()
    def the_account_is_alive(self) -> None:
        assert self.account.known.status is Status.CONNECTED


TestOnce = Once.TestCase
TestOnce.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# -- tokens -------------------------------------------------------------------------------------------
def test_a_token_that_is_good_but_not_for_this_costs_nobody_the_account() -> None:
    account = Operator()
    account.ask(What.ADS)
    account.step(ReauthRequired("token_refused"))
    assert account.waiting(Refresh) and account.open[0].call is None
    account.refreshed(Ok(None))
    account.step(ReauthRequired("token_refused"))
    assert account.operation()["reason"] == "token_refused"
    assert account.known.status is Status.CONNECTED and not account.waiting(Refresh)


def test_a_pages_ads_are_asked_for_with_its_persons_token() -> None:
    account = Operator()
    account.ask(What.ADS)
    effect = account.take(TaskStep)
    assert (effect.access, effect.secret, effect.grant) == (b"access-0", b"person-0", None)


# -- by itself ----------------------------------------------------------------------------------------
def scheduled() -> Operator:
    account = Operator(FACEBOOK, Able({"orders": "None."}))
    account.send("configure", {"auto_sync": True})
    account.crash()
    return account


def test_numbers_and_ads_are_read_once_a_day_and_say_how_it_went() -> None:
    account = scheduled()
    assert set(account.known.plans) == {"content_insights", "account_insights", "ads"}
    begun = account.now + FIRST_AFTER
    account.until(TaskStep)
    assert account.now >= begun
    whats = set()
    while account.open:
        account.until(TaskStep)
        effect = account.waiting(TaskStep)[0]
        account.calls.remove(effect)
        whats.add(effect.task.what)
        account.step(
            Rejected("200", "No permission.") if effect.task.what is What.ADS else Ok(Step(None)), effect
        )
    assert whats == {What.CONTENT_INSIGHTS, What.ACCOUNT_INSIGHTS, What.ADS}
    assert account.told(EventType.OPERATION_ENDED) == []
    plans = account.view["scheduled"]
    assert plans["ads"]["last_error"] == "No permission." and plans["ads"]["last_run_at"] is None
    assert plans["account_insights"]["last_run_at"] is not None
    assert account.known.plans["ads"].next_at >= begun + EVERY


def test_a_walk_that_is_not_done_is_not_begun_again_and_a_pause_holds_it() -> None:
    account = scheduled()
    account.until(TaskStep)
    account.send("pause")
    account.crash()
    account.later(days=3)
    account.tick()
    assert not account.waiting(TaskStep)
    assert len({t.what for t in account.open}) == len(account.open)


def test_orders_are_read_from_where_the_last_walk_began() -> None:
    account = Operator(FACEBOOK, Able())
    account.send("configure", {"auto_sync": True, "commerce_enabled": True})
    begun = []
    for _ in range(400):
        for effect in account.waiting(TaskStep):
            account.calls.remove(effect)
            if effect.task.what is What.ORDERS:
                begun.append((effect.task.begun_at, orjson.loads(effect.task.facts)["since"]))
            account.step(Ok(Step(None)), effect)
        if len(begun) == 2:
            break
        account.crash()
        account.wake()
    (first_at, _), (_, second_since) = begun
    assert second_since == (first_at - timedelta(hours=1)).isoformat()
