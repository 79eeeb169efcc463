"""Which hosts there shall be, and which partition moves next: decided from what is seen, without memory.

Hosts are `host-0` to `host-{N-1}`. One that has to be replaced (other code, or crowded while a node stands
empty) is emptied first; meanwhile `host-{N}` stands in for it, so there are never fewer than N hosts.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


def host_name(n: int) -> str:
    return f"host-{n}"


def is_host(name: str) -> bool:
    kind, _, number = name.partition("-")
    return kind == "host" and number.isdecimal()


def host_names(count: int) -> list[str]:
    return [host_name(n) for n in range(count)]


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host that exists. `ready` False: it does not answer, or has only begun to start. `lost`: it has not
    answered for so long that its partitions are better off elsewhere."""

    ready: bool
    build: str | None = None
    node: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """`source` None: nobody can be asked to let go of it."""

    partition: int
    source: str | None
    target: str


@dataclass(frozen=True, slots=True)
class Plan:
    start: dict[str, str | None] = field(default_factory=dict)
    """Host -> the node that it had best run on, None for any."""
    moves: tuple[Move, ...] = ()
    waiting: int = 0
    """Moves that cannot be made yet, because one of the two hosts does not answer."""
    retire: tuple[str, ...] = ()
    """To be ended; none that still has a partition, and at most one that is wanted: it is started anew."""


def share(owners: Mapping[int, str], hosts: Sequence[str], partitions: int) -> dict[int, str]:
    """Partition -> host: no host has two more than another, and the fewest move to get there."""
    count = Counter(host for host in owners.values() if host in hosts)
    low, rest = divmod(partitions, len(hosts))
    # Who has the most keeps the most: each partition above somebody's share has to move.
    by_size = sorted(hosts, key=lambda host: -count[host])
    room = {host: low + (n < rest) for n, host in enumerate(by_size)}
    target: dict[int, str] = {}
    homeless = []
    for partition in range(partitions):
        host = owners.get(partition)
        if host is not None and room.get(host, 0):
            target[partition] = host
            room[host] -= 1
        else:
            homeless.append(partition)
    for partition in homeless:  # one each, in turn: so a new host is of use soon
        host = max(room, key=lambda name: room[name])
        target[partition] = host
        room[host] -= 1
    return target


def plan(
    wish: int,
    partitions: int,
    owners: Mapping[int, str],
    seen: Mapping[str, HostSeen],
    build: str,
    nodes: Collection[str] = (),
) -> Plan:
    """`owners`: partition -> host as the claims say. `nodes`: those that can run a host."""
    wanted = host_names(wish)
    spare = host_name(wish)
    size = Counter(owners.values())
    crowded = _crowded(wanted, seen, nodes)

    def must_go(host: str) -> bool:
        known = seen.get(host)
        return known is not None and known.ready and (known.build != build or host == crowded)

    old = sorted((h for h in wanted if must_go(h)), key=lambda h: size[h])
    hosts = [h for h in wanted if not (h in seen and seen[h].lost)] or wanted
    needed = [*wanted, spare] if old else wanted
    leaving = None
    if old:
        leaving = spare if must_go(spare) else old[0]  # a stand-in of another build is no stand-in
        hosts = [h for h in (*hosts, spare) if h != leaving]
    moves, waiting = _moves(owners, share(owners, hosts, partitions), seen)
    ends = [h for h in sorted(seen) if not size[h] and (h not in needed or h == leaving)]
    return Plan(
        start={h: _emptiest(h, wanted, seen, nodes) for h in needed if h not in seen},
        moves=moves,
        waiting=waiting,
        retire=tuple(ends),
    )


def _moves(
    owners: Mapping[int, str], target: Mapping[int, str], seen: Mapping[str, HostSeen]
) -> tuple[tuple[Move, ...], int]:
    moves = []
    waiting = 0
    for partition, host in target.items():
        owner = owners.get(partition)
        if owner == host:
            continue
        source = seen.get(owner) if owner is not None else None
        reachable = host in seen and seen[host].ready
        if owner is None or ((source is None or source.lost) and reachable):
            moves.append(Move(partition, None, host))
        elif source is not None and source.ready and reachable:
            moves.append(Move(partition, owner, host))
        else:
            waiting += 1
    return tuple(moves), waiting


def _on_nodes(wanted: Sequence[str], seen: Mapping[str, HostSeen]) -> Counter[str]:
    return Counter(node for h in wanted if h in seen and (node := seen[h].node) is not None)


def _crowded(wanted: Sequence[str], seen: Mapping[str, HostSeen], nodes: Collection[str]) -> str | None:
    """A host of the fullest node, while another node has none. Only once all run: one may be on its way."""
    if not all(h in seen and seen[h].ready for h in wanted):
        return None
    on = _on_nodes(wanted, seen)
    if all(on[node] for node in nodes):
        return None
    crowd = [h for h in wanted if on[seen[h].node or ""] > 1]
    return max(crowd, key=lambda h: on[seen[h].node or ""], default=None)


def _emptiest(
    host: str, wanted: Sequence[str], seen: Mapping[str, HostSeen], nodes: Collection[str]
) -> str | None:
    on = _on_nodes([h for h in wanted if h != host], seen)
    return min(sorted(nodes), key=lambda node: on[node], default=None)
