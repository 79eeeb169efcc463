"""What platforms push: forged, repeated, out of order, odd; and what one that pushes nothing answers."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.content import Happening
from domain.events import EventType
from domain.secrets import Secret
from platforms.base import RawEntry, WebhookRefused
from tests.contract.platforms.cases import CASES, Case
from tests.contract.platforms.owner import Owner
from tests.contract.platforms.place import HOOK, Place, opened
from tests.unit.platforms.support import app_of, ok
from tests.unit.platforms.test_wire import VALUES

PUSHING = {name: case for name, case in CASES.items() if case.heard is not None}
pushing = pytest.mark.parametrize("case", PUSHING.values(), ids=list(PUSHING))


async def listening(place: Place) -> None:
    """As an operator sets the application up, and the account asks for what it needs."""
    app = app_of(place.told)
    await place.ask("PUT", f"/apps/{app.id}", {"webhook_url": HOOK})
    platform = place.case.platform
    ok(await platform.subscribe(place.http, app, place.bearer, place.told["external_id"], HOOK))
    await place.settled()


async def told(place: Place) -> dict[str, Any]:
    """Something happens there, and is delivered."""
    assert place.case.heard is not None
    done = await place.act(place.told, kind=place.case.heard[0])
    await place.settled()
    assert place.receiver.received
    return done


def entries(place: Place) -> list[RawEntry]:
    return [e for _, body in place.receiver.received for e in place.case.platform.split(body)]


@pushing
async def test_what_happened_is_told_and_understood(case: Case) -> None:
    async with opened(case) as place:
        await listening(place)
        await told(place)
        events = [case.platform.parse(e) for e in entries(place)]
        assert {e.external_id for e in events} == {place.told["external_id"]}
        assert case.heard is not None
        (event,) = [e for e in events if e.what is case.heard[1]]
        assert event.occurred_at is not None


@pushing
async def test_a_forged_body_is_not_verified(case: Case) -> None:
    async with opened(case) as place:
        await listening(place)
        await told(place)
        app, (headers, body) = app_of(place.told), place.receiver.received[0]
        verify, name = case.platform.verify, case.platform.spec.webhook_signature_header
        assert name is not None and verify(app, headers, body)
        signature = headers[name]
        assert verify(replace(app, webhook_secrets=(Secret("older"), *app.webhook_secrets)), headers, body)
        assert not verify(replace(app, webhook_secrets=(Secret("other"),)), headers, body)
        assert not verify(replace(app, webhook_secrets=()), headers, body)
        for forged in (body + b" ", body[:-1], b"", b"{}", body.replace(b"1", b"2", 1)):
            assert not verify(app, headers, forged)
        for wrong in ("", signature[:-1], f"{signature}0", signature.swapcase(), "ü", signature[::-1]):
            assert not verify(app, {**headers, name: wrong}, body), wrong
        assert not verify(app, {k: v for k, v in headers.items() if k != name}, body)


@pushing
async def test_repeated_and_regrouped_it_is_the_same_event(case: Case) -> None:
    async with opened(case) as place:
        await listening(place)
        await told(place)
        first = {e.event_id for e in entries(place)}
        await place.ask("POST", "/redeliver", {"last": 50, "regroup": True})
        await place.settled()
        again = [e.event_id for e in entries(place)]
        assert set(again) == first and len(again) == 2 * len(first)


@pushing
async def test_order_and_repetition_change_nothing_for_the_owner(case: Case) -> None:
    """One owner hears everything once, as it happened; the other backwards and twice, of which its host drops
    what was seen."""
    async with opened(case) as place:
        await listening(place)
        assert case.heard is not None
        straight, odd = Owner(place), Owner(place)
        for owner in (straight, odd):
            owner.consented()
        ended = case.heard[1] is Happening.ACCESS_REVOKED
        for _ in range(1 if ended else 3):
            place.clock.advance(2)
            await told(place)
        heard = [case.platform.parse(e) for e in entries(place)]
        for owner, events in ((straight, heard), (odd, [*reversed(heard), *reversed(heard)])):
            for event in {e.event_id: e for e in events}.values():
                owner.send("platform_event", {"event": event, "app_id": owner.app.id})
        assert straight.known.status is odd.known.status
        assert (straight.known.status is Status.CONNECTED) != ended
        assert len(straight.told(EventType.SOCIAL_ACCOUNT_REAUTHORIZATION_REQUIRED)) == int(ended)
        if not ended:
            for owner in (straight, odd):
                await owner.rest()
        assert _readable(straight) == _readable(odd)


_KEPT = ("status", "kind", "externalContentId", "contentId", "parentId", "engagement", "publishedAt", "at")


def _readable(owner: Owner) -> dict[SideRef, dict[str, Any]]:
    """What people see, without what is sealed and without when it was read."""
    return {ref: {k: document.get(k) for k in _KEPT} for ref, document in owner.side.items()}


def test_one_that_pushes_nothing_believes_nothing(case: Case) -> None:
    if case.heard is not None:
        return
    app = app_of({"platform": case.name, "app": dict.fromkeys(("id", "client_id"), "1") | SECRETS})
    assert case.platform.spec.webhook_signature_header is None
    assert case.platform.handshake(app, {"hub.mode": "subscribe", "hub.challenge": "1"}) is None
    assert not case.platform.verify(app, {"x-signature": "a", "x-hub-signature": "sha1=a"}, b"{}")
    with pytest.raises(WebhookRefused):
        case.platform.split(b"{}")


SECRETS = {"client_secret": "s", "webhook_secret": "s"}


# -- odd bodies ---------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_body_is_cut_or_refused_and_any_entry_is_read(case: Case, body: bytes) -> None:
    try:
        found = case.platform.split(body)
    except WebhookRefused:
        found = []
    for entry in [*found, RawEntry("1", "e", body)]:
        event = case.platform.parse(entry)
        assert (event.external_id, event.event_id) == (entry.external_id, entry.event_id)
