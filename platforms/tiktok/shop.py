"""Calls to TikTok Shop: every request is signed over its path, its query and its exact body.

Source: TS/sign-your-api-request.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from domain.secrets import Secret
from platforms.capabilities import Access
from platforms.http import Call
from platforms.outcome import Ok, Outcome, Rejected
from platforms.tiktok.errors import shop_outcome_of
from platforms.tiktok.spec import SHOP, SPEC
from platforms.wire import Json, encode, id_at, objects, secret_at

_UNSIGNED = ("sign", "access_token")
SHOPS = "/authorization/202309/shops"


def signature(secret: str, path: str, query: Mapping[str, str], body: bytes = b"") -> str:
    """Hex HMAC-SHA256 over `secret + path + sorted key and value pairs + body + secret`."""
    pairs = "".join(f"{name}{query[name]}" for name in sorted(query) if name not in _UNSIGNED)
    base = secret.encode() + f"{path}{pairs}".encode() + body + secret.encode()
    return hmac.digest(secret.encode(), base, sha256).hex()


async def call(
    access: Access, method: str, path: str, query: Mapping[str, str] | None = None, body: Json | None = None
) -> Outcome[Json]:
    """A signed call of the shop that `access` is for; its cipher is part of the query."""
    cipher = await cipher_of(access)
    if not isinstance(cipher, Ok):
        return cipher
    return await _signed(access, method, path, {**(query or {}), "shop_cipher": cipher.value.reveal()}, body)


async def shops(access: Access) -> Outcome[Json]:
    """The shops that the seller's consent opens; the one call that takes no cipher."""
    return await _signed(access, "GET", SHOPS, {}, None)


async def cipher_of(access: Access) -> Outcome[Secret]:
    """`access.token_secret`, or looked up by the shop's id."""
    if access.token_secret is not None:
        return Ok(access.token_secret)
    answer = await shops(access)
    if not isinstance(answer, Ok):
        return answer
    for row in objects(answer.value, "shops"):
        cipher = secret_at(row, "cipher")
        if id_at(row, "id") == access.external_id and cipher is not None:
            return Ok(cipher)
    return Rejected("no_such_shop", "The seller's consent does not open this shop.")


async def _signed(
    access: Access, method: str, path: str, query: Mapping[str, str], body: Json | None
) -> Outcome[Json]:
    signed = {
        **query,
        "app_key": access.app.client_id,
        "timestamp": str(int(access.http.now().timestamp())),
    }
    # `Call.json` is written by the same function, so these are the bytes that go out.
    content = b"" if body is None else encode(body)
    signed["sign"] = signature(access.app.client_secret.reveal(), path, signed, content)
    headers: dict[str, str | Secret] = {"x-tts-access-token": access.token}
    request = Call(method, f"{SHOP}{path}", "shop", query=signed, json=body, headers=headers)
    if body is None:
        headers["Content-Type"] = "application/json"
    return shop_outcome_of(await access.http.send(SPEC, request))
