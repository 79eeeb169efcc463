"""Which faults, in which order: drawn from a seed. What they meet is the machine's, and does not repeat."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

KILLS: Final = (
    "kill_host",
    "kill_webhook_replica",
    "kill_api_replica",
    "kill_controller",
    "kill_haproxy",
    "kill_supervisor",
    "kill_valkey",
    "kill_documents",
    "kill_raylet",
    "kill_gcs",
)
"""SIGKILL. Of the raylets, one of a node that has joined: the head's ends everything, as the GCS does."""

STOPS: Final = {
    "stop_host": (3.0, 80.0),
    "stop_webhook_replica": (3.0, 30.0),
    "stop_controller": (3.0, 20.0),
    "stop_haproxy": (3.0, 20.0),
    "stop_raylet": (2.0, 15.0),
    "stop_gcs": (1.0, 4.0),
    "stop_valkey": (2.0, 15.0),
    "stop_documents": (2.0, 20.0),
}
"""SIGSTOP, and SIGCONT after so many seconds: from a hiccup to longer than it takes the others to do without.
(A GCS that stands still for longer ends its raylets, which is `kill_gcs` again.)"""

CUTS: Final = {"cut_from_ray": (10.0, 40.0), "cut_from_all": (10.0, 40.0)}
"""A node's network is gone for so many seconds. From Ray only: its hosts still reach the stores and the
platforms while others take their names."""

KINDS: Final = (*KILLS, *STOPS, *CUTS)
ON_NODES: Final = frozenset({"kill_raylet", "stop_raylet", *CUTS})
"""They need nodes beside the head."""
ENDS_THE_HEAD: Final = frozenset({"kill_gcs"})
"""All that Ray runs is started anew. A minute or more each, so in every second round only."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`pick` in [0, 1) chooses the victim among those that are there; `seconds` 0: nothing to take back."""

    kind: str
    pick: float
    seconds: float
    pause: float
    """Seconds of peace before it."""
    lead: float
    """Seconds from the expiry of a token to the fault: somewhere within the refresh that follows."""

    def view(self) -> dict[str, Any]:
        return {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self).items()}


def schedule(seed: int, kinds: tuple[str, ...] = KINDS) -> Iterator[Fault]:
    """Without end: rounds in which each of the kinds has its turn, in an order of its own."""
    rng = Random(seed)
    lasting = STOPS | CUTS
    number = 0
    while True:
        number += 1
        row = [kind for kind in kinds if kind not in ENDS_THE_HEAD or number % 2 or len(kinds) == 1]
        rng.shuffle(row)
        for kind in row:
            # Squared: most are short.
            low, high = lasting.get(kind, (0.0, 0.0))
            seconds = low + (high - low) * rng.random() ** 2
            yield Fault(kind, rng.random(), seconds, rng.uniform(0.5, 3.0), rng.uniform(0.0, 0.4))
