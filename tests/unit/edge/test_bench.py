"""What the benchmarks stand on: the load generator counts rightly, and the page says what was measured."""

import asyncio
from pathlib import Path

import pytest

from bench import report, results
from bench.load import Load, drive, request
from bench.processes import cpu_s
from bench.results import Result

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
    side = {"per_second": 4321.0, "p50_ms": 1.25, "p99_ms": 9.75, "cpu_us": 111.0, "redis_cpu_us": 22.0}
    detail = {
        "ours": side,
        "theirs": side | {"per_second": 1234.0},
        "ratio_of_rounds": [3.5],
        "workers": 2,
        "connections": 32,
        "rounds": 1,
        "seconds": 5.0,
        "environment": {"RAY_SERVE_SOMETHING": "1"},
    }
    result = Result("some", "Some thing", "python -m bench some", "webhooks/s", 4321.0, 1234.0, 3.502, detail)
    result.save()
    report.write_report()
    page = report.PAGE.read_text()
    assert "`python -m bench some`: **3.50 times**" in page
    assert "| accepted per second | 4,321 | 1,234 |" in page
    assert "Changed for this run: `RAY_SERVE_SOMETHING=1`." in page
    [saved] = results.saved()
    assert saved.result == result


def test_cpu_of_a_process_that_is_gone() -> None:
    assert cpu_s(2**22 + 1) == 0
