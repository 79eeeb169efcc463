"""Ray's half of the runtime: the actor shells, their options, and how a host reaches dedicated actors.

Beside `gateway.py` the only module that calls Ray. The shells hold no logic: they open what came sealed,
call a plain class, and seal its answer, so no Ray argument or result carries anything readable.
"""

import asyncio
import contextlib
import os
import pickle
import uuid
from dataclasses import replace
from typing import Any, cast

import ray
import structlog
from ray.exceptions import RayActorError, RayError
from ray.util.metrics import Counter as RayCounter
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.compose import Built, build
from actors.runtime.activation import Placement
from actors.runtime.collector import settle_collector
from actors.runtime.dedicated import DedicatedOwner
from actors.runtime.entity import Effect, Message
from actors.runtime.envelope import Envelope
from actors.runtime.failpoints import Failpoint
from actors.runtime.forwarder import ActorGone
from actors.runtime.gateway import NAMESPACE, Gateway
from actors.runtime.host import Host
from actors.runtime.plan import is_host
from actors.runtime.room import Room
from actors.runtime.supervisor import HostAway, Supervisor
from actors.runtime.verdicts import Elsewhere, NotOwner
from domain.errors import Busy, RookeryError
from domain.ids import EntityKey
from storage.logs import configure
from storage.records import StoreUnavailable
from storage.settings import Settings

log = structlog.get_logger()

SUPERVISOR = "supervisor"
HOST_CPUS = 0.1
_DISTANT_S = 30.0
_STATUS_S = 3.0
_AT_ONCE = 1000
_REQUESTS_AT_ONCE = 700
"""Of the calls that Ray lets an actor have under way; the rest is for its status and for moves. A host that
cannot say how it is counts as one that hangs, and its partitions are taken from it."""
_MOVE_S = 40.0
"""Longer than a host takes to let a partition go, or to find out that it cannot."""


def _options(name: str, *, cpus: float, node: str | None = None) -> dict[str, Any]:
    """Every option spelled out: none of Ray's defaults is right for an owner."""
    # Soft: an owner on the wrong node is better than none, and a node may be gone when it is restarted.
    strategy: Any = "SPREAD" if node is None else NodeAffinitySchedulingStrategy(node, soft=True)
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,  # an owner comes back; its state is in MongoDB
        "max_task_retries": 0,  # a silent second execution would not carry the caller's command id
        "max_concurrency": _AT_ONCE,
        "num_cpus": cpus,
        "scheduling_strategy": strategy,
    }


class Metrics:
    """Counts by name and labels, as Ray counters; the process adds its own name as a label."""

    def __init__(self, actor: str) -> None:
        self._actor = actor
        self._counters: dict[str, RayCounter] = {}

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        counter = self._counters.get(name)
        if counter is None:
            keys = (*sorted(labels), "actor")
            counter = self._counters[name] = RayCounter(f"rookery_{name}", tag_keys=keys)
        counter.inc(value, {**labels, "actor": self._actor})


def _gateway(built: Built, settings: Settings) -> Gateway:
    """How a process that owns entities reaches the others'."""
    parts = built.parts
    return Gateway(parts.claims, parts.mailboxes, parts.envelope, parts.clock, settings.hosts)


def _answer(found: dict[str, Any]) -> dict[str, Any]:
    return {"reply": found}


async def _guarded(work: Any) -> dict[str, Any]:
    """Turn every expected failure into data: exceptions that cross Ray carry tracebacks into its logs."""
    try:
        return _answer(await work)
    except RookeryError as refused:
        return {"refused": refused.to_json()}
    except (NotOwner, Elsewhere):  # it moved meanwhile: the asker looks again
        return {"not_owner": True}
    except StoreUnavailable:
        return {"refused": Busy("store_unavailable", "The data stores are away: try again.").to_json()}


async def _done(work: Any) -> dict[str, Any]:
    await work
    return {}


async def _begun(host: Host, key: EntityKey, effect: Effect) -> dict[str, Any]:
    host.begin(key, effect)
    return {}


async def _build(settings: Settings, actor: str) -> Built:
    """As soon as the stores let it: an actor that gave up would stay, and never answer."""
    while True:
        try:
            built = await build(settings, Metrics(actor).count)
            settle_collector()
            return built
        except StoreUnavailable as away:
            log.warning("actor.waiting_for_stores", actor=actor, reason=str(away))
            await asyncio.sleep(1.0)


