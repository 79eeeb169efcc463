"""A publication from its promise to its end: the usual way, its time, tokens and endings."""

from datetime import timedelta

import orjson
import pytest

from actors.account.effects import LookForPublication, PublishStep
from actors.account.publishing.publication import Phase
from actors.account.publishing.publications import MAX_OPEN
from actors.account.publishing.publishing import (
    CONFIRMED_WITHIN,
    GIVE_UP_AFTER,
    LATE_AFTER,
    UNDER_WAY,
)
from actors.account.state import Status
from domain.content import ContentKind
from domain.errors import Conflict, Invalid, NotFound
from domain.events import EventType
from domain.publishing import Draft, Published, PublishState, draft_json
from platforms.outcome import (
    LimitScope,
    Ok,
    ReauthRequired,
    Rejected,
    RetryAfter,
)
from tests.unit.account.driver import INSTAGRAM
from tests.unit.account.publisher import FAULT, OUT, POST, UNHEARD, Publisher


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
