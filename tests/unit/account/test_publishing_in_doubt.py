"""A publication of which nobody knows whether it is out, and whatever else the platform does."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.account.effects import LookForPublication, PublishStep, Refresh
from actors.account.publishing.publication import Phase
from actors.account.publishing.publishing import (
    GIVE_UP_AFTER,
    LOOKS,
    STEP_TIMEOUT,
)
from domain.errors import Conflict
from domain.events import EventType
from domain.publishing import Published, PublishState
from domain.tokens import UNRESOLVED_GRACE
from platforms.outcome import (
    LimitScope,
    Ok,
    Outcome,
    Rejected,
    RetryAfter,
)
from tests.unit.account.publisher import FAULT, OUT, POST, UNHEARD, Publisher


# -- unknown outcomes ---------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["unheard", "no outcome at all"])
def test_pain_01_what_may_be_out_is_looked_for_and_never_sent_again(how: str) -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    if how == "unheard":
        account.step(UNHEARD)
    else:
        account.crash()
        sent = account.now
        account.until(LookForPublication)
        assert account.now >= sent + STEP_TIMEOUT + UNRESOLVED_GRACE
    assert account.document()["status"] == "looking"
    account.until(LookForPublication)
    assert not account.waiting(PublishStep)
    account.look(Ok(None))
    account.until(LookForPublication)
    account.look(Ok(Published("900")))
    assert account.document()["status"] == "published" and account.open == []
    assert len(account.told(EventType.CONTENT_PUBLISHED)) == 1


def test_pain_01_what_was_found_goes_on_with_the_steps_that_are_left() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    sent = account.waiting(PublishStep)[0].record.sent_at
    account.step(UNHEARD)
    account.until(LookForPublication)
    account.look(Ok(PublishState("tags", {"pin_id": "900"})))
    effect = account.take(PublishStep)
    assert (effect.record.phase, effect.record.stage, effect.record.decisive) == (
        Phase.RUNNING,
        "tags",
        False,
    )
    assert orjson.loads(effect.record.facts) == {"pin_id": "900"} and effect.record.sent_at == sent
    account.crash()
    account.until(PublishStep)
    account.step(OUT)
    assert account.document()["status"] == "published" and account.open == []
    assert "post" not in [what for _, what in account.document()["steps"]][3:], "it was not sent again"


def test_a_fault_after_the_decisive_step_does_not_undo_it() -> None:
    account, due = Publisher(), timedelta()
    account.ask()
    account.step(Ok(POST))
    account.step(Ok(PublishState("tags", {"pin_id": "900"})))
    account.connect(expires_in_s=60 * 86_400)
    begun = account.now
    while due <= GIVE_UP_AFTER:
        account.until(PublishStep)
        account.step(FAULT)
        with pytest.raises(Conflict, match="out already"):
            account.send("cancel_publication", {"publication_id": "pub_1"})
        due = account.now - begun
    account.until(PublishStep)
    account.step(OUT)
    assert account.document()["status"] == "published"


def test_what_is_never_found_is_for_a_person_to_decide() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(UNHEARD)
    for _ in LOOKS:
        account.until(LookForPublication)
        assert not account.waiting(PublishStep)
        account.look(Ok(None))
    assert account.document()["status"] == "unconfirmed" and account.open == []
    assert "unconfirmed" in account.statuses()


def test_a_look_that_fails_is_no_look() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(UNHEARD)
    for _ in range(2 * len(LOOKS)):
        account.until(LookForPublication)
        account.look(FAULT)
    assert account.open[0].phase is Phase.LOOKING and account.open[0].looks == 0


@pytest.mark.parametrize(
    "failure", [FAULT, Rejected("100", "No."), None], ids=["fault", "refused", "silence"]
)
def test_looks_that_always_fail_end_after_a_day_and_say_so(failure: Outcome[Any] | None) -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(UNHEARD)
    begun = account.now
    while account.open and account.now < begun + 2 * GIVE_UP_AFTER:
        if failure is not None and account.waiting(LookForPublication):
            account.look(failure)
        elif account.waiting(Refresh):
            account.refreshed(Ok(None), account.take(Refresh), expires_in_s=100 * 86_400)
        else:
            account.calls.clear()
            account.wake()
    document = account.document()
    assert document["status"] == "unconfirmed" and "could not be asked for a day" in document["reason"]
    assert account.now >= begun + GIVE_UP_AFTER
    assert not account.waiting(PublishStep)


def test_an_account_that_was_out_of_action_for_long_looks_before_it_gives_up() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(UNHEARD)
    account.send("pause")
    account.later(days=3)
    account.send("resume")
    if account.waiting(Refresh):
        account.refreshed(Ok(None), account.take(Refresh), expires_in_s=100 * 86_400)
    account.until(LookForPublication)
    account.look(FAULT)
    assert account.open[0].phase is Phase.LOOKING
    account.until(LookForPublication)
    account.look(Ok(Published("900")))
    assert account.document()["status"] == "published"


def test_a_late_answer_is_believed() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    effect = account.take(PublishStep)
    account.until(LookForPublication)
    account.step(OUT, effect=effect)
    assert account.document()["status"] == "published"
    account.look(Ok(Published("900")))
    assert len(account.told(EventType.CONTENT_PUBLISHED)) == 1


def test_an_unknown_outcome_of_a_step_that_shows_nothing_is_simply_repeated() -> None:
    account = Publisher()
    account.ask()
    account.step(UNHEARD)
    account.until(PublishStep)
    assert account.take(PublishStep).record.stage == "start"


def test_surely_not_done_is_sent_again() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(RetryAfter(30.0, LimitScope.ACCOUNT, "limited", rate_limited=True))
    account.until(PublishStep)
    assert account.take(PublishStep).record.decisive


def test_an_id_that_comes_later_is_asked_for() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(Ok(Published(None)))
    assert account.document()["status"] == "pending" and not account.told(EventType.CONTENT_PUBLISHED)
    account.until(LookForPublication)
    account.look(Ok(Published(None)))
    account.until(LookForPublication)
    account.look(Ok(Published("900")))
    assert account.document()["externalContentId"] == "900"
    assert account.document()["status"] == "published"


# -- histories ----------------------------------------------------------------------------------------
class Histories(RuleBasedStateMachine):
    """A platform that acts and may not be heard, a process that ends at any time: never out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Publisher()
        self.asked = 0
        self.out: dict[str, int] = {}

    @rule()
    def ask(self) -> None:
        if self.asked < 6:
            self.asked += 1
            self.account.ask(f"pub_{self.asked}")

    @precondition(lambda self: self.account.waiting(PublishStep))
    @rule(
        how=st.sampled_from(["done", "done and unheard", "not done and unheard", "fault", "refused", "lost"])
    )
    def platform(self, how: str) -> None:
        effect = self.account.waiting(PublishStep)[0]
        self.account.calls.remove(effect)
        record = effect.record
        if how == "refused":
            return self.account.step(Rejected("1", "no"), effect=effect)
        if how == "fault":
            return self.account.step(FAULT, effect=effect)
        if not record.decisive:
            return None if how == "lost" else self.account.step(Ok(POST), effect=effect)
        if how != "not done and unheard":
            self.out[record.id] = self.out.get(record.id, 0) + 1
        if how == "done":
            return self.account.step(Ok(Published(f"9{record.id[4:]}")), effect=effect)
        if how in ("done and unheard", "not done and unheard"):
            return self.account.step(UNHEARD, effect=effect)
        return None

    @precondition(lambda self: self.account.waiting(LookForPublication))
    @rule(listed=st.booleans())
    def look(self, listed: bool) -> None:
        effect = self.account.waiting(LookForPublication)[0]
        self.account.calls.remove(effect)
        there = listed and effect.record.id in self.out
        found = Published(f"9{effect.record.id[4:]}") if there else None
        self.account._outcome("publication_looked", effect, Ok(found))

    @rule()
    def crash(self) -> None:
        self.account.crash()

    @precondition(lambda self: self.account.due is not None)
    @rule()
    def wake(self) -> None:
        self.account.wake()

    @invariant()
    def never_twice(self) -> None:
        assert all(times == 1 for times in self.out.values())

    @invariant()
    def what_is_said_is_true(self) -> None:
        for n in range(1, self.asked + 1):
            status = self.account.document(f"pub_{n}")["status"]
            if status == "published":
                assert f"pub_{n}" in self.out
            if status == "failed":
                assert f"pub_{n}" not in self.out


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
