"""Identifiers and secrets, all derived from a seed: the same seed gives the same world."""

import base64
import hashlib
import random

# X ids are snowflakes: milliseconds since this moment, shifted by 22 bits.
_SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
_SNOWFLAKE_SHIFT = 22


def seeded(*parts: object) -> random.Random:
    """A random source that depends on nothing but `parts`."""
    return random.Random("\x1f".join(str(part) for part in parts))


def secret(length: int, *parts: object) -> str:
    """URL-safe text of `length` characters derived from `parts`."""
    text = "\x1f".join(str(part) for part in parts).encode()
    raw = hashlib.shake_256(text).digest(length)
    return base64.urlsafe_b64encode(raw).decode().replace("-", "a").replace("_", "Z")[:length]


def hexadecimal(length: int, *parts: object) -> str:
    """Lowercase hex text of `length` characters, 64 at most."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:length]


def digits(length: int, *parts: object, prefix: str = "") -> str:
    """Decimal text of `length` digits that starts with `prefix`."""
    room = length - len(prefix)
    number = int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:12], "big")
    return prefix + str(number % 10**room).zfill(room)


def base64_id(length: int, *parts: object) -> str:
    """Text of letters, digits, `-` and `_`, as YouTube spells the ids of videos and channels."""
    raw = hashlib.shake_256("\x1f".join(map(str, parts)).encode()).digest(length)
    return base64.urlsafe_b64encode(raw).decode()[:length]


def person_id(platform: str, length: int, *parts: object) -> str:
    """The id of somebody on a platform."""
    if platform == "youtube":
        return "UC" + base64_id(22, *parts)
    return digits(length, *parts, prefix="17")


def open_id(*basis: object) -> str:
    """TikTok's id of an account for one app: opaque text, with `-` and `_` in it."""
    return f"-000{secret(20, *basis, 'open')}_{secret(11, *basis, 'id')}"


class IdSource:
    """Ids of things that happen while the sandbox runs: unique, and rising as the platform's do."""

    def __init__(self) -> None:
        self._last_snowflake = 0
        self._counter = 0

    def snowflake(self, now_ms: int) -> str:
        floor = (now_ms - _SNOWFLAKE_EPOCH_MS) << _SNOWFLAKE_SHIFT
        self._last_snowflake = max(floor, self._last_snowflake + 1)
        return str(self._last_snowflake)

    def numbered(self, prefix: str, length: int) -> str:
        self._counter += 1
        return prefix + str(self._counter).zfill(length - len(prefix))


def snowflake_of_past(moment_ms: int, *parts: object) -> str:
    """The snowflake of seeded content: its moment, and low bits that depend on `parts` only."""
    low = int(digits(9, *parts)) % (1 << _SNOWFLAKE_SHIFT)
    return str(((moment_ms - _SNOWFLAKE_EPOCH_MS) << _SNOWFLAKE_SHIFT) | low)
