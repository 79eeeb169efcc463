"""What platforms call when a person removes the app or wants their data deleted (Meta's `signed_request`).

Enter the addresses at the platform beside the webhook address of the application.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request

from actors.compose import platform_app
from api.access import Svc
from api.platform_apps import platform_of
from api.schemas import Json
from api.services import Services
from domain.errors import BadRequest, NotFound
from domain.ids import AccountId
from platforms.base import Farewell, TellsFarewell
from storage.mongo.consents import Deletion

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])


@router.post("/{platform}/apps/{app_id}/deauthorize")
async def deauthorize(platform: str, app_id: str, request: Request, services: Svc) -> Json:
    """The person removed the app: every account that they connected with it asks for a new authorisation."""
    teller, farewell = await _heard(services, platform, app_id, request)
    await _tell(services, platform, app_id, teller, farewell)
    return {}


@router.post("/{platform}/apps/{app_id}/delete-data")
async def delete_data(platform: str, app_id: str, request: Request, services: Svc) -> Json:
    """The person wants their data deleted: access ends at once, and the wish is kept under the code."""
    teller, farewell = await _heard(services, platform, app_id, request)
    accounts = await _tell(services, platform, app_id, teller, farewell)
    consents = services.directory.consents
    code = consents.code(app_id, farewell.person_id, farewell.at)
    wish = Deletion(code, platform, services.clock.now(), accounts)
    await consents.keep_deletion(app_id, farewell.person_id, wish)
    url = f"{services.settings.public_url}/v1/integrations/{platform}/deletions/{code}"
    return {"url": url, "confirmation_code": code}


@router.get("/{platform}/deletions/{code}")
async def show_deletion(platform: str, code: str, services: Svc) -> Json:
    """How far a deletion is. Access has ended when this answers; whoever runs the service deletes the
    rest."""
    wish = await services.directory.consents.deletion(code)
    if wish is None or wish.platform != platform:
        raise NotFound("deletion_unknown", "There is no deletion under this code.")
    return {
        "confirmation_code": wish.code,
        "status": "received",
        "requested_at": wish.requested_at.isoformat(),
        "connections_ended": wish.accounts,
    }


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


async def _tell(
    services: Services, platform: str, app_id: str, teller: TellsFarewell, farewell: Farewell
) -> int:
    """Through the mailbox, as any webhook: it is on disk before the answer. How many accounts are told."""
    accounts = await services.directory.consents.accounts_of(app_id, farewell.person_id)
    mails: list[Any] = []
    for account_id in accounts:
        entry = teller.farewell_entry(AccountId.parse(account_id).external_id, farewell)
        stream, mail = services.envelope.webhook_mail(platform, app_id, entry)
        # To this connection alone: another org's may rest on somebody else's consent.
        mails.append((stream, replace(mail, target=account_id)))
    if mails:
        await services.mailboxes.tell(mails)
    return len(mails)
