"""Whatever a platform answers, every call ends in an outcome, and no secret goes anywhere else."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.http import MAX_BODY_BYTES
from platforms.outcome import Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from tests.contract.platforms import answers as a
from tests.contract.platforms.answers import ELSEWHERE, Answer, Canned, Sent, asked, plain
from tests.contract.platforms.calls import Recorded, every_call
from tests.contract.platforms.cases import Case
from tests.contract.platforms.place import opened
from tests.unit.platforms.support import app_of
from tests.unit.platforms.test_wire import VALUES

OUTCOMES = (Ok, RetryAfter, ReauthRequired, Rejected, Unknown)
JSON, HTML = ("content-type", "application/json"), ("content-type", "text/html")
PAGE = b"<!doctype html><title>Something went wrong</title>"
NO_JSON = [PAGE, b"", b'{"data":{"id":', b"\xff\xfe\x00", b"[" * 100_000, b'{"a":NaN}', b"%PDF-1.7"]
WRONG: list[Any] = [
    {}, [], None, 7, "x", {"data": 7}, {"data": []}, {"data": [None]}, {"data": {}}, {"items": 7},
    {"items": [7]}, {"error": 7}, {"error": "x"}, {"error": {"code": "x"}}, {"error": {"code": 10**30}},
    {"errors": [7]}, {"code": None, "message": []}, {"code": 0, "data": None}, {"success": "no"},
]  # fmt: skip
STATUSES = (200, 201, 204, 400, 401, 402, 403, 404, 409, 410, 418, 422, 429, 500, 502, 503, 504)


@pytest.fixture(scope="session")
def taken(case: Case) -> tuple[dict[str, Recorded], frozenset[str]]:
    """Every call with what the sandbox answered, and the secrets that were used."""

    async def take() -> tuple[dict[str, Recorded], frozenset[str]]:
        async with opened(case) as place:
            found = await every_call(place)
            app = app_of(place.told)
            secrets = {place.told["access_token"], app.client_secret.reveal()}
            return found, frozenset(secrets)

    return asyncio.run(take())


def judge(case: Case, outcome: Outcome[Any], sent: list[Sent], secrets: frozenset[str]) -> None:
    assert type(outcome) in OUTCOMES, outcome
    spec = case.platform.spec
    for request in sent:
        assert request.host in (*spec.hosts, *spec.file_hosts), request.host
        assert request.host in spec.hosts or not any(secret in request.text for secret in secrets)
    assert not any(secret in repr(outcome) for secret in secrets)


def test_each_call_succeeds_with_what_it_was_answered(case: Case, taken: Any) -> None:
    """Else the rest would prove little."""
    for name, recorded in taken[0].items():
        outcome, sent = asyncio.run(asked(recorded.ask, recorded.answers))
        judge(case, outcome, sent, taken[1])
        assert type(outcome) is recorded.kind, (name, outcome)
        assert len(sent) == len(recorded.answers)


def test_what_is_no_answer_of_the_platform(case: Case, taken: Any) -> None:
    """Pages of proxies, half bodies, other JSON, whatever the status: never taken for a dead token unless the
    platform's own words say so."""

    made_up = [(status, PAGE) for status in STATUSES]
    made_up += [(status, body) for status in (200, 401, 403, 500) for body in NO_JSON]
    wrong = [(status, json.dumps(v).encode()) for status in (200, 400, 401, 429, 503) for v in WRONG]

    async def all_of_them() -> None:
        for name, recorded in taken[0].items():
            for status, body in made_up:
                outcome = await recorded.ask(Canned(Answer(status, (HTML,), body)))
                judge(case, outcome, [], taken[1])
                assert not isinstance(outcome, ReauthRequired), (name, status, body[:40], outcome)
            for status, body in wrong:
                judge(case, await recorded.ask(Canned(Answer(status, (JSON,), body))), [], taken[1])

    asyncio.run(all_of_them())


