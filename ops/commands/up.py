"""`rookery up`: the whole service on this machine."""

from typing import Annotated

import typer
from rich.console import Console

from ops.service import Addresses, Service
from ops.signals import ignore_signals, stop_on_signals, until_signal, wait
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
    console = Console(stderr=True)
    settings = Settings.load(http_port=http_port, dashboard_port=dashboard_port)
    service = Service(settings, sandbox=sandbox)
    with stop_on_signals():
        try:
            with console.status("Starting") as status:
                addresses = service.start(lambda what: status.update(f"Starting: {what}"))
            with until_signal():
                _tell(addresses)
                wait()
        finally:
            ignore_signals()
            with console.status("Stopping"):
                service.stop()


def _tell(addresses: Addresses) -> None:
    print(f"API        {addresses.api}")
    print(f"OpenAPI    {addresses.api}/docs")
    print(f"Dashboard  {addresses.dashboard}  (it asks for the token in ~/.ray/auth_token)")
    if addresses.sandbox:
        print(f"Sandbox    {addresses.sandbox}/_sandbox/")
    print("Ready. Ctrl-C ends it.", flush=True)
