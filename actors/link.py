"""The link entity: a tracked address `/r/{code}` and how often people followed it. Its id is the code."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors.campaign.members import MEMBERS, member_document
from actors.runtime.entity import TICK, Message, SideRef, SideView, SideWrite, Turn
from actors.runtime.urgency import Urgency
from domain.errors import Conflict, Invalid, NotFound
from domain.events import Event, EventType
from domain.fields import Fields, check_version
from domain.ids import EntityKey, Kind
from domain.links import CODE, checked_url
from storage.records import Document


class Link(Struct, frozen=True):
    org: str
    url: str
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    campaign_id: str | None = None
    content_id: str | None = None
    platform: str | None = None
    influencer: str | None = None
    product_id: str | None = None
    clicks: int = 0
    disabled_at: datetime | None = None


class LinkEntity:
    """Commands: create, disable. From the mailbox: click, whose message id is the click's id; each counts
    once. A click on a disabled link is not counted."""

    kind: Kind = Kind.LINK

    def load(self, document: Document) -> Link:
        return Link(
            org=document["org"],
            url=document["url"],
            created_by=document["createdBy"],
            created_at=document["createdAt"],
            updated_at=document["updatedAt"],
            campaign_id=document["campaignId"],
            content_id=document["contentId"],
            platform=document["platform"],
            influencer=document["influencer"],
            product_id=document["productId"],
            clicks=document["clicks"],
            disabled_at=document["disabledAt"],
        )

    def dump(self, state: Link) -> Document:
        return {
            "url": state.url,
            "createdBy": state.created_by,
            "createdAt": state.created_at,
            "updatedAt": state.updated_at,
            "campaignId": state.campaign_id,
            "contentId": state.content_id,
            "platform": state.platform,
            "influencer": state.influencer,
            "productId": state.product_id,
            "clicks": state.clicks,
            "disabledAt": state.disabled_at,
            "status": _status(state),
        }

    def org(self, state: Link) -> str:
        return state.org

    def reads(self, key: EntityKey, state: Link | None, message: Message) -> Sequence[SideRef]:
        return ()

    def due(self, state: Link) -> datetime | None:
        return None

    def urgency(self, state: Link, due: datetime | None) -> Urgency:
        return Urgency.SCHEDULED

    def snapshot(self, key: EntityKey, state: Link) -> None:
        return None

    def view(self, key: EntityKey, state: Link) -> dict[str, Any]:
        return {
            "code": key.id,
            "org": state.org,
            "url": state.url,
            "campaign_id": state.campaign_id,
            "content_id": state.content_id,
            "platform": state.platform,
            "influencer": state.influencer,
            "product_id": state.product_id,
            "created_by": state.created_by,
            "status": _status(state),
            "clicks": state.clicks,
            "created_at": state.created_at.isoformat(),
            "updated_at": state.updated_at.isoformat(),
            "disabled_at": state.disabled_at.isoformat() if state.disabled_at else None,
        }

    def apply(
        self, key: EntityKey, state: Link | None, message: Message, now: datetime, side: SideView
    ) -> Turn[Link]:
        fields = Fields(message.data)
        if message.name == "create":
            return self._create(key, state, fields, now)
        if state is None or ("org" in fields and fields.raw("org") != state.org):
            raise NotFound("link_unknown", "There is no such link.")
        if message.name == "click":
            return self._click(key, state, message, fields, now)
        if message.name == TICK.name:
            return Turn(state, changed=False)
        check_version(message.data)
        if message.name == "disable":
            return self._disable(key, state, now)
        raise Invalid("unknown_command", f"A link knows no command {message.name[:50]}.")

    def _create(self, key: EntityKey, state: Link | None, fields: Fields, now: datetime) -> Turn[Link]:
        if state is not None:
            raise Conflict("link_exists", "This code is taken: make another.")
        if not CODE.fullmatch(key.id):
            raise Invalid("code_invalid", "A link's code is 8 to 64 letters, digits, - or _.", field="code")
        link = Link(
            org=fields.text("org", 128),
            url=checked_url(fields.raw("url")),
            created_by=fields.optional_id("created_by"),
            created_at=now,
            updated_at=now,
            campaign_id=fields.optional_id("campaign_id"),
            content_id=fields.optional_id("content_id"),
            platform=fields.optional_platform("platform"),
            influencer=fields.optional_id("influencer"),
            product_id=fields.optional_id("product_id"),
        )
        return Turn(link, side=_membership(key.id, link), reply=self.view(key, link))

    def _click(
        self, key: EntityKey, state: Link, message: Message, fields: Fields, now: datetime
    ) -> Turn[Link]:
        at = fields.moment("at")
        if state.disabled_at is not None and at >= state.disabled_at:
            return Turn(state, changed=False)
        after = replace(state, clicks=state.clicks + 1, updated_at=now)
        data = {
            "link": key.id,
            "click_id": message.id,
            "at": at.isoformat(),
            "campaign_id": state.campaign_id,
            "content_id": state.content_id,
            "platform": state.platform,
            "influencer": state.influencer,
            "product_id": state.product_id,
        }
        return Turn(after, events=(Event(EventType.LINK_CLICKED, data),))

    def _disable(self, key: EntityKey, state: Link, now: datetime) -> Turn[Link]:
        if state.disabled_at is not None:
            return Turn(state, reply=self.view(key, state), changed=False)
        after = replace(state, disabled_at=now, updated_at=now)
        return Turn(after, side=_membership(key.id, after), reply=self.view(key, after))


def _status(link: Link) -> str:
    return "active" if link.disabled_at is None else "disabled"


def _membership(code: str, link: Link) -> tuple[SideWrite, ...]:
    if link.campaign_id is None:
        return ()
    document = member_document(
        org=link.org,
        campaign=link.campaign_id,
        kind="link",
        id=code,
        since=link.created_at,
        until=link.disabled_at,
        content_id=link.content_id,
        platform=link.platform,
        influencer=link.influencer,
    )
    return (SideWrite(MEMBERS, document),)
