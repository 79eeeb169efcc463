"""Any history of outcomes, crashes, time and people: one refresh at a time, doubt counted once."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.account.effects import FetchPage, Refresh
from actors.account.state import Status
from domain.content import Happening
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from tests.unit.account.driver import START, Account

UNSPENT: list[Outcome[None]] = [
    RetryAfter(1.0, LimitScope.ACCOUNT, "http_500"),
    RetryAfter(900.0, LimitScope.ACCOUNT, "http_429", rate_limited=True),
    Rejected("invalid_client", "No such app."),
]
PERHAPS_SPENT: list[Outcome[None]] = [
    Unknown("the refresh may have happened"),
    ReauthRequired("refresh_token_invalid"),
]
LIVE = (Status.CONNECTED, Status.PAUSED)


class Histories(RuleBasedStateMachine):
    """A refresh that is not answered by its `not_after` never is: the handler ends it, or is gone."""

    @initialize()
    def connect(self) -> None:
        self.account = Account()
        self.tokens = 0
        self.presented: dict[bytes, list[bool]] = {}  # refresh token -> was it the last chance, each time
        self.unheard = 0  # first presentations of whose outcome nobody heard
        self.refresh: Refresh | None = None
        self.account.connect()
        self._collect()

    # -- what may happen ----------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([0.001, 1, 6, 19, 20, 26, 300, 3600, 7200]))
    def time_passes(self, seconds: float) -> None:
        self.account.later(seconds=seconds)
        if self.refresh is not None and self.account.now >= self.refresh.not_after:
            self._lost()

    @rule()
    def tick(self) -> None:
        self.account.tick()
        self._collect()

    @precondition(lambda self: self.account.due is not None)
    @rule()
    def wake(self) -> None:
        due = self.account.due
        assert due is not None
        if self.refresh is not None and due >= self.refresh.not_after:
            self._lost()
        self.account.wake()
        self._collect()

    @precondition(lambda self: self.refresh is not None)
    @rule(gives_refresh_token=st.booleans())
    def succeeds(self, gives_refresh_token: bool) -> None:
        call = self._answered()
        new = self._token() if gives_refresh_token else None
        if new is None:
            # The platform does not rotate this one: it is as good as new.
            self.presented.pop(call.refresh or b"", None)
        self.account.refreshed(Ok(None), call, access=self._token(), refresh=new)
        self._collect()

    @precondition(lambda self: self.refresh is not None)
    @rule(outcome=st.sampled_from(UNSPENT))
    def surely_not_spent(self, outcome: Outcome[None]) -> None:
        call = self._answered()
        self.presented[call.refresh or b""].pop()
        self.account.refreshed(outcome, call)
        self._collect()

    @precondition(lambda self: self.refresh is not None)
    @rule(outcome=st.sampled_from(PERHAPS_SPENT))
    def perhaps_spent(self, outcome: Outcome[None]) -> None:
        call = self._answered()
        if isinstance(outcome, Unknown):
            self._count_unheard(call)
        self.account.refreshed(outcome, call)
        self._collect()

    @rule()
    def crash(self) -> None:
        if self.refresh is not None:
            self._lost()
        self.account.crash()

    @precondition(lambda self: self.account.waiting(FetchPage))
    @rule()
    def a_call_is_refused(self) -> None:
        call = self.account.waiting(FetchPage)[0]
        self.account.calls.remove(call)
        refused = ReauthRequired("token_refused")
        self.account.answer("page_fetched", call, refused)
        self._collect()

    @rule(command=st.sampled_from(["pause", "resume", "sync"]))
    def command(self, command: str) -> None:
        allowed = {"pause": LIVE, "resume": LIVE, "sync": (Status.CONNECTED,)}
        if self.account.known.status in allowed[command]:
            self.account.send(command)
            self._collect()

    @rule()
    def webhook(self) -> None:
        self.account.hear(Happening.FOLLOWED)
        self._collect()

    @rule()
    def connect_again(self) -> None:
        self.account.connect(access_token=self._token(), refresh_token=self._token())
        self.refresh = None  # its intent is gone: nobody waits for the outcome
        self._collect()

    @precondition(lambda self: self.account.known.status in LIVE)
    @rule()
    def connect_again_without_refresh_token(self) -> None:
        self.account.connect(access_token=self._token(), refresh_token=None)
        self._collect()

    # -- what must hold -----------------------------------------------------------------------------
    @invariant()
    def at_most_one_is_under_way(self) -> None:
        if self.refresh is not None:
            intent = self.account.known.intent
            assert intent is not None and intent.id == self.refresh.intent_id

    @invariant()
    def a_token_is_presented_again_only_as_a_last_chance(self) -> None:
        assert all(all(chances[1:]) for chances in self.presented.values())

    @invariant()
    def doubt_is_counted_once(self) -> None:
        assert self.account.known.token.in_doubt <= self.unheard

    @invariant()
    def nothing_goes_on_without_a_live_connection(self) -> None:
        if self.account.known.status not in LIVE:
            assert self.refresh is None and self.account.known.intent is None

    # -- bookkeeping --------------------------------------------------------------------------------
    def _collect(self) -> None:
        for call in self.account.waiting(Refresh):
            self.account.calls.remove(call)
            assert self.refresh is None, "a second refresh while one is under way"
            assert call.not_after > self.account.now
            intent = self.account.known.intent
            assert intent is not None and intent.id == call.intent_id
            self.refresh = call
            self.presented.setdefault(call.refresh or b"", []).append(intent.last_chance)

    def _answered(self) -> Refresh:
        call = self.refresh
        assert call is not None
        self.refresh = None
        return call

    def _lost(self) -> None:
        self._count_unheard(self._answered())

    def _count_unheard(self, call: Refresh) -> None:
        self.unheard += self.presented[call.refresh or b""] == [False]

    def _token(self) -> bytes:
        self.tokens += 1
        return b"token-%d" % self.tokens


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_left_alone_without_any_outcome_it_asks_ever_more_seldom() -> None:
    account = Account()
    account.connect()
    account.now = START + timedelta(hours=2)
    for _ in range(20):
        account.crash()
        account.wake()
    assert account.known.status is Status.CONNECTED
    assert account.known.token.in_doubt == 1
    assert account.known.token.failures >= 5
