"""The embedded document server: `python -m ops.document_server FOLDER PORT`, until SIGTERM.

The library's own command would do, but for its sweeper of expired documents: between its rounds it keeps the
snapshot it last read from. WiredTiger can let go of nothing that was overwritten since, large pages cannot be
evicted, each access to one waits for an eviction that fails, and a busy server stands still until the next
round, for up to a minute (decision 41). Here the sweeper lets go of its snapshot.

SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
GPL-2.0 is the licence of the library. The service runs this as a process of its own and never imports it.
"""

import argparse
import logging
import signal
import threading
from pathlib import Path
from typing import Final

from secantus import SecantusDBServer

from ops.ports import HOST

SWEEP_S: Final = 60.0
"""As MongoDB does."""


def made(folder: Path, port: int, cache: str = "256M") -> SecantusDBServer:
    """A server of the documents in `folder`, not started."""
    return SecantusDBServer(
        HOST,
        port,
        str(folder),
        enable_test_commands=False,
        ttl_sweep_seconds=0,  # never: `sweep` does it
        cache_size=cache,
        # Without a sync per commit its log waits in the process: a SIGKILL was measured to lose the last 40
        # ms of acknowledged writes, which MongoDB never does to a majority write. It costs 10 to 30 percent
        # of single writes and two thirds of bulk ones.
        sync_on_commit=True,
    )


def sweep(server: SecantusDBServer) -> None:
    """Delete what has expired, and keep no snapshot, neither before nor after."""
    storage = server.storage
    storage.release_thread_snapshot()  # or it would see the documents of its last round
    try:
        storage.prune_ttl_all_collections()
    except Exception:
        logging.exception("what has expired could not be deleted")
    finally:
        storage.release_thread_snapshot()


def main() -> None:
    parser = argparse.ArgumentParser(description="The embedded document server.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = made(arguments.folder, arguments.port)
    server.start()
    while not ended.wait(SWEEP_S):
        sweep(server)
    server.stop()


if __name__ == "__main__":
    main()
