"""The command line as a shell sees it: exit codes, one red line, no tracebacks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ops import cli
from ops.commands import CommandFailed
from storage.records import StoreUnavailable
from storage.settings import Settings
from tests.unit.ops.conftest import Run

ROOT = Path(__file__).parents[3]


def test_help_lists_the_commands_and_wrong_usage_exits_2(rookery: Run) -> None:
    shown = rookery("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in ("doctor", "sandbox", "keys"))
    for wrong in (("nothing",), ("doctor", "--nothing"), ("sandbox", "--port", "x")):
        refused = rookery(*wrong)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr


def test_keys_are_made_shown_and_rotated_without_being_printed(
    rookery: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.commands.keys.LOOK_S", 0.0)
    path = tmp_path / ".rookery" / "keys.json"
    assert rookery("keys", "create").returncode == 0
    first = json.loads(path.read_text())

    again = rookery("keys", "create")
    assert again.returncode == 1
    assert again.stderr.strip() == (
        f"The key file {path} is already there; rotate its keys, or move it away first."
    )

    rotated = rookery("keys", "rotate", "--no-reseal")
    assert rotated.returncode == 0
    second = json.loads(path.read_text())
    assert set(first["seal"]["keys"]) < set(second["seal"]["keys"])
    assert second["seal"]["active"] in rotated.stdout

    shown = rookery("keys", "show")
    assert shown.returncode == 0
    assert second["seal"]["active"] in shown.stdout
    assert first["seal"]["active"] in shown.stdout
    for part in ("seal", "state", "jwt"):
        assert not any(key in shown.stdout + rotated.stdout for key in second[part]["keys"].values())


def test_an_expected_error_is_one_line_on_stderr_and_exit_1(rookery: Run, tmp_path: Path) -> None:
    for arguments, variables, says in (
        (("keys", "show"), {}, "is missing; run `rookery keys create`."),
        (("keys", "show"), {"ROOKERY_KEYS": '{"a": 1}'}, "name a key file with --file."),
        (("doctor",), {"ROOKERY_HTTP_PORT": "x"}, "ROOKERY_HTTP_PORT ('x') should be a valid integer"),
        (
            ("keys", "create", "--file", "/proc/keys.json"),
            {},
            "The key file /proc/keys.json cannot be written",
        ),
    ):
        failed = rookery(*arguments, **variables)
        assert failed.returncode == 1, failed
        assert says in failed.stderr
        assert failed.stderr.count("\n") == 1
        assert failed.stdout == ""


def test_a_store_that_does_not_answer_is_a_sentence(rookery: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: Settings) -> None:
        raise StoreUnavailable("document server: AutoReconnect")

    monkeypatch.setattr("ops.commands.orgs.list_orgs", away)
    failed = rookery("orgs", "list")
    assert failed.returncode == 1
    assert failed.stderr == (
        "A server did not answer (document server: AutoReconnect): see `rookery doctor`, then try again.\n"
    )


def test_the_doctor_exits_with_its_worst_row(rookery: Run, tmp_path: Path) -> None:
    with_fault = rookery("doctor", "--json", REDIS_URL="redis://127.0.0.1:1/0")
    rows = {row["name"]: row for row in json.loads(with_fault.stdout)}
    assert with_fault.returncode == 1
    assert rows["Redis"]["verdict"] == "fail"
    assert set(rows["Redis"]) == {"name", "verdict", "says"}

    table = rookery("doctor", REDIS_URL="redis://127.0.0.1:1/0")
    assert table.returncode == 1
    assert "No Redis answers at 127.0.0.1:1" in table.stdout


def test_the_sandbox_runs_alone_until_it_is_told_to_end(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from ops.cli import main; main()", "sandbox", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = line[line.index("http://") :].strip()
            assert httpx.get(f"{address}/_sandbox/ledger").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (CommandFailed("No campaign is called [x]."), "No campaign is called [x]."),
        (RuntimeError("token hunter2"), "An error nobody expected: RuntimeError."),
    ],
)
def test_no_error_shows_a_traceback_or_private_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setenv("ROOKERY_LOG_LEVEL", "info")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert shown.err.startswith(says)
    assert shown.err.count("\n") == 1
    assert "hunter2" not in shown.err + shown.out
