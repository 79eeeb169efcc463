"""`rookery`: the command line. Each group is a module of `ops.commands`."""

import sys

import typer
from rich.console import Console

from ops.commands import (
    CommandFailed,
    accounts,
    api_keys,
    campaigns,
    demo,
    doctor,
    keys,
    ops,
    orgs,
    sandbox,
    up,
    users,
)
from ops.commands.options import plain
from ops.embedded import DataPlaneFailed
from ops.service import ServiceFailed
from storage.keys import KeysUnusable
from storage.records import StoreMisconfigured, StoreUnavailable
from storage.settings import Settings, SettingsInvalid

_EXPECTED = (
    CommandFailed,
    DataPlaneFailed,
    KeysUnusable,
    ServiceFailed,
    SettingsInvalid,
    StoreMisconfigured,
)
"""Errors whose text is one sentence for the person at the keyboard."""

app = typer.Typer(
    name="rookery",
    help="Social-media integration for social commerce, one owner per account and campaign.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(demo.demo)
app.command()(up.up)
app.command()(doctor.doctor)
app.command()(sandbox.sandbox)
app.add_typer(keys.app, name="keys")
app.add_typer(orgs.app, name="orgs")
app.add_typer(users.app, name="users")
app.add_typer(api_keys.app, name="api-keys")
app.add_typer(accounts.app, name="accounts")
app.add_typer(campaigns.app, name="campaigns")
app.add_typer(ops.app, name="ops")


def main() -> None:
    """Exit 0, 1 with one red line on stderr, or 2 for wrong usage; a traceback for nobody who did not ask."""
    try:
        app()
    except _EXPECTED as error:
        _fail(str(error))
    except StoreUnavailable as error:
        _fail(f"A server did not answer ({error}): see `rookery doctor`, then try again.")
    except Exception as error:
        if _debugging():
            raise
        # Its text may quote what must not be shown.
        _fail(f"An error nobody expected: {type(error).__name__}. ROOKERY_LOG_LEVEL=debug shows where.")


def _debugging() -> bool:
    try:
        return Settings.load().log_level == "debug"
    except SettingsInvalid:
        return False


def _fail(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True).print(plain(sentence), style="red", markup=False, highlight=False)
    sys.exit(1)