@ray.remote
class HostActor:
    """Row `HostActor host-N` of the Ray dashboard. Guarantees are those of `Host`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._host: Host | None = None
        self._built: Built | None = None
        self._room: Room[None] = Room(_REQUESTS_AT_ONCE)
        # Kept, because the loop holds tasks only weakly. Failing is retried by the task itself.
        self._starting = asyncio.get_running_loop().create_task(self._start())

    def __repr__(self) -> str:
        return f"HostActor({self._name})"

    async def _start(self) -> None:
        settings = Settings.load()
        configure(settings.log_level)
        self._built = await _build(settings, self._name)
        parts = self._built.parts
        others = _gateway(self._built, settings)
        self._host = Host(
            self._name,
            settings.build,
            replace(parts, handover=others),
            self._built.addressing,
            RayDedicatedActors(parts.envelope),
            self._built.consumers,
            dedicated=settings.dedicated,
            on_superseded=_end_replaced,
            leases=self._built.leases,
            elsewhere=others,
        )
        self._host.start()
        log.info("host.started", host=self._name, incarnation=self._host.incarnation)

    async def request(self, sealed: bytes) -> bytes:
        """One sealed request: {do, key, ...}; the sealed answer is {reply}, {refused} or {not_owner}."""
        try:
            with self._room.entered(None):
                await asyncio.shield(self._starting)
                assert self._host is not None and self._built is not None  # noqa: S101
                envelope = self._built.parts.envelope
                return envelope.seal_call(await self._do(self._host, envelope.open_call(sealed)))
        except Busy as full:  # of the room: everything else is data by now
            if self._built is None:
                raise
            return self._built.parts.envelope.seal_call({"refused": full.to_json()})

    async def _do(self, host: Host, asked: dict[str, Any]) -> dict[str, Any]:
        key = EntityKey.parse(asked["key"])
        match asked["do"]:
            case "ask":
                return await _guarded(host.ask(key, Message(asked["name"], asked["data"], asked["id"])))
            case "view":
                return await _guarded(host.view(key))
            case "inspect":
                return await _guarded(host.inspect(key))
            case "place":
                return await _guarded(host.place(key, Placement(asked["placement"])))
            case "outcome":  # sealed by one of our own processes, like everything that is opened here
                message: Message = pickle.loads(asked["message"])  # noqa: S301
                return await _guarded(_done(host.outcome(key, message, asked["id"])))
            case "effect":
                return await _guarded(_begun(host, key, pickle.loads(asked["effect"])))  # noqa: S301
            case other:
                raise ValueError(other)

    async def status(self) -> dict[str, Any]:
        """Numbers and names of entities; nothing personal."""
        node = ray.get_runtime_context().get_node_id()
        if self._host is None:
            return {"name": self._name, "starting": True, "partitions": [], "node": node}
        return self._host.status() | {"pid": os.getpid(), "node": node}

    async def arm(self, point: str, after: int) -> None:
        """Tests only: end this process at the `after`-th pass of a failpoint."""
        if os.environ.get("ROOKERY_FAILPOINTS") != "1":
            raise PermissionError("failpoints are off: set ROOKERY_FAILPOINTS=1 before Ray starts")
        await asyncio.shield(self._starting)
        assert self._built is not None  # noqa: S101
        self._built.parts.failpoints.arm(Failpoint(point), after)

    async def drain(self) -> None:
        if self._host is not None:
            await self._host.drain()

    async def take(self, partition: int) -> None:
        """Claim it now, instead of at the next look at the claims."""
        if self._host is not None:
            await self._host.take(partition)

    async def release(self, partition: int, to: str) -> bool:
        return self._host is not None and await self._host.release(partition, to)


@ray.remote
class EntityActor:
    """One entity with a process of its own: its row, log and metrics in the Ray dashboard carry its name."""

    def __init__(self, key: str) -> None:
        self._key = EntityKey.parse(key)
        self._owner: DedicatedOwner | None = None
        self._envelope: Envelope | None = None
        self._starting = asyncio.get_running_loop().create_task(self._start())

    def __repr__(self) -> str:
        return f"EntityActor({self._key})"

    async def _start(self) -> None:
        settings = Settings.load()
        configure(settings.log_level)
        built = await _build(settings, str(self._key))
        self._envelope = built.parts.envelope
        self._owner = DedicatedOwner(built.parts, self._key, built.addressing, settings.build)
        built.leases.bind(
            f"{self._key}.{uuid.uuid4().hex[:8]}", _gateway(built, settings).ask, self._owner.tasks
        )

    async def request(self, sealed: bytes) -> bytes:
        await asyncio.shield(self._starting)
        assert self._owner is not None and self._envelope is not None  # noqa: S101
        return self._envelope.seal_call(await self._owner.call(self._envelope.open_call(sealed)))


class RayDedicatedActors:
    """`DedicatedActors` over Ray. Look-ups and creations block, so they run in a thread."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._handles: dict[EntityKey, Any] = {}

    async def call(self, key: EntityKey, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        sealed = self._envelope.seal_call(payload)
        try:
            async with asyncio.timeout(timeout_s):
                handle = self._handles.get(key)
                if handle is None:
                    handle = self._handles[key] = await asyncio.to_thread(_entity_actor, key)
                answer: bytes = await handle.request.remote(sealed)
        except (RayError, TimeoutError, ValueError) as error:
            self._handles.pop(key, None)
            raise ActorGone(str(key)) from error
        return self._envelope.open_call(answer)

    async def stop(self, key: EntityKey) -> None:
        self._handles.pop(key, None)
        await asyncio.to_thread(_kill, str(key))


def _end_replaced() -> None:
    """Another process has this host's name and claims. If Ray knows this one, it starts it afresh."""
    os._exit(18)


def _entity_actor(key: EntityKey) -> Any:
    return EntityActor.options(**_options(str(key), cpus=0.01)).remote(str(key))  # type: ignore[attr-defined]


def _kill(name: str) -> None:
    with contextlib.suppress(ValueError, RayActorError):
        ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)


