"""Sealing, blinding and signing, and the key file that holds their keys."""

import base64
import contextlib
import json
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from storage.crypto import Blinder, JwtKeys, Keyring, SealBroken, StateSealer, field_aad, sealed_under
from storage.keys import Keys, KeysUnusable

PLAIN = b"a token nobody else may see"
RING = Keyring.generate()
STATES = StateSealer.generate()  # seconds: once for all tests
KEYS = Keys(RING, b"b" * 32, STATES, JwtKeys.generate())
SEALED = RING.seal(PLAIN, "here")
SEALED_STATE = STATES.seal(PLAIN, "here")


@pytest.fixture(scope="module")
def key_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the key file that holds KEYS."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    KEYS.replace(path)
    return path.read_text()


@given(plain=st.binary(max_size=2000), aad=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_what_was_sealed_opens(plain: bytes, aad: str) -> None:
    sealed = RING.seal(plain, aad)
    assert RING.open(sealed, aad) == plain
    assert len(sealed) == len(plain) + 33


@given(bit=st.integers(0, len(SEALED) * 8 - 1))
def test_any_flipped_bit_is_refused(bit: int) -> None:
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        RING.open(bytes(changed), "here")


@settings(max_examples=30, deadline=None)
@given(bit=st.integers(0, len(SEALED_STATE) * 8 - 1))
def test_any_flipped_bit_of_a_sealed_state_is_refused(bit: int) -> None:
    changed = bytearray(SEALED_STATE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        STATES.open(bytes(changed), "here")


@pytest.mark.parametrize(
    ("sealer", "sealed"), [(RING, SEALED), (STATES, SEALED_STATE)], ids=["values", "states"]
)
def test_a_value_cut_short_or_from_elsewhere_is_refused(sealer: Keyring | StateSealer, sealed: bytes) -> None:
    for bad in (b"", sealed[:4], sealed[:20], sealed[:-1], b"\x00" * 700, b"not sealed at all"):
        with pytest.raises(SealBroken):
            sealer.open(bad, "here")
    with pytest.raises(SealBroken):
        sealer.open(sealed, "there")
    assert sealer.open(sealed, "here") == PLAIN


def test_the_same_value_seals_differently_every_time() -> None:
    assert len({RING.seal(PLAIN, "here") for _ in range(100)}) == 100


@given(*[st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))] * 2)
def test_every_place_has_its_own_associated_data(
    one: tuple[str, str, str], two: tuple[str, str, str]
) -> None:
    assert (field_aad(*one) == field_aad(*two)) == (one == two)


def test_a_rotation_has_two_steps_so_that_nobody_meets_a_key_he_does_not_hold() -> None:
    staged = RING.stage()
    newest = staged.promoted()
    assert staged.staged and not newest.staged and not RING.staged
    assert RING.open(staged.seal(PLAIN, "here"), "here") == PLAIN
    resealed = newest.seal(PLAIN, "here")
    assert sealed_under(resealed) == newest.active != RING.active
    assert staged.open(resealed, "here") == PLAIN
    assert newest.stage().promoted().open(SEALED, "here") == PLAIN
    with pytest.raises(SealBroken, match=f"key {newest.active}"):
        RING.open(resealed, "here")


def test_tokens_verify_under_every_key_until_it_is_taken_out() -> None:
    signers = JwtKeys.generate()
    first, token = signers.active, signers.sign({"sub": "first"})
    for _ in range(4):
        staged = signers.stage()
        assert len(staged.jwks()["keys"]) == len(signers.ids) + 1  # published before it signs
        signers = staged.promoted()
        assert staged.verify(signers.sign({"sub": "later"})) == {"sub": "later"}
    assert signers.verify(token) == {"sub": "first"}
    with pytest.raises(SealBroken):
        signers.without(first).verify(token)


@pytest.mark.parametrize("ring", [RING, STATES, KEYS.jwt], ids=["seal", "state", "jwt"])
def test_the_active_key_cannot_be_taken_out(ring: Keyring | StateSealer | JwtKeys) -> None:
    with pytest.raises(ValueError, match="active"):
        ring.without(ring.active)


def test_keys_show_and_pickle_nothing(key_text: str) -> None:
    parts = json.loads(key_text)
    secret = [
        parts["blind"],
        *(key for name in ("seal", "state", "jwt") for key in parts[name]["keys"].values()),
    ]
    for thing in (KEYS.seal, KEYS.state, KEYS.jwt, KEYS.blinder, KEYS):
        assert not any(key in repr(thing) for key in secret)
        with pytest.raises(TypeError):
            pickle.dumps(thing)


@given(value=st.text(), purpose=st.sampled_from(["email", "api_key"]))
def test_blinding_depends_on_value_purpose_and_key_only(value: str, purpose: str) -> None:
    blinder = Blinder(b"k" * 32)
    blinded = blinder.blind(value, purpose)
    assert blinded == Blinder(b"k" * 32).blind(value, purpose)
    assert blinded != Blinder(b"j" * 32).blind(value, purpose)
    assert blinded != blinder.blind(value, "other")
    assert blinded != blinder.blind(value + "x", purpose)
    assert len(blinded) == 43


