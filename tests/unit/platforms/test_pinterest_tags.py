"""Product tags of Pins against the sandbox: put on what is out, but for those that Pinterest refuses."""

from dataclasses import replace
from typing import Any

import pytest

from domain.catalog import Availability, Product
from domain.content import ContentKind, MediaKind
from domain.money import Money
from domain.publishing import Draft, DraftMedia, ProductTag, Published, PublishState
from platforms.capabilities import Access, PublishJob
from platforms.outcome import Ok, RetryAfter, Unknown
from platforms.pinterest.adapter import Pinterest
from tests.unit.platforms.publish_support import (
    Files,
    access_of,
    job_of,
    one,
    publish,
    until_decisive,
)
from tests.unit.platforms.support import Answers, World, answer, ok

PIN = Pinterest()
JPEG = b"\xff\xd8\xff\xe0 a bowl"
PICTURE = DraftMedia("m1", MediaKind.IMAGE, "image/jpeg", len(JPEG), 1000, 1500)


async def shop_of(world: World, access: Access, *links: str) -> list[str]:
    """The Pins of so many products, whose links are these."""
    (catalog,) = ok(await PIN.commerce.catalogs(access))
    products = [
        Product(
            f"SKU-{n}",
            f"Bowl {n}",
            Money(2400, "USD"),
            availability=Availability.IN_STOCK,
            url=link,
            image_url="https://shop.example/i.jpg",
        )
        for n, link in enumerate(links)
    ]
    ok(await PIN.commerce.upsert(access, catalog.external_id, products))
    page = ok(await PIN.commerce.products(access, catalog.external_id, None))
    return [item.external_id for item in page.items]


async def opened(world: World, posts: int = 1) -> tuple[dict[str, Any], Access, Draft, str]:
    """An account, a draft for a board of its own, and an address of its website."""
    account = await world.account("pinterest", posts=posts)
    access = access_of(world, account)
    board = str((await world.act(account, kind="board", text="Kiln"))["id"])
    draft = Draft(ContentKind.PIN, "Fresh", "A bowl", media=(PICTURE,), options={"board_id": board})
    told = await asked(world, access, "GET", "user_account")
    return account, access, draft, f"{told['website_url']}/p/1"


