"""Facebook webhooks: entries of the objects `page` and `permissions` cut into single happenings.

    {"object": "permissions", "entry": [{"id", "uid", "time", "changes": [
        {"field": "pages_show_list", "value": {"verb": "revoked", "target_ids": ["104.."]}}]}]}

A permission entry is about a person; it concerns the pages in `target_ids`. Without them it names no page,
and the deauthorise callback tells instead.

Source: docs/graph-api/webhooks/reference/{page,permissions}.
"""

from collections.abc import Iterator

from platforms.base import RawEntry
from platforms.meta.webhooks import entries_of, happenings
from platforms.wire import Json, account_id_at, digest, encode, id_at, mapping, strings, text_at

PERMISSIONS = "permissions"


def split(body: bytes) -> list[RawEntry]:
    """Entries that name no page are passed over. Raises WebhookRefused for what Meta does not send."""
    about, entries = entries_of(body)
    return [
        RawEntry(page, f"{_event_id(about, page, happening)}:{page}", encode(happening | {"object": about}))
        for entry in entries
        for happening in happenings(entry)
        for page in _pages(about, entry, happening)
    ]


def _pages(about: str, entry: Json, happening: Json) -> Iterator[str]:
    if about != PERMISSIONS:
        page = account_id_at(entry, "id")
        if page is not None:
            yield page
        return
    for target in dict.fromkeys(strings(happening.get("value"), "target_ids")):
        page = account_id_at({"id": target}, "id")
        if page is not None:
            yield page


def _event_id(about: str, page: str, happening: Json) -> str:
    """The ids of what happened where it happens once, else a hash of what and when. The time of sending
    counts only for what does not tell its own."""
    field, value = text_at(happening, "field") or "", mapping(happening, "value")
    message = mapping(value, "message")
    if field == "messaging" and message and (mid := id_at(message, "mid")):
        return f"{'unsent' if message.get('is_deleted') is True else field}:{mid}"
    comment, verb = id_at(value, "comment_id"), text_at(value, "verb")
    if field == "feed" and text_at(value, "item") == "comment" and comment and verb in ("add", "remove"):
        return f"comment:{verb}:{comment}"
    time = None if "created_time" in value else happening.get("time")
    return digest(about, page, field, happening.get("value"), time)
