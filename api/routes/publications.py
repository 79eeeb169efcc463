"""Publishing: one piece to one or many accounts, now or later; what became of it at each."""

from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import Field

from actors.account.publishing.publication import PUBLICATIONS
from api.access import Caller, Svc, account_within_reach, own_content, own_publication, own_view
from api.auth import Principal
from api.commands import Command, CommandContext, short_hash
from api.media import drafted
from api.paging import CursorText, Limit, decode_cursor, page_json
from api.schemas import Body, Json, Label, Moment, Storable
from api.services import Services
from api.views import publication_json
from domain.content import ContentKind
from domain.errors import Conflict, Invalid, RookeryError
from domain.fields import Fields
from domain.ids import AccountId, Kind
from domain.publishing import Draft, ProductTag, draft_json, draft_of
from storage.crypto import field_aad
from storage.records import Document

router = APIRouter(prefix="/v1/publications", tags=["publications"])
content_router = APIRouter(prefix="/v1/content", tags=["publications"])

MEDIA_READABLE_FOR = timedelta(hours=48)
"""How long after its time a platform may fetch a publication's files."""
LATEST_AHEAD = timedelta(days=365)

Text = Annotated[str, Field(max_length=100_000), Storable]
Title = Annotated[str, Field(max_length=1_000), Storable]


class NewProductTag(Body):
    product_id: Label = Field(description="`external_id` of the product, as read of a catalogue.")
    media: int = Field(default=0, ge=0, le=100)
    x: float | None = Field(default=None, ge=0, le=1)
    y: float | None = Field(default=None, ge=0, le=1)


class Words(Body):
    """What differs at one account; what is not given is as for all."""

    text: Text | None = None
    title: Title | None = None
    link: Annotated[str, Field(max_length=2_000, pattern=r"^https?://\S+$"), Storable] | None = None
    options: dict[str, Any] | None = Field(default=None, description="The platform's own settings.")


class NewPublication(Words):
    accounts: list[Label] = Field(min_length=1, max_length=50)
    kind: Annotated[ContentKind, Field(strict=False)] = ContentKind.POST
    media: list[Label] = Field(default=[], max_length=50, description="Ids of files uploaded before.")
    reply_to: Label | None = None
    product_tags: list[NewProductTag] = Field(default=[], max_length=24)
    publish_at: Moment | None = Field(default=None, description="Later; at most a year ahead.")
    overrides: dict[str, Words] = Field(default={}, max_length=50, description="By account id.")


class NewWords(Body):
    text: Text
    title: Title | None = None


@router.post("", status_code=202)
async def create_publication(body: NewPublication, services: Svc, caller: Caller, command: Command) -> Json:
    """Hand one piece to each account's owner, adapted to its platform. Each answers for itself: `targets`
    tells who took it on and who refused it, and why. When all refuse, so does this."""
    await command.check_repeated()
    due_at = body.publish_at or services.clock.now()
    if due_at > services.clock.now() + LATEST_AHEAD:
        raise Invalid("publish_at_too_late", "publish_at is at most a year ahead.", field="publish_at")
    accounts = list(dict.fromkeys(body.accounts))
    if strangers := set(body.overrides) - set(accounts):
        name = min(strangers)[:100]
        raise Invalid("override_unknown", f"{name} is not among the accounts.", field="overrides")
    for account in accounts:
        account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, account))
    media = await drafted(services, caller.org, body.media, due_at + MEDIA_READABLE_FOR)
    tags = tuple(ProductTag(t.product_id, t.media, t.x, t.y) for t in body.product_tags)
    group = command.derived_id("grp")
    targets: list[dict[str, Any]] = []
    refusals: list[RookeryError] = []
    for account in accounts:
        words = body.overrides.get(account, Words())
        draft = Draft(
            kind=body.kind,
            text=(words.text if words.text is not None else body.text) or "",
            title=words.title if words.title is not None else body.title,
            link=words.link if words.link is not None else body.link,
            media=media,
            reply_to=body.reply_to,
            product_tags=tags,
            options={**_options(body, ""), **_options(words, f"overrides.{account}.")},
        )
        id_ = f"pub_{short_hash(f'{command.id} {account}')[:16]}"
        data = {"draft": draft_json(draft), "due_at": due_at.isoformat()}
        try:
            await _ask(command, caller, account, "publish", id_, group, data)
        except RookeryError as refused:
            refusals.append(refused)
            problem = {"code": refused.code, "message": refused.message, "field": refused.field}
            targets.append({"account_id": account, "publication_id": None, "problem": problem})
        else:
            id_ = f"{account}|{id_}"
            targets.append({"account_id": account, "publication_id": id_, "problem": None})
    if len(refusals) == len(accounts):
        raise refusals[0]
    return {"group": group, "publish_at": due_at.isoformat(), "targets": targets}


