"""What the benchmarks stand on: the load generator counts rightly, and the page says what was measured."""

import asyncio
import importlib
from pathlib import Path

import pytest

from bench import paced, peers, report, results
from bench.__main__ import BENCHMARKS
from bench.load import Load, drive, request
from bench.processes import cpu_s
from bench.results import Result, Row

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
LATER = b"HTTP/1.1 503 Later\r\ncontent-length: 4\r\n\r\nbusy"


async def load_of(answers: list[list[bytes]]) -> tuple[Load, int]:
    """Drive a server that gives these answers in turn (each in pieces); the load, and requests it saw."""
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            pieces = answers[seen % len(answers)]
            seen += 1
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(pieces) > 1:
                    await asyncio.sleep(0.002)
            if not pieces:
                writer.close()
                return

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    requests = [request(port, "/x", b"body", {"a": "b"}), request(port, "/x", b"other body", {})]
    try:
        return await asyncio.to_thread(drive, port, requests, 2, 0.2), seen
    finally:
        server.close()


@pytest.mark.parametrize("answer", [[OK], [EMPTY], [CHUNKED], [OK[:10], OK[10:40], OK[40:]]])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_accepted_are_counted_once(answer: list[bytes]) -> None:
    load, seen = await load_of([answer])
    assert load.failed == 0
    assert load.accepted == len(load.latencies_us)
    assert seen - 2 <= load.accepted <= seen
    assert load.accepted > 2
    assert 0 < load.percentile_ms(0.5) <= load.percentile_ms(0.99)


async def test_failures_are_not_accepted() -> None:
    load, _ = await load_of([[OK], [LATER], []])
    assert load.statuses[503] > 0
    assert load.dropped > 0
    assert load.failed == load.statuses[503] + load.dropped
    assert len(load.latencies_us) == load.statuses[200]


def test_the_page_holds_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    detail = {"workers": 2, "seconds": 5.5, "environment": {"RAY_SERVE_SOMETHING": "1"}}
    rows = [
        Row("Answered, p99", "ms", 9.75, 40.0, 4.103, 10.0),
        Row("Lost", "events", 0, target=0),
        Row("Alone", "", 12),
    ]
    result = Result(
        "some", "Some thing", "python -m bench some", "webhooks/s", 4321.0, 1234.0, 3.502, detail, 2.0, rows
    )
    result.save()
    report.write_report()
    page = report.PAGE.read_text()
    assert "| Some thing | 4,321 webhooks/s | 1,234 webhooks/s | 3.50 | at least 2: met | `python -m" in page
    assert "| Answered, p99 | 9.75 ms | 40 ms | 4.10 | at least 10: **missed** |" in page
    assert "| Lost | 0 events |  |  | at most 0: met |" in page
    assert "| Alone | 12 |  |  |  |" in page
    assert "With workers 2, seconds 5.5, changed for this run `RAY_SERVE_SOMETHING=1`." in page
    [saved] = results.saved()
    assert saved.result == result


def test_the_page_in_the_repository_is_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = report.PAGE.read_text()
    monkeypatch.setattr(report, "PAGE", tmp_path / "benchmarks.md")
    report.write_report()
    assert report.PAGE.read_text() == committed, "python -m bench report"


def test_each_benchmark_is_there_and_has_a_small_form() -> None:
    for place in BENCHMARKS.values():
        module, _, function = place.partition(":")
        found = importlib.import_module(module)
        assert callable(getattr(found, function))
        assert isinstance(found.SMALL, found.Options)
        assert found.Options() != found.SMALL


def test_cpu_of_a_process_that_is_gone() -> None:
    assert cpu_s(2**22 + 1) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_paced_requests_leave_when_they_are_due() -> None:
    """A server that takes its time does not slow the generator down, and the wait for a turn counts."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(int(head.split(b" ")[1][1:]))
            refused = seen[-1] % 2
            await reader.readexactly(1)
            await asyncio.sleep(0.05)
            writer.write(LATER.replace(b"Later", b"Later\r\nRetry-After: 5") if refused else OK)
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def make(n: int) -> tuple[str, bytes]:
        return f"label{n % 2}", request(port, f"/{n}", b"x", {})

    try:
        load = await asyncio.to_thread(paced.send, port, make, 100.0, 0.2, 2)
    finally:
        server.close()
    assert sorted(seen) == list(range(20)), "each once"
    assert len(load.answers) == 20 and load.dropped == 0
    assert load.statuses[503] == load.statuses[200] == 10
    assert all(a.retry_after == (a.status == 503) for a in load.answers)
    assert (len(load.accepted("label0")), len(load.accepted("label1"))) == (10, 0)
    # Two connections at 50 ms each serve 40 a second: the last one waited for its turn.
    assert max(a.at - a.due for a in load.answers) > 0.15


def test_percentiles() -> None:
    assert paced.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert paced.percentile([1.0], 0.99) == 1.0
    assert paced.percentile([], 0.5) != paced.percentile([], 0.5), "NaN of nothing"


def test_peers_that_cannot_be_installed_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("no such package at all !\n")
    monkeypatch.setattr(peers, "REQUIREMENTS", wanted)
    with pytest.raises(peers.PeersMissing, match=r"cannot be installed .* give pip a way to its packages"):
        peers.python(tmp_path / "peers")
    assert not (tmp_path / "peers" / "installed").exists()
