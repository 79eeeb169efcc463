"""The end of a world: how it is brought to rest, and what must be true of it then."""

from collections import Counter
from collections.abc import Mapping, Sized
from datetime import timedelta
from itertools import pairwise

from actors.runtime.dedicated import DedicatedOwner
from actors.runtime.envelope import stream_of
from actors.runtime.host import Host
from domain.content import Happening
from domain.ids import AccountId, EntityKey, Kind
from storage.crypto import field_aad
from storage.records import Document, Mail
from tests.simulation.loop import Process
from tests.simulation.network import run_now
from tests.simulation.platform import NAME
from tests.simulation.traffic import CAMPAIGN, LINK, People, Public
from tests.simulation.world import PARTITIONS, TOPICS, World

APPLIED = "applied:"
CONSUMED = ("mailbox:", *(f"bus:{topic}" for topic in TOPICS))


# -- to rest ----------------------------------------------------------------------------------------
def settle(world: World) -> None:
    """No more faults."""
    world.network.away.clear()
    world.loop.shuffled = False
    world.loop.coarse_s = world.network.block_s = 2.0
    for process in list(world.processes):
        if process.name.startswith("supervisor") and process is not world.supervisor:
            world.crash(process)  # Ray would have ended it: two that disagree never let the world rest
        process.cut, process.fuse = False, 0
        if process.frozen:
            world.loop.go_on(process)


async def bring_back(world: World, people: People) -> None:
    """People do what only they can: resume, consent again, and send dead letters once more."""
    for letter in await world.dead_letters.list(None, 10_000):
        if letter.replayed_at is None:
            key = EntityKey.parse(letter.entity)
            mail = Mail(key.id, f"replay_of:{letter.id}", letter.sealed_body)
            await people.mailboxes.tell([(stream_of(key.kind, key.partition(PARTITIONS)), mail)])
            await world.dead_letters.mark_replayed(letter.id, world.now())
            world.done["dead_letters_replayed"] += 1
    for key in sorted(people.connected - people.busy, key=str):
        match _document(world, key)["status"]:
            case "paused":
                await people.command(key, "resume")
            case "disconnected" | "reauthorization_required":
                await people.connect(AccountId.parse(key.id))


def unrest(world: World, people: People, public: Public) -> list[str]:
    """What is still owed, asked for or under way."""
    found = [f"{name} holds {len(s.entries)}" for name, s in world.redis.streams.items() if s.entries]
    found = [what for what in found if what.startswith(CONSUMED)]
    found += [f"webhooks to deliver: {public.undelivered}"] if public.undelivered else []
    found += [f"a command to {key}" for key in people.busy]
    found += [f"{id_} is not published" for id_ in world.judge.events.keys() - world.judge.on_bus]
    found += [f"{process} carries out {n} effects" for process, n in _effects(world).items() if n]
    for key in sorted(people.connected, key=str):
        if world.parking._parked.get(_target(key)):
            found.append(f"events are parked for {key}")
        d = _document(world, key)
        doing = {
            "is": d["status"] != "connected" and d["status"],
            "job": d["job"],
            "shelved": d["shelved"],
            "wishes": d["wishes"],
            "reread": d["reread"],
            "errands": d["errands"],
            "intent": d["intent"],
        }
        if any(doing.values()):
            found.append(f"{key}: { ({name: what for name, what in doing.items() if what}) }")
    return found


def _effects(world: World) -> dict[Process, int]:
    owners = {p: p.host.owner for p in world.processes if isinstance(p.host, Host | DedicatedOwner)}
    return {process: sum(owner.effects.in_flight.values()) for process, owner in owners.items()}


