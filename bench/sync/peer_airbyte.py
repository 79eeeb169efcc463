"""The comparison with airbyte-cdk: a declarative source per account (a connection, in its words), and a small
destination in the same process that upserts in bulks and keeps state as the protocol says: a state message
is stored once the records before it are.
"""

import json
import logging
from typing import Any

import orjson
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from pymongo import MongoClient, ReplaceOne

from bench.sync.job import BULK, STREAMS, Account, Job, Stopwatch, TokenFile
from bench.sync.manifest import MANIFEST

START = "2010-01-01T00:00:00Z"
CATALOG = ConfiguredAirbyteCatalogSerializer.load(
    {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
            }
            for name in STREAMS.values()
        ]
    }
)


class Loader:
    """`database` None: records go nowhere."""

    def __init__(self, job: Job, account: Account, database: Any) -> None:
        self._job, self._database = job, database
        self._tokens = TokenFile(job.folder, account)
        self._state_path = job.folder / f"state-{account.external_id}.json"
        self.state: dict[str, Any] = (
            json.loads(self._state_path.read_text()) if self._state_path.exists() else {}
        )
        self._waiting: dict[str, list[ReplaceOne[Any]]] = {name: [] for name in STREAMS.values()}
        self.items = 0

    def take(self, message: AirbyteMessage) -> None:
        if message.type == Type.RECORD and message.record is not None:
            self.items += 1
            if self._database is not None:
                self._add(message.record.stream, message.record.data)
        elif message.type == Type.STATE and message.state is not None and message.state.stream is not None:
            self.flush()
            name = message.state.stream.stream_descriptor.name
            self.state[name] = AirbyteStateMessageSerializer.dump(message.state)
            self._state_path.write_bytes(orjson.dumps(self.state))
        elif message.type == Type.CONTROL and message.control is not None:
            config = message.control.connectorConfig.config  # type: ignore[union-attr]
            self._tokens.save({n: config[n] for n in ("access_token", "refresh_token", "token_expiry_date")})

    def _add(self, stream: str, data: dict[str, Any]) -> None:
        waiting = self._waiting[stream]
        waiting.append(ReplaceOne({"_id": data["id"]}, {"_id": data["id"], **data}, upsert=True))
        if len(waiting) >= BULK:
            self.flush()

    def flush(self) -> None:
        for stream, writes in self._waiting.items():
            if writes:
                self._database[stream].bulk_write(writes, ordered=False)
                self._job.written.note(len(writes))
                self._waiting[stream] = []

    @property
    def state_bytes(self) -> int:
        return self._state_path.stat().st_size


def config(job: Job, account: Account) -> dict[str, str]:
    return {
        "sandbox": job.sandbox,
        "external_id": account.external_id,
        "client_id": job.client_id,
        "client_secret": job.client_secret,
        "start": START,
        "token_expiry_date": "2100-01-01T00:00:00Z",  # known to be good until a call is refused
        **TokenFile(job.folder, account).load(),
    }


def main() -> None:
    logging.getLogger("airbyte").setLevel(logging.ERROR)
    job = Job.read()
    watch = Stopwatch()
    database: Any = MongoClient(job.mongodb)[job.database] if job.mongodb else None
    items = state_bytes = 0
    for account in job.accounts:
        loader = Loader(job, account, database)
        state = [AirbyteStateMessageSerializer.load(s) for s in loader.state.values()]
        given = config(job, account)
        source = ConcurrentDeclarativeSource(CATALOG, given, state, source_config=MANIFEST)
        for message in source.read(source.logger, given, CATALOG, state):
            loader.take(message)
        loader.flush()
        items += loader.items
        state_bytes += loader.state_bytes
    watch.tell(items, state_bytes)


if __name__ == "__main__":
    main()
