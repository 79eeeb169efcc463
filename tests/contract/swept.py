"""A busy document server, after what has expired was swept.

`python -m tests.contract.swept FOLDER ours|theirs` sweeps as the embedded server does or as the library's own
sweeper, both on a thread that lives on, and prints whether all writers got their answers. A process of its
own, because a server that stands still cannot be stopped.
"""

import os
import random
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import NetworkTimeout

from ops import document_server

WRITERS, ROUNDS, PAGE = 4, 15, 100
PATIENCE_MS = 10_000
"""What the service's driver waits for an answer."""


def main() -> None:
    folder, whose = Path(sys.argv[1]), sys.argv[2]
    server = document_server.made(folder, 0, cache="64M")
    server.start()
    client: MongoClient[dict[str, object]] = MongoClient(
        server.uri, directConnection=True, socketTimeoutMS=PATIENCE_MS, w="majority", journal=True
    )
    database = client["rookery"]
    for n in range(12):  # some in one table of the engine with some that are swept
        database[f"expiring{n}"].create_index("expiresAt", expireAfterSeconds=0)
        database[f"expiring{n}"].insert_one({"expiresAt": None})
        database[f"other{n}"].insert_one({})
    database.expiring0.insert_one({"expiresAt": datetime.now(UTC) - timedelta(seconds=1)})
    database.content.create_index([("org", 1), ("at", 1), ("_id", 1)])

    swept = threading.Event()

    def sweep() -> None:
        if whose == "ours":
            document_server.sweep(server)
        else:
            server.storage.prune_ttl_all_collections()
        swept.set()
        threading.Event().wait()

    threading.Thread(target=sweep, daemon=True).start()
    swept.wait()
    assert database.expiring0.count_documents({}) == 1, "what has expired was not deleted"
    stuck = threading.Event()
    done: list[int] = []

    def write(writer: int) -> None:
        """As an account that is synchronised: a page is looked for, saved with the account, and written."""
        for n in range(ROUNDS):
            ids = [f"{writer}|{n}|{i}" for i in range(PAGE)]
            rows = [{"_id": id_, "org": "o", "at": n, "text": random.randbytes(1000).hex()} for id_ in ids]
            try:
                list(database.content.find({"_id": {"$in": ids}}))
                owed = {"_id": writer, "owed": random.randbytes(230_000)}
                database.accounts.replace_one({"_id": writer}, owed, upsert=True)
                database.content.insert_many(rows, ordered=False)
            except NetworkTimeout:
                return stuck.set()
        done.append(writer)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    answered = len(done) == WRITERS  # a writer may also have failed in another way
    print("stuck" if stuck.is_set() else "answered" if answered else "failed", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
