"""MongoDB's side in memory. Documents are kept as BSON, so that they come back as the server's would."""

import builtins
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions
from msgspec.structs import replace

from domain.ids import EntityKey, Kind
from storage.mongo.documents import encode
from storage.mongo.members import COLLECTION as MEMBERS
from storage.mongo.parking import PER_TARGET
from storage.mongo.schema import FEEDS
from storage.records import (
    ERASED,
    OVERFLOW,
    Claim,
    Cursor,
    DeadLetter,
    Document,
    Mail,
    Page,
    Rev,
    Save,
    SaveOutcome,
    StreamId,
    Unencodable,
    Unlisted,
)

_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def _decode(data: bytes) -> Document:
    return bson.decode(data, _CODEC)


def _page(documents: Iterable[Document], by: str, limit: int, after: Cursor | None) -> Page:
    ordered = sorted(documents, key=lambda d: (d[by], d["_id"]), reverse=True)
    if after is not None:
        ordered = [d for d in ordered if (d[by], d["_id"]) < (after.at, after.id)]
    if len(ordered) <= limit:
        return Page(ordered, None)
    return Page(ordered[:limit], Cursor(ordered[limit - 1][by], ordered[limit - 1]["_id"]))


class FakeEntityStore:
    def __init__(self) -> None:
        self._data: dict[EntityKey, tuple[int, bytes]] = {}  # version, BSON

    def _all(self, kind: Kind) -> list[Document]:
        return [_decode(data) for key, (_, data) in self._data.items() if key.kind is kind]

    async def load_many(self, keys: Sequence[EntityKey]) -> dict[EntityKey, Document]:
        return {key: _decode(self._data[key][1]) for key in keys if key in self._data}

    async def save_many(self, saves: Mapping[EntityKey, Save]) -> dict[EntityKey, SaveOutcome]:
        outcomes = {}
        for key, save in saves.items():
            try:
                data = bytes(encode(save.document).raw)
            except Unencodable:
                outcomes[key] = SaveOutcome.UNENCODABLE
                continue
            if key in self._data and self._data[key][0] != save.expected:
                outcomes[key] = SaveOutcome.CONFLICT
                continue
            self._data[key] = (save.document["version"], data)
            outcomes[key] = SaveOutcome.SAVED
        return outcomes

    async def connections(self, platform: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for document in self._all(Kind.ACCOUNT):
            external_id = document["externalAccountId"]
            if document["platform"] == platform and external_id in external_ids:
                found.setdefault(external_id, []).append(document["_id"])
        return {external_id: sorted(ids) for external_id, ids in found.items()}

    async def due(
        self, kind: Kind, partition: int, before: datetime, limit: int
    ) -> list[tuple[datetime, str, int]]:
        return sorted(
            (document["next_due_at"], document["_id"], document.get("urgency", 0))
            for document in self._all(kind)
            if document["partition"] == partition
            and document["next_due_at"] is not None
            and document["next_due_at"] <= before
        )[:limit]

    async def page(self, kind: Kind, org: str, limit: int, after: Cursor | None = None) -> Page:
        return _page((d for d in self._all(kind) if d["org"] == org), "createdAt", limit, after)


class FakeSideStore:
    def __init__(self) -> None:
        self._data: dict[str, dict[str, tuple[int, bytes]]] = {}  # collection -> id -> rev, BSON

    def all(self, collection: str) -> list[Document]:
        """For tests: everything in a collection."""
        return [_decode(data) for _, data in self._data.get(collection, {}).values()]

    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]:
        held = self._data.get(collection, {})
        found = {id_: _decode(held[id_][1]) for id_ in ids if id_ in held}
        return {id_: document for id_, document in found.items() if document.get("status") != ERASED}

    async def upsert_many(
        self,
        collection: str,
        documents: Sequence[Document],
        rev: Rev | None = None,
        new: Collection[str] = (),
    ) -> None:
        encoded = []
        refused: list[str] = []
        for document in documents:
            packed = rev.packed() if rev is not None else document.get("rev", 0)
            try:
                encoded.append((document["_id"], packed, bytes(encode(document | {"rev": packed}).raw)))
            except Unencodable as error:
                refused += error.ids
        if refused:
            raise Unencodable(refused)
        held = self._data.setdefault(collection, {})
        for id_, packed, data in encoded:
            if id_ not in held or held[id_][0] <= packed:
                held[id_] = (packed, data)

    async def page(
        self,
        collection: str,
        org: str,
        filters: Mapping[str, str],
        limit: int,
        after: Cursor | None = None,
    ) -> Page:
        feed = FEEDS[collection]
        if unknown := set(filters) - feed.filters:
            raise KeyError(f"{collection} is not filtered by {', '.join(sorted(unknown))}")
        listed = (
            d
            for d in self.all(collection)
            if d["org"] == org
            and d.get("deletedAt") is None
            and all(d.get(f) == v for f, v in filters.items())
        )
        return _page(listed, feed.by, limit, after)

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]:
        found = [
            d
            for d in self.all("social_content")
            if (d["org"], d.get("socialAccountId")) == (wanted.org, wanted.account_id)
            and d["status"] in ("active", "pending")
            and d["listedIn"] != wanted.run
            and (wanted.since is None or d["publishedAt"] >= wanted.since)
            and (wanted.until is None or d["publishedAt"] <= wanted.until)
        ]
        found.sort(key=lambda d: (d["publishedAt"], d["_id"]), reverse=True)
        return [(d["externalContentId"], d["publishedAt"]) for d in found[: wanted.limit]]

    async def held(self, collection: str, org: str, account_id: str, limit: int) -> list[str]:
        mine = (d for d in self.all(collection) if d["org"] == org and d.get("socialAccountId") == account_id)
        return [d["_id"] for d in mine][:limit]


