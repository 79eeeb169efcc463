"""The connection to the document server, and its failures in the project's words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import uri_parser
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.monitoring import CommandListener

from storage.records import StoreMisconfigured, StoreUnavailable

Database = AsyncIOMotorDatabase[dict[str, Any]]

DEFAULT_DATABASE = "rookery"

_TRANSIENT = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        50,  # MaxTimeMSExpired
        64,  # WriteConcernTimeout
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        100,  # UnsatisfiableWriteConcern
        112,  # WriteConflict
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
"""Codes of an outage rather than of a wrong command.
Source: mongodb/mongo src/mongo/base/error_codes.yml, and the driver specification's retryable errors."""

_NOBODY_THERE = ("refused", "not known", "name resolution", "No address", "unreachable", "No route")
"""The operating system's words, which only the driver's text passes on."""

_AUTH = frozenset({13, 18, 8000})  # Unauthorized, AuthenticationFailed, Atlas's authentication error


def connect(url: str, *, app: str = "rookery", listeners: Sequence[CommandListener] = ()) -> Database:
    """A handle on the database named in the URL's path (default `rookery`). Nothing is sent yet.

    Majority and journaled writes; dates come back timezone-aware. StoreMisconfigured when the URL cannot be
    understood.
    """
    try:
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            url,
            appname=app,
            tz_aware=True,
            w="majority",
            journal=True,  # in a replica set majority implies it; a server on its own loses writes without
            wTimeoutMS=10_000,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            socketTimeoutMS=10_000,
            event_listeners=list(listeners),
        )
        return client.get_default_database(DEFAULT_DATABASE)
    except (InvalidURI, ConfigurationError, ValueError):
        # pymongo's own words may quote the address and with it the password.
        raise StoreMisconfigured(
            "MONGODB_URL is not an address a MongoDB driver understands; write it as "
            "mongodb://user:password@host:27017/rookery, with special characters percent-encoded."
        ) from None


async def verify(database: Database, url: str) -> None:
    """Raise StoreMisconfigured, one sentence, unless a usable MongoDB answers at the handle's address."""
    where = _hosts(url)
    try:
        await database.list_collection_names()
    except ServerSelectionTimeoutError as error:
        if any(sign in str(error) for sign in _NOBODY_THERE):
            raise StoreMisconfigured(
                f"No MongoDB answers at {where}; start it or correct MONGODB_URL."
            ) from None
        raise StoreMisconfigured(
            f"What is at {where} does not answer as a MongoDB does; check that host and port in "
            "MONGODB_URL are right and that the server is not hanging."
        ) from None
    except OperationFailure as error:
        if error.code in _AUTH:
            raise StoreMisconfigured(
                f"MongoDB at {where} refuses the user name and password of MONGODB_URL, or that user may "
                f"not use the database {database.name!r}; correct them or grant it readWrite."
            ) from None
        raise StoreMisconfigured(
            f"MongoDB at {where} refuses the first command (code {error.code}, {_code_name(error)}); "
            "see its log."
        ) from None
    except PyMongoError as error:
        raise StoreMisconfigured(
            f"MongoDB at {where} broke the connection ({type(error).__name__}); see its log."
        ) from None


@contextmanager
def guard() -> Iterator[None]:
    """Turn an outage into StoreUnavailable. A refused command stays what it is: a defect, not an outage."""
    try:
        yield
    except BulkWriteError as error:
        raise bulk_failure(error) from None  # it quotes the documents
    except OperationFailure as error:
        if error.code in _TRANSIENT or error.has_error_label("RetryableWriteError"):
            raise StoreUnavailable(f"document server: code {error.code} {_code_name(error)}") from error
        raise
    except ConnectionFailure as error:
        raise StoreUnavailable(f"document server: {type(error).__name__}") from error


def bulk_failure(error: BulkWriteError) -> StoreUnavailable:
    """A bulk that the server could not finish, without the documents that the driver's error quotes."""
    faults = (error.details or {}).get("writeErrors", [])
    codes = sorted({fault["code"] for fault in faults})
    return StoreUnavailable(f"document server: a bulk was not finished, codes {codes or 'write concern'}")


def _code_name(error: OperationFailure) -> str:
    return str((error.details or {}).get("codeName", "no name"))


def _hosts(url: str) -> str:
    if url.startswith("mongodb+srv://"):
        return url.removeprefix("mongodb+srv://").rpartition("@")[2].partition("/")[0].partition("?")[0]
    return ",".join(f"{host}:{port}" for host, port in uri_parser.parse_uri(url)["nodelist"])