async def asked(world: World, access: Access, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {access.token.reveal()}"}
    url = f"/api.pinterest.com/v5/{path}"
    reply = await world.control.request(method, url, headers=headers, json=body)
    assert reply.status_code in (200, 204), reply.text
    return reply.json() if reply.content else None


async def tags_of(world: World, access: Access, pin_id: str) -> list[str]:
    told = await asked(world, access, "GET", f"pins/{pin_id}/product_tags")
    return [row["pin_id"] for row in told["product_tags"]]


def tagged(draft: Draft, *ids: str) -> PublishJob:
    draft = replace(draft, product_tags=tuple(map(ProductTag, ids)))
    assert PIN.publishing.refusals(draft) == []
    return job_of(draft, Files({"m1": JPEG}))


async def publications(world: World) -> int:
    return int((await world.ask("GET", "/ledger/summary"))["publications"])


async def test_products_are_tagged_in_the_pin_that_is_out(world: World) -> None:
    _, access, draft, link = await opened(world)
    ids = await shop_of(world, access, *[link] * 24)
    published = await publish(world, PIN, access, tagged(draft, *ids))
    assert await tags_of(world, access, str(published.external_id)) == ids
    assert published.refused == () and published.published_at is not None
    assert published.permalink == f"https://www.pinterest.com/pin/{published.external_id}/"
    assert await publications(world) == 1


async def test_what_pinterest_does_not_take_is_said_and_the_rest_is_tagged(world: World) -> None:
    account, access, draft, link = await opened(world)
    good, elsewhere = await shop_of(world, access, link, "https://elsewhere.example/p")
    other = await world.account("pinterest", posts=1, seed="other")
    stranger = access_of(world, other)
    site = (await asked(world, stranger, "GET", "user_account"))["website_url"]
    (theirs,) = await shop_of(world, stranger, f"{site}/p")
    mine = (await world.content(account))[0]["id"]
    published = await publish(world, PIN, access, tagged(draft, "7", good, elsewhere, theirs, str(mine)))
    assert await tags_of(world, access, str(published.external_id)) == [good]
    assert published.refused == (
        "Pinterest did not take the tag 7: there is no such Pin.",
        f"Pinterest did not take the tag {elsewhere}: the Pin's link is not to a website that the account "
        "has verified.",
        f"Pinterest did not take the tag {theirs}: the Pin is another account's.",
        f"Pinterest did not take the tag {mine}: the Pin is not that of a product.",
    )


async def test_a_secret_pin_and_none_that_is_taken(world: World) -> None:
    _, access, draft, _ = await opened(world)
    board = await asked_board(world, access)
    source = {"source_type": "image_base64", "content_type": "image/png", "data": "iVBORw0KGgo="}
    headers = {"Authorization": f"Bearer {access.token.reveal()}"}
    hidden = await world.control.post(
        "/api.pinterest.com/v5/pins", headers=headers, json={"board_id": board, "media_source": source}
    )
    published = await publish(world, PIN, access, tagged(draft, hidden.json()["id"]))
    (sentence,) = published.refused
    assert sentence.endswith("the Pin is private.")
    assert await tags_of(world, access, str(published.external_id)) == []


async def asked_board(world: World, access: Access) -> str:
    headers = {"Authorization": f"Bearer {access.token.reveal()}"}
    body = {"name": "Plans", "privacy": "SECRET"}
    made = await world.control.post("/api.pinterest.com/v5/boards", headers=headers, json=body)
    return str(made.json()["id"])


async def test_pain_01_after_a_lost_answer_it_goes_on_with_the_pin_that_is_there(world: World) -> None:
    _, access, draft, link = await opened(world, posts=4)
    ids = await shop_of(world, access, link, link)
    job = await until_decisive(PIN, access, tagged(draft, *ids))
    fault = {"platform": "pinterest", "path": "/v5/pins", "kind": "accepted_timeout", "count": 1}
    await world.ask("POST", "/faults", fault)
    assert isinstance(await one(PIN, access, replace(job, timeout_s=0.3)), Unknown)
    found = ok(await PIN.publishing.find(access, job))
    assert isinstance(found, PublishState) and (found.stage, found.decisive) == ("tags", False)
    published = ok(await one(PIN, access, replace(job, state=found)))
    assert isinstance(published, Published)
    assert await tags_of(world, access, str(published.external_id)) == ids
    assert await publications(world) == 1


async def test_a_lost_answer_to_the_tags_is_asked_again_and_changes_nothing(world: World) -> None:
    _, access, draft, link = await opened(world)
    ids = await shop_of(world, access, link, link)
    job = await until_decisive(PIN, access, tagged(draft, *ids))
    job = replace(job, state=ok(await one(PIN, access, job)))
    pin_id = str(job.state.facts["pin_id"])
    await world.ask("POST", "/faults", {"platform": "pinterest", "kind": "accepted_timeout", "count": 1})
    assert isinstance(await one(PIN, access, replace(job, timeout_s=0.3)), RetryAfter)
    assert await tags_of(world, access, pin_id) == ids, "it had happened"
    assert ok(await one(PIN, access, job)).refused == ()
    assert await tags_of(world, access, pin_id) == ids
    await asked(world, access, "POST", f"pins/{pin_id}/product_tags/bulk-delete", _body(ids[0], "7"))
    assert await tags_of(world, access, pin_id) == ids[1:]


def _body(*ids: str) -> Any:
    return {"product_tags": [{"pin_id": id_} for id_ in ids]}


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        (None, "Pinterest took no product tags: Pinterest does not take one of the products"),
        ({"product_tags": []}, "Pinterest took no product tags: "),
        (
            {"product_tags": [{"pin_id": "9", "error_message": "PIN_MISSING"}]},
            "Pinterest took no product tags: ",
        ),
        (
            {"product_tags": [{"pin_id": "1", "error_message": "NEW"}]},
            "the tag 1: Pinterest does not say why.",
        ),
        (
            {"product_tags": [{"pin_id": "1", "error_message": 7}, 7]},
            "the tag 1: Pinterest does not say why.",
        ),
    ],
)
async def test_a_refusal_of_any_shape_ends_in_a_pin_that_is_out(
    world: World, details: Any, sentence: str
) -> None:
    """The Pin is out: nothing that is said about its tags makes the publication fail, or last for ever."""
    account = await world.account("pinterest", posts=0)
    body = {"code": 4001, "message": "Some product tags are not eligible.", "details": details}
    access = replace(access_of(world, account), http=Answers(answer(400, body)))
    draft = Draft(ContentKind.PIN, media=(PICTURE,), options={"board_id": "1"})
    state = PublishState("tags", {"pin_id": "5", "created_at": None})
    outcome = await one(PIN, access, replace(tagged(draft, "1"), state=state))
    while isinstance(outcome, Ok) and isinstance(outcome.value, PublishState):
        outcome = await one(PIN, access, replace(tagged(draft, "1"), state=outcome.value))
    (told,) = ok(outcome).refused
    assert sentence in told
