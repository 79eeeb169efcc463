"""`rookery sandbox`: the platforms, emulated, on their own."""

import os
import sys
from typing import Annotated

import typer


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 chooses a free one.")] = 8910,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    seed: Annotated[str, typer.Option(help="The same seed makes the same people and posts.")] = "rookery",
    accounts: Annotated[int, typer.Option(min=0, help="Accounts per platform at the start.")] = 2,
) -> None:
    """Run the platform sandbox alone, until Ctrl-C."""
    options = {"--port": port, "--host": host, "--seed": seed, "--accounts": accounts}
    arguments = [f"{name}={value}" for name, value in options.items()]
    # It becomes the sandbox, so that signals and the exit status are its own.
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *arguments])  # noqa: S606
