"""The start of the service when something is in its way, and what the terminal shows of it."""

import io
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import serve
from rich.console import Console

from ops.commands import CommandFailed, demo
from ops.demo.screen import Screen
from ops.leftovers import Scratch
from ops.ports import free_port
from ops.processes import ProcessId, children
from ops.service import Addresses, Service, ServiceFailed
from ops.terminal import printing_into
from storage.settings import Settings, variable
from tests.unit.ops.conftest import Run

TIMED_OUT = (
    "The current node timed out during startup. This could happen because some of the raylet failed to "
    "startup or the GCS has become overloaded.\nmore"
)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(Settings.load(data_dir=tmp_path, http_port=free_port(), dashboard_port=free_port()))


@pytest.fixture
def leftovers() -> Iterator[Callable[[], ProcessId]]:
    """Starts a process as Ray does, and ends it after the test if nobody did."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> ProcessId:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        process = ProcessId.of(started[-1].pid)
        assert process is not None
        return process

    yield start
    for child in started:
        child.kill()
        child.wait()


def say_nothing(_: str) -> None: ...


# -- Ray and Serve --------------------------------------------------------------------------------------
@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_node_that_does_not_come_up_is_tried_once_more(
    service: Service,
    leftovers: Callable[[], ProcessId],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failures: int,
) -> None:
    mine, nodes, told = leftovers(), list[Any](), list[Any]()

    def init(**options: Any) -> None:
        assert options["log_to_driver"] is False
        nodes.append(leftovers())
        if len(nodes) <= failures:
            raise Exception(TIMED_OUT)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    if failures < 2:
        service._start_ray(told.append)
    else:
        with pytest.raises(ServiceFailed) as failed:
            service._start_ray(told.append)
        sentence = str(failed.value)
        assert sentence.startswith(
            "Ray did not start in 2 tries (The current node timed out during startup. "
        )
        assert sentence.endswith(f"overloaded): run `rookery doctor`, and see {service.log}.")
        assert "\n" not in sentence and "timed out" in capsys.readouterr().err
    assert len(nodes) == min(failures + 1, 2) and told == ["Ray, once more"] * min(failures, 1)
    assert [node.runs() for node in nodes] == [False, False][:failures] + [True] * (len(nodes) - failures)
    assert mine.runs()


def test_serve_that_does_not_start_is_a_sentence(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("Deploying application api failed: see the replica.\nTraceback ...")

    monkeypatch.setattr(serve, "start", fail)
    with pytest.raises(ServiceFailed) as failed:
        service._start_serve()
    assert str(failed.value) == (
        "Serve did not start (Deploying application api failed: see the replica): run `rookery doctor`, and "
        f"see {service.log}."
    )


@pytest.mark.parametrize("name", ["ROOKERY_HTTP_PORT", "ROOKERY_DASHBOARD_PORT"])
def test_a_port_that_is_taken_is_named_before_anything_starts(
    rookery: Run, tmp_path: Path, name: str
) -> None:
    ports = {"ROOKERY_HTTP_PORT": str(free_port()), "ROOKERY_DASHBOARD_PORT": str(free_port())}
    before = set(children())  # other tests' servers
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        failed = rookery("up", **{**ports, name: str(port)})
    assert failed.returncode == 1
    assert failed.stderr.endswith(
        f"Port {port} is taken by another program: end it, or set {name} to another.\n"
    )
    assert "Traceback" not in failed.stderr
    assert set(children()) <= before


def test_a_data_folder_that_cannot_be_used_is_a_sentence(rookery: Run) -> None:
    failed = rookery("up", ROOKERY_DATA_DIR="/proc/rookery")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("The log /proc/rookery/service.log cannot be written: ")
    assert failed.stderr.count("\n") == 1


# -- the terminal ---------------------------------------------------------------------------------------
def make_noise() -> None:
    """In the ways of Ray and Serve, which are no test's to change."""
    logging.getLogger("ray").warning("NOISE of a logger")
    logging.getLogger("ray.serve").info("NOISE of Serve")
    raylet = threading.Thread(target=lambda: print("\x1b[36m(raylet)\x1b[0m NOISE: a worker died"))
    raylet.start()
    raylet.join()
    print("NOISE of an error", file=sys.stderr)


class NoisyService:
    def __init__(self, settings: Settings, **_: Any) -> None:
        self.settings = settings
        self.log = settings.data_dir / "service.log"

    def start(self, say: Callable[[str], None]) -> Addresses:
        say("Ray")
        make_noise()
        return Addresses("http://127.0.0.1:8000", "http://127.0.0.1:8265", "http://127.0.0.1:8910")

    def runs(self) -> bool:
        return False

    def stop(self) -> None:
        make_noise()


