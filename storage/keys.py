"""The key file: every secret a deployment has of its own."""

import base64
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError

from storage.crypto import Blinder, JwtKeys, Keyring, StateSealer

log = structlog.get_logger()

_FORMAT: Final = 1  # of the key file
LOOK_S: Final = 5.0
"""How old a process's reading of the key file may be when it seals or opens something."""


class KeysUnusable(Exception):
    """The key file is missing, damaged or already there: one sentence that says what to do."""


class Keys:
    """All keys of a deployment. Lose the file and every stored token is lost with it."""

    def __init__(self, seal: Keyring, blind: bytes, state: StateSealer, jwt: JwtKeys) -> None:
        self.seal = seal
        self.state = state
        self.jwt = jwt
        self._blind = blind
        self.blinder = Blinder(blind)

    @classmethod
    def generate(cls) -> Self:
        """Takes seconds: RSA-4096."""
        return cls(Keyring.generate(), secrets.token_bytes(32), StateSealer.generate(), JwtKeys.generate())

    @property
    def staged(self) -> bool:
        """Whether there are fresh keys that are not used yet."""
        return self.seal.staged or self.state.staged or self.jwt.staged

    def stage(self) -> Self:
        """With fresh keys for sealing, states and tokens, which are not used yet. Takes seconds."""
        return type(self)(self.seal.stage(), self._blind, self.state.stage(), self.jwt.stage())

    def promoted(self) -> Self:
        """The newest keys become the active ones; the older ones still open and verify."""
        return type(self)(self.seal.promoted(), self._blind, self.state.promoted(), self.jwt.promoted())

    def without(self, id_: str) -> Self:
        """Without the key of this id, which is not an active one."""
        return type(self)(self.seal.without(id_), self._blind, self.state.without(id_), self.jwt.without(id_))

    def adopt(self, other: Self) -> None:
        """Take over the other's keys, for everybody who holds these or one of their rings.

        KeysUnusable when the other's are of another deployment: their look-up key differs.
        """
        if other._blind != self._blind:
            raise KeysUnusable("The key file was replaced by another deployment's: put the right one back.")
        self.seal.adopt(other.seal)
        self.state.adopt(other.state)
        self.jwt.adopt(other.jwt)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Generate keys into a new file, readable by its owner only; KeysUnusable if there is one already."""
        if path.exists():
            raise _already_there(path)
        keys = cls.generate()
        # A link, unlike a rename, never replaces: two processes that start together end with one file.
        keys._write(path, os.link)
        return keys

    def replace(self, path: Path) -> None:
        """Put these keys in place of the file's, in one step: a reader sees the old file or the new one."""
        self._write(path, os.replace)

    @classmethod
    def load(cls, source: str | Path, monotonic: Callable[[], float] = time.monotonic) -> Self:
        """From a key file's path, or from the file's JSON text itself (as in the variable ROOKERY_KEYS).

        Keys from a file follow it: what is put there is taken over at the next use of a key that is `LOOK_S`
        or longer after the last look, and at once when a value names a key that is not held.
        """
        text = str(source)
        if text.lstrip().startswith("{"):
            return cls._parse(text, "ROOKERY_KEYS")
        if len(text) > 1024 or "\n" in text:  # perhaps keys in another form: do not show it
            raise KeysUnusable("ROOKERY_KEYS holds neither a path nor the JSON text of a key file.")
        path = Path(text)
        seen = _mark(path)  # before reading: what comes after is seen as a change
        keys = cls._read(path)
        look = _Look(keys, path, seen, monotonic)
        keys.seal.look = keys.state.look = keys.jwt.look = look
        return keys

    @classmethod
    def _read(cls, path: Path) -> Self:
        try:
            return cls._parse(path.read_text(), f"The key file {path}")
        except FileNotFoundError:
            raise KeysUnusable(f"The key file {path} is missing; run `rookery keys create`.") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KeysUnusable(f"The key file {path} cannot be read: {reason}.") from None

    @classmethod
    def _parse(cls, text: str, name: str) -> Self:
        try:
            parts = json.loads(text)
            if parts["version"] != _FORMAT:
                raise KeysUnusable(f"{name} has version {parts['version']}; this release reads {_FORMAT}.")
            blind = base64.b64decode(parts["blind"], validate=True)
            if len(blind) != 32:
                raise ValueError("the blinding key is not 32 bytes")
            return cls(
                Keyring.read(parts["seal"]),
                blind,
                StateSealer.read(parts["state"]),
                JwtKeys.read(parts["jwt"]),
            )
        except (ValueError, TypeError, LookupError, AttributeError, JoseError, UnsupportedAlgorithm):
            # The cause may quote what it could not read, and that is a key.
            raise KeysUnusable(f"{name} is damaged: restore it from its backup.") from None

    def _write(self, path: Path, move: Callable[[str, Path], None]) -> None:
        text = json.dumps(
            {
                "version": _FORMAT,
                "seal": self.seal.dump(),
                "blind": base64.b64encode(self._blind).decode(),
                "state": self.state.dump(),
                "jwt": self.jwt.dump(),
            },
            indent=1,
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                move(temporary, path)
                _sync_folder(path.parent)
            finally:
                Path(temporary).unlink(missing_ok=True)
        except FileExistsError:
            raise _already_there(path) from None
        except OSError as error:
            raise KeysUnusable(f"The key file {path} cannot be written: {error.strerror}.") from None


class _Look:
    """Brings a changed key file into the keys of a running process."""

    def __init__(
        self, keys: Keys, path: Path, seen: tuple[int, ...] | None, monotonic: Callable[[], float]
    ) -> None:
        self._keys, self._path, self._seen, self._monotonic = keys, path, seen, monotonic
        self._at = monotonic()

    def __call__(self, missing: bool) -> None:
        now = self._monotonic()
        if not missing and now - self._at < LOOK_S:
            return
        self._at = now
        mark = _mark(self._path)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._keys.adopt(Keys._read(self._path))
        except KeysUnusable as error:
            # A copy under way, perhaps. What is held stays good, and the whole file will differ again.
            log.error("keys.not_read_again", reason=str(error))


def _mark(path: Path) -> tuple[int, ...] | None:
    """Differs when the file was replaced or written; None when it cannot be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _already_there(path: Path) -> KeysUnusable:
    return KeysUnusable(f"The key file {path} is already there; rotate its keys, or move it away first.")


def _sync_folder(folder: Path) -> None:
    """Make a new or renamed entry of the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
