"""The worker design that Rookery is compared with: a Celery task per account that refreshes the token if
need be and reads the newest page, under a lock in the account's row.

As such projects do it, and competently: the lock is a lease in the row, taken by one conditional update and
renewed by nobody, longer than the calls it covers; the token is read again under the lock; what a refresh
answers is written, under the lease's own token, before anything else is done; tasks are acknowledged late and
come again when a worker is lost; a task that finds the row locked retries with a short pause.
"""

import json
import os
import time
import uuid
from typing import Any

import requests
from celery import Celery
from celery.signals import worker_process_init
from pymongo import MongoClient, ReplaceOne, ReturnDocument

SETTINGS: dict[str, Any] = json.loads(os.environ["BENCH_WORKERS"])
LEASE_S = float(SETTINGS["lease_s"])
CALL_TIMEOUT_S = float(SETTINGS["call_timeout_s"])
EXPIRES_SOON_S = 60.0

app = Celery("bench", broker=SETTINGS["redis"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": SETTINGS["visibility_timeout_s"]},
    task_ignore_result=True,
    worker_hijack_root_logger=False,
)
_db: Any = None
_http = requests.Session()


@worker_process_init.connect
def _connect(**_: object) -> None:
    database()


def database() -> Any:
    global _db
    if _db is None:
        _db = MongoClient(SETTINGS["mongodb"])[SETTINGS["database"]]
    return _db


class Locked(Exception):
    """Somebody else holds the row."""


@app.task(name="refresh_and_sync", bind=True, max_retries=None)
def refresh_and_sync(self: Any, account_id: str) -> None:
    try:
        with _Lease(account_id) as lease:
            _sync(account_id, lease.token())
    except Locked:
        raise self.retry(countdown=0.05) from None
    database().done.update_one({"_id": account_id}, {"$inc": {"n": 1}}, upsert=True)


class _Lease:
    def __init__(self, account_id: str) -> None:
        self._id, self._owner = account_id, f"{os.getpid()}-{uuid.uuid4().hex}"
        self._row: dict[str, Any] = {}

    def __enter__(self) -> "_Lease":
        now = time.time()
        row = database().accounts.find_one_and_update(
            {"_id": self._id, "locked_until": {"$lt": now}},
            {"$set": {"locked_until": now + LEASE_S, "locked_by": self._owner}},
            return_document=ReturnDocument.AFTER,
        )
        if row is None:
            raise Locked
        self._row = row
        return self

    def __exit__(self, *_: object) -> None:
        database().accounts.update_one(
            {"_id": self._id, "locked_by": self._owner}, {"$set": {"locked_until": 0.0}}
        )

    def token(self) -> str:
        """A token that is good for a while, refreshed if it is not."""
        if self._row["expires_at"] - time.time() > EXPIRES_SOON_S:
            return str(self._row["access_token"])
        answer = _http.post(
            SETTINGS["token_url"],
            data={"grant_type": "refresh_token", "refresh_token": self._row["refresh_token"]},
            auth=(SETTINGS["client_id"], SETTINGS["client_secret"]),
            timeout=CALL_TIMEOUT_S,
        )
        answer.raise_for_status()
        told = answer.json()
        new = {
            "access_token": told["access_token"],
            "refresh_token": told["refresh_token"],
            "expires_at": time.time() + told["expires_in"],
        }
        database().accounts.update_one({"_id": self._id}, {"$set": new})
        return str(told["access_token"])


def _sync(account_id: str, token: str) -> None:
    answer = _http.get(
        SETTINGS["timeline_url"].format(account_id),
        params=SETTINGS["query"],
        headers={"Authorization": f"Bearer {token}"},
        timeout=CALL_TIMEOUT_S,
    )
    answer.raise_for_status()
    rows = answer.json().get("data", [])
    if rows:
        writes = [ReplaceOne({"_id": row["id"]}, {"_id": row["id"], **row}, upsert=True) for row in rows]
        database().posts.bulk_write(writes, ordered=False)
