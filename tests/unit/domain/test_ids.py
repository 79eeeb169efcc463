import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ids import AccountId, EntityKey, Kind, external_partition, new_id

QUICK = settings(max_examples=50, deadline=None)

PART = st.from_regex(r"[A-Za-z0-9_.@-]{1,128}", fullmatch=True)
ACCOUNTS = st.builds(AccountId, PART, PART, PART)
KEYS = ACCOUNTS.map(lambda a: a.key) | st.builds(
    EntityKey, st.sampled_from([k for k in Kind if k is not Kind.ACCOUNT]), PART
)


@QUICK
@given(ACCOUNTS)
def test_an_account_id_reads_back(account: AccountId) -> None:
    assert AccountId.parse(str(account)) == account
    assert account.key == EntityKey(Kind.ACCOUNT, str(account))


@QUICK
@given(KEYS)
def test_a_key_reads_back(key: EntityKey) -> None:
    assert EntityKey.parse(str(key)) == key


@QUICK
@given(st.text(max_size=30))
def test_any_text_is_a_name_that_reads_back_or_is_refused(text: str) -> None:
    for parse in (AccountId.parse, EntityKey.parse):
        try:
            parsed = parse(text)
        except ValueError:
            continue
        assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "twitter:100",
        "twitter:100:org:more",
        "twitter::org",
        "twitter:1 0:org",
        "twitter:1/0:org",
        "twitter:100:org\n",
        f"twitter:{'1' * 129}:org",
    ],
)
def test_what_is_no_account_id(text: str) -> None:
    with pytest.raises(ValueError, match="not an account id"):
        AccountId.parse(text)
    with pytest.raises(ValueError, match="not an account id"):
        EntityKey.parse(f"account/{text}")


@pytest.mark.parametrize("text", ["", "link", "link/", "planet/x", "link/a/b", "campaign/a b"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError):
        EntityKey.parse(text)


@QUICK
@given(PART, PART, PART, PART, st.integers(1, 256))
def test_all_orgs_connections_of_one_external_account_share_a_partition(
    platform: str, external_id: str, org: str, other_org: str, count: int
) -> None:
    partition = AccountId(platform, external_id, org).key.partition(count)
    assert partition == AccountId(platform, external_id, other_org).key.partition(count)
    assert partition == external_partition(platform, external_id, count)
    assert 0 <= partition < count


def test_partitions_are_the_same_in_every_process_and_release() -> None:
    """crc32 of `platform:external id`: streams and documents on disk depend on it."""
    assert AccountId("twitter", "100", "org_a").key.partition(64) == 42
    assert EntityKey(Kind.CAMPAIGN, "cmp_a").partition(64) == 27


def test_partitions_are_all_used() -> None:
    used = {external_partition("twitter", str(n), 64) for n in range(2000)}
    assert used == set(range(64))


def test_new_ids_differ_and_are_safe_names() -> None:
    ids = {new_id("cmp") for _ in range(1000)}
    assert len(ids) == 1000
    for one in ids:
        assert EntityKey.parse(f"campaign/{one}").id == one
