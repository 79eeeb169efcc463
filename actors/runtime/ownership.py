"""Which partitions this host incarnation holds, and under which epoch.

Guarantee: a claim raises the epoch in MongoDB before the first message is read; a host that finds its claim
gone stops acting within one check (2 s). It is an optimisation: the versioned write is what protects.
"""

from collections.abc import Mapping

import structlog

from actors.runtime.failpoints import Failpoint, Failpoints
from storage.ports import Claims
from storage.records import Claim, StoreUnavailable, StreamId

log = structlog.get_logger()

CHECK_INTERVAL_S = 2.0


class Ownership:
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

    @property
    def held(self) -> Mapping[int, Claim]:
        return self._held

    def epoch(self, partition: int) -> int | None:
        claim = self._held.get(partition)
        return claim.epoch if claim else None

    async def check(self) -> tuple[list[Claim], list[int]]:
        """Compare with MongoDB; claim what is assigned here and not ours yet.

        Answers the newly claimed and the lost partitions. A partition lost to another incarnation of this
        host's name means that this process was replaced: it gives up everything and claims no more, or the
        two would take the partitions from each other for ever.
        """
        gained: list[Claim] = []
        lost: list[int] = []
        rows = await self._claims.all()
        if self._is_replaced(rows):
            self.superseded = True
        if self.superseded:
            lost = list(self._held)
            self._held.clear()
            return gained, lost
        for row in rows:
            mine = row.host == self._host and row.incarnation == self._incarnation
            held = self._held.get(row.partition)
            if held is not None and not (mine and held.epoch == row.epoch):
                del self._held[row.partition]
                lost.append(row.partition)
                held = None
            if held is None and row.host == self._host:
                claim = await self._claims.claim(row.partition, self._host, self._incarnation, self._build)
                if claim is not None:
                    self._held[row.partition] = claim
                    gained.append(claim)
                    self._failpoints.hit(Failpoint.CLAIMED)
        if gained or lost:
            log.info("ownership.changed", host=self._host, gained=len(gained), lost=len(lost))
        return gained, lost

    def _is_replaced(self, rows: list[Claim]) -> bool:
        return any(
            row.partition in self._held
            and row.host == self._host
            and row.incarnation not in ("", self._incarnation)
            for row in rows
        )

    async def note_high(self, partition: int, high: Mapping[str, StreamId], generation: int) -> bool:
        """Record how far the mailboxes were applied; False when the claim is gone: the next check lets go."""
        claim = self._held.get(partition)
        if claim is None:
            return False
        try:
            kept = await self._claims.note_high(claim, high, generation)
        except StoreUnavailable:
            return True  # unknown: the next check decides
        return kept
