"""What the faults are done to: `rookery up`, nodes that joined its Ray, and the platforms beside it.

Whatever ends is brought back by what docs/operations.md names: `rookery up` is started again when it has
ended, as systemd does, and so is a node's Ray, as a cluster's launcher does. Nothing else is done for them.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ray.util import get_node_ip_address

from ops.embedded import DataPlane
from ops.ports import free_port
from ops.processes import ProcessId, leashed
from ops.ray_settings import CLUSTER_ENV
from storage.settings import Settings, variable
from tests.chaos.run.kept import Kept
from tests.chaos.run.network import Network, NoNamespaces
from tests.chaos.run.processes import HEAD, Seen, descendants, seen_at
from tests.chaos.run.relay import Relay

NODES = ("a", "b")
_PATIENT = {"b"}
"""Nodes with Ray's own patience: cut off from Ray, such a one goes on for a minute beside its successors, and
not for ten seconds."""
_BIN = Path(sys.executable).parent
_MEMORY = 100 * 1024 * 1024


class Deployment:
    def __init__(self, folder: Path, nodes: tuple[str, ...] = NODES) -> None:
        """`folder` keeps the logs and, below it, the data."""
        self.folder = folder
        self.log = folder / "rookery-up.log"
        self.data_dir = folder / "data"
        self.without: str | None = None
        """Why there are no nodes."""
        self._network: Network | None = Network(nodes) if nodes else None
        self._relay = Relay()
        self._sandbox: subprocess.Popen[bytes] | None = None
        self._up: Kept | None = None
        self._nodes: dict[str, Kept] = {}
        self._scratch: list[str] = []
        self._known: set[ProcessId] = set()
        self.settings = Settings.load()

    async def start(self) -> None:
        """Up to where the processes are started; readiness is seen from outside."""
        for field in Settings.model_fields:  # a deployment of its own, whatever the shell's is
            os.environ.pop(variable(field), None)
        self._open_network()
        sandbox_host = self._network.machine if self._network else "127.0.0.1"
        self.settings = Settings.load(
            data_dir=self.data_dir,
            http_host="0.0.0.0",  # replicas listen there too, and HAProxy reaches those of the nodes
            http_port=free_port(),
            dashboard_port=free_port(),
            sandbox_url=self._start_sandbox(sandbox_host),
            hosts=1 + len(self.nodes),
            dedicated=1,
        )
        environment = os.environ | CLUSTER_ENV | self.settings.env()

        async def up() -> list[str]:
            return [str(_BIN / "rookery"), "up"]

        self._up = Kept("rookery up", up, lambda: environment, self.log)
        self._up.start()

    async def join(self) -> None:
        """Once `rookery up` is ready: let the nodes in, and keep them."""
        if self._network is None:
            return
        for server in DataPlane(self.data_dir).status():
            await self._relay.open(self._network.machine, urlsplit(str(server.url)).port or 0)
        for node in self.nodes:
            self._nodes[node] = self._node(node, self._network)
            self._nodes[node].start()

    async def stop(self) -> None:
        """End all of it, whatever state it is in."""
        everything = [*self.processes()]
        for seen in everything:
            _signal(seen.id, signal.SIGCONT)
        for node in self._nodes.values():
            await node.stop(patience_s=5.0)
        if self._up is not None:
            await self._up.stop()
        if self._sandbox is not None:
            self._sandbox.terminate()
            self._sandbox.wait(10)
        await self._relay.close()
        for process in self._known | {seen.id for seen in everything} | set(self._left_behind()):
            _signal(process, signal.SIGKILL)
        if self._network is not None:
            self._network.close()
        for folder in self._scratch:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.http_port}"

    @property
    def nodes(self) -> tuple[str, ...]:
        return self._network.nodes if self._network else ()

    @property
    def head_starts(self) -> int:
        return len(self._up.starts) if self._up else 0

    def cut(self, node: str, *, from_all: bool) -> None:
        assert self._network is not None
        self._network.cut(node, from_all=from_all)

    def heal(self, node: str) -> None:
        assert self._network is not None
        self._network.heal(node)

    def processes(self) -> list[Seen]:
        """All that runs, of the head (what `rookery up` started, and what these started) and the nodes."""
        found = []
        if self._up is not None and self._up.process is not None:
            found += [s for pid in descendants(self._up.process.pid) if (s := seen_at(pid, HEAD))]
        if self._network is not None:
            for node in self.nodes:
                found += [s for pid in self._network.processes(node) if (s := seen_at(pid, node))]
        self._known = {known for known in self._known if known.runs()} | {seen.id for seen in found}
        return found

    def node_ids(self) -> list[str | None]:
        gcs = self._gcs()
        found: dict[str, str] = {}
        for seen in self.processes():
            if seen.name == "raylet" and f"--gcs-address={gcs} " in seen.command:
                found[seen.node] = _option("node_id", seen.command) or ""
        return [found.get(node) for node in (HEAD, *self.nodes)]

    def _open_network(self) -> None:
        if self._network is None:
            self.without = "none were asked for"
            return
        try:
            own: str = get_node_ip_address()  # type: ignore[no-untyped-call]
            if own.startswith("127."):  # the nodes could not reach the head by it
                raise NoNamespaces("this machine has no address but loopback")
            self._network.open()
        except NoNamespaces as refused:
            self._network.close()
            self._network, self.without = None, str(refused)

    def _start_sandbox(self, host: str) -> str:
        command = [sys.executable, "-m", "sandbox", "--host", host, "--port", "0"]
        with (self.folder / "sandbox.log").open("ab") as log:
            self._sandbox = leashed(command, stdout=subprocess.PIPE, stderr=log)
        assert self._sandbox.stdout is not None
        line = self._sandbox.stdout.readline().decode()
        return line[line.index("http://") :].strip()

    def _node(self, node: str, network: Network) -> Kept:
        scratch = tempfile.mkdtemp(prefix="rookery-")
        self._scratch.append(scratch)
        stores = {
            s.name: str(s.url).replace("127.0.0.1", network.machine)
            for s in DataPlane(self.data_dir).status()
        }
        settings = self.settings.model_copy(
            update={"mongodb_url": stores["mongo"], "redis_url": stores["redis"]}
        )
        environment = os.environ | CLUSTER_ENV | settings.env()
        environment |= {
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{scratch}/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{scratch}/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": scratch,
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{scratch}/server-state",
        }
        if node in _PATIENT:
            environment["RAY_gcs_rpc_server_reconnect_timeout_s"] = "60"

        async def command() -> list[str]:
            await asyncio.to_thread(network.clear, node)  # as `ray stop; pkill haproxy` before each start
            gcs = await self._await_gcs()
            where = ["--address", gcs, "--node-ip-address", network.address(node)]
            size = ["--num-cpus", "1", "--object-store-memory", str(_MEMORY)]
            return [*network.inside(node), str(_BIN / "ray"), "start", *where, *size, "--block"]

        return Kept(f"node {node}", command, lambda: environment, self.folder / f"node-{node}.log")

    async def _await_gcs(self) -> str:
        while True:
            if gcs := self._gcs():
                return gcs
            await asyncio.sleep(0.5)

    def _gcs(self) -> str | None:
        """Where today's head listens: its raylet says so."""
        head = {seen.name: seen for seen in self.processes() if seen.node == HEAD and seen.id.runs()}
        if "raylet" in head and "gcs_server" in head:
            return _option("gcs-address", head["raylet"].command)
        return None

    def _left_behind(self) -> Iterator[ProcessId]:
        """What has our data folder in its environment, whoever its parent is by now."""
        sign = str(self.data_dir).encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if sign in (folder / "environ").read_bytes() and (id_ := ProcessId.of(int(folder.name))):
                    yield id_


def _option(name: str, command: str) -> str | None:
    found = re.search(rf"--{name}=(\S+)", command)
    return found[1] if found else None


def _signal(process: ProcessId, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if process.runs():
            os.kill(process.pid, number)
