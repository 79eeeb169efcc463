"""Live accounts per GiB: activations in a host beside one Ray actor process per account.

Ours is the growth of a host's private memory from its first live accounts to the last, in a fresh process
(`bench.fill`), at rest and, from a smaller run, awake. Theirs is the private memory of a whole actor process
(`bench.ray_peer`): what the raylet keeps of each is not counted.
"""

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from bench.processes import json_of
from bench.results import Result, Row, Spoiled

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 100_000
    driven: int = 500  # of them by real turns from their connection on
    awake: int = 10_000  # in a second process, where nobody is put to rest
    peers: int = 3


SMALL = Options(accounts=8000, driven=100, awake=4000, peers=1)


def density(options: Options) -> Result:
    rest = json_of("bench.fill", options.accounts, options.driven, 1)
    awake = json_of("bench.fill", options.awake, options.driven, 0)
    peers = json_of("bench.ray_peer", options.peers)["private_bytes"]
    if rest["resting"] != options.accounts or any(rest["left"].values()):
        raise Spoiled(f"{rest['resting']} accounts were at rest, and of passive ones is left {rest['left']}.")
    ours, ours_awake = growth(rest["points"]), growth(awake["points"])
    if ours <= 0 or ours_awake <= 0:
        raise Spoiled("The process did not grow: too few accounts to fill the memory that it had anyway.")
    theirs = statistics.median(peers)
    detail: dict[str, Any] = {
        "bytes_per_account": round(ours),
        "bytes_per_awake_account": round(ours_awake),
        "bytes_per_peer": peers,
        "points": rest["points"],
        "points_awake": awake["points"],
        "passive_bytes": rest["passive_bytes"],
        "left": rest["left"],
        **asdict(options),
    }
    return Result(
        name="density",
        title="Live accounts per GiB, each after 20 webhooks, beside one Ray actor process for each",
        command="python -m bench density",
        unit="accounts/GiB",
        ours=round(GIB / ours, 1),
        theirs=round(GIB / theirs, 1),
        ratio=round(theirs / ours, 1),
        detail=detail,
        target=5000.0,
        rows=[
            Row("private memory per live account", "bytes", round(ours), target=4096.0),
            Row("of accounts that were busy within 15 s", "bytes", round(ours_awake)),
        ],
    )


def growth(points: list[list[int]]) -> float:
    """Bytes per account from the first point to the last, at which the memory is what it is at the peak."""
    (first, before), (last, after) = points[0], points[-1]
    return (after - before) / (last - first)
