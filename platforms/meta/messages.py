"""Direct messages in webhooks of Messenger and Instagram: one shape.

Source: IGP/webhooks/examples, docs/messenger-platform/reference/webhook-events/messages.
"""

from msgspec.structs import replace

from domain.content import Happening, Person, PlatformEvent, Remark, RemarkKind
from platforms.meta.captions import caption_text
from platforms.wire import Json, id_at, mapping, packed, text_at


def message_event(blank: PlatformEvent, value: Json) -> PlatformEvent:
    """Reactions, reads, edits and postbacks carry no `message`: OTHER."""
    message = mapping(value, "message")
    message_id = id_at(message, "mid")
    if message_id is None:
        return blank
    if message.get("is_deleted") is True:
        return replace(blank, what=Happening.REMARK_DELETED, subject_id=message_id)
    sender = id_at(mapping(value, "sender"), "id")
    if message.get("is_echo") is True:
        sender = blank.external_id
    answered = mapping(message, "reply_to")
    words = Remark(
        external_id=message_id,
        kind=RemarkKind.MESSAGE,
        author=Person(external_id=sender or ""),
        text=caption_text(text_at(message, "text") or ""),
        payload=packed(value),
        content_id=id_at(mapping(answered, "story"), "id"),
        parent_id=id_at(answered, "mid"),
        at=blank.occurred_at,
    )
    return remarked(blank, words)


def remarked(blank: PlatformEvent, words: Remark) -> PlatformEvent:
    return replace(
        blank,
        what=Happening.REMARKED,
        subject_id=words.external_id,
        content_id=words.content_id,
        remark=words,
    )
