"""Everything the API keeps besides entities and their side documents, as one bundle."""

from dataclasses import dataclass
from typing import Self

from pymongo import IndexModel

from storage.keys import Keys
from storage.mongo import apps, audit, consents, idempotency, identity, oauth_states
from storage.mongo.client import Database

INDEXES: dict[str, list[IndexModel]] = {
    **identity.INDEXES,
    **apps.INDEXES,
    **oauth_states.INDEXES,
    **consents.INDEXES,
    **audit.INDEXES,
    **idempotency.INDEXES,
}


@dataclass(frozen=True, slots=True)
class Directory:
    orgs: identity.Orgs
    users: identity.Users
    api_keys: identity.ApiKeys
    revocations: identity.Revocations
    apps: apps.Apps
    oauth_states: oauth_states.OAuthStates
    consents: consents.Consents
    audit: audit.Audit
    idempotency: idempotency.Idempotency

    @classmethod
    def open(cls, db: Database, keys: Keys) -> Self:
        """`db` is the motor database of `storage.mongo.client.connect`."""
        return cls(
            identity.Orgs(db),
            identity.Users(db, keys),
            identity.ApiKeys(db, keys),
            identity.Revocations(db),
            apps.Apps(db, keys.seal),
            oauth_states.OAuthStates(db),
            consents.Consents(db, keys),
            audit.Audit(db),
            idempotency.Idempotency(db, keys.seal),
        )
