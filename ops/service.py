"""The whole service on one machine: data plane, keys, Ray, Serve and, if wanted, the sandbox.

`rookery up`, the demo and the integration tests all start it here. Everything it started ends with it.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.compose import connect, verify_stores
from ops.embedded import DataPlane, DataPlaneFailed
from ops.leftovers import Scratch
from ops.ports import HOST, free_port, is_free
from ops.processes import ProcessId, children, leashed
from ops.ray_settings import RAY_ENV
from storage.keys import Keys
from storage.settings import Settings, variable

READY_S = 180.0
_RAY_ATTEMPTS = 2
_END_S = 5.0
_LOOK_S = 0.5
_HEAD = ("gcs_server", "raylet")
_QUIET = {"enable_access_log": False}

Progress = Callable[[str], None]


class ServiceFailed(Exception):
    """The service did not start: one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    api: str
    dashboard: str
    sandbox: str | None


class Service:
    def __init__(self, settings: Settings, *, sandbox: bool = False, failpoints: bool = False) -> None:
        self._settings = settings
        self._want_sandbox = sandbox
        self._failpoints = failpoints
        self._plane = DataPlane(settings.data_dir)
        self._keeper = threading.Thread(target=self._keep, name="data-plane-keeper")
        self._ending = threading.Event()
        self._sandbox: subprocess.Popen[bytes] | None = None
        self._scratch = Scratch(settings.data_dir)
        self._head: list[ProcessId] = []
        self._environment: dict[str, str | None] = {}
        self.settings = settings
        self.log = settings.data_dir / "service.log"
        """Where whoever starts this lets Ray and Serve print (`ops.terminal`)."""
        self.addresses: Addresses | None = None

    def start(self, say: Progress = lambda _: None) -> Addresses:
        """Blocks until the service is ready, about half a minute. Raises ServiceFailed, DataPlaneFailed,
        KeysUnusable or StoreMisconfigured; `stop` then ends what was started."""
        settings = self._settings
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceFailed(
                f"The data folder {settings.data_dir} cannot be used: {error.strerror}."
            ) from None
        self._scratch.clear_former()
        self._check_ports(settings)
        self._ensure_keys(settings, say)
        say("data plane")
        urls = self._plane.start(settings.mongodb_url, settings.redis_url)
        self._keeper.start()
        # The build is told, not found out again by each process: files may change while it runs.
        changes: dict[str, Any] = {
            "mongodb_url": urls.mongodb,
            "redis_url": urls.redis,
            "build": settings.build,
        }
        if self._want_sandbox:
            say("sandbox")
            changes["sandbox_url"] = self._start_sandbox()
        self.settings = settings.model_copy(update=changes)
        asyncio.run(_verify(self.settings))
        say("Ray")
        self._prepare_ray()
        self._start_ray(say)
        say("Serve")
        self._start_serve()
        say("owners")
        self._await_ready()
        self.addresses = Addresses(
            api=f"http://{self.settings.http_host}:{self.settings.http_port}",
            dashboard=f"http://127.0.0.1:{self.settings.dashboard_port}",
            sandbox=self.settings.sandbox_url,
        )
        return self.addresses

    def stop(self) -> None:
        import ray

        self._ending.set()
        if self._keeper.ident is not None:
            self._keeper.join()
        with suppress(Exception):
            # Without serve.shutdown: draining replicas takes half a minute and protects nothing here, since
            # everything accepted is on disk.
            ray.shutdown()
        if self._sandbox is not None:
            self._sandbox.terminate()
            self._sandbox.wait(10)
        self._plane.stop()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._scratch.clear()

    def runs(self) -> bool:
        """Whether Ray's head still runs; if not, nothing does."""
        return all(process.runs() for process in self._head)

    def _keep(self) -> None:
        """An embedded server that ended is started again, as a server of one's own is by systemd. One that
        only stands still is left alone: what it has acknowledged is on disk, what it will do is unknown."""
        said = ""
        while not self._ending.wait(_LOOK_S):
            try:
                for name in self._plane.mend():
                    print(f"The embedded {name} server had ended, and is started again.")
            except DataPlaneFailed as failed:
                if str(failed) != said:
                    print(said := str(failed))

    def _check_ports(self, settings: Settings) -> None:
        for name in ("http_port", "dashboard_port"):
            port = getattr(settings, name)
            if not is_free(port, settings.http_host if name == "http_port" else HOST):
                raise ServiceFailed(
                    f"Port {port} is taken by another program: end it, or set {variable(name)} to another."
                )

    def _ensure_keys(self, settings: Settings, say: Progress) -> None:
        path = Path(settings.keys)
        if not settings.keys.startswith("{") and not path.exists():
            say("keys")
            Keys.create(path)

    def _start_sandbox(self) -> str:
        log = self._settings.data_dir / "sandbox.log"
        command = [sys.executable, "-m", "sandbox", "--port", "0"]
        with log.open("ab") as errors:
            self._sandbox = leashed(command, stdout=subprocess.PIPE, stderr=errors)
        assert self._sandbox.stdout is not None  # noqa: S101
        line = self._sandbox.stdout.readline().decode().strip()
        if "http://" not in line:
            raise ServiceFailed(f"The sandbox did not start: see {log}.")
        return line[line.index("http://") :]

    def _prepare_ray(self) -> None:
        scratch = self._scratch.make()
        environment = RAY_ENV | self.settings.env()
        environment |= {
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{scratch}/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{scratch}/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": scratch,
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{scratch}/server-state",
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        }
        if self._failpoints:
            environment["ROOKERY_FAILPOINTS"] = "1"
        for name, value in environment.items():
            self._environment[name] = os.environ.get(name)
            os.environ[name] = value

    def _start_ray(self, say: Progress) -> None:
        """Ray gives its node 30 s, and says no more than `Exception`. On a machine that was busy for a moment
        the next try succeeds."""
        import ray

        for attempt in range(1, _RAY_ATTEMPTS + 1):
            before = set(children())
            try:
                ray.init(
                    address="local",
                    namespace="rookery",
                    include_dashboard=True,
                    dashboard_host=HOST,
                    dashboard_port=self.settings.dashboard_port,
                    object_store_memory=150 * 1024 * 1024,
                    log_to_driver=False,
                )
                self._head = [p for p in set(children()) - before if p.name() in _HEAD]
                return
            except Exception as error:
                ray.shutdown()
                # Ray forgets what it started for a node that did not come up.
                for process in set(children()) - before:
                    process.end(_END_S)
                if attempt == _RAY_ATTEMPTS:
                    raise self._failed(f"Ray did not start in {_RAY_ATTEMPTS} tries", error) from None
                say("Ray, once more")

    def _start_serve(self) -> None:
        from ray import serve

        import serve_app

        try:
            serve.start(
                http_options={"host": self.settings.http_host, "port": self.settings.http_port},
                logging_config=_QUIET,
            )
            serve.run(serve_app.webhooks, name="webhooks", route_prefix="/webhooks", logging_config=_QUIET)
            serve.run(serve_app.api, name="api", route_prefix="/", logging_config=_QUIET)
        except Exception as error:
            raise self._failed("Serve did not start", error) from None

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        last = "no answer"
        url = f"http://{self.settings.http_host}:{self.settings.http_port}/readyz"
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(url, timeout=10)
                if answer.status_code == 200:
                    return
                last = answer.text[:300]
            except httpx.HTTPError as error:
                last = type(error).__name__
            time.sleep(0.3)
        raise ServiceFailed(
            f"The service was not ready after {READY_S:.0f} s ({last}): run `rookery doctor`, and see "
            f"{self.log}."
        )

    def _failed(self, what: str, error: Exception) -> ServiceFailed:
        traceback.print_exception(error)
        text = str(error).strip()
        reason = text.splitlines()[0][:200].rstrip(".") if text else type(error).__name__
        return ServiceFailed(f"{what} ({reason}): run `rookery doctor`, and see {self.log}.")


async def _verify(settings: Settings) -> None:
    """Before Ray starts: a wrong server is one sentence here, and a stack trace in a replica."""
    stores = connect(settings)
    try:
        await verify_stores(settings, stores)
    finally:
        stores.database.client.close()
        await stores.connection.aclose()