def test_a_signed_token_verifies_with_the_published_keys_alone() -> None:
    token = KEYS.jwt.sign({"sub": "u1", "exp": 1})
    assert KEYS.jwt.verify(token) == {"sub": "u1", "exp": 1}

    published: Any = KEYS.jwt.jwks()
    assert all(
        "d" not in key and key["use"] == "sig" and key["kid"] in KEYS.jwt.ids for key in published["keys"]
    )
    decoded = jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"])
    assert decoded.claims["sub"] == "u1"
    assert decoded.header["kid"] == KEYS.jwt.active


def _unsigned() -> str:
    return "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSJ9."


def _foreign() -> str:
    return jwt.encode({"alg": "ES256", "kid": KEYS.jwt.active}, {"sub": "u1"}, ECKey.generate_key("P-256"))


def _public_key_as_hmac_key() -> str:
    public = json.dumps(KEYS.jwt.jwks()["keys"][0]).encode()
    header = {"alg": "HS256", "kid": KEYS.jwt.active}
    return jwt.encode(header, {"sub": "u1"}, OctKey.import_key(public))


def _without_key_id() -> str:
    token = KEYS.jwt.sign({"sub": "u1"})
    return ".".join(["eyJhbGciOiJFUzI1NiJ9", *token.split(".")[1:]])


def _nested() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 50_000).rstrip(b"=").decode()
    return f"{header}.e30.e30"


@pytest.mark.parametrize(
    "make",
    [
        _unsigned,
        _foreign,
        _public_key_as_hmac_key,
        _without_key_id,
        _nested,
        str,
        lambda: "a.b.c",
        lambda: "é.é.é",
    ],
)
def test_a_token_signed_by_anybody_else_is_refused(make: Callable[[], str]) -> None:
    with pytest.raises(SealBroken):
        KEYS.jwt.verify(make())


@given(position=st.integers(0, 10_000), letter=st.sampled_from("AbZ_9-."))
def test_a_changed_token_is_refused_or_means_the_same(position: int, letter: str) -> None:
    token = KEYS.jwt.sign({"sub": "u1", "role": "analyst"})
    at = position % len(token)
    # Base64 has spare bits in its last letter, so another spelling of the same bytes may pass.
    with contextlib.suppress(SealBroken):
        assert KEYS.jwt.verify(token[:at] + letter + token[at + 1 :]) == {"sub": "u1", "role": "analyst"}


def test_the_key_file_is_private_whole_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    created = Keys.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]

    for source in (path, str(path), path.read_text()):
        loaded = Keys.load(source)
        assert loaded.seal.open(created.seal.seal(PLAIN, "here"), "here") == PLAIN
        assert loaded.state.open(created.state.seal(PLAIN, "here"), "here") == PLAIN
        assert loaded.jwt.verify(created.jwt.sign({"sub": "u1"})) == {"sub": "u1"}
        assert loaded.blinder.blind("a@b.c", "email") == created.blinder.blind("a@b.c", "email")

    before = path.read_text()
    with pytest.raises(KeysUnusable, match="already there"):
        Keys.create(path)
    assert path.read_text() == before


def test_two_processes_that_create_the_file_at_once_end_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"

    def other_process_was_quicker() -> Keys:
        KEYS.replace(path)
        return Keys(Keyring.generate(), b"c" * 32, STATES, JwtKeys.generate())

    monkeypatch.setattr(Keys, "generate", other_process_was_quicker)
    with pytest.raises(KeysUnusable, match="already there"):
        Keys.create(path)
    assert Keys.load(path).seal.open(SEALED, "here") == PLAIN


def test_rotated_keys_replace_the_file_and_open_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KEYS.replace(path)
    token = KEYS.jwt.sign({"sub": "u1"})
    Keys.load(path).stage().replace(path)
    assert Keys.load(path).staged
    Keys.load(path).promoted().replace(path)

    rotated = Keys.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rotated.seal.active != KEYS.seal.active
    assert rotated.seal.open(SEALED, "here") == PLAIN
    assert rotated.state.open(SEALED_STATE, "here") == PLAIN
    assert rotated.jwt.verify(token) == {"sub": "u1"}
    assert rotated.blinder.blind("a@b.c", "email") == KEYS.blinder.blind("a@b.c", "email")


def without(text: str, name: str) -> str:
    parts = json.loads(text)
    del parts[name]
    return json.dumps(parts)


def changed(text: str, **values: object) -> str:
    return json.dumps(json.loads(text) | values)


@pytest.mark.parametrize("name", ["version", "seal", "blind", "state", "jwt"])
def test_a_damaged_key_file_is_one_sentence_without_keys(tmp_path: Path, key_text: str, name: str) -> None:
    path, text = tmp_path / "keys.json", key_text
    blind = json.loads(text)["blind"]
    for bad in (
        text[:200],
        without(text, name),
        changed(text, **{name: "?"}),
        changed(text, **{name: []}),
        "[1]",
    ):
        path.write_text(bad)
        with pytest.raises(KeysUnusable) as refused:
            Keys.load(path)
        assert str(path) in str(refused.value)
        assert blind not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_missing_key_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match=r"missing; run `rookery keys create`"):
        Keys.load(tmp_path / "keys.json")


def test_keys_in_another_form_are_not_shown() -> None:
    with pytest.raises(KeysUnusable) as refused:
        Keys.load("c2VjcmV0" * 500)
    assert "c2VjcmV0" not in str(refused.value)
