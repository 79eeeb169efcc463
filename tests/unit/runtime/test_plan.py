"""What the supervisor decides: balanced, with few moves, host by host, and it comes to an end."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.plan import HostSeen, Plan, host_name, host_names, plan, share

NOW, BEFORE = "new", "old"
counts = st.integers(1, 7)
partition_counts = st.integers(1, 40)
seeds = st.integers(0, 2**32)


@st.composite
def owned(draw: st.DrawFn, partitions: int, hosts: int) -> dict[int, str]:
    """Any distribution, by fair means or foul; some partitions have no owner."""
    owner = st.one_of(st.none(), st.sampled_from(host_names(hosts)))
    owners = draw(st.lists(owner, min_size=partitions, max_size=partitions))
    return {p: h for p, h in enumerate(owners) if h is not None}


# -- sharing ----------------------------------------------------------------------------------------
@given(st.data(), partition_counts, counts, counts)
def test_shares_are_equal_and_the_fewest_partitions_move(
    data: st.DataObject, partitions: int, before: int, after: int
) -> None:
    owners = data.draw(owned(partitions, before))
    hosts = host_names(after)
    target = share(owners, hosts, partitions)
    size = Counter(target.values())
    sizes = sorted(size[h] for h in hosts)
    assert sorted(target) == list(range(partitions))
    assert sizes[-1] - sizes[0] <= 1
    moved = sum(owners.get(p) != h for p, h in target.items())
    # Nobody can keep more than its share, and at most `rest` hosts can keep one more.
    low, rest = divmod(partitions, after)
    had = sorted((Counter(owners.values())[h] for h in hosts), reverse=True)
    kept = sum(min(n, low + (i < rest)) for i, n in enumerate(had))
    assert moved == partitions - kept
    assert share(target, hosts, partitions) == target


# -- the whole way ----------------------------------------------------------------------------------
@dataclass
class Cluster:
    """Does what a plan says, as far as the moment allows, and checks each step."""

    partitions: int
    wish: int
    owners: dict[int, str]
    seen: dict[str, HostSeen]
    nodes: set[str] = field(default_factory=set)
    useless: set[str] = field(default_factory=set)  # nodes on which no host ever comes up
    refused: set[str] = field(default_factory=set)
    asked: dict[str, str | None] = field(default_factory=dict)
    moved: Counter[int] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)

    def decide(self) -> Plan:
        return plan(self.wish, self.partitions, self.owners, self.seen, NOW, self.nodes - self.refused)

    def follow(self, made: Plan, steps: int) -> None:
        """Some of the moves; then what else it says."""
        for move in made.moves[:steps]:
            assert self.owners.get(move.partition) != move.target
            if move.source is not None:
                assert self.owners[move.partition] == move.source, "only its owner is asked to let go"
                assert self.seen[move.source].ready
            else:
                owner = self.owners.get(move.partition)
                assert owner is None or owner not in self.seen or self.seen[owner].lost
            self.owners[move.partition] = move.target
            self.moved[move.partition] += 1
        assert sum(h in made.retire for h in host_names(self.wish)) <= 1, "one by one"
        for host in made.retire:
            assert host not in self.owners.values(), "an owner was ended"
            del self.seen[host]
            self.ended.append(host)
        for host, node in made.start.items():
            lands = node if node not in self.useless else min(self.nodes - self.useless, default=None)
            self.seen[host] = HostSeen(False, None, lands)
            self.asked[host] = node

    def come_up(self) -> None:
        for host, known in self.seen.items():
            if not known.ready and not known.lost:
                self.seen[host] = replace(known, ready=True, build=known.build or NOW)
                asked = self.asked.get(host)
                if asked is not None and asked != known.node:
                    self.refused.add(asked)

    def settle(self, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(1000):
            made = self.decide()
            if made == Plan() and all(known.ready for known in self.seen.values()):
                return
            self.follow(made, chance.randint(0, 4))
            if chance.random() < 0.5:
                self.come_up()
        raise AssertionError(f"no end in sight: {made}, {self.owners}, {self.seen}")

    def check(self) -> None:
        size = Counter(self.owners.values())
        wanted = host_names(self.wish)
        assert set(self.seen) == set(wanted)
        assert all(known.ready and known.build == NOW for known in self.seen.values())
        assert sum(size[h] for h in wanted) == self.partitions
        assert max(size[h] for h in wanted) - min(size[h] for h in wanted) <= 1


@settings(max_examples=150, deadline=None)
@given(st.data(), partition_counts, counts, counts, seeds)
def test_whatever_is_found_it_ends_balanced_on_the_wanted_hosts_with_todays_code(
    data: st.DataObject, partitions: int, before: int, wish: int, seed: int
) -> None:
    owners = data.draw(owned(partitions, before))
    running = data.draw(st.sets(st.sampled_from(host_names(before + 1))))
    seen = {h: HostSeen(True, data.draw(st.sampled_from([NOW, BEFORE]))) for h in running}
    cluster = Cluster(partitions, wish, owners, seen)
    cluster.settle(seed)
    cluster.check()


@settings(max_examples=50, deadline=None)
@given(partition_counts, counts, seeds)
def test_new_code_replaces_host_by_host_while_every_partition_has_an_owner(
    partitions: int, hosts: int, seed: int
) -> None:
    names = host_names(hosts)
    owners = share({}, names, partitions)
    cluster = Cluster(partitions, hosts, owners, {h: HostSeen(True, BEFORE) for h in names})
    cluster.settle(seed)
    cluster.check()
    assert sorted(cluster.ended) == host_names(hosts + 1)  # each once, and the one that stood in
    # Each moves to a new host, and back from the stand-in at the end: no partition is passed around.
    assert max(cluster.moved.values()) <= 2


@settings(max_examples=100, deadline=None)
@given(st.integers(4, 40), st.integers(2, 6), st.integers(1, 4), st.sets(st.integers(0, 3)), seeds)
def test_a_node_that_joins_gets_a_host_if_it_can_run_one(
    partitions: int, hosts: int, nodes: int, useless: set[int], seed: int
) -> None:
    names = host_names(hosts)
    everywhere = {f"node-{n}" for n in range(nodes)}
    bad = {f"node-{n}" for n in useless} & everywhere - {"node-0"}
    seen = {h: HostSeen(True, NOW, "node-0") for h in names}
    cluster = Cluster(partitions, hosts, share({}, names, partitions), seen, everywhere, bad)
    cluster.settle(seed)
    cluster.check()
    good = everywhere - bad
    used = {known.node for known in cluster.seen.values()}
    assert len(used) >= min(hosts, len(good)), (used, good)


def test_a_host_that_does_not_answer_keeps_its_partitions_until_it_is_given_up() -> None:
    owners = share({}, host_names(2), 8)
    silent = {"host-0": HostSeen(True, NOW), "host-1": HostSeen(False, NOW)}
    assert plan(2, 8, owners, silent, NOW) == Plan()
    given_up = silent | {"host-1": HostSeen(False, NOW, lost=True)}
    made = plan(2, 8, owners, given_up, NOW)
    assert [(m.source, m.target) for m in made.moves] == [(None, "host-0")] * 4
    alone = {h: HostSeen(False, NOW, lost=True) for h in host_names(2)}
    assert plan(2, 8, owners, alone, NOW).moves == (), "nobody could take them"


def test_nothing_moves_to_a_host_that_has_not_started() -> None:
    owners = share({}, host_names(1), 8)
    made = plan(2, 8, owners, {"host-0": HostSeen(True, NOW)}, NOW)
    assert (made.moves, made.waiting, made.start) == ((), 4, {"host-1": None})
    assert host_name(1) == "host-1"


def test_a_first_start_needs_nobody_to_answer() -> None:
    made = plan(2, 4, {}, {}, NOW)
    assert [(m.partition, m.source) for m in made.moves] == [(p, None) for p in range(4)]
    assert made.start == {"host-0": None, "host-1": None}
