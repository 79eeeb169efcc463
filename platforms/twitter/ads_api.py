"""How X's Ads API is asked: signed calls, and its lists.

`Access` here carries the application's API key pair (`app.client_id`, `app.client_secret`: not those of OAuth
2.0), and the OAuth 1.0a token of somebody with a role at the ad account with its secret (`token_secret`).

Source: docs.x.com x-ads-api/fundamentals.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import quote

from domain.advertising import AdAccount, AdLevel, AdPage
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.twitter.ads_rows import LEVELS, object_of
from platforms.twitter.errors import outcome_of
from platforms.twitter.oauth1 import Signer
from platforms.twitter.spec import ADS_API, SPEC
from platforms.wire import Json, flag_at, objects, text_at

PAGE = 200
PAGES_AT_MOST = 50


async def call(
    access: Access,
    method: str,
    path: str,
    query: Mapping[str, str],
    *,
    family: str = "ads",
    once: str | None = None,
    json: object = None,
) -> Outcome[Json]:
    """Everything is in the query, changes as well, because that is what is signed; batches alone are `json`,
    which RFC 5849 leaves unsigned."""
    if access.token_secret is None:
        return Rejected("no_token_secret", "X's Ads API wants an OAuth 1.0a token and its secret.")
    signer = Signer(access.app.client_id, access.app.client_secret, access.token, access.token_secret)
    url = f"{ADS_API}/{path}"
    header = signer.authorization(method, url, query, secrets.token_hex(16), access.http.now())
    said = Call(method, url, family, query=query, json=json, headers={"Authorization": header})
    return outcome_of(await access.http.send(SPEC, said), family, once=once)


async def page_of(
    access: Access,
    account: AdAccount,
    level: AdLevel,
    cursor: str | None,
    size: int = PAGE,
    only: Mapping[str, str] = {},
) -> Outcome[AdPage]:
    """`only`: by which ids of parents X narrows the list."""
    query = {"count": str(size), **only} | ({"cursor": cursor} if cursor else {})
    answer = await call(access, "GET", path_of(account, level), query)
    if not isinstance(answer, Ok):
        return answer
    items = (object_of(row, level, account.currency) for row in objects(answer.value, "data"))
    following = text_at(answer.value, "next_cursor")
    following = following if following and following != cursor else None
    return Ok(AdPage(tuple(i for i in items if i is not None), following), answer.readings)


async def rows_of(access: Access, account_id: str, what: str) -> Outcome[list[Json]]:
    """The first page of what an ad account has few of, without what is deleted."""
    path = f"accounts/{quote(account_id, safe='')}/{what}"
    answer = await call(access, "GET", path, {"count": str(PAGE)})
    if not isinstance(answer, Ok):
        return answer
    return Ok([row for row in objects(answer.value, "data") if not flag_at(row, "deleted")], answer.readings)


def path_of(account: AdAccount, level: AdLevel) -> str:
    return f"accounts/{quote(account.external_id, safe='')}/{LEVELS[level].path}"
