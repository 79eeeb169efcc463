"""A command that is started again whenever it ends, as systemd does with `Restart=always`."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ops.processes import leashed

_LOOK_S = 0.2
_AGAIN_S = 1.0


class Kept:
    def __init__(
        self,
        name: str,
        command: Callable[[], Awaitable[list[str]]],
        environment: Callable[[], Mapping[str, str]],
        log: Path,
    ) -> None:
        """`command` and `environment` are asked before each start, and may wait until it makes sense."""
        self.name = name
        self.starts: list[float] = []
        """When (monotonic)."""
        self.process: subprocess.Popen[bytes] | None = None
        self._command, self._environment, self._log = command, environment, log
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self, patience_s: float = 60.0) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, patience_s)
        process.kill()
        process.wait()

    async def _keep(self) -> None:
        while True:
            command = await self._command()
            with self._log.open("ab") as log:
                log.write(f"--- {self.name}: {time.strftime('%H:%M:%S')} {' '.join(command)}\n".encode())
                log.flush()
                self.process = leashed(
                    command, env=dict(self._environment()), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self.starts.append(time.monotonic())
            while True:
                await asyncio.sleep(_LOOK_S)
                if self.process.poll() is not None:
                    break
            await asyncio.sleep(_AGAIN_S)
