"""Instagram webhooks: entries cut into single happenings, each with a stable id.

Source: docs/graph-api/webhooks/getting-started, IGP/webhooks (+/examples).
"""

from platforms.base import RawEntry
from platforms.meta.webhooks import entries_of, happenings
from platforms.wire import Json, account_id_at, digest, encode, id_at, mapping, text_at


def split(body: bytes) -> list[RawEntry]:
    """Entries that name no account are passed over. Raises WebhookRefused for what Meta does not send."""
    about, entries = entries_of(body)
    return [
        RawEntry(account, f"{_event_id(about, account, value)}:{account}", encode(value))
        for entry in entries
        if (account := account_id_at(entry, "id"))
        for value in happenings(entry)
    ]


def _event_id(about: str, account: str, happening: Json) -> str:
    """The platform's id where the happening has one, else a hash of what and when."""
    field, value = text_at(happening, "field") or "", mapping(happening, "value")
    message = mapping(value, "message")
    subject = None
    if field in ("comments", "live_comments"):
        subject = id_at(value, "id", "comment_id")
    elif field == "mentions":
        subject = id_at(value, "comment_id", "media_id")
    elif field == "messaging" and message and (subject := id_at(message, "mid")):
        field = "unsent" if message.get("is_deleted") is True else field
    if subject is not None:
        return f"{field}:{subject}"
    return digest(about, account, field, happening.get("value"), happening.get("time"))
