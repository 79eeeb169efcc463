"""Any history of answers, crashes, late answers, time, people and webhooks: one call at a time, each
reserved, nothing asleep that has work, nothing spinning; and in the end all that was asked for is done."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.account.effects import ChooseRecheck, FetchPage, FetchProfile, ReadItems, Refresh, Subscribe
from actors.account.state import Status
from actors.runtime.entity import Effect
from domain.content import Happening
from domain.errors import RookeryError
from platforms.outcome import LimitScope, Ok, Outcome, ReauthRequired, Rejected, RetryAfter, Unknown
from platforms.spec import PlatformSpec
from tests.unit.account.driver import INSTAGRAM, START, TWITTER, Account, comment, post
from tests.unit.account.feed import Feed, choose

REFUSED = Rejected("403", "Not allowed.")
FAILURES: list[Outcome[Any]] = [
    RetryAfter(0.0, LimitScope.ACCOUNT, "http_500"),
    RetryAfter(40.0, LimitScope.ACCOUNT, "rate_limit", rate_limited=True),
    RetryAfter(4000.0, LimitScope.APP, "usage_cap", rate_limited=True),
    REFUSED,
    ReauthRequired("token_refused"),
    Unknown("half an answer"),
]
LIVE = (Status.CONNECTED, Status.PAUSED)
NAMES: dict[type[Effect], str] = {
    FetchPage: "page_fetched",
    ReadItems: "items_read",
    FetchProfile: "profile_fetched",
    Subscribe: "subscribed",
}


class Histories(RuleBasedStateMachine):
    spec: PlatformSpec = TWITTER

    @initialize()
    def connect(self) -> None:
        self.account = Account(self.spec)
        self.account.subscribes = None
        self.feed = Feed(*(post(n) for n in range(1, 31)))
        self.feed.by_id = [post(77), post(78)]
        self.tokens = 0
        self.late: list[tuple[str, dict[str, Any]]] = []  # answers that nobody delivered in time
        self.reserved: dict[str, int] = {}
        self._connect()

    def _connect(self) -> None:
        self.tokens += 1
        self._sent(
            lambda: self.account.connect(
                access_token=b"access-%d" % self.tokens,
                refresh_token=b"refresh-%d" % self.tokens,
                expires_in_s=5_184_000 if self.spec is INSTAGRAM else 7200,
            )
        )

    # -- what may happen ----------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([0.4, 1, 2, 9, 61, 901, 7100]))
    def time_passes(self, seconds: float) -> None:
        self.account.later(seconds=seconds)

    @precondition(lambda self: self.account.due is not None)
    @rule()
    def wake(self) -> None:
        before = self.account.now
        self._sent(self.account.wake)
        assert self.account.due is None or self.account.due > before

    @rule()
    def tick(self) -> None:
        self._sent(self.account.tick)

    @precondition(lambda self: self.account.calls)
    @rule(data=st.data())
    def the_platform_answers(self, data: st.DataObject) -> None:
        self._answer(data.draw(st.sampled_from(self.account.calls)), None)

    @precondition(lambda self: self.account.calls)
    @rule(data=st.data(), failure=st.sampled_from(FAILURES))
    def the_platform_does_not(self, data: st.DataObject, failure: Outcome[Any]) -> None:
        self._answer(data.draw(st.sampled_from(self.account.calls)), failure)

    @rule()
    def crash(self) -> None:
        """What was under way may still be answered: another process made the calls."""
        for call in self.account.calls:
            if type(call) in NAMES:
                self.late.append(self._message(call, None))
        self.account.crash()

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def a_late_answer_comes(self, data: st.DataObject) -> None:
        """Also twice: posting an outcome is repeated until it is known to be saved."""
        message = data.draw(st.sampled_from(self.late))
        self._sent(lambda: self.account.send(*message))

    @rule(
        command=st.sampled_from(["pause", "resume", "sync", "backfill", "reconcile", "configure"]),
        auto_sync=st.booleans(),
        frequency=st.sampled_from(["realtime", "15m", "24h"]),
    )
    def command(self, command: str, auto_sync: bool, frequency: str) -> None:
        options = {"auto_sync": auto_sync, "sync_frequency": frequency} if command == "configure" else {}
        try:
            self._sent(lambda: self.account.send(command, options))
        except RookeryError:
            return

    @rule(
        what=st.sampled_from([Happening.LIKED, Happening.REMARKED, Happening.PROFILE_CHANGED]),
        content=st.sampled_from(["30", "77", "78"]),
        n=st.integers(1, 50),
    )
    def webhook(self, what: Happening, content: str, n: int) -> None:
        at = self.account.now.replace(microsecond=0)
        remark = comment(f"c{n}", content)
        self._sent(
            lambda: self.account.hear(what, f"e{n}", content_id=content, remark=remark, occurred_at=at)
        )

    @rule()
    def connect_again(self) -> None:
        self._connect()

    # -- what must hold -----------------------------------------------------------------------------
    @invariant()
    def what_has_work_has_a_time(self) -> None:
        """Unless it waits for a person: paused, disconnected, or its token is dead."""
        state = self.account.known
        work = state.job or state.shelved or state.wishes or state.reread
        if (work and state.status is Status.CONNECTED) or (state.errands and state.status in LIVE):
            assert self.account.due is not None

    @invariant()
    def state_stays_small(self) -> None:
        state = self.account.known
        assert len(state.shelved) <= 5
        wishes = {(w.source, w.mode) for w in state.wishes}
        assert len(wishes) == len(state.wishes) <= 2 * len(self.spec.sources)
        assert len(state.errands) <= 2

    @invariant()
    def people_wait_for_nobody_else(self) -> None:
        state = self.account.known
        if state.status is Status.CONNECTED and state.job is not None and state.job.call is None:
            behind = [w.priority for w in state.wishes] + [w.priority for w in state.shelved]
            assert all(priority >= state.job.priority for priority in behind)

    def teardown(self) -> None:
        """From now on the platform answers everything at once: whatever was begun comes to its end."""
        if not hasattr(self, "account"):
            return
        if self.account.known.status is not Status.CONNECTED:
            self._connect()
        end = self.account.now + timedelta(days=2)
        while self._unfinished():
            assert self.account.now < end, self.account.known
            while self.account.calls:
                self._answer(self.account.calls[0], None)
            if self._unfinished():
                self.wake()
        state = self.account.known
        assert state.status is Status.CONNECTED
        assert state.subscribed or state.not_subscribed == REFUSED.message
        assert all(d["tally"]["unsettledUntil"] is None for d in self.account.contents())

    # -- bookkeeping --------------------------------------------------------------------------------
    def _unfinished(self) -> bool:
        state = self.account.known
        begun = state.job or state.shelved or state.wishes or state.reread or state.errands
        # A list that was given up is walked by the schedule, if there is one.
        listed = all(s.name in state.sources and state.sources[s.name].backfilled for s in self.spec.sources)
        return bool(begun) or (state.config.auto_sync and not listed)

    def _sent(self, send: Any) -> None:
        """Do it, and look at the calls that it let go."""
        before = list(self.account.calls)
        used = self._used()
        send()
        new = [c for c in self.account.calls if not any(c is b for b in before)]
        self._look(new, used)

    def _look(self, new: Sequence[Effect], used: dict[str, tuple[int, datetime | None]]) -> None:
        state = self.account.known
        under_way = {o.call.id for o in state.errands.values() if o.call}
        if state.job is not None and state.job.call is not None:
            under_way.add(state.job.call.id)
        wanted: dict[str, int] = {}
        for effect in new:
            call = getattr(effect, "call", None)
            if call is not None:
                assert call.id in under_way, "a call that nobody waits for"
                under_way.discard(call.id)
            for family, calls in self._calls(effect).items():
                wanted[family] = wanted.get(family, 0) + calls
        for family, calls in wanted.items():
            if self.spec.account_window(family) is None:
                assert family not in state.budget, "a shared window that an account counts for itself"
                continue
            window = state.budget[family]
            before, resets_at = used.get(family, (0, None))
            fresh = window.resets_at != resets_at
            assert window.used >= calls + (0 if fresh else before), "a call that was not reserved"

    def _calls(self, effect: Effect) -> dict[str, int]:
        spec = self.spec
        match effect:
            case FetchPage(source=name):
                return {next(s.family for s in spec.sources if s.name == name): 1}
            case ReadItems():
                return {spec.batch_read_family: spec.batch_read_calls}
            case FetchProfile():
                return {spec.profile_family: 1}
            case Subscribe():
                return dict(spec.subscribe_calls)
            case _:
                return {}

    def _used(self) -> dict[str, tuple[int, datetime | None]]:
        if self.account.state is None:
            return {}
        return {f: (w.used, w.resets_at) for f, w in self.account.known.budget.items()}

    def _answer(self, call: Effect, failure: Outcome[Any] | None) -> None:
        self.account.calls = [c for c in self.account.calls if c is not call]
        if isinstance(call, Refresh):
            self.tokens += 1
            tokens = {"access": b"access-%d" % self.tokens, "refresh": b"refresh-%d" % self.tokens}
            outcome = failure or Ok(None)
            self._sent(lambda: self.account.refreshed(outcome, call, **tokens))
        elif isinstance(call, ChooseRecheck):
            message = choose(self.account, call)
            self._sent(lambda: self.account.send(message.name, dict(message.data)))
        elif type(call) in NAMES:
            name, data = self._message(call, failure)
            self._sent(lambda: self.account.send(name, data))

    def _message(self, call: Any, failure: Outcome[Any] | None) -> tuple[str, dict[str, Any]]:
        value: Any = None
        if isinstance(call, FetchPage):
            value = self.feed.page(call)
        elif isinstance(call, ReadItems):
            value = self.feed.read(call)
        elif isinstance(call, FetchProfile):
            value = {"followerCount": int((self.account.now - START).total_seconds())}
        now = self.account.now
        data = {"call_id": call.call.id, "outcome": failure or Ok(value), "access": call.access}
        return NAMES[type(call)], data | {"asked_at": now, "answered_at": now}


class InstagramHistories(Histories):
    spec = INSTAGRAM


@pytest.mark.parametrize("machine", [Histories, InstagramHistories], ids=lambda m: m.spec.name)
def test_histories(machine: type[Histories]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, stateful_step_count=40, deadline=None)
    )
