"""Runs the steps of publications and tasks in their time: a decisive one has its intent saved before, is not
begun late, and ends before anybody else may resolve it."""

import asyncio
from typing import Any

from actors.account.calls import Calls
from actors.account.costs import what_was_sent
from actors.account.effects import DecisiveStep, LookForPublication, PublishStep, TaskStep
from actors.account.operations.performer import Performer
from actors.account.publishing.publisher import Publisher
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint
from domain.ids import AccountId
from platforms.base import Platform
from platforms.outcome import LimitScope, Outcome, RetryAfter, Unknown

_TOO_LATE = RetryAfter(1.0, LimitScope.ACCOUNT, "too_late_to_send")
_TIMEOUT = RetryAfter(0.0, LimitScope.ACCOUNT, "timeout")


class StepRunner:
    def __init__(self, calls: Calls, publisher: Publisher, performer: Performer) -> None:
        self._calls = calls
        self._publisher = publisher
        self._performer = performer

    async def task(self, account: AccountId, platform: Platform, effect: TaskStep) -> Message:
        decisive = isinstance(effect, DecisiveStep)
        self._calls.passed(Failpoint.INTENT_SAVED, decisive=decisive)
        app, left_s = await self._calls.app(effect.app_id), self._calls.left_s(effect.call)
        outcome: Outcome[Any]
        if isinstance(app, RetryAfter):
            outcome = app
        elif left_s <= 1.0:
            outcome = _TOO_LATE
        else:
            self._calls.passed(Failpoint.INTENT_BEFORE_SEND, decisive=decisive)
            try:
                async with asyncio.timeout(left_s):
                    outcome = await self._performer.perform(account, platform, app, effect)
            except TimeoutError:
                outcome = Unknown("it may have happened") if decisive else _TIMEOUT
            self._calls.passed(Failpoint.INTENT_ANSWERED, decisive=decisive)
        self._calls.tally(account, next(iter(effect.calls)), outcome)
        data = {"task_id": effect.task.id, "call_id": effect.call.id, "outcome": outcome}
        return Message("task_stepped", data | what_was_sent(effect))

    async def publication(self, account: AccountId, platform: Platform, effect: PublishStep) -> Message:
        record = effect.record
        self._calls.passed(Failpoint.INTENT_SAVED, decisive=record.decisive)
        app, sealed = await self._calls.app(effect.app_id), None
        left_s = self._calls.left_s(effect.call)
        outcome: Outcome[Any]
        if isinstance(app, RetryAfter):
            outcome = app
        elif left_s <= 1.0:
            outcome = _TOO_LATE
        else:
            self._calls.passed(Failpoint.INTENT_BEFORE_SEND, decisive=record.decisive)
            try:
                async with asyncio.timeout(left_s):
                    outcome, sealed = await self._publisher.step(account, platform, app, effect, left_s - 0.5)
            except TimeoutError:
                outcome = Unknown("it may have been published")
            self._calls.passed(Failpoint.INTENT_ANSWERED, decisive=record.decisive)
        self._calls.tally(account, next(iter(effect.calls)), outcome)
        data = {"call_id": effect.call.id, "outcome": outcome, "sealed": sealed}
        return Message("publish_stepped", data | what_was_sent(effect))

    async def look(self, account: AccountId, platform: Platform, effect: LookForPublication) -> Message:
        app, left_s = await self._calls.app(effect.app_id), self._calls.left_s(effect.call)
        outcome: Outcome[Any]
        if isinstance(app, RetryAfter):
            outcome = app
        else:
            try:
                async with asyncio.timeout(left_s):
                    outcome = await self._publisher.look(account, platform, app, effect, left_s)
            except TimeoutError:
                outcome = _TIMEOUT
        self._calls.tally(account, next(iter(effect.calls)), outcome)
        data = {"call_id": effect.call.id, "outcome": outcome}
        return Message("publication_looked", data | what_was_sent(effect))
