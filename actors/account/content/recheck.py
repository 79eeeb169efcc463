"""Which known content to read by id after a list was walked."""

import asyncio
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from actors.account.effects import ChooseRecheck
from domain.ids import AccountId
from storage.records import StoreUnavailable, Unlisted


class KnownContent(Protocol):
    """The part of `storage.ports.SideStore` that is asked here."""

    async def unlisted(self, wanted: Unlisted) -> list[tuple[str, datetime]]: ...


async def choose(contents: KnownContent, account: AccountId, effect: ChooseRecheck) -> tuple[str, ...]:
    """First what a complete listing did not show, then the newest of the rest, as one read takes."""
    rest = Unlisted(account.org, str(account), effect.job_id, effect.limit)
    newest = await _unlisted(contents, rest)
    since, until = effect.window_from, effect.window_to
    missing: list[tuple[str, datetime]] = []
    if since is not None and len(newest) < effect.limit:  # after a walk to the end there is no more of it
        missing = [(id_, at) for id_, at in newest if since <= at and (until is None or at <= until)]
    elif since is not None:
        missing = await _unlisted(contents, replace(rest, since=since, until=until))
    return tuple(dict.fromkeys(id_ for id_, _ in (*missing, *newest)))[: effect.limit]


async def _unlisted(contents: KnownContent, wanted: Unlisted) -> list[tuple[str, datetime]]:
    while True:
        try:
            return await contents.unlisted(wanted)
        except StoreUnavailable:
            await asyncio.sleep(1.0)
