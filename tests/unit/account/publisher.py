"""An account that publishes, driven step by step."""

from datetime import timedelta
from typing import Any

from actors.account.effects import LookForPublication, PublishStep, Refresh
from actors.account.publishing.publication import PUBLICATIONS, Publication
from actors.runtime.entity import SideRef
from domain.content import ContentKind
from domain.events import EventType
from domain.publishing import Draft, Published, PublishState, draft_json
from platforms.outcome import (
    LimitScope,
    Ok,
    Outcome,
    RetryAfter,
    Unknown,
)
from tests.unit.account.driver import INSTAGRAM, Account

POST = PublishState("post", {"container": "c1"}, decisive=True)
OUT = Ok(Published("900", "https://example.com/900"))
FAULT = RetryAfter(1.0, LimitScope.ACCOUNT, "unavailable")
UNHEARD = Unknown("it may be out")


class Publisher(Account):
    def __init__(self) -> None:
        super().__init__(INSTAGRAM)
        self.connect()

    def ask(self, id: str = "pub_1", in_s: float = 0.0, text: str = "Fresh bowls", **data: Any) -> None:
        draft = draft_json(Draft(ContentKind.PHOTO, text))
        due_at = (self.now + timedelta(seconds=in_s)).isoformat()
        base = {"publication_id": id, "group": "grp_1", "user_id": "usr_1", "draft": draft, "due_at": due_at}
        self.send("publish", base | data)

    def step(
        self, outcome: Outcome[Any], sealed: bytes | None = None, effect: PublishStep | None = None
    ) -> None:
        effect = effect or self.take(PublishStep)
        self._outcome("publish_stepped", effect, outcome, sealed=sealed)

    def look(self, outcome: Outcome[Any]) -> None:
        self._outcome("publication_looked", self.take(LookForPublication), outcome)

    def _outcome(
        self, name: str, effect: PublishStep | LookForPublication, outcome: Outcome[Any], **more: Any
    ) -> None:
        data = {"publication_id": effect.record.id, "call_id": effect.call.id, "outcome": outcome}
        self.send(name, data | {"access": effect.access} | more)

    def until(self, kind: type[Any]) -> None:
        for _ in range(2000):
            if self.waiting(kind):
                return
            if self.waiting(Refresh):
                self.refreshed(Ok(None), self.waiting(Refresh)[-1], expires_in_s=100 * 86_400)
                continue
            self.wake()
        raise AssertionError("it never came")

    @property
    def open(self) -> list[Publication]:
        return list(self.known.publications)

    def document(self, id: str = "pub_1") -> dict[str, Any]:
        return self.side[SideRef(PUBLICATIONS, f"{self.id}|{id}")]

    def statuses(self) -> list[str]:
        return [e["status"] for e in self.told(EventType.PUBLICATION_CHANGED)]