def test_what_may_have_happened_is_not_called_a_failure(case: Case, taken: Any) -> None:
    """A gateway gives up on a call that must not be made twice: it is in doubt, whatever its page says."""

    async def all_of_them() -> None:
        for name, recorded in taken[0].items():
            once = name.startswith("ads.create") or "decisive" in name or name == "live.create"
            if not once or not recorded.answers:  # without any it is not offered: nothing is sent
                continue
            for status in (500, 502, 504):
                last = Answer(status, (HTML,), PAGE)
                outcome, _ = await asked(recorded.ask, [*recorded.answers[:-1], last])
                # Where the platform tells how far it came, looking there is the next step.
                looks = isinstance(outcome, Ok) and not getattr(outcome.value, "decisive", True)
                assert isinstance(outcome, Unknown) or looks, (name, status, outcome)

    asyncio.run(all_of_them())


def test_redirects_are_not_followed(case: Case, taken: Any) -> None:
    async def all_of_them() -> None:
        for recorded in taken[0].values():
            for status in (301, 302, 303, 307, 308):
                outcome, sent = await asked(recorded.ask, [Answer(status, (("location", ELSEWHERE),), b"")])
                judge(case, outcome, sent, taken[1])
                assert not isinstance(outcome, ReauthRequired)

    asyncio.run(all_of_them())


def test_ten_megabytes_are_not_kept(case: Case, taken: Any) -> None:
    async def all_of_them() -> None:
        large = Answer(200, (JSON,), b" " * (MAX_BODY_BYTES + 1))
        for recorded in taken[0].values():
            judge(case, *await asked(recorded.ask, [large]), taken[1])

    asyncio.run(all_of_them())


def test_a_wrong_content_type_is_no_matter(case: Case, taken: Any) -> None:
    """What is JSON is read, whatever it is called; platforms err there."""
    for name, recorded in taken[0].items():
        called = [
            Answer(r.status, (*(h for h in r.headers if h[0] != HTML[0]), HTML), r.body)
            for r in recorded.answers
        ]
        before, _ = asyncio.run(asked(recorded.ask, recorded.answers))
        outcome, _ = asyncio.run(asked(recorded.ask, called))
        assert plain(outcome) == plain(before), name


def test_unknown_fields_change_nothing(case: Case, taken: Any) -> None:
    for name, recorded in taken[0].items():
        richer = [a.with_unknown_fields(r, case.maps) for r in recorded.answers]
        before, _ = asyncio.run(asked(recorded.ask, recorded.answers))
        outcome, _ = asyncio.run(asked(recorded.ask, richer))
        assert plain(outcome) == plain(before), name


ODD = st.sampled_from(
    [
        a.LEFT_OUT,
        ELSEWHERE,
        "",
        "0",
        -1,
        10**40,
        1e300,
        "\ud800",
        "a" * 5000,
        "../../x",
        "１９",
        True,
        [],
        {},
        None,
    ]
)


HEADERS = ["retry-after", "date", "location", "range", "etag", "x-app-usage", "x-rate-limit-reset"]
WORDS = st.sampled_from(["", "x", "-1", "1e9", "9" * 40, ELSEWHERE, "{", "bytes=0-"]) | st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=9
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_real_answers_with_one_thing_wrong(case: Case, taken: Any, data: st.DataObject) -> None:
    named = {name: r for name, r in taken[0].items() if r.answers}
    recorded = named[data.draw(st.sampled_from(sorted(named)))]
    answers = list(recorded.answers)
    number = data.draw(st.integers(0, len(answers) - 1))
    value = a.document(answers[number])
    how = data.draw(st.integers(0, 9))
    if how == 0 or value is None:
        body = answers[number].body
        at = data.draw(st.integers(0, len(body)))
        answers[number] = replace(answers[number], body=body[:at])
    elif how == 1:
        header = (data.draw(st.sampled_from(HEADERS)), data.draw(WORDS))
        answers[number] = replace(answers[number], headers=(*answers[number].headers, header))
    else:
        path = data.draw(st.sampled_from(list(a.places_of(value))))
        answers[number] = a.with_document(answers[number], a.replaced(value, path, data.draw(ODD | VALUES)))
    outcome, sent = asyncio.run(asked(recorded.ask, answers))
    judge(case, outcome, sent, taken[1])
