"""What a host does with the partitions it gains and loses, and when Redis has lost their mail."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import structlog
from msgspec.structs import replace

from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.failpoints import Failpoint
from actors.runtime.mail_loops import MailLoops
from actors.runtime.owner import FAILED_CODE, Owner, Parts
from actors.runtime.ownership import Ownership
from actors.runtime.reminders import SCAN_INTERVAL_S
from actors.runtime.streams import streams_of
from actors.runtime.tasks import Tasks
from actors.runtime.verdicts import Elsewhere, NotOwner
from domain.errors import Busy, RookeryError
from domain.ids import EntityKey, Kind
from storage.records import ZERO, Claim, StoreUnavailable, StreamId

log = structlog.get_logger()

RECONCILED = 10_000
"""Accounts of one partition that are told to look at their platform after a loss."""


class Partitions:
    """Guarantee: each partition that `ownership` holds is begun under its epoch (mail read from the
    beginning, reminders looked up) and let go when the epoch is gone, however often a store is away in
    between: what is begun is compared with what is held at every check."""

    def __init__(
        self,
        parts: Parts,
        ownership: Ownership,
        owner: Owner,
        mail: MailLoops,
        addressing: Addressing,
        tasks: Tasks,
        ask: Callable[[EntityKey, Message], Awaitable[Any]],
        left: Callable[[Collection[int]], None],
    ) -> None:
        self._parts = parts
        self._ownership = ownership
        self._owner = owner
        self._mail = mail
        self._addressing = addressing
        self._tasks = tasks
        self._ask = ask
        self._left = left  # told of partitions that are not served here any more
        self._begun: dict[int, int] = {}  # partition -> epoch
        self._scans: dict[int, float] = {}  # partition -> monotonic time of its next scan
        self._abandoned: set[int] = set()  # begun after nobody gave them up, and not looked through yet
        self._closed = False
        self._changing = asyncio.Lock()  # whoever changes what is held sees the claims as they are
        self.suspended: dict[int, datetime] = {}
        """Partitions that are about to be released, and since when nothing new is taken for them."""
        self._arrived: dict[int, datetime] = {}  # moved here in good order and without a turn yet: since

    async def check(self) -> None:
        """Re-read the claims and follow them; look for lost mail; note how far the mail is applied."""
        async with self._changing:
            if not self._closed:
                await self._check()

    async def _check(self) -> None:
        held = self._ownership.held
        try:
            await self._ownership.check()
        finally:  # broken off half-way it may have found losses already
            self._let_go({p for p, epoch in self._begun.items() if self._ownership.epoch(p) != epoch})
        for claim in list(held.values()):
            if claim.partition not in self._begun:
                await self._begin(claim)
        await self._mail.find_overflows()
        for partition in await self._mail.lost():
            if partition in held:
                await self._mail_lost(held[partition])
        for partition, applied in self._mail.applied_ids().items():
            if partition in held:
                await self._ownership.note_high(held[partition], applied, held[partition].generation)

    @property
    def looked_up(self) -> bool:
        """Whether the reminders of everything begun are known."""
        return all(self._scans.values())

    # -- moves --------------------------------------------------------------------------------------
    async def take(self, partition: int) -> bool:
        """Claim what was just assigned here, without waiting for the next check."""
        async with self._changing:
            if self._closed or self._ownership.superseded:
                return False
            if self._ownership.epoch(partition) is None:
                claim = await self._ownership.claim(partition)
                if claim is not None:
                    await self._begin(claim)
            return partition in self._begun

    async def suspend(self, partition: int) -> bool:
        """Take nothing more for a partition that shall be released; False when it is not served here."""
        claim = self._ownership.held.get(partition)
        if claim is None or partition not in self._begun or partition in self.suspended:
            return False
        applied = self._mail.applied_ids().get(partition, {})
        kept = await self._ownership.note_high(claim, applied, claim.generation)
        if not kept or partition in self.suspended or self._begun.get(partition) != claim.epoch:
            return False
        self.suspended[partition] = self._parts.clock.now()
        self._mail.remove([partition])
        self._parts.failpoints.hit(Failpoint.RELEASE_STARTED)
        return True

    async def release(self, partition: int, to: str, quiet: Callable[[], bool]) -> bool:
        """Give a suspended partition to another host, unless it is not `quiet`. What is not saved by then is
        not saved here."""
        async with self._changing:
            claim = self._ownership.held.get(partition)
            if claim is None or partition not in self.suspended or not quiet():
                return False
            stopped_at = self.suspended[partition]
            self._ownership.give_up(partition)
            self._let_go({partition})
            released = await self._parts.claims.release(claim, to, stopped_at)
            self._parts.failpoints.hit(Failpoint.RELEASE_SAVED)
            return released

    async def resume(self, partition: int) -> None:
        """It was not released after all: read it from the beginning."""
        async with self._changing:
            self.suspended.pop(partition, None)
            claim = self._ownership.held.get(partition)
            if claim is not None and self._begun.pop(partition, None) is not None:
                await self._begin(claim)

    def turn_saved(self, partition: int) -> None:
        """The first one after a move ends its pause."""
        stopped_at = self._arrived.pop(partition, None)
        claim = self._ownership.held.get(partition)
        if stopped_at is None or claim is None:
            return
        pause_s = (self._parts.clock.now() - stopped_at).total_seconds()
        pause_ms = max(0, round(pause_s * 1000))  # by the clocks of two machines
        self._parts.count("partition_pause_ms", pause_ms)
        self._parts.count("partition_pauses")
        self._tasks.spawn(self._note_pause(claim, pause_ms), f"pause:{partition}")

    async def _note_pause(self, claim: Claim, pause_ms: int) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._parts.claims.note_pause(claim, pause_ms)

    def close(self) -> None:
        """Let everything go and begin nothing more; the claims stay."""
        self._closed = True
        self._let_go(set(self._begun))

    async def scan(self) -> None:
        """Look up the reminders of partitions whose time has come."""
        now = self._parts.clock.monotonic()
        for partition in [p for p, at in self._scans.items() if at <= now]:
            epoch = self._begun.get(partition)
            full = await self._owner.reminders.scan(partition, partition in self._abandoned)
            if partition in self._scans and self._begun.get(partition) == epoch:  # or it was claimed anew
                self._scans[partition] = now + (1.0 if full else SCAN_INTERVAL_S)
                if not full:
                    self._abandoned.discard(partition)

    def _let_go(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        self._left(partitions)
        self._mail.remove(partitions)
        self._forget(partitions)
        self._addressing.forget_all()
        for partition in partitions:
            self._begun.pop(partition, None)
            self._scans.pop(partition, None)
            self._abandoned.discard(partition)
            self.suspended.pop(partition, None)
            self._arrived.pop(partition, None)

    def _forget(self, partitions: Collection[int]) -> None:
        total = self._parts.envelope.partitions
        self._owner.turns.active.drop(lambda key: key.partition(total) in partitions)

    async def _begin(self, claim: Claim) -> None:
        if not await self._parts.mailboxes.fence(claim.partition, claim.epoch):
            return  # a later claim: the next check lets go
        last = await self._parts.mailboxes.last_ids(streams_of(claim.partition))
        if _ends_early(claim, last):
            await self._mail_lost(claim)
        else:
            self._read(claim, last)

    def _read(self, claim: Claim, last_ids: Mapping[str, StreamId]) -> None:
        """What memory holds of the partition is from before the claim: it starts empty."""
        if self._closed or self._ownership.epoch(claim.partition) != claim.epoch:
            return
        self._mail.remove([claim.partition])
        self._forget([claim.partition])
        if (stopped_at := self._ownership.arrived.pop(claim.partition, None)) is not None:
            last_ids = dict.fromkeys(last_ids, ZERO)  # what is pending there has ended no process
            self._arrived[claim.partition] = stopped_at
        else:
            self._abandoned.add(claim.partition)
        self._mail.add(claim.partition, claim.epoch, claim.generation, last_ids)
        self._begun[claim.partition] = claim.epoch
        self._scans[claim.partition] = 0.0

    # -- lost mail ----------------------------------------------------------------------------------
    async def _mail_lost(self, claim: Claim) -> None:
        """Redis lost data: positions of before mean nothing. Mark what was applied here once more, raise the
        generation, start over, and let the accounts look at their platforms for what the lost mail told."""
        await self._mail.mark_again(claim.partition)
        generation = claim.generation + 1
        log.error("mailbox.data_lost", partition=claim.partition, generation=generation)
        self._parts.count("mailbox_data_lost")
        last = await self._parts.mailboxes.last_ids(streams_of(claim.partition))
        if await self._ownership.note_high(claim, {}, generation):
            self._read(replace(claim, generation=generation), last)
            self._tasks.spawn(self._reconcile(claim.partition), f"reconcile:{claim.partition}")

    async def _reconcile(self, partition: int) -> None:
        """Only when all accounts are told, the claim forgets the ids that are lost: a process that ends
        before leaves them for its successor to find."""
        ever = self._parts.clock.now().replace(year=9999)
        while True:
            try:
                for _, id_, _ in await self._parts.store.due(Kind.ACCOUNT, partition, ever, RECONCILED):
                    await self._reconcile_one(EntityKey(Kind.ACCOUNT, id_))
                last = await self._parts.mailboxes.last_ids(streams_of(partition))
                claim = self._ownership.held.get(partition)
                if claim is not None:
                    lost = {s: id_ for s, id_ in last.items() if id_ < _high(claim, s)}
                    await self._ownership.note_high(claim, lost, claim.generation)
                return
            except StoreUnavailable:
                await asyncio.sleep(1.0)
            except NotOwner:
                return

    async def _reconcile_one(self, key: EntityKey) -> None:
        while True:
            try:
                await self._ask(key, Message("reconcile"))
                return
            except Elsewhere:  # isolated or released at this moment
                await asyncio.sleep(1.0)
            except RookeryError as error:
                if not isinstance(error, Busy) or error.code == FAILED_CODE:
                    log.warning("account.not_reconciled", entity=str(key), error=error.code)
                    return
                await asyncio.sleep(error.retry_after_s)  # others are before it


def _high(claim: Claim, stream: str) -> StreamId:
    return StreamId.parse(claim.high.get(stream, "0-0"))


def _ends_early(claim: Claim, last_ids: Mapping[str, StreamId]) -> bool:
    """Whether a stream ends before what was already applied from it."""
    return any(last < _high(claim, stream) for stream, last in last_ids.items())