@ray.remote
class SupervisorActor:
    """Row `SupervisorActor` of the Ray dashboard. Guarantees are those of `Supervisor`."""

    def __init__(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._start())
        self._supervisor: Supervisor | None = None

    async def _start(self) -> None:
        settings = Settings.load()
        built = await _build(settings, SUPERVISOR)
        self._supervisor = Supervisor(
            built.claims, RayHosts(), settings.hosts, settings.partitions, settings.build, built.parts.clock
        )
        self._supervisor.start()

    async def status(self) -> dict[str, Any]:
        await asyncio.shield(self._starting)
        assert self._supervisor is not None  # noqa: S101
        return self._supervisor.status()


class RayHosts:
    """`supervisor.Hosts` over Ray. Look-ups and creations block, so they run in a thread."""

    async def nodes(self) -> list[str]:
        """The nodes that can run a host."""
        found: list[dict[str, Any]] = await asyncio.to_thread(ray.nodes)
        return [n["NodeID"] for n in found if n["Alive"] and n["Resources"].get("CPU", 0) >= HOST_CPUS]

    async def names(self) -> list[str]:
        """The hosts that exist, whether or not they answer."""
        named = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        mine = [actor["name"] for actor in named if actor["namespace"] == NAMESPACE]
        return [name for name in mine if is_host(name)]

    async def start(self, name: str, node: str | None) -> None:
        await asyncio.to_thread(_host_actor, name, node)

    async def status(self, name: str) -> dict[str, Any] | None:
        try:
            return cast(dict[str, Any], await self._call(name, _STATUS_S, "status"))
        except HostAway:
            return None

    async def release(self, name: str, partition: int, to: str) -> bool:
        return bool(await self._call(name, _MOVE_S, "release", partition, to))

    async def take(self, name: str, partition: int) -> None:
        await self._call(name, _MOVE_S, "take", partition)

    async def end(self, name: str) -> None:
        """Let what its platform calls still bring go where it belongs, then end it."""
        with contextlib.suppress(HostAway):
            await self._call(name, _DISTANT_S, "drain")
        await asyncio.to_thread(_kill, name)

    async def _call(self, name: str, timeout_s: float, method: str, *arguments: Any) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                handle = await asyncio.to_thread(ray.get_actor, name, namespace=NAMESPACE)
                return await getattr(handle, method).remote(*arguments)
        except (RayError, TimeoutError, ValueError) as error:
            raise HostAway(name) from error


def _host_actor(name: str, node: str | None) -> Any:
    return HostActor.options(**_options(name, cpus=HOST_CPUS, node=node)).remote(name)  # type: ignore[attr-defined]


async def ensure_supervisor(build: str) -> None:
    """Start it, or find it running; called by every api replica. One that runs another build is replaced:
    a detached actor otherwise runs its old code for ever, and hosts with it."""
    handle = await asyncio.to_thread(_supervisor)
    try:
        async with asyncio.timeout(_DISTANT_S):
            status = await handle.status.remote()
    except (RayError, TimeoutError):
        return  # it starts, or Ray restarts it; what it does is safe to do late
    if status["build"] != build:
        log.info("supervisor.replaced", old_build=status["build"], build=build)
        await asyncio.to_thread(_kill, SUPERVISOR)
        await asyncio.to_thread(_supervisor)


def _supervisor() -> Any:
    return SupervisorActor.options(**_options(SUPERVISOR, cpus=0.05)).remote()  # type: ignore[attr-defined]
