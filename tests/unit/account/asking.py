"""An account that is asked for things, and answered by the test instead of a platform."""

from collections.abc import Mapping
from typing import Any

from actors.account.effects import DecisiveStep, Refresh, TaskStep
from actors.account.operations.task import OPERATIONS, Step, Task, What
from actors.runtime.entity import SideRef, Turn
from platforms.capabilities import Consent
from platforms.outcome import Ok, Outcome
from platforms.registry import PLATFORMS
from platforms.spec import PlatformSpec
from tests.fakes.capabilities import Advertising, Numbers, Shop, Studio
from tests.unit.account.driver import Account, Facts

FACEBOOK = PLATFORMS["facebook"].spec


class Able:
    """A platform that has every capability."""

    def __init__(self, missing: Mapping[str, str] | None = None) -> None:
        self.insights, self.ads, self.live = Numbers(), Advertising("77"), Studio()
        self.commerce = Shop(missing)


class Operator(Account):
    def __init__(
        self,
        spec: PlatformSpec = FACEBOOK,
        able: object = None,
        consents: Mapping[str, Consent] | None = None,
    ) -> None:
        super().__init__(spec, facts=Facts(spec, able or Able(), consents))
        self.connect(refresh_token=b"person-0")
        self.send("configure", {"auto_sync": False})

    def ask(self, what: What, id: str = "op_1", facts: Mapping[str, Any] = {}, **wish: Any) -> Turn[Any]:
        data = {"operation_id": id, "what": what.value, "facts": facts, "wish": wish, "user_id": "usr_1"}
        return self.send("perform", data)

    def step(self, outcome: Outcome[Step | None], effect: TaskStep | None = None) -> TaskStep:
        """Answer the one call that waits, or this one."""
        effect = effect or self.take(TaskStep)
        data = {"task_id": effect.task.id, "call_id": effect.call.id, "outcome": outcome}
        self.send("task_stepped", data | {"access": effect.access, "grant": effect.grant})
        return effect

    def until(self, kind: type[Any]) -> None:
        """Let time pass until such a call is made; tokens are refreshed meanwhile."""
        for _ in range(500):
            if self.waiting(kind):
                return
            if self.waiting(Refresh):
                self.refreshed(Ok(None), self.waiting(Refresh)[-1])
                self.calls = [c for c in self.calls if not isinstance(c, Refresh)]
                continue
            self.wake()
        raise AssertionError("it never came")

    def operation(self, id: str = "op_1") -> dict[str, Any]:
        return self.side[SideRef(OPERATIONS, f"{self.id}|{id}")]

    @property
    def sent(self) -> list[DecisiveStep]:
        return self.waiting(DecisiveStep)

    @property
    def open(self) -> list[Task]:
        return list(self.known.tasks)
