"""Named places where a test may end the process: every step of a save, an intent, a placement, a drain.

A step that can be the last before a crash has a failpoint; a test fails if one is never passed.
"""

import os
from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    BATCH_READ = "batch.read"
    BATCH_APPLIED = "batch.applied"
    SIDE_SAVED = "save.side_saved"
    ENTITY_SAVED = "save.entity_saved"
    EVENTS_PUBLISHED = "save.events_published"
    SEEN_MARKED = "batch.seen_marked"
    MAIL_DELETED = "batch.mail_deleted"
    PARKED = "batch.parked"
    DEAD_LETTERED = "dead.lettered"
    DEAD_PASSED = "dead.passed"
    INTENT_SAVED = "intent.saved"
    INTENT_BEFORE_SEND = "intent.before_send"
    INTENT_ANSWERED = "intent.answered"
    INTENT_RESOLVED = "intent.resolved"
    PLACEMENT_SAVED = "placement.saved"
    CLAIMED = "claim.taken"
    RELEASE_STARTED = "release.started"
    RELEASE_SAVED = "release.saved"
    DRAIN_STARTED = "drain.started"
    DRAIN_DONE = "drain.done"


def _exit() -> None:
    os._exit(17)


class Failpoints:
    """Armed failpoints count down and act once; memory only, so a restarted process is unarmed."""

    def __init__(self, act: Callable[[], None] = _exit) -> None:
        self._armed: dict[Failpoint, int] = {}
        self._act = act
        self.passed: dict[Failpoint, int] = {}

    def arm(self, point: Failpoint, after: int = 1) -> None:
        """Act at the `after`-th pass from now."""
        self._armed[point] = after

    def hit(self, point: Failpoint) -> None:
        self.passed[point] = self.passed.get(point, 0) + 1
        if point not in self._armed:
            return
        self._armed[point] -= 1
        if self._armed[point] <= 0:
            del self._armed[point]
            self._act()
