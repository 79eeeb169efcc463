"""Webhook events per second on one core: opened, parsed, normalised, applied, and made into what is to be
saved and published, before the stores.

No I/O. Batches are as the mail loop gives them to the turns: entries of many accounts, a few for each. What
is saved and published is made in full: the entity's document as BSON, its side documents, its sealed events.
"""

import asyncio
import cProfile
import pstats
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import bson

from actors.runtime.activation import Activation
from actors.runtime.collector import settle_collector
from actors.runtime.drafts import Draft
from actors.runtime.verdicts import Item
from bench.colony import PARTITIONS, WEBHOOKS, Colony, account
from bench.platform import APP, webhook
from bench.results import Result, Row, Spoiled
from domain.ids import AccountId, EntityKey
from storage.records import Document, Entry, Save, StreamId

TARGET = 10_000
OPENED, APPLIED, DOCUMENTS, ENCODED, SEALED = (
    "opened, parsed and normalised", "applied", "documents made", "documents encoded", "events sealed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    accounts: int = 100
    each: int = 5  # events of an account in one batch
    rounds: int = 20


SMALL = Options(accounts=10, rounds=3)


def events(options: Options) -> Result:
    parts: Counter[str] = Counter()
    rounds = asyncio.run(_rounds(options, parts))
    per_second = sorted(rounds)[len(rounds) // 2]
    return Result(
        name="events",
        title="Webhook events applied, before the stores, beside the target",
        command="python -m bench events",
        unit="events/s/core",
        ours=round(per_second, 1),
        theirs=float(TARGET),
        ratio=round(per_second / TARGET, 3),
        detail={"rounds_per_second": [round(r) for r in rounds], **asdict(options)},
        target=1.0,
        rows=[
            Row(f"Of an event: {part}", "µs", round(seconds / (len(rounds) * _size(options)) * 1e6, 1))
            for part, seconds in parts.items()
        ],
        limit="It is the processor's time: its speed decides, and runs on one machine differ by percents.",
    )


def _size(options: Options) -> int:
    """Events of a round."""
    return options.accounts * options.each


async def _rounds(options: Options, parts: Counter[str]) -> list[float]:
    """Events per second of CPU time, round by round. In between, and not counted, everything is saved and the
    accounts read again what the events left in doubt."""
    colony = Colony()
    await colony.begin()
    accounts = [account(n) for n in range(options.accounts)]
    await colony.live(accounts)
    settle_collector()  # as every process that owns entities
    rounds = []
    for n in range(options.rounds):
        first = WEBHOOKS + n * options.each
        entries = _entries(colony, accounts, range(first, first + options.each))
        found = [await colony.host.owner.turns.activation(a.key) for a in accounts]
        activations = {a.key: a for a in found if a is not None}
        known = await _read(colony, activations, entries)
        begun = time.process_time()
        drafts = apply(colony, activations, known, entries, parts)
        rounds.append(len(entries) / (time.process_time() - begun))
        await colony.save(drafts)
        await colony.settle(accounts)
    return rounds


def _entries(colony: Colony, accounts: list[AccountId], numbers: range) -> list[tuple[AccountId, Entry]]:
    entries = []
    for n in numbers:
        for one in accounts:
            body = webhook(one.platform, one.external_id, n, colony.clock.now().timestamp())
            for raw in colony.platforms[one.platform].split(body):
                stream, mail = colony.envelope.webhook_mail(one.platform, APP, raw)
                position = StreamId(int(colony.clock.now().timestamp() * 1000), n)
                entries.append((one, Entry(stream, position, mail)))
    return entries


async def _read(
    colony: Colony,
    activations: Mapping[EntityKey, Activation[Any]],
    entries: Sequence[tuple[AccountId, Entry]],
) -> dict[str, Document]:
    """The side documents that these turns ask their store for, and no others: they would only push what is
    measured out of the processor's caches."""
    wanted: dict[str, set[str]] = {}
    for key, items in _work(colony, entries).items():
        for ref in Draft(colony.entity, activations[key], items).reads():
            wanted.setdefault(ref.collection, set()).add(ref.id)
    known: dict[str, Document] = {}
    for collection, ids in wanted.items():
        known |= await colony.sides.load_many(collection, sorted(ids))
    return known


def _work(colony: Colony, entries: Sequence[tuple[AccountId, Entry]]) -> dict[EntityKey, list[Item]]:
    work: dict[EntityKey, list[Item]] = {}
    for one, entry in entries:
        for key, message in colony.addressing.messages(entry, [str(one)]).items():
            work.setdefault(key, []).append(Item(message, entry.id))
    return work


def apply(
    colony: Colony,
    activations: Mapping[EntityKey, Activation[Any]],
    known: Mapping[str, Document],
    entries: Sequence[tuple[AccountId, Entry]],
    parts: Counter[str],
) -> list[tuple[Draft, Save]]:
    """What a batch does between its read and its save; `parts` gets the seconds that each of these took."""
    marks = [time.process_time()]

    def part(name: str) -> None:
        marks.append(time.process_time())
        parts[name] += marks[-1] - marks[-2]  # type: ignore[assignment]  # a Counter of floats

    work = _work(colony, entries)
    part(OPENED)
    drafts = [Draft(colony.entity, activations[key], items) for key, items in work.items()]
    view = {ref: known[ref.id] for draft in drafts for ref in draft.reads() if ref.id in known}
    now = colony.clock.now()
    saved = []
    for draft in drafts:
        draft.apply(view, now)
        part(APPLIED)
        key = draft.activation.key
        save = draft.save(1, key.partition(PARTITIONS), now)
        if save is None or draft.applied != len(work[key]):
            raise Spoiled(f"Not all events of {key} were applied.")
        part(DOCUMENTS)
        bson.encode(save.document)
        part(ENCODED)
        for event in draft.runtime.outbox:
            colony.envelope.seal_event(event)
        part(SEALED)
        saved.append((draft, save))
    return saved


def profile(options: Options) -> None:
    """Where the time goes, for people: `python -c "from bench.events import *; profile(Options())"`."""
    profiler = cProfile.Profile()
    real = globals()["apply"]
    globals()["apply"] = lambda *arguments: profiler.runcall(real, *arguments)
    asyncio.run(_rounds(options, Counter()))
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
