"""YouTube's push: a WebSub hub that sends Atom entries of one channel's feed.

    subscribe --202--> the hub asks the address (GET hub.challenge) --> entries until the lease ends

A hub takes a subscription from anybody for any address, and a second one for the same topic and address
replaces the secret of the first. So the address that is subscribed carries a proof, made of topic and secret:
without it the address does not confirm, and nothing of ours can be replaced.

Sources: W3C WebSub 1.0; yt/guides/push_notifications. Tombstones are not documented by YouTube.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from domain.secrets import Secret
from platforms.base import Handshake, PlatformApp, RawEntry, WebhookRefused
from platforms.http import Call, PlatformHttp
from platforms.outcome import Ok, Outcome, Rejected
from platforms.wire import Json, digest, encode
from platforms.youtube.errors import outcome_of
from platforms.youtube.spec import CHANNEL_ID, FEEDS, HUB, LEASE_S, SPEC

PROOF = "proof"
_ATOM = "{http://www.w3.org/2005/Atom}"
_YT = "{http://www.youtube.com/xml/schemas/2015}"
_TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}"
_METHODS = ("sha1", "sha256", "sha384", "sha512")  # WebSub 1.0, section 8.1; Google's hub signs with sha1
_CHALLENGE = re.compile(r"[\x21-\x7e]{1,512}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_CHANNEL_AT_END = re.compile(rf"/channel/({CHANNEL_ID.pattern})$")
_SECRET_BYTES = 200  # WebSub 1.0, section 5.1: a secret is shorter
_VIDEO = "yt:video:"


def topic_of(channel_id: str) -> str:
    return f"{FEEDS[0]}?{urlencode({'channel_id': channel_id})}"


async def subscribe(
    http: PlatformHttp, app: PlatformApp, external_id: str, callback_url: str
) -> Outcome[None]:
    """Asking again renews the lease. The hub answers before it has asked the address back: nobody tells that
    it did so, or that it goes on for the whole lease. Polling finds what is missed."""
    secret = app.webhook_secrets[0].reveal() if app.webhook_secrets else ""
    if not 0 < len(secret.encode()) < _SECRET_BYTES:
        return Rejected("no_secret", "The application has no webhook secret of less than 200 bytes.")
    topic = topic_of(external_id)
    form: dict[str, str | Secret] = {
        "hub.mode": "subscribe",
        "hub.topic": topic,
        "hub.callback": f"{callback_url}?{urlencode({PROOF: _proof(secret, topic)})}",
        "hub.verify": "async",
        "hub.lease_seconds": str(LEASE_S),
        "hub.secret": app.webhook_secrets[0],
    }
    answer = outcome_of(await http.send(SPEC, Call("POST", HUB, "hub", form=form)), "hub")
    return Ok(None) if isinstance(answer, Ok) else answer


def handshake(app: PlatformApp, query: Mapping[str, str]) -> Handshake | None:
    """Confirms what `subscribe` asked for, and nothing else: neither another's subscription nor an end. 404
    is WebSub's word for "I did not ask for that". The hub tells here for how long it grants it (WebSub 1.0,
    section 5.3), which may be less than was asked for."""
    if "hub.mode" not in query:
        return None
    topic, challenge = query.get("hub.topic", ""), query.get("hub.challenge", "")
    given = query.get(PROOF, "").encode(errors="replace")
    # Every secret is tried: one that was replaced lately may have signed the address.
    proved = [hmac.compare_digest(given, _proof(s.reveal(), topic).encode()) for s in app.webhook_secrets]
    if query["hub.mode"] != "subscribe" or not any(proved) or not _CHALLENGE.fullmatch(challenge):
        return Handshake(404, b"", "text/plain")
    return Handshake(200, challenge.encode(), "text/plain", _lease(query, topic, challenge))


def _lease(query: Mapping[str, str], topic: str, challenge: str) -> RawEntry | None:
    channel, granted = topic.removeprefix(topic_of("")), query.get("hub.lease_seconds", "")
    if not CHANNEL_ID.fullmatch(channel) or not _SECONDS.fullmatch(granted):
        return None
    return RawEntry(channel, f"{digest('lease', challenge)}:{channel}", encode({"lease_s": int(granted)}))


def verify(app: PlatformApp, headers: Mapping[str, str], body: bytes) -> bool:
    method, _, given = headers.get(SPEC.webhook_signature_header or "", "").partition("=")
    if method not in _METHODS:
        return False
    wanted = given.lower().encode(errors="replace")
    # Every secret is tried, so that the time taken does not tell which one matched.
    matches = [
        hmac.compare_digest(wanted, hmac.digest(s.reveal().encode(), body, method).hex().encode())
        for s in app.webhook_secrets
    ]
    return any(matches)


def split(body: bytes) -> list[RawEntry]:
    """Raises WebhookRefused for what is not an Atom feed, or brings a document type with it."""
    try:
        feed = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        # LookupError: an encoding that Python does not know.
        raise WebhookRefused(f"not a feed: {type(error).__name__}") from error
    if feed.tag != f"{_ATOM}feed":
        raise WebhookRefused("not an Atom feed")
    return [*_entries(feed), *_tombstones(feed)]


def _entries(feed: Element) -> Iterator[RawEntry]:
    for entry in feed.iter(f"{_ATOM}entry"):
        channel, video = _said(entry, f"{_YT}channelId"), _said(entry, f"{_YT}videoId")
        if CHANNEL_ID.fullmatch(channel) and video:
            value: Json = {
                "video": video,
                "title": _said(entry, f"{_ATOM}title"),
                "published": _said(entry, f"{_ATOM}published"),
                "updated": _said(entry, f"{_ATOM}updated"),
            }
            yield _raw(channel, "video", value)


def _tombstones(feed: Element) -> Iterator[RawEntry]:
    """A tombstone names no channel but by its author's address."""
    for entry in feed.iter(f"{_TOMBSTONE}deleted-entry"):
        author = _CHANNEL_AT_END.search(_said(entry, f"{_TOMBSTONE}by/{_ATOM}uri"))
        video = entry.get("ref", "").removeprefix(_VIDEO)
        if author is not None and video:
            yield _raw(author[1], "gone", {"gone": video, "when": entry.get("when", "")})


def _raw(channel: str, what: str, value: Json) -> RawEntry:
    """The same video in the same version is the same happening, however often the hub tells it."""
    named = (value.get("video") or value.get("gone"), value.get("updated") or value.get("when"))
    return RawEntry(channel, f"{digest(what, *named)}:{channel}", encode(value))


def _said(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _proof(secret: str, topic: str) -> str:
    return hmac.digest(secret.encode(), f"websub {topic}".encode(errors="replace"), sha256).hex()[:32]
