"""Reading what platforms send: JSON of any quality in, plain values out; a wrong type is a missing value."""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from domain.clock import truncate_ms
from domain.secrets import Secret

Json = dict[str, object]

INT64_MAX = 2**63 - 1
MAX_DEPTH = 64
_MAX_ID_CHARS = 128
_MAX_INT_DIGITS = 400
# From this size on a Unix time is milliseconds: as seconds it would be the year 5138.
_MILLISECONDS_FROM = 100_000_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_DECIMAL = re.compile(r"[0-9]{1,32}")


class NotJson(ValueError):
    """The bytes are not JSON, or nested deeper than any platform nests."""


def decode(body: bytes) -> object:
    """JSON value of `body`. Integers of any size and lone surrogates survive. Raises NotJson.

    The standard library's parser on purpose: orjson turns integers beyond 64 bits into floats and refuses
    lone surrogates, and platforms send both.
    """
    try:
        value = _loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJson("not JSON") from error
    if not _surely_flat(body) and _deeper_than(value, MAX_DEPTH):
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    return value


def encode(value: object) -> bytes:
    """One JSON text per value (sorted keys, ASCII): what ids are made from."""
    return _ENCODER.encode(value).encode()


def packed(value: object) -> bytes:
    """Any JSON text of the value, made fast: for payloads, from which no id is made."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        return encode(value)


def digest(*parts: object) -> str:
    """Event id of a happening that the platform did not name: equal parts give equal ids."""
    return hashlib.sha256(encode(list(parts))).hexdigest()


def clean(text: str) -> str:
    """Valid Unicode in composed form (NFC), without NUL; a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text.replace("\0", "")
    return unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text.replace("\0", "")))


def _whole(text: str) -> str:
    """With U+FFFD for lone surrogates, which no store and no request takes; as many characters as before."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _is_clean(text: str) -> bool:
    return "\0" not in text if text.isascii() else clean(text) == text


def mapping(value: object, *path: str) -> Json:
    """The object at `path`; an empty one for anything else."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: object, key: str) -> Iterator[Json]:
    """The objects of the list at `key`; everything else in it is passed over."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, list):
        yield from (item for item in found if isinstance(item, dict))


def strings(value: object, key: str) -> Iterator[str]:
    """The ids or words of the list at `key`."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, list):
        yield from (_whole(item) for item in found if isinstance(item, str))


def text_at(value: object, *keys: str) -> str | None:
    """The first text under one of `keys`, as it came but for lone surrogates (U+FFFD); None when there is
    none."""
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if isinstance(found, str):
                return _whole(found)
    return None


def words_at(value: object, *keys: str) -> str | None:
    """Like `text_at`, cleaned; None also for blank text."""
    found = text_at(value, *keys)
    return (clean(found).strip() or None) if found is not None else None


def id_at(value: object, *keys: str) -> str | None:
    """The first usable id under one of `keys`: text, or a bare number however large."""
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if isinstance(found, int) and not isinstance(found, bool):
                found = str(found) if found.bit_length() < _MAX_ID_CHARS else None
            if isinstance(found, str) and 0 < len(found) <= _MAX_ID_CHARS and _is_clean(found):
                return found
    return None


def account_id_at(value: object, *keys: str, shape: re.Pattern[str] = _DECIMAL) -> str | None:
    """The id of a platform account: decimal on X and Instagram. A platform whose ids look otherwise gives
    their `shape`, of ASCII letters, digits, `_`, `-` and `.` only: ids are parts of names."""
    found = id_at(value, *keys)
    return found if found and shape.fullmatch(found) else None


def count_at(value: object, *keys: str) -> int | None:
    """The first counter under one of `keys`, at most 2^63-1. Negative means "not available" to platforms."""
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if isinstance(found, str) and found.isascii() and found.isdigit():
                found = int(found[:_MAX_INT_DIGITS])
            if isinstance(found, float):
                found = int(found) if math.isfinite(found) else None
            if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
                return min(found, INT64_MAX)
    return None


def flag_at(value: object, key: str) -> bool:
    """True for true and for the text "true", which one of Meta's pages prints."""
    found = value.get(key) if isinstance(value, dict) else None
    return found is True or (isinstance(found, str) and found.lower() == "true")


def moment_at(value: object, *keys: str) -> datetime | None:
    """ISO 8601 text or a Unix time in seconds or milliseconds, as UTC; None for anything else."""
    if not isinstance(value, dict):
        return None
    for key in keys:
        found = value.get(key)
        try:
            if isinstance(found, str) and not found.isdigit():
                parsed = datetime.fromisoformat(found)
                return truncate_ms(parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC))
            if isinstance(found, str | int | float) and not isinstance(found, bool):
                number = float(found)
                seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
                return truncate_ms(datetime.fromtimestamp(seconds, UTC))
        except (ValueError, OverflowError, OSError):
            continue
    return None


def secret_at(value: object, key: str) -> Secret | None:
    """A token: printable ASCII without spaces, because it has to fit into a header."""
    found = text_at(value, key)
    return Secret(found) if found and _TOKEN.fullmatch(found) else None


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _loads(body: bytes) -> object:
    # As json.loads does, which makes a decoder for each text.
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    try:
        return _DECODER.decode(text)
    except ValueError:  # no JSON, or an integer longer than Python reads
        return _LONG_DECODER.decode(text)


_DECODER = json.JSONDecoder(parse_float=_float, parse_constant=_refuse)
_LONG_DECODER = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_refuse)


def _surely_flat(body: bytes) -> bool:
    """Whether the brackets alone show that JSON is not nested too deep, so that ordinary bodies are not
    walked a second time. Each round takes the innermost pairs away; brackets inside of texts may be left
    over."""
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def _deeper_than(value: object, limit: int) -> bool:
    level: list[dict[str, object] | list[object]] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        children = (c for parent in level for c in (parent.values() if isinstance(parent, dict) else parent))
        level = [child for child in children if isinstance(child, dict | list)]
    return bool(level)
