"""The campaign entity: lifecycle commands from people, counts from the mailbox, schedule by reminder."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.campaign import history
from actors.campaign.members import changes
from actors.campaign.reading import MAX_MEMBERS, changed_fields, created, named_codes, updated
from actors.campaign.spending import spent
from actors.campaign.state import Campaign, dump, load
from actors.campaign.view import SNAPSHOT_ROWS, VIEW_ROWS, campaign_view, performance_view
from actors.runtime.entity import TICK, Message, SideRef, SideView, SideWrite, Turn
from actors.runtime.urgency import Urgency
from domain.attribution import CLOCK_SKEW
from domain.campaigns import CampaignStatus, PromotionCode, next_status
from domain.errors import Conflict, Invalid, NotFound, RookeryError
from domain.events import Event, EventType
from domain.fields import Fields, check_version
from domain.ids import EntityKey, Kind
from domain.metrics import Dimension, Performance, Totals
from domain.money import Money
from domain.promotion import COLLECTION as CODES
from domain.promotion import free_place, place_ids
from storage.records import Document

COUNTS = frozenset({"engaged", "clicked", "sold", "adjusted"})
"""Messages from the mailbox, made by `actors.routing.campaign_messages`."""


class CampaignEntity:
    """Commands: create, update, launch, pause, resume, complete, record_cost. Messages: see `COUNTS`; `spent`
    tells cost.

    What happened at or after the launch and before the end of the attribution window is counted, by the
    time it happened, however late it is heard of; what happened before or after is counted apart as `early`
    or `late`. Messages of another org are ignored.
    """

    kind: Kind = Kind.CAMPAIGN

    def load(self, document: Document) -> Campaign:
        return load(document)

    def dump(self, state: Campaign) -> Document:
        return dump(state)

    def org(self, state: Campaign) -> str:
        return state.org

    def view(self, key: EntityKey, state: Campaign) -> dict[str, Any]:
        return campaign_view(key.id, state)

    def snapshot(self, key: EntityKey, state: Campaign) -> dict[str, Any]:
        return {
            "id": key.id,
            "status": state.status.value,
            "performance": performance_view(state.performance, SNAPSHOT_ROWS),
            "at": state.updated_at.isoformat(),
        }

    def due(self, state: Campaign) -> datetime | None:
        return min((at for at in (self._step_due(state), state.history_at) if at is not None), default=None)

    def _step_due(self, state: Campaign) -> datetime | None:
        if state.armed:
            return state.schedule.start
        if state.status.live:
            return state.schedule.end
        return None if state.closed else state.counts_until

    def urgency(self, state: Campaign, due: datetime | None) -> Urgency:
        return Urgency.SCHEDULED

    def reads(self, key: EntityKey, state: Campaign | None, message: Message) -> Sequence[SideRef]:
        """Who owns the promotion codes, wherever this message may make them ours."""
        if state is None:
            return ()
        codes: list[str] = []
        if message.name == "launch" or (message.name == TICK.name and state.armed):
            codes = [code.code for code in state.codes]
        elif message.name == "update":
            codes = named_codes(message.data)
        return [SideRef(CODES, id_) for code in codes for id_ in place_ids(state.org, code)]

    def apply(
        self, key: EntityKey, state: Campaign | None, message: Message, now: datetime, side: SideView
    ) -> Turn[Campaign]:
        fields = Fields(message.data)
        if message.name == "create":
            if state is not None:
                raise Conflict("campaign_exists", "This campaign exists already.")
            return self._turn(key, None, created(fields.text("org", 128), fields, now), now)
        if state is None:
            raise NotFound("campaign_unknown", "There is no such campaign.")
        if message.name == TICK.name:
            return self._tick(key, state, now, side)
        foreign = "org" in fields and fields.raw("org") != state.org
        if message.name in COUNTS:
            return Turn(state, changed=False) if foreign else Turn(_counted(state, message, now))
        if message.name == "spent":
            after = state if foreign else spent(state, fields)
            return self._quiet(key, state, after if after is state else replace(after, updated_at=now), now)
        if message.name == "history_told":
            return self._quiet(key, state, history.told(state, fields.ids("refs", MAX_MEMBERS), now), now)
        if foreign:
            raise NotFound("campaign_unknown", "There is no such campaign.")
        check_version(message.data)
        if message.name == "update":
            return self._update(key, state, fields, now, side)
        if message.name == "record_cost":
            return self._record_cost(key, state, fields, now)
        if message.name == "launch":
            return self._launch(key, state, now, side)
        if message.name == "pause" and state.armed:
            return self._turn(key, state, replace(state, armed=False, updated_at=now), now, "disarmed")
        if message.name in ("pause", "resume"):
            after = replace(state, status=next_status(state.status, message.name), updated_at=now)
            return self._turn(key, state, after, now, f"{message.name}d")
        if message.name == "complete":
            return self._complete(key, state, now, now)
        raise Invalid("unknown_command", f"A campaign knows no command {message.name[:50]}.")

    # -- commands -----------------------------------------------------------------------------------
    def _update(
        self, key: EntityKey, state: Campaign, fields: Fields, now: datetime, side: SideView
    ) -> Turn[Campaign]:
        if state.status is CampaignStatus.COMPLETED:
            raise Conflict("illegal_transition", "A completed campaign does not change any more.")
        after = updated(state, fields, now)
        if after.status.live:
            after = _owning_codes(key.id, after, now, side)
        return self._turn(key, state, after, now, "updated", fields=changed_fields(fields))

    def _record_cost(self, key: EntityKey, state: Campaign, fields: Fields, now: datetime) -> Turn[Campaign]:
        """Money spent, entered by a person; negative corrects. Possible in any status: bills come late."""
        amount = Money(
            fields.integer("amount_minor", minimum=-(2**53 - 1)),
            fields.optional_text("currency", 3) or state.performance.currency,
        )
        performance = state.performance.spent(amount)
        if performance.cost_minor < 0:
            raise fields.invalid("amount_minor", "more cannot be taken back than was recorded.")
        after = replace(state, performance=performance, updated_at=now)
        return self._turn(key, state, after, now, "cost_recorded", cost_minor=performance.cost_minor)

    def _launch(self, key: EntityKey, state: Campaign, now: datetime, side: SideView) -> Turn[Campaign]:
        next_status(state.status, "launch")
        if state.armed:
            raise Conflict("illegal_transition", "The campaign is launched already and waits for its start.")
        if state.schedule.end is not None and state.schedule.end <= now:
            raise Conflict(
                "schedule_over",
                "The schedule has ended: set a later end_date before launching.",
                field="schedule.end_date",
            )
        if state.schedule.start is not None and state.schedule.start > now:
            armed = replace(state, armed=True, launch_error=None, updated_at=now)
            return self._turn(key, state, armed, now, "armed")
        return self._go_live(key, state, now, now, side)

    def _go_live(
        self, key: EntityKey, state: Campaign, at: datetime, now: datetime, side: SideView
    ) -> Turn[Campaign]:
        after = replace(
            state,
            status=next_status(state.status, "launch"),
            armed=False,
            launch_error=None,
            launched_at=at,
            updated_at=now,
        )
        after = history.joined(state, _owning_codes(key.id, after, at, side), now)
        data = {
            "campaign_id": key.id,
            "status": after.status.value,
            "launched_at": at.isoformat(),
            "ends_at": after.schedule.end.isoformat() if after.schedule.end else None,
            "platforms": list(after.platforms),
            "total_budget_minor": after.budget.total_minor,
            "currency": after.budget.currency,
        }
        return self._settled(key, state, after, now, Event(EventType.CAMPAIGN_LAUNCHED, data))

    def _complete(self, key: EntityKey, state: Campaign, at: datetime, now: datetime) -> Turn[Campaign]:
        status = next_status(state.status, "complete")
        after = replace(state, status=status, completed_at=at, updated_at=now)
        after = history.joined(state, after, now)
        data = {
            "campaign_id": key.id,
            "status": after.status.value,
            "completed_at": at.isoformat(),
            "counts_until": after.counts_until.isoformat() if after.counts_until else None,
            "performance": performance_view(after.performance, VIEW_ROWS),
        }
        return self._settled(key, state, after, now, Event(EventType.CAMPAIGN_COMPLETED, data))

    # -- reminders ----------------------------------------------------------------------------------
    def _tick(self, key: EntityKey, state: Campaign, now: datetime, side: SideView) -> Turn[Campaign]:
        """What is due by the state. A late tick counts from the time that was promised, not from now."""
        due = self._step_due(state)
        if due is None or due > now:
            told, effects = history.begun(state, now)
            return Turn(told, effects=effects, changed=bool(effects))
        if state.armed:
            try:
                return self._go_live(key, state, due, now, side)
            except RookeryError as refused:  # nobody waits for an answer: the campaign tells why
                after = replace(state, armed=False, launch_error=refused.message, updated_at=now)
                return self._turn(key, state, after, now, "launch_refused", reason=refused.code)
        if state.status.live:
            return self._complete(key, state, due, now)
        # The window is over: the totals per content are not needed any more, and they are the bulk.
        performance = replace(state.performance, contents={})
        after = replace(state, closed=True, performance=performance, updated_at=now)
        final = performance_view(performance, VIEW_ROWS)
        return self._turn(key, state, after, now, "metrics_final", performance=final)

    # -- outcome ------------------------------------------------------------------------------------
    def _turn(
        self,
        key: EntityKey,
        before: Campaign | None,
        after: Campaign,
        now: datetime,
        change: str = "created",
        **details: Any,
    ) -> Turn[Campaign]:
        data = {"campaign_id": key.id, "status": after.status.value, "change": change, **details}
        return self._settled(key, before, after, now, Event(EventType.CAMPAIGN_CHANGED, data))

    def _settled(
        self, key: EntityKey, before: Campaign | None, after: Campaign, now: datetime, event: Event
    ) -> Turn[Campaign]:
        side: tuple[SideWrite, ...] = changes(key.id, before, after, now)
        after, effects = history.begun(after, now)
        return Turn(after, events=(event,), side=side, effects=effects, reply=self.view(key, after))

    def _quiet(self, key: EntityKey, before: Campaign, after: Campaign, now: datetime) -> Turn[Campaign]:
        """A step that nobody outside is told of."""
        return Turn(after, side=changes(key.id, before, after, now), changed=after != before)


def _owning_codes(id: str, campaign: Campaign, since: datetime, side: SideView) -> Campaign:
    """The campaign with a place for each of its codes; Conflict when another live campaign owns one."""

    def owned(code: PromotionCode) -> PromotionCode:
        if code.place is not None:
            return code
        found = {
            i: side[ref] for i in place_ids(campaign.org, code.code) if (ref := SideRef(CODES, i)) in side
        }
        return replace(code, place=free_place(campaign.org, code.code, id, found), since=since)

    return replace(campaign, codes=tuple(owned(code) for code in campaign.codes))


def _counted(state: Campaign, message: Message, now: datetime) -> Campaign:
    fields = Fields(message.data)
    at, performance = fields.moment("at"), state.performance
    if state.launched_at is None or at < state.launched_at - CLOCK_SKEW:
        performance = replace(performance, early=performance.early + 1)
    elif state.counts_until is not None and at >= state.counts_until:
        performance = replace(performance, late=performance.late + 1)
    else:
        performance = _COUNTERS[message.name](performance, fields)
    return replace(state, performance=performance, updated_at=now)


def _where(fields: Fields) -> Dimension:
    return Dimension(
        fields.optional_platform("platform"),
        fields.optional_id("content_id"),
        fields.optional_id("influencer"),
        fields.optional_id("product_id"),
    )


def _engaged(performance: Performance, fields: Fields) -> Performance:
    order = fields.raw("order")
    return performance.engaged(
        Totals.of(fields.raw("totals")),
        Totals.of(fields.raw("previous")),
        (order[0], order[1]) if order else None,
        _where(fields),
    )


def _clicked(performance: Performance, fields: Fields) -> Performance:
    return performance.clicked(_where(fields))


def _sold(performance: Performance, fields: Fields) -> Performance:
    return performance.sold(Money(fields.integer("amount_minor"), fields.text("currency", 3)), _where(fields))


def _adjusted(performance: Performance, fields: Fields) -> Performance:
    difference = Money(fields.integer("difference_minor", minimum=-(2**53 - 1)), fields.text("currency", 3))
    return performance.adjusted(difference, fields.integer("conversions", minimum=-1), _where(fields))


_COUNTERS = {"engaged": _engaged, "clicked": _clicked, "sold": _sold, "adjusted": _adjusted}
