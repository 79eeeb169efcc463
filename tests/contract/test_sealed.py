"""Sealed values on the real servers: counted wherever they are, and exchanged only as they were read."""

from datetime import timedelta

from pymongo import WriteConcern

from actors.runtime.entity import Message
from actors.runtime.envelope import Envelope
from domain.ids import EntityKey, Kind
from domain.secrets import Secret
from ops.embedded import Urls
from storage.crypto import JwtKeys, Keyring, StateSealer
from storage.keys import Keys
from storage.mongo.apps import AppRecord
from storage.mongo.client import Database
from storage.mongo.directory import Directory
from storage.mongo.identity import User
from storage.mongo.schema import META
from storage.mongo.sealed import SealedValues
from storage.records import DeadLetter, Mail
from storage.redis.cache import Cached
from storage.redis.client import connect
from storage.redis.sealed import count
from storage.sealed import FIELDS
from tests.contract.conftest import Stores

OLD = Keyring.generate()
NEW = OLD.stage().promoted()
IDS = {OLD.active, NEW.active}
STATES = StateSealer.generate()  # seconds: once for all tests
TARGET = "twitter:1"


def keys(ring: Keyring) -> Keys:
    return Keys(ring, b"b" * 32, STATES, JwtKeys.generate())


async def fill(database: Database, real: Stores) -> Mail:
    """What each store without an owner keeps sealed, written the way the service does. Answers a mail."""
    now = real.clock.now()
    directory = Directory.open(database, keys(OLD))
    await directory.users.add(User("usr_1", "org_a", "ana@kiln.example", now))
    secret = Secret("app secret")
    await directory.apps.put(AppRecord("app_1", None, "twitter", "client", secret, (secret,), now))
    attempt = await directory.idempotency.begin("org_a:usr_1:k", "hash", "app_2", now)
    await directory.idempotency.finish(attempt, b"the answer")
    _, mail = Envelope(OLD, 64).mail(EntityKey(Kind.LINK, "lnk_1"), Message("click", {"n": 1}, "e1"))
    await real.dead_letters.put([DeadLetter("d1", "org_a", "link/lnk_1", "e1", mail.body, "failed", now)])
    await real.parking.park([Mail(TARGET, "e1", mail.body)], now)
    return mail


async def test_everything_without_an_owner_is_sealed_anew_and_means_the_same(
    database: Database, real: Stores
) -> None:
    mail = await fill(database, real)
    values = SealedValues(database)
    written = {"users": 1, "platform_apps": 1, "idempotency": 1, "dead_letters": 1, "parked": 1}
    assert await values.count(IDS) == {OLD.active: written, NEW.active: {}}
    for attempt in ("first", "again"):
        for collection in FIELDS:
            async for batch in values.batches(collection):
                done = await values.reseal(NEW, collection, batch)
                assert done == (written[collection] if attempt == "first" else 0)
    assert await values.count(IDS) == {OLD.active: {}, NEW.active: written}

    alone = NEW.without(OLD.active)
    directory = Directory.open(database, keys(alone))
    user = await directory.users.get("org_a", "usr_1")
    assert user is not None and user.email == "ana@kiln.example"
    app = await directory.apps.find("app_1")
    assert app is not None and app.client_secret.reveal() == "app secret"
    told = await directory.idempotency.begin("org_a:usr_1:k", "hash", "app_3", real.clock.now())
    assert (told.answer, told.resource_id) == (b"the answer", "app_2")
    letter = await real.dead_letters.get("d1")
    assert letter is not None
    bodies = [letter.sealed_body, (await real.parking.take(TARGET))[0].body]
    assert mail.body not in bodies
    for body in bodies:
        message = Envelope(alone, 64).open_mail(Mail("lnk_1", "e1", body))
        assert message == Message("click", {"n": 1}, "e1")


async def test_what_was_written_meanwhile_stays_as_written(database: Database, real: Stores) -> None:
    await fill(database, real)
    values = SealedValues(database)
    (batch,) = [batch async for batch in values.batches("platform_apps")]
    app = AppRecord("app_1", None, "twitter", "client", Secret("changed"), (), real.clock.now())
    await Directory.open(database, keys(OLD)).apps.put(app)
    assert await values.reseal(NEW, "platform_apps", batch) == 0
    found = await Directory.open(database, keys(OLD)).apps.find("app_1")
    assert found is not None and found.client_secret.reveal() == "changed"


async def test_a_collection_is_read_to_its_end(database: Database) -> None:
    quick = database["parked"].with_options(write_concern=WriteConcern("majority"))
    body = OLD.seal(b"x", "mail")
    await quick.insert_many([{"_id": f"p{n:03}", "body": body} for n in range(350)])
    values = SealedValues(database)
    assert (await values.count(IDS))[OLD.active] == {"parked": 350}
    read: list[str] = []
    async for batch in values.batches("parked"):  # changed while it is read
        read += [document["_id"] for document in batch]
        assert await values.reseal(NEW, "parked", batch) == len(batch)
    assert sorted(read) == [f"p{n:03}" for n in range(350)]
    assert await values.count(IDS) == {OLD.active: {}, NEW.active: {"parked": 350}}


async def test_since_when_a_key_is_unused_is_forgotten_when_it_is_used(
    database: Database, real: Stores
) -> None:
    values, now = SealedValues(database), real.clock.now().replace(microsecond=0)
    for later in (0, 1):
        since = await values.note_unused({"aa"}, {"bb"}, now + timedelta(hours=later))
        assert since == {"bb": now}
    await values.note_unused({"aa", "bb"}, set(), now)
    assert await values.note_unused({"aa"}, {"bb"}, now + timedelta(hours=2)) == {
        "bb": now + timedelta(hours=2)
    }
    await database[META].delete_one({"_id": "unused-key:bb"})


async def test_what_waits_in_redis_is_counted_until_it_is_read_or_expires(
    real: Stores, servers: Urls
) -> None:
    envelope = Envelope(OLD, 64)
    key = EntityKey(Kind.LINK, "lnk_1")
    mails = [envelope.mail(key, Message("click", {}, f"e{n}")) for n in range(700)]
    await real.mailboxes.tell(mails)  # a part of them goes to an overflow
    event = envelope.seal_event({"type": "x"})
    await real.bus.publish([("clicks", "org_a", event)] * 1200)  # more than one page
    await real.cache.set(Cached.CAMPAIGN_METRICS, "cmp_1", NEW.seal(b"{}", "bus"))
    redis = connect(servers.redis)
    assert await count(redis, IDS) == {
        OLD.active: {"mailbox": 700, "bus": 1200, "live": 1200},
        NEW.active: {"campaign_metrics": 1},
    }
    await redis.aclose()


async def test_a_place_that_nobody_thought_of_holds_a_key_up(database: Database) -> None:
    unknown = database["somewhere"]
    await unknown.insert_one({"_id": "a", "deep": [{"down": OLD.seal(b"x", "any")}]})
    assert await SealedValues(database).count(IDS) == {OLD.active: {"somewhere": 1}, NEW.active: {}}
    await unknown.drop()
