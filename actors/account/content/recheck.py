"""Which known content to read by id after a list was walked."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from actors.account.documents import CONTENT
from actors.account.effects import ChooseRecheck
from domain.ids import AccountId
from storage.records import Cursor, Document, Page, StoreUnavailable

RECHECK_PAGES = 20
"""Pages of known content looked through for what a listing no longer showed."""


class ContentPages(Protocol):
    async def page(
        self, collection: str, org: str, filters: Mapping[str, str], limit: int, after: Cursor | None = None
    ) -> Page: ...


async def choose(contents: ContentPages, account: AccountId, effect: ChooseRecheck) -> tuple[str, ...]:
    """First what a complete listing did not show, then the newest of the rest, as one read takes."""
    missing: list[str] = []
    newest: list[str] = []
    after: Cursor | None = None
    for _ in range(RECHECK_PAGES):
        page = await _page(contents, account, after)
        for document in page.documents:
            if document["status"] not in ("active", "pending") or document["listedIn"] == effect.job_id:
                continue
            inside = _inside(document, effect.window_from, effect.window_to)
            (missing if inside else newest).append(document["externalContentId"])
        after = page.next
        enough = len(missing) >= effect.limit
        past = not page.documents or not _later(page.documents[-1], effect.window_from)
        if after is None or enough or past:
            break
    return tuple(dict.fromkeys([*missing, *newest]))[: effect.limit]


async def _page(contents: ContentPages, account: AccountId, after: Cursor | None) -> Page:
    while True:
        try:
            return await contents.page(CONTENT, account.org, {"socialAccountId": str(account)}, 100, after)
        except StoreUnavailable:
            await asyncio.sleep(1.0)


def _inside(document: Document, begin: datetime | None, end: datetime | None) -> bool:
    if begin is None:
        return False
    at: datetime = document["publishedAt"]
    return begin <= at and (end is None or at <= end)


def _later(document: Document, moment: datetime | None) -> bool:
    return moment is not None and bool(document["publishedAt"] >= moment)
