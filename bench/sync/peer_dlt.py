"""The comparison with dlt: one resource per account and list, read side by side, each with an incremental
cursor; loaded by a custom destination in bulk upserts, or into dlt's own dummy destination.

Written as dlt's documentation shows it: RESTClient with a cursor paginator, an auth class that refreshes when
a call is refused, nested fields kept whole.
"""

import os
import threading
from collections.abc import Iterator
from typing import Any

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
import requests
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from pymongo import MongoClient, ReplaceOne
from requests.auth import AuthBase

from bench.sync.job import QUERIES, STREAMS, Account, Job, Stopwatch, TokenFile


class RotatingToken(AuthBase):
    """Bearer token that is refreshed once when a call is answered 401."""

    def __init__(self, job: Job, account: Account) -> None:
        self._job, self._file = job, TokenFile(job.folder, account)
        self._tokens = self._file.load()
        self._lock = threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._tokens['access_token']}"
        request.register_hook("response", self._refused)
        return request

    def _refused(self, answer: requests.Response, **given: Any) -> requests.Response:
        if answer.status_code != 401 or getattr(answer.request, "repeated", False):
            return answer
        with self._lock:
            if answer.request.headers["Authorization"] == f"Bearer {self._tokens['access_token']}":
                self._refresh()
        _ = answer.content  # so that the connection can be used again
        again = answer.request.copy()
        again.repeated = True  # type: ignore[attr-defined]
        again.headers["Authorization"] = f"Bearer {self._tokens['access_token']}"
        return answer.connection.send(again, **given)  # type: ignore[attr-defined]

    def _refresh(self) -> None:
        answer = requests.post(
            self._job.token_url,
            data={"grant_type": "refresh_token", "refresh_token": self._tokens["refresh_token"]},
            auth=(self._job.client_id, self._job.client_secret),
            timeout=20,
        )
        answer.raise_for_status()
        self._tokens = {name: answer.json()[name] for name in ("access_token", "refresh_token")}
        self._file.save(self._tokens)


def resources(job: Job) -> Iterator[Any]:
    for account in job.accounts:
        auth = RotatingToken(job, account)
        for stream, table in STREAMS.items():
            yield _resource(job, account, stream, table, auth)


def _resource(job: Job, account: Account, stream: str, table: str, auth: AuthBase) -> Any:
    client = RESTClient(
        base_url=job.sandbox,
        auth=auth,
        data_selector="data",
        paginator=JSONResponseCursorPaginator("meta.next_token", "pagination_token"),
        session=Client(request_max_attempts=10).session,
    )

    def pages(
        created_at: Any = dlt.sources.incremental("created_at", row_order="desc"),  # noqa: B008
    ) -> Iterator[Any]:
        query = dict(QUERIES[stream])
        if created_at.last_value:
            query["start_time"] = created_at.last_value
        yield from client.paginate(job.url(account, stream).removeprefix(job.sandbox), params=query)

    return dlt.resource(
        pages,
        name=f"{table}_{account.external_id}",
        table_name=table,
        primary_key="id",
        write_disposition="append",
        parallelized=True,
        max_table_nesting=0,
    )


def destination(job: Job) -> Any:
    if job.mongodb is None:
        return dlt.destinations.dummy(completed_prob=1.0, timeout=600.0)
    database: Any = MongoClient(job.mongodb)[job.database]

    @dlt.destination(batch_size=1000, loader_file_format="typed-jsonl", name="documents")
    def documents(items: list[dict[str, Any]], table: dict[str, Any]) -> None:
        writes = [ReplaceOne({"_id": i["id"]}, {"_id": i["id"], **i}, upsert=True) for i in items]
        database[table["name"]].bulk_write(writes, ordered=False)
        job.written.note(len(writes))

    return documents()


def main() -> None:
    job = Job.read()
    watch = Stopwatch()
    pipeline = dlt.pipeline("bench", pipelines_dir=str(job.folder / "dlt"), destination=destination(job))
    while pipeline.has_pending_data:  # of a run that was killed: dlt loads it before it takes anything new
        pipeline.run()
    pipeline.run(list(resources(job)))
    rows = pipeline.last_trace.last_normalize_info.row_counts
    items = sum(n for table, n in rows.items() if table in STREAMS.values())
    state = job.folder / "dlt" / "bench" / "state.json"
    watch.tell(items, state.stat().st_size)


if __name__ == "__main__":
    main()
