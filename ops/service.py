"""The whole service on one machine: data plane, keys, Ray, Serve and, if wanted, the sandbox.

`rookery up`, the demo and the integration tests all start it here. Everything it started ends with it.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.compose import connect, verify_stores
from ops.embedded import DataPlane
from ops.facts import is_taken
from ops.processes import children, leashed
from storage.keys import Keys
from storage.settings import Settings, variable

READY_S = 180.0
_RAY_ATTEMPTS = 2
_END_S = 5.0
_LOOPBACK = "127.0.0.1"
_QUIET = {"enable_access_log": False}

# Measured: without the first two Serve's proxy handles a tenth of the requests; the next three are decision
# 0017. They, and how fast HAProxy's and a node's death are noticed, are read when Ray starts.
SERVE_ENV = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "api.serve_http:middlewares",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "3",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_worker_niceness": "0",  # 15 otherwise: the service would stand behind everything else on its machine
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}

Progress = Callable[[str], None]


class ServiceFailed(Exception):
    """The service did not start: one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    api: str
    dashboard: str
    sandbox: str | None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Service:
    def __init__(self, settings: Settings, *, sandbox: bool = False, failpoints: bool = False) -> None:
        self._settings = settings
        self._want_sandbox = sandbox
        self._failpoints = failpoints
        self._plane = DataPlane(settings.data_dir)
        self._sandbox: subprocess.Popen[bytes] | None = None
        self._scratch: str | None = None
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
        self._check_ports(settings)
        self._ensure_keys(settings, say)
        say("data plane")
        urls = self._plane.start(settings.mongodb_url, settings.redis_url)
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

        with suppress(Exception):
            # Without serve.shutdown: draining replicas takes half a minute and protects nothing here, since
            # everything accepted is on disk.
            ray.shutdown()
        self._end_haproxy()
        if self._sandbox is not None:
            self._sandbox.terminate()
            self._sandbox.wait(10)
        self._plane.stop()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_haproxy(self) -> None:
        """HAProxy outlives the actor that started it; its configuration's path tells which one is ours."""
        if self._scratch is None:
            return
        for process in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if self._scratch in (process / "cmdline").read_text() and int(process.name) != os.getpid():
                    os.kill(int(process.name), signal.SIGKILL)

    def _check_ports(self, settings: Settings) -> None:
        for name in ("http_port", "dashboard_port"):
            port = getattr(settings, name)
            if is_taken(settings.http_host if name == "http_port" else _LOOPBACK, port):
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
        # A folder of its own with a short name: Unix sockets allow 107 characters.
        self._scratch = tempfile.mkdtemp(prefix="rookery-")
        environment = SERVE_ENV | self.settings.env()
        environment |= {
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{self._scratch}/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{self._scratch}/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": self._scratch,
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{self._scratch}/server-state",
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
                    dashboard_host=_LOOPBACK,
                    dashboard_port=self.settings.dashboard_port,
                    object_store_memory=150 * 1024 * 1024,
                    log_to_driver=False,
                )
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
