"""Tracked links: what may be redirected to."""

import re
from urllib.parse import urlsplit

from domain.errors import Invalid

MAX_URL = 2048
CODE = re.compile(r"[A-Za-z0-9_-]{8,64}")

# Browsers read a backslash as a slash and drop tabs and line breaks, so that what was checked is not where
# they go.
_UNSAFE = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def checked_url(url: object) -> str:
    """An address that a redirect may send people to, unchanged; `Invalid` says what is wrong with it."""
    if not isinstance(url, str) or not url or len(url) > MAX_URL:
        raise _invalid(f"An address is text of at most {MAX_URL} characters.")
    if _UNSAFE.search(url):
        raise _invalid("An address holds no spaces, backslashes or control characters: encode them.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port out of range raises here
    except ValueError:
        raise _invalid("This is not a valid address.") from None
    if parts.scheme not in ("http", "https"):
        raise _invalid("An address starts with https:// or http://.")
    if not host or not host.strip("."):
        raise _invalid("An address names a host.")
    if "@" in parts.netloc:
        raise _invalid("An address holds no user name or password.")
    return url


def _invalid(sentence: str) -> Invalid:
    return Invalid("url_invalid", sentence, field="url")