@router.get("")
async def list_publications(
    services: Svc,
    caller: Caller,
    limit: Limit = 50,
    cursor: CursorText = None,
    group: Annotated[str | None, Query(max_length=64)] = None,
    account_id: Annotated[str | None, Query(max_length=400)] = None,
    status: Annotated[str | None, Query(max_length=32)] = None,
) -> Json:
    """What was published, is on its way or failed, newest first."""
    filters = {"group": group, "socialAccountId": account_id, "status": status}
    equal = {name: value for name, value in filters.items() if value is not None}
    page = await services.side_store.page(PUBLICATIONS, caller.org, equal, limit, decode_cursor(cursor))
    return page_json(map(publication_json, page.documents), page.next)


@router.get("/{publication_id}")
async def get_publication(publication_id: str, services: Svc, caller: Caller) -> Json:
    """One, with every step it made, and the draft as it went out."""
    document = await own_publication(services, caller, publication_id)
    return publication_json(document) | {"draft": _draft_json(services, document)}


@router.post("/{publication_id}/cancel")
async def cancel_publication(publication_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """While nothing has been sent that could make it public."""
    document = await own_publication(services, caller, publication_id)
    account = await _reachable(services, caller, document)
    data = {"publication_id": document["publicationId"]}
    await command.send(AccountId.parse(account).key, "cancel_publication", data)
    return publication_json(await own_publication(services, caller, publication_id))


@router.post("/{publication_id}/retry", status_code=202)
async def retry_publication(publication_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Publish it once more, as a new publication: a person's decision, since one that is `unconfirmed` may
    be out already."""
    document = await own_publication(services, caller, publication_id)
    account = await _reachable(services, caller, document)
    if document["status"] not in ("failed", "unconfirmed", "cancelled") or document["action"] != "publish":
        raise Conflict("publication_not_ended", "Only what failed, or was never confirmed, is tried again.")
    await command.check_repeated()
    id_ = f"pub_{short_hash(f'{command.id} {account}')[:16]}"
    data = {"draft": draft_json(_draft(services, document)), "due_at": None}
    await _ask(command, caller, account, "publish", id_, document["group"], data)
    return {"group": document["group"], "publication_id": f"{account}|{id_}"}


@content_router.patch("/{content_id}", status_code=202)
async def edit_content(
    content_id: str, body: NewWords, services: Svc, caller: Caller, command: Command
) -> Json:
    """New words for content on the platform, where the platform allows it: see the publication that it
    becomes."""
    document = await own_content(services, caller, content_id)
    draft = Draft(ContentKind(document["contentType"]), body.text, body.title)
    return await _change(services, caller, command, document, "edit_content", {"draft": draft_json(draft)})


@content_router.delete("/{content_id}", status_code=202)
async def delete_content(content_id: str, services: Svc, caller: Caller, command: Command) -> Json:
    """Delete it on the platform, where the platform allows it: see the publication that it becomes."""
    document = await own_content(services, caller, content_id)
    return await _change(services, caller, command, document, "delete_content", {})


def _options(words: Words, path: str) -> dict[str, Any]:
    """Any small JSON object: which settings there are is for the platform to say."""
    return Fields(words.model_dump(include={"options"}), path).json_object("options")


async def _change(
    services: Services,
    caller: Principal,
    command: CommandContext,
    document: Document,
    name: str,
    data: dict[str, Any],
) -> dict[str, Any]:
    account = await _reachable(services, caller, document)
    await command.check_repeated()
    group = command.derived_id("grp")
    id_ = f"pub_{short_hash(f'{command.id} {account}')[:16]}"
    data = data | {"external_content_id": document["externalContentId"]}
    await _ask(command, caller, account, name, id_, group, data)
    return {"group": group, "publication_id": f"{account}|{id_}"}


async def _ask(
    command: CommandContext,
    caller: Principal,
    account: str,
    name: str,
    publication_id: str,
    group: str,
    data: dict[str, Any],
) -> None:
    common = {"publication_id": publication_id, "group": group, "user_id": caller.user_id}
    await command.send(AccountId.parse(account).key, name, data | common)


async def _reachable(services: Services, caller: Principal, document: Document) -> str:
    account: str = document["socialAccountId"]
    account_within_reach(caller, await own_view(services, caller, Kind.ACCOUNT, account))
    return account


def _draft(services: Services, document: Document) -> Draft:
    aad = field_aad(PUBLICATIONS, document["_id"], "draft")
    return draft_of(orjson.loads(services.keys.seal.open(bytes(document["draft"]), aad)))


def _draft_json(services: Services, document: Document) -> dict[str, Any] | None:
    if document["draft"] is None:
        return None
    draft = draft_json(_draft(services, document))
    return draft | {"media": [{k: v for k, v in m.items() if k != "public_url"} for m in draft["media"]]}
