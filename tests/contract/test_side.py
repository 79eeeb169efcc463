import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.account.documents import erased
from storage.records import Document, Rev, Unencodable, Unlisted
from tests.contract.conftest import Stores

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)
CONTENT = "social_content"


def content(name: str, **fields: Any) -> Document:
    document = {"_id": name, "org": "acme", "socialAccountId": "twitter:1:acme", "platform": "twitter"}
    return document | {"contentType": "post", "publishedAt": T0} | fields


async def text_of(stores: Stores, name: str) -> str:
    document = (await stores.sides.load_many(CONTENT, [name]))[name]
    return str(document["text"])


@pytest.mark.parametrize("order", list(itertools.permutations([Rev(1, 9), Rev(2, 3), Rev(2, 4)])))
async def test_the_newest_rev_remains_whatever_the_order(stores: Stores, order: tuple[Rev, ...]) -> None:
    for rev in order:
        await stores.sides.upsert_many(CONTENT, [content("p", text=f"{rev.epoch}.{rev.version}")], rev)
    assert await text_of(stores, "p") == "2.4"


async def test_the_same_rev_is_written_again(stores: Stores) -> None:
    """A batch whose entity save met an outage comes again under the same rev, with more messages in it."""
    await stores.sides.upsert_many(CONTENT, [content("p", text="one message")], Rev(1, 5))
    await stores.sides.upsert_many(CONTENT, [content("p", text="two messages")], Rev(1, 5))
    assert await text_of(stores, "p") == "two messages"


async def test_one_outdated_document_does_not_stop_its_neighbours(stores: Stores) -> None:
    await stores.sides.upsert_many(CONTENT, [content("b", text="new")], Rev(3, 1))
    documents = [content(name, text="older", rev=Rev(2, 1).packed()) for name in "abc"]
    await stores.sides.upsert_many(CONTENT, documents)
    assert [await text_of(stores, name) for name in "abc"] == ["older", "new", "older"]


async def test_the_largest_rev_is_kept_exactly(stores: Stores) -> None:
    largest = Rev(2**23 - 1, 2**40 - 1)
    await stores.sides.upsert_many(CONTENT, [content("p", text="last")], largest)
    await stores.sides.upsert_many(CONTENT, [content("p", text="before")], Rev(2**23 - 1, 2**40 - 2))
    document = (await stores.sides.load_many(CONTENT, ["p"]))["p"]
    assert (document["rev"], document["text"]) == (largest.packed(), "last")


async def test_an_unencodable_document_is_named_and_nothing_is_written(stores: Stores) -> None:
    with pytest.raises(Unencodable) as caught:
        await stores.sides.upsert_many(
            CONTENT, [content("a"), content("b", text="\ud800"), content("c", n=2**63)], Rev(1, 1)
        )
    assert caught.value.ids == ("b", "c")
    assert await stores.sides.load_many(CONTENT, ["a", "b", "c"]) == {}


async def test_a_thousand_documents_in_one_call(stores: Stores) -> None:
    await stores.sides.upsert_many(CONTENT, [content(f"p{n}", n=n) for n in range(1000)], Rev(1, 1))
    ids = [f"p{n}" for n in range(0, 1000, 8)]
    loaded = await stores.sides.load_many(CONTENT, ids)
    assert [loaded[id_]["n"] for id_ in ids] == list(range(0, 1000, 8))


