"""`rookery demo`: the whole service, told as a story and compared with what truly happened."""

import asyncio
import json
import os
import shutil
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from domain.clock import Clock, SystemClock
from ops.commands import CommandFailed
from ops.demo.compare import Evidence, compare, conditions, passed, summary
from ops.demo.screen import Screen
from ops.demo.story import Story
from ops.demo.wire import Refused
from ops.embedded import DataPlane
from ops.ports import free_port, is_free
from ops.service import Addresses, Service
from ops.signals import ignore_signals, stop_on_signals, until_signal, wait
from ops.terminal import printing_into
from storage.keys import Keys
from storage.mongo import client as mongo
from storage.mongo.directory import Directory
from storage.settings import Settings


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the comparison: exit 0 if it holds.")
    ] = False,
    sabotage: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start everything with emulated platforms, show what it does, break it, and compare."""
    if sabotage is not None:
        if sabotage not in ("dedupe", "ack", "fence"):
            raise typer.BadParameter("must be dedupe, ack or fence", param_hint="--sabotage")
        os.environ["ROOKERY_SABOTAGE"] = sabotage
    clock = SystemClock()
    service = Service(_settings(), sandbox=True)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    with stop_on_signals():
        try:
            # The screen first: a live picture catches what is printed, and shows it.
            with Screen(console, clock) as screen, printing_into(service.log):
                addresses = service.start(lambda what: screen.step(f"starting: {what}"))
                evidence = asyncio.run(_tell(service, addresses, clock, screen))
            with printing_into(service.log):
                good = _conclude(console, screen, addresses, evidence)
                if not once:
                    with until_signal():
                        console.print("Everything stays up until Ctrl-C.")
                        wait(service.runs)
        except Refused as refused:
            raise CommandFailed(str(refused)) from None
        finally:
            ignore_signals()
            with printing_into(service.log):
                service.stop()
    if not good:
        raise typer.Exit(1)


async def _tell(service: Service, addresses: Addresses, clock: Clock, screen: Screen) -> Evidence:
    settings = service.settings
    assert settings.mongodb_url is not None  # noqa: S101  # the service has started
    directory = Directory.open(mongo.connect(settings.mongodb_url), Keys.load(settings.keys))
    return await Story(addresses, directory, clock, screen).tell()


def _conclude(console: Console, screen: Screen, addresses: Addresses, evidence: Evidence) -> bool:
    checks, found = compare(evidence), conditions(evidence)
    screen.results(checks, found)
    good = passed(checks, found)
    console.print("[green]Everything holds.[/]" if good else "[bold red]The comparison does not hold.[/]")
    console.print(
        f"API {addresses.api}   OpenAPI {addresses.api}/docs   sandbox {addresses.sandbox}/_sandbox/\n"
        f"Ray dashboard {addresses.dashboard} (it asks for the token in ~/.ray/auth_token)",
        highlight=False,
        soft_wrap=True,
    )
    numbers: dict[str, Any] = summary(evidence, checks, screen.seconds)
    print(json.dumps(numbers), file=console.file, flush=True)
    return good


def _settings() -> Settings:
    """The embedded stores and a folder of its own, emptied first, whatever the environment says: a demo must
    not write into anybody's data, and the sandbox begins anew each time, too."""
    given = Settings.load()
    folder = given.data_dir / "demo"
    running = [server for server in DataPlane(folder).status() if server.pid is not None]
    if running:
        raise CommandFailed(
            f"A demo is running already (process {running[0].pid}): end it with Ctrl-C first."
        )
    shutil.rmtree(folder, ignore_errors=True)
    http_port, dashboard_port = _free_or_other(given.http_port), _free_or_other(given.dashboard_port)
    return given.model_copy(
        update={
            "mongodb_url": None,
            "redis_url": None,
            "data_dir": folder,
            "keys": str(folder / "keys.json"),
            "http_host": "127.0.0.1",
            "http_port": http_port,
            "public_url": f"http://127.0.0.1:{http_port}",
            "dashboard_port": dashboard_port,
            # One actor of its own is shown by isolating an account while it runs; the rest share the hosts.
            "dedicated": 0,
        }
    )


def _free_or_other(port: int) -> int:
    return port if is_free(port) else free_port()