# -- judgement --------------------------------------------------------------------------------------
class AtRest:
    def __init__(self, world: World, people: People, public: Public) -> None:
        self._world = world
        self._judge = world.judge
        self._people = people
        self._public = public
        self._contents = {d["_id"]: d for d in world.sides.all("social_content")}
        self._remarks = {d["_id"]: d for d in world.sides.all("social_comments")}

    def check(self) -> None:
        for key in sorted(self._people.connected, key=str):
            document = _document(self._world, key)
            applied: Counter[str] = Counter()
            for name, n in document["counters"].items():
                if name.startswith(APPLIED):
                    id_ = name.removeprefix(APPLIED)
                    applied[self._judge.letters.get(id_, id_)] += n
            self._webhooks(key, applied)
            self._side_documents(key, applied)
            self._totals(key)
            self._connection(key, document)
        self._campaign()
        self._outboxes()
        self._tokens()
        for overrun in self._world.platform.overrun:
            self._judge.says(f"over the budget: {overrun}")
        self._memory()

    def _webhooks(self, key: EntityKey, applied: Mapping[str, int]) -> None:
        judge, target = self._judge, _target(key)
        accepted = judge.order.get(target, [])
        deaf_until = judge.deaf_until.get(key)
        for id_ in accepted:
            if id_ in applied or id_ in judge.may_be_lost:
                continue
            # Disconnected is not unknown: what came until the connection was made again is dropped.
            if deaf_until is None or judge.accepted[target, id_] > deaf_until:
                judge.says(f"{key}: {id_} was accepted and has no effect ({self._public.ledger[id_].what})")
        for id_ in accepted:
            known = id_ in judge.letters.values() or id_ in judge.may_be_lost
            if id_ in self._world.poisoned and not known and deaf_until is None:
                judge.says(f"{key}: {id_} cannot be applied and is not among the dead letters")
        for id_, times in applied.items():
            if times != 1 and id_ not in judge.may_double:
                judge.says(f"{key}: {id_} took effect {times} times")
        # Parked events come when the account is connected, behind what came meanwhile; and what was told
        # before there was a connection to hear it may be told again.
        told_twice = judge.parked | judge.may_be_lost | judge.may_double
        places = {id_: n for n, id_ in enumerate(accepted) if id_ not in told_twice}
        if deaf_until is not None:
            places = {id_: n for id_, n in places.items() if judge.accepted[target, id_] > deaf_until}
        replayed = set(judge.letters.values())
        in_order = [places[id_] for id_ in applied if id_ in places and id_ not in replayed]
        for one, next_ in pairwise(in_order):
            if one > next_:
                judge.says(f"{key}: {accepted[one]} took effect before {accepted[next_]}")

    def _side_documents(self, key: EntityKey, applied: Mapping[str, int]) -> None:
        shares: Counter[int] = Counter()
        for id_ in applied:
            happened = self._public.ledger[id_]
            if happened.what is Happening.SHARED:
                shares[happened.post] += 1
            if happened.what is Happening.REMARKED and f"{key.id}|{happened.n}" not in self._remarks:
                self._judge.says(f"{key}: the comment of {id_} is not there")
        unsure = {self._public.ledger[id_].post for id_ in applied if id_ in self._judge.may_double}
        for post, expected in shares.items():
            if post in unsure:
                continue
            found = self._contents.get(f"{key.id}|{post}")
            told = found["engagement"]["shares"] if found else None
            if told != expected:
                self._judge.says(f"{key}: post {post} has {told} shares instead of {expected}")

    def _totals(self, key: EntityKey) -> None:
        """Polling brought back whatever webhooks did not."""
        posts = self._world.platform.posts[AccountId.parse(key.id).external_id]
        for post in posts.values():
            found = self._contents.get(f"{key.id}|{post.id}")
            if post.deleted:
                if found is not None and found["status"] != "deleted":
                    self._judge.says(f"{key}: post {post.id} was deleted and is {found['status']}")
                continue
            told = (found["engagement"]["likes"], found["engagement"]["comments"]) if found else None
            if told != (post.likes, post.comments):
                self._judge.says(f"{key}: post {post.id}: {told} instead of {post.likes, post.comments}")

    def _connection(self, key: EntityKey, document: Document) -> None:
        judge, platform = self._judge, self._world.platform
        if document["status"] != "connected":
            judge.says(f"{key}: {document['status']} at rest, because {document['statusReason']}")
            return
        sealed = document["accessCredentials"]["refreshToken"]
        aad = field_aad("social_accounts", key.id, "refreshToken")
        token = self._world.keyring.open(sealed, aad).decode()
        grantee = platform.grants[token]
        if grantee.refresh != token:
            judge.says(f"{key}: holds a refresh token that was spent")
        if key.id not in platform.subscribed:
            judge.says(f"{key}: connected, and never subscribed to webhooks")

    def _campaign(self) -> None:
        performance = _document(self._world, CAMPAIGN)["performance"]
        rows = {row["id"]: row for row in performance["byContent"]}
        for id_, document in self._contents.items():
            member = EntityKey(Kind.ACCOUNT, document["socialAccountId"]) in CAMPAIGN_MEMBERS
            # Content that was deleted before it was ever read never had totals to count from. Differences are
            # counted in the order of the account's events: what was set aside and replayed comes too late.
            if not member or id_ not in self._judge.was_active or id_ in self._judge.out_of_order:
                continue
            if self._judge.losses:  # of events on their way to it as well
                continue
            expected = {m: document["engagement"][m] or 0 for m in ("likes", "comments", "shares")}
            counted = {m: rows[id_][m] if id_ in rows else 0 for m in expected}
            if counted != expected:
                self._judge.says(f"the campaign counted {counted} for {id_} instead of {expected}")
        for metric in ("likes", "comments", "shares"):
            if performance[metric] != sum(row[metric] for row in rows.values()):
                self._judge.says(f"the campaign's {metric} are not the sum of its contents'")
        if self._judge.losses:
            return
        clicks = len([id_ for id_ in self._judge.order.get(LINK.id, []) if id_ not in self._judge.letters])
        link = _document(self._world, LINK)["clicks"]
        if (link, performance["clicks"]) != (clicks, clicks):
            self._judge.says(f"{clicks} clicks: the link has {link}, the campaign {performance['clicks']}")

    def _outboxes(self) -> None:
        for id_ in self._judge.events:
            if id_ not in self._judge.on_bus:
                self._judge.says(f"{id_}: saved and never published")

    def _tokens(self) -> None:
        judge, seen = self._judge, set()
        for call in self._world.platform.presented:
            intent = judge.intents.get(call.intent.intent_id) if call.intent is not None else None
            if intent is None:
                judge.says(f"{call.token}: presented by {call.process} without a saved intent")
                continue
            if call.sent_at >= intent.not_after:
                judge.says(f"{call.token}: sent at {call.sent_at}, not after {intent.not_after}")
            if call.token in seen and not intent.last_chance:
                judge.says(f"{call.token}: presented again, and not as the last chance ({call.process})")
            seen.add(call.token)
        now = self._world.now()
        for id_, intent in judge.intents.items():
            if intent.open and now > intent.not_after + timedelta(seconds=60):
                judge.says(f"{id_} of {intent.key} was never resolved")

    def _memory(self) -> None:
        """What a host at rest still holds is what it would hold for ever."""
        for process in self._world.processes:
            if isinstance(process.host, Host):
                for name, mail in process.host.mail.by_name.items():
                    places: dict[str, Sized] = {
                        "held": mail._held._queues,
                        "lanes": mail._lanes._lanes,
                        "open": mail._owed._open,
                        "finished": mail._owed._finished,
                        "unrouted": mail._unrouted,
                    }
                    left = {place: len(held) for place, held in places.items() if held}
                    if left:
                        self._judge.says(f"{process} still holds {left} of {name}")


CAMPAIGN_MEMBERS = frozenset(AccountId(NAME, external_id, "org_a").key for external_id in ("100", "200"))


def _target(key: EntityKey) -> str:
    return key.id.rpartition(":")[0]


def _document(world: World, key: EntityKey) -> Document:
    found: Document = run_now(world.entities.load_many([key]))[key]
    return found
