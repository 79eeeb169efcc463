"""Which known content to read by id after a list was walked."""

import asyncio
from datetime import datetime
from typing import Protocol

from actors.account.effects import ChooseRecheck
from domain.ids import AccountId
from storage.records import StoreUnavailable


class KnownContent(Protocol):
    """The part of `storage.ports.SideStore` that is asked here."""

    async def unlisted(
        self,
        org: str,
        account_id: str,
        run: str,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[str]: ...


async def choose(contents: KnownContent, account: AccountId, effect: ChooseRecheck) -> tuple[str, ...]:
    """First what a complete listing did not show, then the newest of the rest, as one read takes."""
    ids: list[str] = []
    if effect.window_from is not None:
        ids += await _unlisted(contents, account, effect, effect.window_from, effect.window_to)
    if len(ids) < effect.limit:
        ids += await _unlisted(contents, account, effect, None, None)
    return tuple(dict.fromkeys(ids))[: effect.limit]


async def _unlisted(
    contents: KnownContent,
    account: AccountId,
    effect: ChooseRecheck,
    since: datetime | None,
    until: datetime | None,
) -> list[str]:
    while True:
        try:
            return await contents.unlisted(
                account.org, str(account), effect.job_id, effect.limit, since, until
            )
        except StoreUnavailable:
            await asyncio.sleep(1.0)