class FakeMembers:
    """`campaign_members`, as the bus's router looks them up."""

    def __init__(self, sides: FakeSideStore) -> None:
        self._sides = sides

    async def find(self, org: str, refs: Sequence[str]) -> list[Document]:
        members = self._sides.all(MEMBERS)
        return [d for d in members if d["org"] == org and d["ref"] in refs]


class FakeClaims:
    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self._wish: int | None = None

    async def all(self) -> list[Claim]:
        return [self._claims[partition] for partition in sorted(self._claims)]

    async def assign(self, assignment: Mapping[int, str], build: str) -> None:
        for partition, host in assignment.items():
            old = self._claims.get(partition, Claim(partition, "", "", 0, ""))
            if old.host != host:
                self._claims[partition] = replace(
                    old, host=host, incarnation="", build=build, released_at=None
                )

    async def claim(self, partition: int, host: str, incarnation: str, build: str) -> Claim | None:
        old = self._claims.get(partition)
        if old is None or old.host != host:
            return None
        taken = replace(old, incarnation=incarnation, build=build, epoch=old.epoch + 1)
        self._claims[partition] = replace(taken, released_at=None)
        return taken

    def _holds(self, claim: Claim) -> Claim | None:
        held = self._claims.get(claim.partition)
        if held is None or (held.host, held.incarnation, held.epoch) != (
            claim.host,
            claim.incarnation,
            claim.epoch,
        ):
            return None
        return held

    async def release(self, claim: Claim, to: str, at: datetime) -> bool:
        held = self._holds(claim)
        if held is not None:
            self._claims[claim.partition] = replace(held, host=to, incarnation="", released_at=at)
        return held is not None

    async def note_pause(self, claim: Claim, pause_ms: int) -> None:
        if (held := self._holds(claim)) is not None:
            self._claims[claim.partition] = replace(held, pause_ms=pause_ms)

    async def wish(self) -> int | None:
        return self._wish

    async def set_wish(self, hosts: int) -> None:
        self._wish = hosts

    async def note_high(self, claim: Claim, high: Mapping[str, StreamId], generation: int) -> bool:
        held = self._holds(claim)
        if held is None:
            return False
        applied = {stream: str(id_) for stream, id_ in high.items() if OVERFLOW not in stream}
        self._claims[claim.partition] = replace(held, high=held.high | applied, generation=generation)
        return True


class FakeDeadLetters:
    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            clean = letter.reason.encode("utf-8", "replace").decode()
            self._letters.setdefault(letter.id, replace(letter, reason=clean))

    async def list(self, org: str | None, limit: int, after: str | None = None) -> builtins.list[DeadLetter]:
        mine = [letter for letter in self._letters.values() if org is None or letter.org == org]
        mine.sort(key=lambda letter: (letter.failed_at, letter.id), reverse=True)
        if after is not None:
            last = self._letters.get(after)
            if last is None:
                return []
            mine = [m for m in mine if (m.failed_at, m.id) < (last.failed_at, last.id)]
        return mine[:limit]

    async def get(self, id: str) -> DeadLetter | None:
        return self._letters.get(id)

    async def mark_replayed(self, id: str, at: datetime) -> None:
        if id in self._letters:
            self._letters[id] = replace(self._letters[id], replayed_at=at)

    async def forget(self, org: str, entity: str, limit: int) -> int:
        mine = [d.id for d in self._letters.values() if (d.org, d.entity) == (org, entity)][:limit]
        for id_ in mine:
            del self._letters[id_]
        return len(mine)


class FakeParking:
    """Without the seven days: time does not pass here."""

    def __init__(self) -> None:
        self._parked: dict[str, dict[str, tuple[datetime, Mail]]] = {}

    async def park(self, mails: Sequence[Mail], at: datetime) -> int:
        dropped = set()
        for mail in mails:
            held = self._parked.setdefault(mail.target, {})
            if len(held) < PER_TARGET:
                held.setdefault(mail.event_id, (at, mail))
            elif mail.event_id not in held:
                dropped.add((mail.target, mail.event_id))
        return len(dropped)

    async def take(self, target: str) -> list[Mail]:
        held = self._parked.get(target, {}).values()
        return [mail for _, mail in sorted(held, key=lambda parked: parked[0])]

    async def forget(self, target: str, event_ids: Sequence[str]) -> None:
        held = self._parked.get(target, {})
        for event_id in event_ids:
            held.pop(event_id, None)
        if not held:
            self._parked.pop(target, None)

    async def counts(self, limit: int) -> dict[str, int]:
        counts = Counter({target: len(held) for target, held in self._parked.items()})
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
