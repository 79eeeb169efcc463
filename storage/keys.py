"""The key file: every secret a deployment has of its own."""

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError

from storage.crypto import Blinder, JwtKeys, Keyring, StateSealer

_FORMAT: Final = 1  # of the key file


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

    def rotate(self) -> Self:
        """Fresh active keys for sealing, states and tokens; the older ones still open. Takes seconds."""
        return type(self)(self.seal.rotate(), self._blind, self.state.rotate(), self.jwt.rotate())

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
    def load(cls, source: str | Path) -> Self:
        """From a key file's path, or from the file's JSON text itself (as in the variable ROOKERY_KEYS)."""
        text = str(source)
        if text.lstrip().startswith("{"):
            return cls._parse(text, "ROOKERY_KEYS")
        if len(text) > 1024 or "\n" in text:  # perhaps keys in another form: do not show it
            raise KeysUnusable("ROOKERY_KEYS holds neither a path nor the JSON text of a key file.")
        try:
            return cls._parse(Path(text).read_text(), f"The key file {text}")
        except FileNotFoundError:
            raise KeysUnusable(f"The key file {text} is missing; run `rookery keys create`.") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KeysUnusable(f"The key file {text} cannot be read: {reason}.") from None

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


def _already_there(path: Path) -> KeysUnusable:
    return KeysUnusable(f"The key file {path} is already there; rotate its keys, or move it away first.")


def _sync_folder(folder: Path) -> None:
    """Make a new or renamed entry of the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