def interrupted(while_: Callable[[], bool]) -> None:
    make_noise()
    raise KeyboardInterrupt


def test_up_ends_with_a_sentence_when_ray_has_ended(
    rookery: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.commands.up.Service", NoisyService)
    shown = rookery("up")
    log = tmp_path / ".rookery" / "service.log"
    assert shown.returncode == 1
    assert f"Ray has ended: see {log}, and start again. What was accepted is not lost." in shown.stderr


def test_the_terminal_of_up_shows_our_lines_only(
    rookery: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ray", "ray.serve"):  # as when Ray was imported by this command
        monkeypatch.setattr(logging.getLogger(name).handlers[0], "stream", sys.stderr)
    monkeypatch.setattr("ops.commands.up.Service", NoisyService)
    monkeypatch.setattr("ops.commands.up.wait", interrupted)
    shown = rookery("up", "--sandbox")
    log = tmp_path / ".rookery" / "service.log"
    assert shown.returncode == 0, shown
    assert shown.stdout.splitlines() == [
        "API        http://127.0.0.1:8000",
        "OpenAPI    http://127.0.0.1:8000/docs",
        "Dashboard  http://127.0.0.1:8265  (it asks for the token in ~/.ray/auth_token)",
        f"Log        {log}",
        "Sandbox    http://127.0.0.1:8910/_sandbox/",
        "Ready. Ctrl-C ends it.",
    ]
    assert "NOISE" not in shown.stderr
    text = log.read_text()
    for noise in ("NOISE of a logger", "NOISE of Serve", "NOISE of an error", "NOISE: a worker died"):
        assert text.count(noise) == 3, (noise, text)


class Terminal(io.StringIO):
    def __init__(self, interactive: bool) -> None:
        super().__init__()
        self._interactive = interactive

    def isatty(self) -> bool:
        return self._interactive


@pytest.mark.parametrize("interactive", [False, True])
def test_the_terminal_of_the_demo_shows_the_story_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interactive: bool
) -> None:
    terminal = Terminal(interactive)

    async def tell(service: NoisyService, addresses: Addresses, clock: Any, screen: Screen) -> str:
        screen.say("STORY begins")
        make_noise()
        return "evidence"

    def conclude(console: Console, *_: Any) -> bool:
        make_noise()
        console.print("STORY ends")
        return True

    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    for name in ("ray", "ray.serve"):
        monkeypatch.setattr(logging.getLogger(name).handlers[0], "stream", terminal)
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, terminal)
    monkeypatch.setattr("ops.commands.demo.Service", NoisyService)
    monkeypatch.setattr("ops.commands.demo._tell", tell)
    monkeypatch.setattr("ops.commands.demo._conclude", conclude)
    monkeypatch.setattr("ops.commands.demo.ignore_signals", lambda: None)
    demo.demo(once=True)
    shown = terminal.getvalue()
    assert "NOISE" not in shown
    assert "STORY ends" in shown
    assert interactive or "STORY begins" in shown  # a live picture is gone in the end
    assert (tmp_path / "demo" / "service.log").read_text().count("NOISE of a logger") == 4


def test_a_log_is_appended_to_and_the_terminal_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "new" / "service.log"
    before = sys.stdout, sys.stderr
    for n in (1, 2):
        with printing_into(log):
            print(n)
            print(-n, file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert log.read_text() == "1\n-1\n2\n-2\n"
    assert log.parent.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_written_is_said_so() -> None:
    with (
        pytest.raises(CommandFailed, match=r"The log /proc/x/service\.log cannot be written: "),
        printing_into(Path("/proc/x/service.log")),
    ):
        pass


# -- what a run that was killed leaves ------------------------------------------------------------------
def haproxy_of(path: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", f"{path}/haproxy.cfg"])


def test_the_next_start_ends_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    former = Scratch(tmp_path)
    path = former.make()
    mine, foreign = haproxy_of(path), haproxy_of(str(tmp_path / "elsewhere"))
    try:
        Scratch(tmp_path).clear_former()
        assert mine.poll() is None, "its owner still runs"
        record = tmp_path / "scratch.json"
        known = json.loads(record.read_text())
        record.write_text(json.dumps(known | {"owner": known["owner"] | {"started": 1}}))
        Scratch(tmp_path).clear_former()
        assert mine.wait(5) == -signal.SIGKILL
        assert foreign.poll() is None
        assert not Path(path).exists() and not record.exists()
        Scratch(tmp_path).clear_former()  # nothing to do
        record.write_text("{")
        Scratch(tmp_path).clear_former()
    finally:
        for process in (mine, foreign):
            process.kill()
            process.wait()