async def test_pages_follow_the_filters_and_leave_tombstones_out(stores: Stores) -> None:
    documents = [
        content(
            f"p{n:02}",
            publishedAt=T0 + timedelta(seconds=n // 3),
            platform="twitter" if n % 2 else "instagram",
        )
        for n in range(12)
    ]
    documents[5]["deletedAt"] = T0
    documents[7]["socialAccountId"] = "twitter:2:acme"
    documents[9]["org"] = "globex"
    await stores.sides.upsert_many(CONTENT, documents, Rev(1, 1))

    async def listed(**filters: str) -> list[str]:
        got: list[str] = []
        page = await stores.sides.page(CONTENT, "acme", filters, 2)
        while True:
            got += [document["_id"] for document in page.documents]
            if page.next is None:
                return got
            page = await stores.sides.page(CONTENT, "acme", filters, 2, page.next)

    assert await listed() == ["p11", "p10", "p08", "p07", "p06", "p04", "p03", "p02", "p01", "p00"]
    assert await listed(socialAccountId="twitter:2:acme") == ["p07"]
    assert await listed(platform="twitter") == ["p11", "p07", "p03", "p01"]
    assert await listed(socialAccountId="twitter:1:acme", platform="twitter") == ["p11", "p03", "p01"]
    assert await listed(platform="youtube") == []


async def test_comments_are_listed_by_content(stores: Stores) -> None:
    comments = [
        {"_id": f"c{n}", "org": "acme", "contentId": f"p{n % 2}", "at": T0 + timedelta(seconds=n)}
        for n in range(5)
    ]
    await stores.sides.upsert_many("social_comments", comments, Rev(1, 1))
    page = await stores.sides.page("social_comments", "acme", {"contentId": "p0"}, 10)
    assert [document["_id"] for document in page.documents] == ["c4", "c2", "c0"]


async def test_a_filter_without_an_index_is_refused(stores: Stores) -> None:
    with pytest.raises(KeyError, match="text"):
        await stores.sides.page(CONTENT, "acme", {"text": "x"}, 10)


async def test_a_page_of_new_known_and_outdated_documents(stores: Stores) -> None:
    """So many at once are written another way than a few; the newest rev remains all the same."""
    names = [f"p{n:02}" for n in range(60)]
    await stores.sides.upsert_many(CONTENT, [content(n, text="older") for n in names[:20]], Rev(1, 1))
    await stores.sides.upsert_many(CONTENT, [content(n, text="newest") for n in names[20:40]], Rev(3, 1))
    page = [content(n, text="page") for n in names]
    # One comes twice, and the first of the two is the older: the writes of a bulk have no order.
    page.append(content(names[-1], text="before", rev=Rev(1, 9).packed()))
    for document in page:
        document.setdefault("rev", Rev(2, 1).packed())
    await stores.sides.upsert_many(CONTENT, page)
    expected = ["page"] * 20 + ["newest"] * 20 + ["page"] * 20
    assert [await text_of(stores, n) for n in names] == expected


async def test_what_names_an_account_is_found_and_its_tombstones_too(
    stores: Stores,
) -> None:
    mine = [content(f"p{n}") for n in range(5)]
    mine[1]["deletedAt"] = T0
    others = [content("p7", socialAccountId="twitter:2:acme"), content("p8", org="globex")]
    await stores.sides.upsert_many(CONTENT, [*mine, *others], Rev(1, 1))
    assert len(await stores.sides.held(CONTENT, "acme", "twitter:1:acme", 2)) == 2
    assert sorted(await stores.sides.held(CONTENT, "acme", "twitter:1:acme", 50)) == [
        f"p{n}" for n in range(5)
    ]
    # As an erasure leaves them; and a late write of a former owner changes nothing.
    gone = [erased(f"p{n}", "acme", "publishedAt", T0) for n in range(3)]
    await stores.sides.upsert_many(CONTENT, gone, Rev(1, 2))
    await stores.sides.upsert_many(CONTENT, mine, Rev(1, 1))
    assert sorted(await stores.sides.held(CONTENT, "acme", "twitter:1:acme", 50)) == ["p3", "p4"]
    page = await stores.sides.page(CONTENT, "acme", {}, 50)
    assert {document["_id"] for document in page.documents} == {"p3", "p4", "p7"}
    assert set(await stores.sides.load_many(CONTENT, ["p0", "p2", "p3"])) == {"p3"}
    assert await stores.sides.held("social_streams", "acme", "twitter:1:acme", 50) == []


async def test_what_a_walk_did_not_list_newest_first(stores: Stores) -> None:
    def known(n: int, listed_in: str | None = "job_0", **fields: Any) -> Document:
        """Published `n` minutes before T0."""
        document = content(f"p{n}", externalContentId=str(n), status="active", listedIn=listed_in)
        return document | {"publishedAt": T0 - timedelta(minutes=n)} | fields

    mine = [known(n) for n in range(12)]
    mine[2] = known(2, "job_1")
    mine[3] = known(3, None, status="pending")
    mine[5] = known(5, status="superseded")
    mine[6] = known(6, status="deleted", deletedAt=T0)
    others = [known(20, socialAccountId="twitter:2:acme"), known(21, org="globex")]
    await stores.sides.upsert_many(CONTENT, [*mine, *others], Rev(1, 1))

    async def ids(limit: int, *window: datetime) -> list[str]:
        found = await stores.sides.unlisted(Unlisted("acme", "twitter:1:acme", "job_1", limit, *window))
        assert all(at == T0 - timedelta(minutes=int(id_)) for id_, at in found)
        return [id_ for id_, _ in found]

    assert await ids(50) == ["0", "1", "3", "4", "7", "8", "9", "10", "11"]
    assert await ids(3) == ["0", "1", "3"]
    since, until = T0 - timedelta(minutes=8), T0 - timedelta(minutes=1)
    assert await ids(50, since, until) == ["1", "3", "4", "7", "8"]
    assert await ids(50, since) == ["0", "1", "3", "4", "7", "8"]


async def test_what_was_wrongly_believed_to_be_new_is_written_by_its_rev(stores: Stores) -> None:
    await stores.sides.upsert_many(CONTENT, [content("a", text="newer")], Rev(2, 1))
    await stores.sides.upsert_many(CONTENT, [content("b", text="older")], Rev(1, 1))
    page = [content(name, text="page") for name in "abc"]
    await stores.sides.upsert_many(CONTENT, page, Rev(1, 2), new={"a", "b", "c"})
    assert [await text_of(stores, name) for name in "abc"] == ["newer", "page", "page"]
