"""Sealed mail: what goes in comes out, and a replayed webhook reaches one connection only."""

import pytest

from actors.runtime.addressing import Addressing
from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope, WebhookMail
from domain.ids import AccountId, EntityKey, Kind
from platforms.base import RawEntry
from platforms.registry import PLATFORMS
from storage.crypto import Keyring, SealBroken
from storage.records import Entry, Mail, StreamId
from tests.fakes.documents import FakeEntityStore

BODY = (
    b'{"data":{"event_uuid":"1","event_type":"like.create","filter":{"user_id":"1","direction":"inbound"},'
    b'"payload":{"id":"x","liked_tweet_id":"2"}}}'
)
(ENTRY,) = PLATFORMS["twitter"].split(BODY)


@pytest.fixture
def envelope() -> Envelope:
    return Envelope(Keyring.generate(), 64)


def test_a_webhook_entry_reaches_every_connection_and_its_replay_only_one(envelope: Envelope) -> None:
    addressing = Addressing(FakeEntityStore(), envelope, PLATFORMS)
    stream, mail = envelope.webhook_mail("twitter", "app_1", ENTRY)
    one, two = str(AccountId("twitter", "1", "org_a")), str(AccountId("twitter", "1", "org_b"))
    entry = Entry(stream, StreamId(1, 0), mail)
    assert set(addressing.messages(entry, [one, two])) == {
        EntityKey(Kind.ACCOUNT, one),
        EntityKey(Kind.ACCOUNT, two),
    }
    replay = Entry(stream, StreamId(2, 0), Mail(one, "replay", mail.body))
    ((key, message),) = addressing.messages(replay, ()).items()
    assert key.id == one
    assert message.id == "replay"
    assert message.data["event"].content_id == "2"


def test_mail_opens_as_what_it_was(envelope: Envelope) -> None:
    _, mail = envelope.mail(EntityKey(Kind.LINK, "lnk_1"), Message("click", {"at": "now"}, "id"))
    assert envelope.open_mail(mail) == Message("click", {"at": "now"}, "id")
    _, hook = envelope.webhook_mail("twitter", "app_1", ENTRY)
    assert envelope.open_mail(hook) == WebhookMail(
        "twitter", "app_1", RawEntry(ENTRY.external_id, f"app_1:{ENTRY.event_id}", ENTRY.raw)
    )


def test_mail_sealed_with_other_keys_is_refused(envelope: Envelope) -> None:
    _, mail = Envelope(Keyring.generate(), 64).mail(EntityKey(Kind.LINK, "lnk_1"), Message("click", {}, "id"))
    with pytest.raises(SealBroken):
        envelope.open_mail(mail)


def test_ray_arguments_carry_bytes_and_hide_everything(envelope: Envelope) -> None:
    data = {"token": b"\x00secret", "list": [b"x", {"n": 1}]}
    sealed = envelope.seal_call(data)
    assert b"secret" not in sealed
    assert envelope.open_call(sealed) == data
