"""The toy entity of the runtime tests: it counts, so that a lost or doubled effect shows as a number."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.account.effects import ReplayParked
from actors.runtime.entity import Effect, Message, SideRef, SideView, SideWrite, Turn
from actors.runtime.urgency import Urgency
from domain.errors import Invalid, NotFound
from domain.events import Event, EventType
from domain.ids import EntityKey, Kind
from storage.records import Document


class Count(Struct, frozen=True):
    org: str
    id: str
    total: int = 0
    applied: tuple[str, ...] = ()
    due: datetime | None = None
    ticks: int = 0


class Echo(Effect, frozen=True):
    amount: int


class Counting:
    """add {amount}, boom {}, huge {}, remind {at}, echo {amount} (an effect whose outcome adds); an account
    also connects, and counts platform events."""

    kind = Kind.LINK

    def load(self, document: Document) -> Count:
        return Count(
            document["org"],
            document["_id"],
            document["total"],
            tuple(document["applied"]),
            document["due"],
            document["ticks"],
        )

    def dump(self, state: Count) -> Document:
        platform, _, external_id = state.id.rpartition(":")[0].partition(":")
        return {
            "platform": platform,
            "externalAccountId": external_id,
            "total": state.total,
            "applied": list(state.applied),
            "due": state.due,
            "ticks": state.ticks,
            "createdAt": datetime(2026, 1, 1),
        }

    def org(self, state: Count) -> str:
        return state.org

    def reads(self, key: EntityKey, state: Count | None, message: Message) -> Sequence[SideRef]:
        return [SideRef("social_content", key.id)]

    def apply(
        self, key: EntityKey, state: Count | None, message: Message, now: datetime, side: SideView
    ) -> Turn[Count]:
        if state is None:
            if message.name not in ("create", "connect"):
                raise NotFound("not_found", "no such counter")
            effects = (ReplayParked(again_at=None),) if message.name == "connect" else ()
            return Turn(Count("org_test", key.id), effects=effects, reply={"total": 0})
        match message.name:
            case "create":
                return Turn(state, reply={"total": state.total}, changed=False)
            case "connect":
                return Turn(state, effects=(ReplayParked(again_at=None),), changed=False)
            case "add" | "echoed" | "platform_event":
                total = state.total + message.data.get("amount", 1)
                new = replace(state, total=total, applied=(*state.applied, message.id or "echo"))
                document = {"_id": key.id, "org": state.org, "total": total, "publishedAt": now}
                return Turn(
                    new,
                    events=(Event(EventType.LINK_CLICKED, {"total": total}),),
                    side=(SideWrite("social_content", document),),
                    reply={"total": total},
                )
            case "echo":
                return Turn(state, effects=(Echo(message.data["amount"]),))
            case "remind":
                return Turn(replace(state, due=message.data["at"]))
            case "tick":
                if state.due is None or state.due > now:
                    return Turn(state, changed=False)
                return Turn(replace(state, due=None, ticks=state.ticks + 1))
            case "refuse":
                raise Invalid("refused", "no")
            case "huge":
                return Turn(replace(state, applied=(*state.applied, "\ud800")))
            case _:
                raise ZeroDivisionError(message.name)

    def due(self, state: Count) -> datetime | None:
        return state.due

    def urgency(self, state: Count, due: datetime | None) -> Urgency:
        return Urgency.SCHEDULED

    def view(self, key: EntityKey, state: Count) -> dict[str, Any]:
        return {"total": state.total, "ticks": state.ticks}

    def snapshot(self, key: EntityKey, state: Count) -> dict[str, Any] | None:
        return {"total": state.total}
