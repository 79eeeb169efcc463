"""The embedded servers listen on loopback, which nodes do not share: connections to another address of the
machine are passed on, and end when either side does."""

import asyncio
from contextlib import suppress

_CHUNK = 1 << 16


class Relay:
    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._pipes: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> None:
        """What comes to `host` is passed on to the same port of loopback."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.transport.abort()
                return
            self._pass(reader, there[1])
            self._pass(there[0], writer)

        self._servers.append(await asyncio.start_server(accept, host, port))

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def pump() -> None:
            try:
                with suppress(OSError):
                    while data := await reader.read(_CHUNK):
                        writer.write(data)
                        await writer.drain()
            finally:
                writer.transport.abort() if reader.exception() else writer.close()

        task = asyncio.get_running_loop().create_task(pump())
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)
