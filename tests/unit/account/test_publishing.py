"""A publication from its promise to its end, whatever the platform answers or does not."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.account.effects import LookForPublication, PublishStep, Refresh
from actors.account.publishing.publication import PUBLICATIONS, Phase, Publication
from actors.account.publishing.publications import MAX_OPEN
from actors.account.publishing.publishing import (
    CONFIRMED_WITHIN,
    GIVE_UP_AFTER,
    LATE_AFTER,
    LOOKS,
    STEP_TIMEOUT,
    UNDER_WAY,
)
from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.content import ContentKind
from domain.errors import Conflict, Invalid, NotFound
from domain.events import EventType
from domain.publishing import Draft, Published, PublishState, draft_json
from domain.tokens import UNRESOLVED_GRACE
from platforms.outcome import (
    LimitScope,
    Ok,
    Outcome,
    ReauthRequired,
    Rejected,
    RetryAfter,
    Unknown,
)
from tests.unit.account.driver import INSTAGRAM, Account

POST = PublishState("post", {"container": "c1"}, decisive=True)
OUT = Ok(Published("900", "https://example.com/900"))
FAULT = RetryAfter(1.0, LimitScope.ACCOUNT, "unavailable")
UNHEARD = Unknown("it may be out")


class Publisher(Account):
    def __init__(self) -> None:
        super().__init__(INSTAGRAM)
        self.connect()

    def ask(self, id: str = "pub_1", in_s: float = 0.0, text: str = "Fresh bowls", **data: Any) -> None:
        draft = draft_json(Draft(ContentKind.PHOTO, text))
        due_at = (self.now + timedelta(seconds=in_s)).isoformat()
        base = {"publication_id": id, "group": "grp_1", "user_id": "usr_1", "draft": draft, "due_at": due_at}
        self.send("publish", base | data)

    def step(
        self, outcome: Outcome[Any], sealed: bytes | None = None, effect: PublishStep | None = None
    ) -> None:
        effect = effect or self.take(PublishStep)
        self._outcome("publish_stepped", effect, outcome, sealed=sealed)

    def look(self, outcome: Outcome[Any]) -> None:
        self._outcome("publication_looked", self.take(LookForPublication), outcome)

    def _outcome(
        self, name: str, effect: PublishStep | LookForPublication, outcome: Outcome[Any], **more: Any
    ) -> None:
        data = {"publication_id": effect.record.id, "call_id": effect.call.id, "outcome": outcome}
        self.send(name, data | {"access": effect.access} | more)

    def until(self, kind: type[Any]) -> None:
        for _ in range(2000):
            if self.waiting(kind):
                return
            if self.waiting(Refresh):
                self.refreshed(Ok(None), self.waiting(Refresh)[-1], expires_in_s=100 * 86_400)
                continue
            self.wake()
        raise AssertionError("it never came")

    @property
    def open(self) -> list[Publication]:
        return list(self.known.publications)

    def document(self, id: str = "pub_1") -> dict[str, Any]:
        return self.side[SideRef(PUBLICATIONS, f"{self.id}|{id}")]

    def statuses(self) -> list[str]:
        return [e["status"] for e in self.told(EventType.PUBLICATION_CHANGED)]


# -- the usual way ------------------------------------------------------------------------------------
def test_it_goes_out_in_steps_each_saved_before_the_next() -> None:
    account = Publisher()
    account.ask()
    assert account.take(PublishStep).record.stage == "start"
    account.crash()
    account.until(PublishStep)  # the first step is safe to repeat
    account.step(Ok(PublishState("wait", {"container": "c1"}, wait_s=5.0)))
    assert not account.waiting(PublishStep)
    account.until(PublishStep)
    account.step(Ok(POST))
    (effect,) = account.waiting(PublishStep)
    assert effect.record.decisive and effect.record.sent_at == account.now
    assert orjson.loads(effect.record.facts) == {"container": "c1"}
    account.step(OUT)
    assert account.open == []
    found = account.document()
    assert (found["status"], found["externalContentId"]) == ("published", "900")
    assert [what for _, what in found["steps"]] == ["scheduled", "wait", "post", "published"]
    (event,) = account.told(EventType.CONTENT_PUBLISHED)
    assert event["content_id"] == f"{account.id}|900" and event["publication_id"] == "pub_1"
    assert "900" in account.known.reread or any(j and "900" in j.ids for j in [account.known.job])


def test_what_the_next_step_needs_stays_sealed() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(PublishState("upload", {"offset": 0})), sealed=b"sealed-address")
    assert account.take(PublishStep).record.sealed == b"sealed-address"


def test_a_draft_is_kept_sealed_and_refused_before_anything_is_kept() -> None:
    account = Publisher()
    account.ask()
    assert b"Fresh bowls" not in account.document()["draft"]
    with pytest.raises(Invalid, match="Not this"):
        account.ask("pub_2", text="refuse me")
    assert len(account.open) == 1


def test_what_waits_in_vain_for_the_applications_quota_was_not_sent_and_not_counted() -> None:
    held = RetryAfter(600.0, LimitScope.APP, "app_budget", rate_limited=True, family="app", held=True)
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    (effect,) = account.waiting(PublishStep)
    assert effect.calls == INSTAGRAM.publish_calls.get("post", {INSTAGRAM.publish_family: 1})
    used = account.known.budget["reading"].used
    account.step(held)
    (record,) = account.open
    assert (record.failures, record.wait_until) == (0, account.now + timedelta(seconds=600))
    assert account.known.budget["reading"].used == used - 1
    assert account.document()["steps"][-1][1] == "postponed: app:app"
    account.send("cancel_publication", {"publication_id": "pub_1"})  # nothing decisive is in doubt
    assert account.document()["status"] == "cancelled"


def test_a_look_that_waits_in_vain_is_no_look() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(UNHEARD)
    account.until(LookForPublication)
    account.look(RetryAfter(60.0, LimitScope.APP, "app_budget", rate_limited=True, family="app", held=True))
    (record,) = account.open
    assert (record.phase, record.looks, record.failures) == (Phase.LOOKING, 0, 0)
    account.until(LookForPublication)
    account.look(OUT)
    assert account.document()["status"] == "published"


def test_the_same_id_again_is_the_same_publication() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(OUT)
    account.ask()
    assert account.open == [] and not account.waiting(PublishStep)


# -- time ---------------------------------------------------------------------------------------------
def test_pain_05_a_scheduled_post_goes_out_when_it_was_promised_or_says_why_not() -> None:
    account = Publisher()
    account.ask(in_s=3600)
    assert not account.waiting(PublishStep)
    due = account.now + timedelta(hours=1)
    account.until(PublishStep)
    assert account.now == due
    account.crash()
    while not account.told(EventType.PUBLICATION_CHANGED):
        account.crash()
        account.wake()
    assert account.statuses() == ["late"]
    assert account.now >= due + LATE_AFTER
    assert account.view["publications"][0]["late"] is True


def test_one_that_a_paused_account_holds_back_is_late_too() -> None:
    account = Publisher()
    account.ask(in_s=60)
    account.send("pause")
    account.later(minutes=30)
    account.tick()
    assert account.statuses() == ["late"] and not account.waiting(PublishStep)
    account.send("resume")
    assert account.waiting(PublishStep)


def test_yesterdays_offer_does_not_go_out_when_the_account_can_publish_again() -> None:
    account = Publisher()
    account.ask()
    account.step(ReauthRequired("token_revoked"))
    assert account.known.status is Status.REAUTHORIZATION_REQUIRED
    account.later(days=2)
    account.connect()
    assert not account.waiting(PublishStep)
    assert account.document()["status"] == "failed" and account.statuses() == ["late", "failed"]


def test_faults_are_tried_again_for_a_day() -> None:
    account = Publisher()
    account.ask()
    due = account.now
    while account.open:
        if account.waiting(PublishStep):
            account.step(FAULT)
        else:
            account.wake()
    assert due + GIVE_UP_AFTER <= account.now <= due + GIVE_UP_AFTER + timedelta(minutes=20)
    assert account.document()["status"] == "failed"
    assert account.statuses() == ["late", "failed"]


def test_a_few_go_at_once_and_the_rest_wait_for_a_place() -> None:
    account = Publisher()
    for n in range(UNDER_WAY + 2):
        account.ask(f"pub_{n}")
    assert len(account.waiting(PublishStep)) == UNDER_WAY
    account.step(Rejected("36000", "too large"), effect=account.calls.pop(_first_step(account)))  # type: ignore[arg-type]
    assert len(account.waiting(PublishStep)) == UNDER_WAY


def test_what_the_platform_has_holds_nobody_up_and_is_not_asked_about_for_ever() -> None:
    """A draft in a creator's inbox, who may never post it."""
    account, waits = Publisher(), Ok(PublishState("status", {}, wait_s=3600.0))
    for n in range(UNDER_WAY):
        account.ask(f"pub_{n}")
        account.step(Ok(POST))
        account.step(waits)
    account.ask("pub_more")
    assert [effect.record.id for effect in account.waiting(PublishStep)] == ["pub_more"]
    account.step(Rejected("36000", "too large"))
    handed_over = account.now
    while account.open:
        if not account.waiting(PublishStep):
            account.wake()
            continue
        account.step(waits, effect=account.calls.pop(_first_step(account)))  # type: ignore[arg-type]
    assert CONFIRMED_WITHIN <= account.now - handed_over <= CONFIRMED_WITHIN + timedelta(hours=3)
    assert account.document("pub_0")["status"] == "unconfirmed"
    assert account.document("pub_0")["reason"] == "never_confirmed"


