"""Carries out the steps of publications: the draft is read from its side document and opened for one call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson

from actors.account.documents import side_id
from actors.account.effects import LookForPublication, PublishStep
from actors.account.publishing.publication import PUBLICATIONS, Action, Publication
from actors.account.tokens.grant import field
from domain.content import ContentKind
from domain.ids import AccountId
from domain.publishing import Draft, Published, PublishState, draft_of
from domain.secrets import Secret
from platforms.base import Platform, PlatformApp
from platforms.capabilities import Access, MediaReader, Publishing, PublishJob
from platforms.http import PlatformHttp
from platforms.outcome import LimitScope, Ok, Outcome, Rejected, RetryAfter
from storage.crypto import Keyring, field_aad
from storage.records import Document, StoreUnavailable


class Sides(Protocol):
    async def load_many(self, collection: str, ids: Sequence[str]) -> dict[str, Document]: ...


class Publisher:
    """One per host process. Every method answers an outcome; what the platform did is data."""

    def __init__(self, http: PlatformHttp, keyring: Keyring, sides: Sides, media: MediaReader) -> None:
        self._http = http
        self._keyring = keyring
        self._sides = sides
        self._media = media

    async def step(
        self, account: AccountId, platform: Platform, app: PlatformApp, effect: PublishStep, left_s: float
    ) -> tuple[Outcome[PublishState | Published], bytes | None]:
        """The outcome, and what the next step needs that only sealed bytes may hold."""
        record, publishing = effect.record, platform.publishing
        if publishing is None:
            return Rejected("unsupported", "Rookery does not publish there."), None
        access = self._access(account, app, effect)
        if record.action is Action.DELETE:
            return _done(await publishing.delete(access, record.target or ""), record), None
        document = await self._document(account, record)
        if document is None:
            return RetryAfter(2.0, LimitScope.ACCOUNT, "draft_not_readable"), None
        draft = self._draft(document)
        if record.action is Action.EDIT:
            return _done(await publishing.edit(access, record.target or "", draft), record), None
        outcome = await publishing.step(access, self._job(account, record, draft, document, left_s))
        if isinstance(outcome, Ok) and isinstance(outcome.value, PublishState):
            return outcome, self._sealed(account, record, outcome.value.sealed)
        return outcome, None

    async def look(
        self,
        account: AccountId,
        platform: Platform,
        app: PlatformApp,
        effect: LookForPublication,
        left_s: float,
    ) -> Outcome[Published | PublishState | None]:
        publishing: Publishing | None = platform.publishing
        document = await self._document(account, effect.record)
        if publishing is None or document is None:
            return RetryAfter(2.0, LimitScope.ACCOUNT, "draft_not_readable")
        job = self._job(account, effect.record, self._draft(document), document, left_s)
        return await publishing.find(self._access(account, app, effect), job)

    # -- reading ------------------------------------------------------------------------------------
    async def _document(self, account: AccountId, record: Publication) -> Document | None:
        id_ = side_id(str(account), record.id)
        try:
            return (await self._sides.load_many(PUBLICATIONS, [id_])).get(id_)
        except StoreUnavailable:
            return None

    def _draft(self, document: Document) -> Draft:
        sealed = document["draft"]
        if sealed is None:
            return Draft(ContentKind.UNKNOWN)
        opened = self._keyring.open(bytes(sealed), field_aad(PUBLICATIONS, document["_id"], "draft"))
        return draft_of(orjson.loads(opened))

    def _job(
        self, account: AccountId, record: Publication, draft: Draft, document: Document, left_s: float
    ) -> PublishJob:
        facts: Mapping[str, Any] = orjson.loads(record.facts)
        sealed = None
        if record.sealed is not None:
            sealed = self._keyring.open(record.sealed, self._aad(account, record)).decode()
        began: datetime = record.sent_at or document["createdAt"]
        state = PublishState(record.stage, facts, sealed, record.decisive)
        return PublishJob(record.id, draft, self._media, state, began, left_s)

    def _access(
        self, account: AccountId, app: PlatformApp, effect: PublishStep | LookForPublication
    ) -> Access:
        aad = field_aad("social_accounts", str(account), field("accessToken", effect.grant))
        token = Secret(self._keyring.open(effect.access, aad).decode())
        return Access(self._http, app, token, account.external_id, surface=effect.surface)

    def _sealed(self, account: AccountId, record: Publication, value: str | None) -> bytes | None:
        return None if value is None else self._keyring.seal(value.encode(), self._aad(account, record))

    @staticmethod
    def _aad(account: AccountId, record: Publication) -> str:
        return field_aad("social_accounts", str(account), f"publications.{record.id}")


def _done(outcome: Outcome[None], record: Publication) -> Outcome[PublishState | Published]:
    """Editing and deleting end in the content they were about."""
    return Ok(Published(record.target), outcome.readings) if isinstance(outcome, Ok) else outcome
