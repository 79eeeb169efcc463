"""The judge of `make chaos` sees each violation that it is there for, and its schedule is the seed's."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from itertools import islice
from typing import Any

import pytest

from tests.chaos.run.judge import Held, Verdict, compare
from tests.chaos.run.schedule import CUTS, ENDS_THE_HEAD, KILLS, KINDS, STOPS, schedule
from tests.chaos.run.traffic import Connected

Json = dict[str, Any]

ID = "twitter:9:org_a"
ACCOUNT: Json = {"platform": "twitter", "external_id": "9", "app": {"id": "app-1"}}
TEXT = "Fresh from the kiln"


def event(n: int, kind: str, accepted: bool = True) -> Json:
    return {
        "app_id": "app-1",
        "external_id": "9",
        "kind": kind,
        "subject_id": f"s{n}",
        "accepted_at": "2026-01-01T00:00:00Z" if accepted else None,
    }


def refresh(outcome: str = "rotated", *, repeated: bool = False, in_doubt: bool = False) -> Json:
    return {"external_id": "9", "outcome": outcome, "repeated": repeated, "in_doubt": in_doubt}


LEDGER: Json = {
    "events": [event(1, "comment"), event(2, "like"), event(3, "comment", accepted=False)],
    "refreshes": [refresh()],
    "posts_created": [{"external_id": "9", "text": TEXT}],
    "duplicates_refused": 0,
}
VIEW: Json = {
    "status": "connected",
    "reason": None,
    "counters": {"webhooks": 2},
    "token": {"refresh_in_doubt": 0},
}


class Case:
    def __init__(self) -> None:
        self.ledger, self.view = deepcopy(LEDGER), deepcopy(VIEW)
        self.remarks = Counter(["s1"])
        self.publication: Json | None = {"status": "published", "steps": []}
        self.letters = 0

    def judged(self) -> Verdict:
        published = {"pub_1": self.publication} if self.publication else {}
        one = Connected(ACCOUNT, {"id": ID}, [])
        held = Held([one], {ID: self.view}, {ID: self.remarks}, published, self.letters)
        return compare(self.ledger, held, {TEXT: "pub_1"})


def test_what_agrees_holds() -> None:
    verdict = Case().judged()
    assert verdict.holds and not verdict.details
    assert (verdict.events_accepted, verdict.refreshes, verdict.publications) == (2, 1, 1)


@pytest.mark.parametrize(
    ("harm", "shows"),
    [
        (lambda c: c.remarks.clear(), "effects_lost"),
        (lambda c: c.view["counters"].update(webhooks=1), "effects_lost"),
        (lambda c: c.remarks.update(["s1"]), "effects_doubled"),
        (lambda c: c.view["counters"].update(webhooks=3), "effects_doubled"),
        (lambda c: c.ledger["refreshes"].append(refresh("reuse", repeated=True)), "refreshes_doubled"),
        (lambda c: c.ledger["posts_created"].append({"external_id": "9", "text": TEXT}), "publishes_doubled"),
        (lambda c: c.ledger.update(duplicates_refused=1), "publishes_doubled"),
        (lambda c: c.ledger["posts_created"].clear(), "publishes_lost"),
        (lambda c: c.publication.update(status="failed"), "publishes_lost"),
        (lambda c: c.publication.update(status="running"), "publishes_lost"),
        (lambda c: c.publication.clear(), "publishes_lost"),
        (lambda c: setattr(c, "letters", 1), "dead_letters"),
        (lambda c: c.view.update(status="reauthorization_required"), "not_connected"),
    ],
)
def test_each_violation_is_seen_and_said(harm: Callable[[Case], None], shows: str) -> None:
    case = Case()
    harm(case)
    verdict = case.judged()
    assert getattr(verdict, shows) == 1
    assert not verdict.holds and (verdict.details or verdict.dead_letters)


def test_what_nobody_can_know_is_counted_and_is_no_violation() -> None:
    case = Case()
    case.ledger["refreshes"].append(refresh("reuse", repeated=True))
    case.view["token"]["refresh_in_doubt"] = 1
    case.publication = {"status": "running", "steps": [{"what": "scheduled"}, {"what": "post"}]}
    verdict = case.judged()
    assert verdict.holds
    assert (verdict.refresh_in_doubt, verdict.publishes_in_doubt) == (1, 1)


def test_a_token_in_doubt_is_one_doubt_however_often_it_is_presented() -> None:
    case = Case()
    again = [refresh("invalid", repeated=True)] * 3
    case.ledger["refreshes"] += again
    case.view["token"]["refresh_in_doubt"] = 1
    assert case.judged().holds
    case.ledger["refreshes"] += [refresh(), *again]
    assert case.judged().refreshes_doubled == 1


def test_a_token_presented_twice_after_an_answer_that_the_platform_withheld_is_no_violation() -> None:
    case = Case()
    case.ledger["refreshes"].append(refresh("reuse", repeated=True, in_doubt=True))
    assert case.judged().holds


def test_a_seed_gives_the_same_schedule_and_another_one_another() -> None:
    first, again, other = (list(islice(schedule(seed), 60)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_round_has_each_kind_and_lasting_faults_end_in_their_time() -> None:
    row = list(islice(schedule(7), 2 * len(KINDS) - len(ENDS_THE_HEAD)))
    assert Counter(f.kind for f in row) == Counter({k: 1 if k in ENDS_THE_HEAD else 2 for k in KINDS})
    for fault in row:
        low, high = (STOPS | CUTS).get(fault.kind, (0.0, 0.0))
        assert low <= fault.seconds <= high and 0 <= fault.pick < 1
        assert (fault.seconds == 0) == (fault.kind in KILLS)
