"""Shared quotas that have room for everything, and keep what they were asked."""

from collections.abc import Mapping
from typing import Any

from actors.budget.hand import Held, Paid
from domain.budget import Priority
from domain.ids import AccountId, budget_key
from platforms.outcome import Outcome


class Unmetered:
    """`actors.account.handler.Quotas`. With `held` every call is held back so."""

    def __init__(self, held: Held | None = None) -> None:
        self.held = held
        self.paid: list[tuple[str, Mapping[str, int], Priority]] = []
        self.settled: list[int | None] = []
        self.learned: list[Outcome[Any]] = []
        self.recalled: list[str] = []

    async def pay(
        self,
        account: AccountId,
        app_id: str,
        calls: Mapping[str, int],
        priority: Priority,
        call_id: str,
        patience_s: float,
    ) -> Paid | Held:
        self.paid.append((app_id, calls, priority))
        return self.held or Paid(budget_key(account.platform, app_id), priority, account.org, {}, {})

    def settle(self, paid: Paid, items: int | None) -> None:
        self.settled.append(items)

    def learn(self, platform: str, app_id: str, outcome: Outcome[Any]) -> None:
        self.learned.append(outcome)

    def recall(self, call_id: str) -> None:
        self.recalled.append(call_id)
