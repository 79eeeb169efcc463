from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import midnight_before
from sandbox.generate import make_account
from sandbox.registry import EMULATIONS
from sandbox.world import Content, Feed, World

EPOCH_MS = 1_795_305_600_000


async def test_the_same_seed_is_the_same_account_and_content(
    make_world: Callable[..., Awaitable[Any]],
) -> None:
    one, two, other = await make_world("a"), await make_world("a"), await make_world("b")
    # Made in another order, and beside others: an account depends on its own seed alone.
    await two.account("instagram", 9)
    for platform in ("twitter", "instagram"):
        first, second, third = [await w.account(platform, "shop") for w in (one, two, other)]
        assert first["external_id"] == second["external_id"] != third["external_id"]
        key = f"{platform}:{first['external_id']}"
        ledgers = [(await w.get("/ledger")) for w in (one, two)]
        for section in ("content", "comments"):
            assert ledgers[0][section][key] == ledgers[1][section][key]
        assert len(ledgers[0]["comments"][key]) > 5


async def test_asking_for_an_account_again_gives_new_tokens_not_new_content(world: Any) -> None:
    one, two = await world.account("twitter"), await world.account("twitter")
    assert one["external_id"] == two["external_id"]
    assert one["access_token"] != two["access_token"] and one["refresh_token"] != two["refresh_token"]
    ledger = await world.get("/ledger")
    assert len(ledger["grants"]) == 2 and len(ledger["content"]) == 1


def test_seeded_content_lies_before_the_epoch_and_counts_its_comments() -> None:
    world = World("test", EPOCH_MS)
    for platform in ("twitter", "instagram"):
        for seed in range(12):
            account = make_account(world, EMULATIONS[platform], seed, posts=80)
            posts = list(world.timeline(platform, account.id))
            assert sum(c.kind != "story" for c in posts) == 80
            for content in posts:
                assert content.created_ms < EPOCH_MS
                answers = len(list(world.answers(platform, content.id)))
                thread = [c for c in world.thread(platform, content.id) if c.parent_id]
                assert content.metrics["comments"] == (answers if platform == "twitter" else len(thread))


def test_posts_speak_of_prices_codes_links_and_tags_in_several_languages() -> None:
    world = World("test", EPOCH_MS)
    accounts = [make_account(world, EMULATIONS["twitter"], seed) for seed in range(40)]
    text = " ".join(c.text for a in accounts for c in world.timeline("twitter", a.id))
    assert len({account.lang for account in accounts}) >= 5
    for part in ("$19", "24,90 €", "1.299,00 €", "KILN10", "https://t.co/", "#töpferei", "#手作り", "😍"):
        assert part in text, part


def test_an_account_with_any_past_has_a_post_of_its_own_to_act_on() -> None:
    world = World("test", EPOCH_MS)
    for platform, emulation in EMULATIONS.items():
        for number in range(100):
            account = make_account(world, emulation, number, posts=1)
            posts, _ = world.timeline(platform, account.id).older(None, 10, lambda c: c.kind != "story")
            assert [post.kind for post in posts if post.kind in ("reply", "repost", "quote")] == []
            assert len(posts) == 1


def test_midnight() -> None:
    assert midnight_before(EPOCH_MS + 5) == EPOCH_MS == midnight_before(EPOCH_MS)


contents = st.lists(
    st.builds(
        lambda moment, number, deleted: Content(
            "twitter", str(number), "post", "a", "", moment, deleted=deleted
        ),
        st.integers(0, 20),
        st.integers(0, 10**6),
        st.booleans(),
    ),
    max_size=60,
    unique_by=lambda content: content.key,
)


@given(contents, st.integers(1, 7))
def test_reading_older_page_by_page_and_back_visits_each_once(items: list[Content], size: int) -> None:
    feed = Feed()
    for item in items:
        feed.add(item)

    def keep(content: Content) -> bool:
        return not content.deleted

    expected = sorted((item.key for item in items if not item.deleted), reverse=True)
    seen: list[tuple[int, int]] = []
    start = None
    while True:
        found, more = feed.older(start, size, keep)
        seen += [content.key for content in found]
        if not more:
            break
        start = seen[-1]
    assert seen == expected
    back: list[tuple[int, int]] = []
    start = (-1, -1)
    while True:
        found, more = feed.newer(start, size, keep)
        back = [content.key for content in found] + back
        if not more:
            break
        start = back[0]
    assert back == expected
