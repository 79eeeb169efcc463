"""The environment of what we are compared with: dlt, airbyte-cdk, Celery.

Apart from ours, so that `make install` stays light: made in `.rookery/bench-peers` when a benchmark first
needs it, and made again when `requirements-peers.txt` changes.
"""

import subprocess
import sys
from hashlib import sha256
from importlib.metadata import PathDistribution
from pathlib import Path

_REPOSITORY = Path(__file__).parent.parent
REQUIREMENTS = Path(__file__).parent / "requirements-peers.txt"
FOLDER = _REPOSITORY / ".rookery" / "bench-peers"


class PeersMissing(Exception):
    """What we are compared with cannot be installed: one sentence that says why and what to do."""


def python(folder: Path = FOLDER) -> Path:
    """The interpreter that has the peers. Installs them if need be, with one line that says so."""
    interpreter, stamp = folder / "bin" / "python", folder / "installed"
    wanted = sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and interpreter.exists():
        return interpreter
    print(f"installing what we are compared with into {folder} (once, some minutes)", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-r", str(REQUIREMENTS)])
    stamp.write_text(wanted)
    return interpreter


def versions(*names: str, folder: Path = FOLDER) -> dict[str, str]:
    """Versions of packages in the peers' environment."""
    found = {}
    for name in names:
        (info,) = folder.glob(f"lib/python3*/site-packages/{name.replace('-', '_')}-*.dist-info")
        found[name] = PathDistribution(info).version
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PeersMissing(
            f"The comparison needs {REQUIREMENTS.name}, which cannot be installed "
            f"({said[-1] if said else 'no reason given'}): give pip a way to its packages, then run again."
        )
