"""What an operator may set, read from the environment of every process of the service.

It lives beside the stores because both the actors and the API need it and neither may import `ops`.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

_CODE = ("domain", "platforms", "services", "storage", "actors", "api", "serve_app.py")


class SettingsInvalid(Exception):
    """Variables of the environment have values the service cannot use: which, and what they want."""


@cache
def source_build() -> str:
    """Twelve hex digits over the source of everything that runs inside a host or a replica.

    Claims carry it, so that hosts which still run older code are drained and replaced.
    """
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for name in _CODE:
        top = root / name
        files = sorted(top.rglob("*.py")) if top.is_dir() else [top] if top.is_file() else []
        for file in files:
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("wants an address such as http://127.0.0.1:8000")
    _ = parts.port  # a ValueError of its own when it is not a number
    return value.rstrip("/")


def _scheme(*allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}://" for scheme in allowed)):
            raise ValueError(f"wants an address that starts with {' or '.join(f'{s}://' for s in allowed)}")
        return value

    return AfterValidator(check)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _absolute(value: Path) -> Path:
    # Ray starts its workers in another folder.
    return value.expanduser().absolute()


def _key_source(value: str) -> str:
    value = value.strip()
    if value.startswith("{"):
        return value
    if "\n" in value or len(value) > 1024:
        raise ValueError("wants the path of a key file, or its JSON text")
    return str(_absolute(Path(value)))


def _own_address(others: dict[str, Any]) -> str:
    host = others["http_host"]
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{reachable}:{others['http_port']}"


WebAddress = Annotated[str, AfterValidator(_web_address)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Each field is the variable ROOKERY_<NAME>; the two servers are MONGODB_URL and REDIS_URL.

    Make it with `Settings.load()`. What may hold a password or a key stays out of repr.
    """

    model_config = SettingsConfigDict(
        env_prefix="ROOKERY_", env_ignore_empty=True, frozen=True, populate_by_name=True
    )

    mongodb_url: Annotated[str, _scheme("mongodb", "mongodb+srv")] | None = Field(
        default=None, validation_alias="MONGODB_URL", repr=False
    )
    """None: the embedded document server."""
    redis_url: Annotated[str, _scheme("redis", "rediss", "unix")] | None = Field(
        default=None, validation_alias="REDIS_URL", repr=False
    )
    """None: the embedded Valkey."""
    allow_lossy_redis: bool = False
    """Start although Redis may evict keys or has no append-only file: accepted webhooks can then be lost."""

    data_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=Path(".rookery"), validate_default=True
    )
    """Keys, and the embedded servers' data. The default is in the folder the service is started from."""
    keys: Annotated[str, AfterValidator(_key_source)] = Field(
        default_factory=lambda others: str(others["data_dir"] / "keys.json"), repr=False
    )
    """Path of the key file, or its JSON text."""

    objects_url: Annotated[str, _scheme("s3", "gs", "az", "file")] | None = Field(default=None, repr=False)
    """Where media files are kept, such as s3://bucket/prefix; None: the folder `media` of the data folder,
    which every node must then share."""

    http_host: str = "127.0.0.1"
    http_port: Port = 8000
    dashboard_port: Port = 8265
    public_url: WebAddress = Field(default_factory=_own_address)
    """Where people's browsers and the platforms reach the API. Default: the HTTP host and port."""
    sandbox_url: WebAddress | None = None
    """Send every platform call to the sandbox at this address instead of to the platform."""

    return_origins: tuple[WebAddress, ...] = ()
    """Origins a browser may be sent back to after a connect, beside our own; a JSON list."""
    trust_forwarded_for: bool = False
    """Whether a proxy of ours adds the last `X-Forwarded-For` address; false otherwise: callers could lie."""

    partitions: Annotated[int, Field(ge=1, le=4096)] = 64
    """Fixed when a deployment is first started."""
    hosts: Annotated[int, Field(ge=1, le=1024)] = 2
    dedicated: Annotated[int, Field(ge=0, le=10_000)] = 4
    """How many live campaigns and new accounts get a Ray actor of their own before the rest share; each
    takes about 56 MB. 0: all share."""
    build: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(default_factory=source_build)
    """Which code this is."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """From the environment; `overrides` (by field name, such as a command's options) win unless None.

        SettingsInvalid with one sentence that names every bad variable.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            raise SettingsInvalid("; ".join(_faults(error)) + ".") from None

    def env(self) -> dict[str, str]:
        """The variables that give a child process these very settings, wherever it runs.

        They may hold passwords and keys: for a process's environment, never for Ray's `runtime_env`, which
        the dashboard shows. The build is left out unless it was set, because a process that starts later
        may run later code.
        """
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None or (name == "build" and name not in self.model_fields_set):
                continue
            values[variable(name)] = _as_text(value)
        return values


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"ROOKERY_{field.upper()}"


def _faults(error: ValidationError) -> list[str]:
    fields = {variable(name): name for name in Settings.model_fields}
    found = []
    for fault in error.errors():
        if fault["type"] == "default_factory_not_called":  # follows from another fault in the list
            continue
        place = str(fault["loc"][0])
        field = fields.get(place, place)
        value = f" ({str(fault['input'])[:60]!r})" if Settings.model_fields[field].repr else ""
        reason = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
        found.append(f"{variable(field)}{value} {reason}")
    return found
