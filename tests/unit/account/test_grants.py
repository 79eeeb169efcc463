"""Further consents: their tokens live and die on their own, and nobody else's with them."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from actors.account.documents import CONTENT, REMARKS
from actors.account.effects import PublishStep, Refresh, TaskStep
from actors.account.operations.task import Step, What
from actors.account.state import Status
from actors.runtime.entity import SideRef
from domain.content import ContentKind, Engagement
from domain.errors import Conflict, Invalid
from domain.events import EventType
from domain.ids import AccountId
from domain.publishing import Draft, ProductTag, draft_json
from domain.secrets import Secret
from platforms.base import Grant, Page
from platforms.outcome import Ok, ReauthRequired, Rejected, Unknown
from platforms.registry import PLATFORMS
from platforms.tiktok.consents import CONSENTS, Seller
from platforms.twitter.consents import CONSENTS as X_CONSENTS
from storage.crypto import field_aad
from tests.unit.account.asking import Able, Operator
from tests.unit.account.driver import INSTAGRAM, comment, post
from tests.unit.account.surroundings import Surroundings

TIKTOK = PLATFORMS["tiktok"].spec
DAY_S = 86_400


def operator(able: Able | None = None) -> Operator:
    account = Operator(TIKTOK, able or Able(), CONSENTS)
    account.refreshed(Ok(None), expires_in_s=300 * DAY_S) if account.waiting(Refresh) else None
    return account


def give(account: Operator, capability: str, **more: Any) -> None:
    data = {
        "capability": capability,
        "app_id": "app_business",
        "access_token": f"{capability}-0".encode(),
        "refresh_token": f"{capability}-refresh-0".encode(),
        "secret": None,
        "expires_in_s": DAY_S,
        "external_id": "70001",
        "scopes": ["a"],
    }
    account.send("grant", data | more)


def refresh_of(account: Operator, capability: str) -> Refresh:
    (found,) = [r for r in account.waiting(Refresh) if r.grant == capability]
    account.calls.remove(found)
    return found


def test_what_wants_a_consent_of_its_own_is_not_asked_without_it() -> None:
    account = operator()
    for what in (What.ADS, What.CATALOGS):
        with pytest.raises(Conflict, match="wants a consent of its own"):
            account.ask(what)
    account.ask(What.ACCOUNT_INSIGHTS)  # answers less, but answers
    assert account.take(TaskStep).grant is None


def test_tokens_that_a_person_may_bring_are_asked_for_by_name() -> None:
    account = Operator(PLATFORMS["twitter"].spec, Able(), X_CONSENTS)
    with pytest.raises(Conflict, match=r"OAuth 1\.0a access token and its secret.*connect or bring"):
        account.ask(What.ADS)
    give(account, "ads", refresh_token=None, secret=b"secret", expires_in_s=None)
    account.ask(What.ADS)
    effect = account.take(TaskStep)
    assert (effect.access, effect.secret, effect.calls) == (b"ads-0", b"secret", {"ads": 10})
    account.step(ReauthRequired("token_refused"), effect)
    account.refreshed(Rejected("unsupported", "No."), refresh_of(account, "ads"), grant="ads")
    assert account.known.grants["ads"].lost == "token_refused"
    assert account.known.status is Status.CONNECTED


def test_calls_of_a_capability_are_made_with_its_grant() -> None:
    account = operator()
    give(account, "commerce", secret=b"cipher")
    account.ask(What.CATALOGS)
    effect = account.take(TaskStep)
    assert (effect.access, effect.secret, effect.external_id) == (b"commerce-0", b"cipher", "70001")
    assert (effect.app_id, effect.grant, effect.surface) == ("app_business", "commerce", None)
    give(account, "insights")
    account.ask(What.ACCOUNT_INSIGHTS, "op_2")
    effect = account.take(TaskStep)
    assert (effect.surface, effect.calls) == ("business", {"business": 1})


def test_a_grant_is_refreshed_by_its_own_rules_with_the_intent_before() -> None:
    account = operator()
    give(account, "insights")
    account.later(seconds=DAY_S * 0.81)
    account.tick()
    refresh = refresh_of(account, "insights")
    assert (refresh.access, refresh.refresh, refresh.app_id) == (
        b"insights-0",
        b"insights-refresh-0",
        "app_business",
    )
    account.crash()
    account.tick()
    assert not [r for r in account.waiting(Refresh) if r.grant], "one at a time"
    account.refreshed(Ok(None), refresh, grant="insights", access=b"insights-1", refresh=b"r-1")
    token = account.known.grants["insights"].token
    assert (token.access, token.refresh, token.refreshes) == (b"insights-1", b"r-1", 1)


def test_a_lost_grant_takes_nothing_but_its_capability() -> None:
    account = operator()
    give(account, "commerce")
    give(account, "ads", refresh_token=None, expires_in_s=None)
    account.ask(What.CATALOGS)
    account.step(ReauthRequired("authorization_revoked"))
    assert account.known.grants["commerce"].lost == "authorization_revoked"
    assert account.known.status is Status.CONNECTED
    told = [e for e in account.told(EventType.SOCIAL_ACCOUNT_CHANGED) if e["what"] == "grant_lost"]
    assert [(e["grant"], e["reason"]) for e in told] == [("commerce", "authorization_revoked")]
    assert account.view["grants"]["commerce"]["lost"] == "authorization_revoked"
    account.ask(What.ADS, "op_2")
    assert account.waiting(TaskStep)
    with pytest.raises(Conflict, match="wants a consent"):
        account.ask(What.ORDERS, "op_3")
    give(account, "commerce")  # given again: what waited goes on
    assert [e for e in account.waiting(TaskStep) if e.task.what is What.CATALOGS]


def test_a_token_that_is_never_refreshed_is_dead_when_it_is_refused() -> None:
    account = operator()
    give(account, "ads", refresh_token=None, expires_in_s=None)
    assert account.known.grants["ads"].token.expires_at is None
    account.ask(What.ADS)
    account.step(ReauthRequired("token_refused"))
    refresh = refresh_of(account, "ads")
    account.refreshed(Rejected("unsupported", "It does not expire."), refresh, grant="ads")
    assert account.known.grants["ads"].lost == "token_refused"
    assert account.known.status is Status.CONNECTED


def test_a_refresh_in_doubt_is_presented_once_more_and_then_believed() -> None:
    account = operator()
    give(account, "commerce", expires_in_s=100)
    account.later(seconds=90)
    account.tick()
    account.refreshed(Unknown("sent"), refresh_of(account, "commerce"), grant="commerce")
    again = refresh_of(account, "commerce")
    account.refreshed(ReauthRequired("refresh_token_invalid"), again, grant="commerce")
    grant = account.known.grants["commerce"]
    assert (grant.lost, grant.token.in_doubt) == ("refresh_outcome_unknown", 1)


def test_nothing_overwrites_a_token_by_none_and_a_reconnect_keeps_grants() -> None:
    account = operator()
    give(account, "commerce", secret=b"cipher")
    give(account, "commerce", refresh_token=None, secret=None)
    grant = account.known.grants["commerce"]
    assert (grant.token.refresh, grant.secret) == (b"commerce-refresh-0", b"cipher")
    give(account, "commerce", refresh_token=None, secret=None, external_id="another")
    assert account.known.grants["commerce"].secret is None
    account.connect()
    assert "commerce" in account.known.grants
    account.send("disconnect")
    assert account.known.grants == {}


def test_a_grant_is_removed_and_one_that_means_nothing_is_refused() -> None:
    account = operator()
    give(account, "ads")
    account.send("ungrant", {"capability": "ads"})
    assert account.known.grants == {}
    with pytest.raises(Conflict):
        account.send("ungrant", {"capability": "ads"})
    with pytest.raises(Invalid, match="no consent of its own"):
        give(account, "publishing")


def test_its_orders_are_read_at_once() -> None:
    account = operator()
    account.send("configure", {"auto_sync": True})
    account.crash()
    give(account, "commerce")
    assert [e.task.what for e in account.waiting(TaskStep)] == [What.ORDERS]
    account.step(Ok(Step(None)))


class Commented(Able):
    comments = None  # only that it is there


def test_comments_are_read_while_their_consent_holds() -> None:
    """All there are, and later from an hour before the last walk began; at most once an hour."""
    account = Operator(TIKTOK, Commented(), CONSENTS)
    account.send("configure", {"auto_sync": True, "sync_frequency": "15m"})
    account.crash()
    assert "comments" not in account.known.plans
    give(account, "insights")
    begun: list[Any] = []
    while len(begun) < 2:
        for effect in account.waiting(TaskStep):
            account.calls.remove(effect)
            if effect.task.what is What.COMMENTS:
                assert (effect.grant, effect.surface, effect.calls) == (
                    "insights",
                    "business",
                    {"business": 1},
                )
                begun.append((effect.task.begun_at, orjson.loads(effect.task.facts)))
            account.step(Ok(Step(None)), effect)
        account.crash()
        account.until(TaskStep)
    (first_at, first), (second_at, second) = begun
    assert first == {} and second == {"since": (first_at - timedelta(hours=1)).isoformat()}
    assert second_at >= first_at + timedelta(hours=1)
    account.send("ungrant", {"capability": "insights"})
    account.later(days=2)
    account.crash()
    account.tick()
    assert What.COMMENTS not in {e.task.what for e in account.waiting(TaskStep)}


def test_listed_comments_are_kept_and_counted_once() -> None:
    """Those of content that nobody has read yet will be in its first numbers."""
    account = operator(Commented())
    give(account, "insights")
    seen = post(1, engagement=Engagement(comments=0))
    account.send("sync")
    account.fetched(Ok(Page((seen,))))
    account.send("configure", {"auto_sync": True})
    account.until(TaskStep)
    while (effect := account.waiting(TaskStep)[0]).task.what is not What.COMMENTS:
        account.calls.remove(effect)
        account.step(Ok(Step(None)), effect)
        account.until(TaskStep)
    account.calls.remove(effect)
    account.later(seconds=30)
    words = tuple(replace(comment(f"c{n}", content_id=str(n)), at=account.now) for n in (1, 2))
    step = Ok(Step({"cursor": "next"}, remarks=words, listed=True, items=2))
    account.step(step, effect)
    remarks = {d["externalId"] for ref, d in account.side.items() if ref.collection == REMARKS}
    assert remarks == {"c1", "c2"}
    assert account.content("1")["engagement"]["comments"] == 1
    assert SideRef(CONTENT, f"{account.id}|2") not in account.side


# -- sealing ------------------------------------------------------------------------------------------
class Consented:
    """A consent that keeps what it is asked to refresh."""

    def __init__(self) -> None:
        self.presented: list[Grant] = []

    async def refresh(self, http: Any, app: Any, grant: Grant, timeout_s: float) -> Any:
        self.presented.append(grant)
        return Ok(Grant(Secret("ads-new"), Secret("ads-refresh-new"), 60, None))


async def test_tokens_of_a_grant_are_sealed_for_its_own_place() -> None:
    around = Surroundings()
    consent = Consented()
    around.platform.consents = {"ads": consent}  # type: ignore[attr-defined]
    account = AccountId("twitter", "100", "org_a")

    def seal(name: str, value: str) -> bytes:
        return around.keyring.seal(value.encode(), field_aad("social_accounts", str(account), name))

    old = around.refresh()
    effect = Refresh(
        "int_1",
        "app_x",
        seal("ads.accessToken", "ads-old"),
        seal("ads.refreshToken", "ads-refresh-old"),
        old.not_after,
        "ads",
    )
    (message,) = await around.run(effect)
    (presented,) = consent.presented
    assert presented.refresh_token is not None
    assert (presented.access_token.reveal(), presented.refresh_token.reveal()) == (
        "ads-old",
        "ads-refresh-old",
    )
    assert message.data["grant"] == "ads" and around.platform.asked == []
    assert around.open("ads.accessToken", message.data["access"]) == "ads-new"
    assert around.open("ads.refreshToken", message.data["refresh"]) == "ads-refresh-new"
    assert "ads-new" not in repr(message)


# -- publishing with product tags ---------------------------------------------------------------------
def publish(account: Operator, id: str, *tags: str) -> PublishStep:
    tagged = tuple(ProductTag(tag) for tag in tags)
    draft = draft_json(Draft(ContentKind.PHOTO, "Bowls", product_tags=tagged))
    data = {"publication_id": id, "group": "g", "user_id": "usr_1", "draft": draft}
    account.send("publish", data | {"due_at": account.now.isoformat()})
    return account.take(PublishStep)


def test_products_are_tagged_with_what_the_shop_is_reached_with() -> None:
    account = Operator(INSTAGRAM, Able(), {"commerce": Seller()})
    plain = publish(account, "pub_0", "p1")
    assert (plain.access, plain.grant) == (b"access-0", None), "the platform says what it wants for tags"
    give(account, "commerce", external_id=None)
    tagged = publish(account, "pub_1", "p1")
    assert (tagged.access, tagged.grant, tagged.app_id) == (b"commerce-0", "commerce", "app_business")
    assert publish(account, "pub_2").grant is None
    data = {"publication_id": "pub_1", "call_id": tagged.call.id, "sealed": None}
    refusal = {
        "outcome": ReauthRequired("authorization_revoked"),
        "access": tagged.access,
        "grant": "commerce",
    }
    account.send("publish_stepped", data | refusal)
    assert account.known.grants["commerce"].lost == "authorization_revoked"
    assert account.known.status is Status.CONNECTED