def _first_step(account: Publisher) -> int:
    return next(n for n, c in enumerate(account.calls) if isinstance(c, PublishStep))


def test_there_is_an_end_to_what_an_account_takes_on() -> None:
    account = Publisher()
    for n in range(MAX_OPEN):
        account.ask(f"pub_{n}", in_s=3600)
    with pytest.raises(Conflict, match="200"):
        account.ask("pub_more", in_s=3600)


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


# -- tokens and endings -------------------------------------------------------------------------------
def test_a_refused_token_is_renewed_and_the_same_step_made_again() -> None:
    account = Publisher()
    account.ask()
    account.step(Ok(POST))
    account.step(ReauthRequired("token_refused"))
    assert not account.waiting(PublishStep)
    account.refreshed(Ok(None))
    assert account.take(PublishStep).access == b"access-1"


def test_refused_by_the_platform_is_failed_with_its_reason() -> None:
    account = Publisher()
    account.ask()
    account.step(Rejected("36003", "The aspect ratio is not supported."))
    found = account.document()
    assert (found["status"], found["reason"]) == ("failed", "The aspect ratio is not supported.")


def test_cancelled_before_anything_decisive() -> None:
    account = Publisher()
    account.ask(in_s=60)
    account.send("cancel_publication", {"publication_id": "pub_1"})
    assert account.document()["status"] == "cancelled" and account.open == []
    with pytest.raises(Conflict):
        account.send("cancel_publication", {"publication_id": "pub_1"})
    with pytest.raises(NotFound):
        account.send("cancel_publication", {"publication_id": "pub_9"})
    account.ask("pub_2")
    account.step(Ok(POST))
    with pytest.raises(Conflict):
        account.send("cancel_publication", {"publication_id": "pub_2"})


def test_a_disconnected_account_publishes_nothing_any_more() -> None:
    account = Publisher()
    account.ask("pub_1", in_s=60)
    account.ask("pub_2")
    account.step(Ok(POST))
    account.send("disconnect")
    assert account.document("pub_1")["status"] == "cancelled"
    assert account.document("pub_2")["status"] == "unconfirmed"
    assert account.open == [] and account.due is None


def test_connecting_again_goes_on_with_what_is_open() -> None:
    account = Publisher()
    account.ask(in_s=60)
    account.connect()
    account.until(PublishStep)


@pytest.mark.parametrize(("command", "what"), [("edit_content", "edit"), ("delete_content", "delete")])
def test_content_is_edited_and_deleted_by_the_same_steps(command: str, what: str) -> None:
    account = Publisher()
    draft = draft_json(Draft(ContentKind.PHOTO, "New words"))
    data = {"publication_id": "pub_1", "group": "grp_1", "user_id": "usr_1", "draft": draft}
    account.send(command, data | {"external_content_id": "900"})
    effect = account.take(PublishStep)
    assert (effect.record.action.value, effect.record.target) == (what, "900")
    account.step(Ok(Published("900")), effect=effect)
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
