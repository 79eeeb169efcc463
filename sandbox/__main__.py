"""`python -m sandbox --port N`: run the sandbox alone."""

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from sandbox.app import Sandbox
from sandbox.generate import make_account
from sandbox.registry import EMULATIONS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="X, Instagram and YouTube, emulated offline."
    )
    parser.add_argument("--port", type=int, default=8910, help="0 chooses a free one (default: 8910)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", default="rookery", help="everything is derived from it")
    parser.add_argument("--accounts", type=int, default=2, help="accounts per platform at the start")
    parser.add_argument(
        "--epoch-ms",
        type=int,
        help="unix milliseconds before which seeded content lies (default: last UTC midnight)",
    )
    options = parser.parse_args(arguments)
    try:
        listener = socket.create_server((options.host, options.port), backlog=2048)
    except (OSError, OverflowError) as error:
        print(
            f"sandbox: cannot listen on {options.host}:{options.port} ({error}); choose another --port",
            file=sys.stderr,
        )
        return 1
    sandbox = Sandbox(options.seed, epoch_ms=options.epoch_ms)
    for emulation in EMULATIONS.values():
        for number in range(1, options.accounts + 1):
            make_account(sandbox.state.world, emulation, number)
    print(f"sandbox listening on http://{options.host}:{listener.getsockname()[1]}", flush=True)
    asyncio.run(_serve(sandbox, listener))
    return 0


async def _serve(sandbox: Sandbox, listener: socket.socket) -> None:
    config = uvicorn.Config(sandbox, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, server.leave)
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn raises the signal again after its clean stop, which makes the exit status look like a
    failure; here SIGTERM and SIGINT are the usual way to end."""

    def leave(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


if __name__ == "__main__":
    sys.exit(main())
