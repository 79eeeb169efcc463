"""What platforms call when a person removes the app or wants their data deleted (Meta's `signed_request`).

Enter the addresses at the platform beside the webhook address of the application.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from msgspec.structs import replace

from actors.compose import platform_app
from actors.runtime.entity import Message
from api.access import Svc
from api.platform_apps import platform_of
from api.schemas import Json
from api.services import Services
from domain.errors import BadRequest, NotFound
from domain.ids import AccountId
from platforms.base import Farewell, TellsFarewell
from storage.mongo.audit import AuditEntry
from storage.mongo.consents import Deletion
from storage.records import Mail

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])


@router.post("/{platform}/apps/{app_id}/deauthorize")
async def deauthorize(platform: str, app_id: str, request: Request, services: Svc) -> Json:
    """The person removed the app: every account that they connected with it asks for a new authorisation."""
    teller, farewell = await _heard(services, platform, app_id, request)
    mails = []
    for account_id in await services.directory.consents.accounts_of(app_id, farewell.person_id):
        account = AccountId.parse(account_id)
        entry = teller.farewell_entry(account.external_id, farewell)
        stream, mail = services.envelope.webhook_mail(platform, app_id, entry)
        # To this connection alone: another org's may rest on somebody else's consent.
        event_id = f"{mail.event_id}@{account.org}"
        mails.append((stream, replace(mail, target=account_id, event_id=event_id)))
    await _tell(services, mails)
    return {}


@router.post("/{platform}/apps/{app_id}/delete-data")
async def delete_data(platform: str, app_id: str, request: Request, services: Svc) -> Json:
    """The person wants their data deleted: what is held of every account that they connected with the
    application is erased, beginning with the access to it. The answer's address says how far that is."""
    _, farewell = await _heard(services, platform, app_id, request)
    consents, now = services.directory.consents, services.clock.now()
    code = consents.code(app_id, farewell.person_id, farewell.at)
    accounts = tuple(await consents.accounts_of(app_id, farewell.person_id))
    # Before the owners are told: they also forget whose consent it was.
    wish = await consents.keep_deletion(
        app_id, farewell.person_id, Deletion(code, platform, farewell.at, now, accounts)
    )
    data = {"app_id": app_id, "asked_at": farewell.at.isoformat()}
    await _tell(
        services,
        [
            # Ids are remembered beside all others of a partition: each names its account.
            services.envelope.mail(AccountId.parse(id_).key, Message("erase", data, f"erase:{code}:{id_}"))
            for id_ in wish.accounts
        ],
    )
    for account_id in wish.accounts:
        org = AccountId.parse(account_id).org
        await services.directory.audit.add(AuditEntry(org, platform, "delete_data", account_id, now, 200))
    url = f"{services.settings.public_url}/v1/integrations/{platform}/deletions/{code}"
    return {"url": url, "confirmation_code": code}


@router.get("/{platform}/deletions/{code}")
async def show_deletion(platform: str, code: str, services: Svc) -> Json:
    """How far a deletion is, as the accounts' owners say: `received`, `erasing` or `done`."""
    wish = await services.directory.consents.deletion(code)
    if wish is None or wish.platform != platform:
        raise NotFound("deletion_unknown", "There is no deletion under this code.")
    found = [await _erasure(services, account_id, wish.asked_at) for account_id in wish.accounts]
    begun = [erasure for erasure in found if erasure is not None]
    ended = [erasure["ended_at"] for erasure in begun if erasure["ended_at"] is not None]
    done = len(ended) == len(wish.accounts)
    return {
        "confirmation_code": wish.code,
        "status": "done" if done else "erasing" if begun else "received",
        "requested_at": _text(wish.received_at),
        "completed_at": max(ended, default=_text(wish.received_at)) if done else None,
        "accounts": len(wish.accounts),
        "accounts_erased": len(ended),
    }


async def _erasure(services: Services, account_id: str, asked_at: datetime) -> dict[str, Any] | None:
    """What the owner says of it; None while it has not begun."""
    try:
        view = await services.owners.view(AccountId.parse(account_id).key)
    except NotFound:  # the person consented and the connect went no further
        return {"ended_at": _text(asked_at)}
    erasure: dict[str, Any] | None = view["erasure"]
    if erasure is None or datetime.fromisoformat(erasure["asked_at"]) < asked_at:
        return None
    return erasure


async def _heard(
    services: Services, platform: str, app_id: str, request: Request
) -> tuple[TellsFarewell, Farewell]:
    adapter, app = platform_of(services, platform), await services.directory.apps.find(app_id)
    if app is None or app.platform != platform or not isinstance(adapter, TellsFarewell):
        raise NotFound("callback_unknown", "No application of this platform is called back here.")
    form = parse_qs((await request.body()).decode("latin-1"))
    farewell = adapter.farewell(platform_app(app), form.get("signed_request", [""])[0])
    if farewell is None:
        raise BadRequest("signed_request_invalid", "signed_request is missing or not signed by the platform.")
    return adapter, farewell


async def _tell(services: Services, mails: Sequence[tuple[str, Mail]]) -> None:
    """Through the mailbox, as any webhook: it is on disk before the answer."""
    if mails:
        await services.mailboxes.tell(mails)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
