"""`rookery up`: the whole service on this machine."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from ops.commands import CommandFailed
from ops.service import Addresses, Service
from ops.signals import ignore_signals, stop_on_signals, until_signal, wait
from ops.terminal import printing_into
from storage.settings import Settings


def up(
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Emulate the platforms; no call leaves this machine.")
    ] = False,
    http_port: Annotated[int | None, typer.Option(help="Default: ROOKERY_HTTP_PORT, else 8000.")] = None,
    dashboard_port: Annotated[
        int | None, typer.Option(help="Default: ROOKERY_DASHBOARD_PORT, else 8265.")
    ] = None,
) -> None:
    """Start data stores (unless given), Ray and the service; print the addresses; stay until Ctrl-C."""
    terminal, errors = sys.stdout, Console(file=sys.stderr)
    settings = Settings.load(http_port=http_port, dashboard_port=dashboard_port)
    service = Service(settings, sandbox=sandbox)
    with stop_on_signals(), printing_into(service.log):
        try:
            with _spinner(errors, "Starting") as live:
                addresses = service.start(lambda what: live.update(Spinner("dots", f"Starting: {what}")))
            with until_signal():
                print(_told(addresses, service), file=terminal, flush=True)
                wait(service.runs)
                raise CommandFailed(
                    f"Ray has ended: see {service.log}, and start again. What was accepted is not lost."
                )
        finally:
            ignore_signals()
            with _spinner(errors, "Stopping"):
                service.stop()


def _spinner(console: Console, text: str) -> Live:
    return Live(
        Spinner("dots", text), console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )


def _told(addresses: Addresses, service: Service) -> str:
    lines = [
        f"API        {addresses.api}",
        f"OpenAPI    {addresses.api}/docs",
        f"Dashboard  {addresses.dashboard}  (it asks for the token in ~/.ray/auth_token)",
        f"Log        {service.log}",
    ]
    if addresses.sandbox:
        lines.append(f"Sandbox    {addresses.sandbox}/_sandbox/")
    return "\n".join([*lines, "Ready. Ctrl-C ends it."])
