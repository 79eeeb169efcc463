"""The embedded document server goes on answering writers after it has swept what has expired."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("secantus", reason="the embedded servers are not installed")

ROOT = Path(__file__).parents[2]


def swept(folder: Path, whose: str) -> str:
    command = [sys.executable, "-m", "tests.contract.swept", str(folder), whose]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.strip()


def test_writers_are_answered_after_a_sweep(tmp_path: Path) -> None:
    assert swept(tmp_path, "ours") == "answered"


@pytest.mark.heavy
def test_the_librarys_own_sweeper_stops_them(tmp_path: Path) -> None:
    """The reason for a sweeper of ours. When this fails, the library has mended its own: use that."""
    assert swept(tmp_path, "theirs") == "stuck"
