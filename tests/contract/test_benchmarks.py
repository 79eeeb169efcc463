"""The smallest form of every benchmark that needs no Ray, and what their runs promise about cursors."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from bench import ingest, peers
from bench.emulated import sandbox
from bench.sync import compare as sync
from bench.sync import ours
from bench.sync.job import Account, Job, Pulled
from bench.workers import compare as workers
from storage.keys import Keys

needs_peers = pytest.mark.skipif(
    not (peers.FOLDER / "installed").exists(),
    reason="what we are compared with is not installed; `python -m bench sync --small` does it",
)


def test_ingest_bare() -> None:
    result = ingest.ingest_bare(ingest.SMALL)
    assert result.ours > 0 and result.theirs is not None and result.theirs > 0


@needs_peers
@pytest.mark.heavy
def test_sync() -> None:
    """Every tool ends with every row, after a 429 spell, a dead token, and a SIGKILL in the middle."""
    result = sync.compare(sync.SMALL)
    rows = {row.what: row for row in result.rows}
    for peer in sync.CONTENDERS[1:]:
        assert rows[f"Rows missing after it, beside {peer}"].ours == 0
        assert rows[f"Rows that are there twice after it, beside {peer}"].ours == 0
        again = rows[f"Pages fetched again after kill -9 in the middle, beside {peer}"]
        assert 0 <= again.ours <= 2 * sync.SMALL.accounts, "at most the page in flight of each account"


@needs_peers
@pytest.mark.heavy
def test_workers() -> None:
    result = workers.compare(workers.SMALL)
    for row in result.rows:
        if row.what.startswith(("Refreshes doubled", "Accounts lost", "Requests not served")):
            assert row.ours == 0, row.what


def test_pain_10_what_is_saved_does_not_grow_with_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cursor and counts, and at most one page on its way: reading ten times as much saves no more."""
    few, many = (_pulled(tmp_path, posts, monkeypatch, capsys) for posts in (200, 2000))
    assert many.items > 5 * few.items
    assert many.state_bytes < 1.5 * few.state_bytes


def _pulled(
    folder: Path, posts: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Pulled:
    """Ours, into nothing, in this process."""
    place = folder / str(posts)
    place.mkdir()
    Keys.create(place / "keys.json")
    with sandbox() as emulated:
        made = emulated.control.account("bench-0", posts)
        account = Account(made["external_id"], made["username"], made["access_token"], made["refresh_token"])
        app = made["app"]
        job = Job(emulated.control.url, app["client_id"], app["client_secret"], [account], place)
        monkeypatch.setattr("sys.stdin", io.StringIO(job.line() + "\n"))
        asyncio.run(ours.pull(Job.read()))
    return Pulled(**json.loads(capsys.readouterr().out.splitlines()[-1]))
