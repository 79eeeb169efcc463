"""Which partitions this host incarnation holds, and under which epoch.

Guarantee: a claim raises the epoch in MongoDB before the first message is read; a host that finds its claim
gone stops acting within one check (2 s). It is an optimisation: the versioned write is what protects.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from msgspec.structs import replace

from actors.runtime.failpoints import Failpoint, Failpoints
from storage.ports import Claims
from storage.records import Claim, StreamId

log = structlog.get_logger()

CHECK_INTERVAL_S = 2.0


class Ownership:
    """`held` is true at any moment, also when a check was broken off half-way: whoever acts on gains and
    losses compares it with what it has begun."""

    def __init__(
        self, claims: Claims, host: str, incarnation: str, build: str, failpoints: Failpoints
    ) -> None:
        self._claims = claims
        self._host = host
        self._incarnation = incarnation
        self._build = build
        self._failpoints = failpoints
        self._held: dict[int, Claim] = {}
        self.superseded = False
        self.arrived: dict[int, datetime] = {}
        """Partitions claimed after a release, and since when nobody took their mail; whoever begins one
        removes it."""

    @property
    def held(self) -> Mapping[int, Claim]:
        return self._held

    def epoch(self, partition: int) -> int | None:
        claim = self._held.get(partition)
        return claim.epoch if claim else None

    async def check(self) -> None:
        """Compare with MongoDB; claim what is assigned here and not ours yet.

        A partition lost to another incarnation of this host's name means that this process was replaced: it
        gives up everything and claims no more, or the two would take the partitions from each other for
        ever.
        """
        rows = await self._claims.all()
        if self._is_replaced(rows):
            self.superseded = True
        if self.superseded:
            self._held.clear()
            return
        gained = lost = 0
        for row in rows:
            mine = row.host == self._host and row.incarnation == self._incarnation
            held = self._held.get(row.partition)
            if held is not None and not (mine and held.epoch == row.epoch):
                del self._held[row.partition]
                lost += 1
                held = None
            if held is None and row.host == self._host:
                gained += await self.claim(row.partition) is not None
        if gained or lost:
            log.info("ownership.changed", host=self._host, gained=gained, lost=lost)

    async def claim(self, partition: int) -> Claim | None:
        """Take a partition that is assigned here, under a new epoch; None when it is not."""
        claim = await self._claims.claim(partition, self._host, self._incarnation, self._build)
        if claim is not None:
            self._held[partition] = replace(claim, released_at=None)
            self.arrived.pop(partition, None)
            if claim.released_at is not None:
                self.arrived[partition] = claim.released_at
            self._failpoints.hit(Failpoint.CLAIMED)
        return claim

    def give_up(self, partition: int) -> Claim | None:
        """From now on nothing is saved for it; in the store it is still held."""
        return self._held.pop(partition, None)

    def _is_replaced(self, rows: list[Claim]) -> bool:
        return any(
            row.partition in self._held
            and row.host == self._host
            and row.incarnation not in ("", self._incarnation)
            for row in rows
        )

    async def note_high(self, claim: Claim, high: Mapping[str, StreamId], generation: int) -> bool:
        """Record how far the mailboxes were applied, if it is news; False when the claim is gone: the next
        check lets go."""
        if self.epoch(claim.partition) != claim.epoch:
            return False
        known = claim.high | {stream: str(id_) for stream, id_ in high.items()}
        if known == claim.high and generation == claim.generation:
            return True
        kept = await self._claims.note_high(claim, high, generation)
        if kept and self.epoch(claim.partition) == claim.epoch:
            self._held[claim.partition] = replace(claim, high=known, generation=generation)
        return kept
