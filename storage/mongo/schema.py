"""Collections, indexes and the schema's version.

Every query the service makes is equality on the first fields of an index, then at most one range or `$in`
on the next, in the index's order: that suits MongoDB and the embedded server's simple planner alike.

What the stores need of a document beside the fields of its owner: accounts have `platform` and
`externalAccountId`; every entity has `createdAt`; a document with a feed has `org` and a date, never null,
in the field its feed is ordered by.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel

from domain.ids import Kind
from storage.mongo import directory, members
from storage.mongo.client import Database, guard
from storage.records import StoreMisconfigured

ENTITIES: Mapping[Kind, str] = {
    Kind.ACCOUNT: "social_accounts",
    Kind.CAMPAIGN: "social_campaigns",
    Kind.TRANSACTION: "social_transactions",
    Kind.LINK: "social_links",
    Kind.BUDGET: "app_budgets",
}
PARTITIONS = "partitions"
DEAD_LETTERS = "dead_letters"
PARKED = "parked"
META = "meta"

PARKED_FOR_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Feed:
    """How a side collection is listed: newest `by` first, within an org, by some fields' equality."""

    by: str
    filters: frozenset[str]


FEEDS: Mapping[str, Feed] = {
    "social_content": Feed("publishedAt", frozenset({"socialAccountId", "platform"})),
    "social_comments": Feed("at", frozenset({"contentId", "socialAccountId", "kind"})),
    "social_publications": Feed("createdAt", frozenset({"group", "socialAccountId", "status"})),
    "social_operations": Feed("createdAt", frozenset({"socialAccountId", "status", "what"})),
    "social_insights": Feed("readAt", frozenset({"socialAccountId", "subject", "contentId"})),
    "social_ad_accounts": Feed("readAt", frozenset({"socialAccountId"})),
    "social_ads": Feed("readAt", frozenset({"socialAccountId", "level", "adAccountId", "parentId"})),
    "social_ad_days": Feed("day", frozenset({"socialAccountId", "adId", "level"})),
    "social_catalogs": Feed("readAt", frozenset({"socialAccountId"})),
    "social_products": Feed("readAt", frozenset({"socialAccountId", "catalogId"})),
    "social_orders": Feed("orderedAt", frozenset({"socialAccountId"})),
    "social_broadcasts": Feed("at", frozenset({"socialAccountId", "status"})),
    "events": Feed("at", frozenset({"type", "topic", "subject"})),
}


def _index(*fields: str, expire_after_s: int | None = None) -> IndexModel:
    keys = [(field, ASCENDING) for field in fields]
    if expire_after_s is None:
        return IndexModel(keys)
    return IndexModel(keys, expireAfterSeconds=expire_after_s)


_EVERY_ENTITY = (_index("partition", "next_due_at", "_id"), _index("org", "createdAt", "_id"))

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "social_accounts": (*_EVERY_ENTITY, _index("platform", "externalAccountId", "_id")),
    "social_campaigns": _EVERY_ENTITY,
    "social_transactions": _EVERY_ENTITY,
    "social_links": _EVERY_ENTITY,
    "app_budgets": _EVERY_ENTITY,
    "social_content": (
        _index("org", "socialAccountId", "publishedAt", "_id"),
        _index("org", "publishedAt", "_id"),
    ),
    "social_comments": (
        _index("org", "contentId", "at", "_id"),
        _index("org", "socialAccountId", "at", "_id"),
        _index("org", "at", "_id"),
    ),
    "social_publications": (
        _index("org", "createdAt", "_id"),
        _index("org", "group", "createdAt", "_id"),
        _index("org", "socialAccountId", "createdAt", "_id"),
    ),
    "social_streams": (_index("org", "socialAccountId", "_id"),),
    **{
        name: (_index("org", "socialAccountId", by, "_id"), _index("org", by, "_id"), *more)
        for name, by, more in (
            ("social_operations", "createdAt", ()),
            ("social_insights", "readAt", (_index("org", "contentId", "readAt", "_id"),)),
            ("social_ad_accounts", "readAt", ()),
            ("social_ads", "readAt", ()),
            ("social_ad_days", "day", (_index("org", "adId", "day", "_id"),)),
            ("social_catalogs", "readAt", ()),
            ("social_products", "readAt", (_index("org", "catalogId", "readAt", "_id"),)),
            ("social_orders", "orderedAt", ()),
            ("social_broadcasts", "at", ()),
        )
    },
    "events": (_index("org", "at", "_id"),),
    members.COLLECTION: (_index("org", "ref", "_id"),),
    DEAD_LETTERS: (
        _index("org", "failed_at", "_id"),
        _index("org", "entity", "_id"),
        _index("failed_at", "_id"),
    ),
    PARKED: (_index("target", "at", "n"), _index("at", expire_after_s=PARKED_FOR_S)),
    **directory.INDEXES,
}

Migration = Callable[[Database], Awaitable[None]]

MIGRATIONS: Sequence[Migration] = ()
"""The n-th brings documents of schema n to n + 1. It may be stopped anywhere and run again, also by two
processes at once. Indexes are not migrated: they are compared with `INDEXES` at every start."""

_DEPLOYMENT = "deployment"


async def prepare(database: Database, partitions: int, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Create what is missing, migrate what is old. Safe to call at every start, by several processes.

    Raises StoreMisconfigured when the data was made with another number of partitions or by newer code.
    """
    meta = database[META]
    code_schema = len(migrations) + 1
    with guard():
        deployment = await meta.find_one_and_update(
            {"_id": _DEPLOYMENT},
            {"$setOnInsert": {"partitions": partitions, "schema": code_schema}},
            upsert=True,
            return_document=True,
        )
    if deployment["partitions"] != partitions:
        raise StoreMisconfigured(
            f"This deployment was first started with {deployment['partitions']} partitions, which cannot be "
            f"changed; set ROOKERY_PARTITIONS to {deployment['partitions']} instead of {partitions}."
        )
    stored = deployment["schema"]
    if stored > code_schema:
        raise StoreMisconfigured(
            f"The database {database.name!r} has schema {stored}, written by a newer release; this one "
            f"knows schemas up to {code_schema}: start the newer release or restore a backup."
        )
    with guard():
        for collection, indexes in INDEXES.items():
            if indexes:  # MongoDB refuses to make none
                await database[collection].create_indexes(list(indexes))
        for schema in range(stored, code_schema):
            await migrations[schema - 1](database)
            await meta.update_one({"_id": _DEPLOYMENT, "schema": schema}, {"$set": {"schema": schema + 1}})
