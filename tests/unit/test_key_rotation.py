"""A running process and its key file: what is put there is taken over without a restart."""

from pathlib import Path

import pytest

from domain.clock import ManualClock
from storage.crypto import JwtKeys, Keyring, SealBroken, StateSealer, sealed_under
from storage.keys import LOOK_S, Keys, KeysUnusable

PLAIN = b"a token nobody else may see"
STATES = StateSealer.generate()  # seconds: once for all tests
FIRST = Keys(Keyring.generate(), b"b" * 32, STATES, JwtKeys.generate())
STAGED = Keys(FIRST.seal.stage(), b"b" * 32, STATES, FIRST.jwt.stage())
SECOND = Keys(STAGED.seal.promoted(), b"b" * 32, STATES, STAGED.jwt.promoted())


class Process:
    """A process that loaded the key file when it started."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.keys = Keys.load(path, clock.monotonic)
        self.seal = self.keys.seal.seal  # as others hold it


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    FIRST.replace(path)
    return path


def test_a_running_process_seals_with_the_newest_key_a_few_seconds_later(
    path: Path, clock: ManualClock
) -> None:
    process = Process(path, clock)
    STAGED.replace(path)
    clock.advance(LOOK_S)
    assert sealed_under(process.seal(PLAIN, "here")) == FIRST.seal.active
    SECOND.replace(path)
    clock.advance(LOOK_S)
    sealed = process.seal(PLAIN, "here")
    assert sealed_under(sealed) == SECOND.seal.active
    assert SECOND.seal.open(sealed, "here") == PLAIN
    assert process.keys.jwt.verify(process.keys.jwt.sign({"sub": "u"})) == {"sub": "u"}
    assert process.keys.jwt.active == SECOND.jwt.active


def test_what_another_process_sealed_or_signed_with_a_newer_key_opens_at_once(
    path: Path, clock: ManualClock
) -> None:
    process = Process(path, clock)
    SECOND.replace(path)
    assert process.keys.seal.open(SECOND.seal.seal(PLAIN, "here"), "here") == PLAIN
    FIRST.replace(path)
    process = Process(path, clock)
    SECOND.replace(path)
    assert process.keys.jwt.verify(SECOND.jwt.sign({"sub": "u"})) == {"sub": "u"}


def test_the_file_is_not_read_again_while_it_is_as_it_was(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(path, clock)
    monkeypatch.setattr(Keys, "_parse", lambda *_: pytest.fail("read again"))
    for _ in range(3):
        clock.advance(LOOK_S)
        process.seal(PLAIN, "here")
    with pytest.raises(SealBroken):
        process.keys.seal.open(SECOND.seal.seal(PLAIN, "here"), "here")


def test_a_retired_key_is_forgotten(path: Path, clock: ManualClock) -> None:
    SECOND.replace(path)
    process = Process(path, clock)
    sealed = FIRST.seal.seal(PLAIN, "here")
    assert process.keys.seal.open(sealed, "here") == PLAIN
    SECOND.without(FIRST.seal.active).replace(path)
    clock.advance(LOOK_S)
    with pytest.raises(SealBroken, match=FIRST.seal.active):
        process.keys.seal.open(sealed, "here")


def test_a_half_copied_file_changes_nothing_and_the_whole_one_does(path: Path, clock: ManualClock) -> None:
    process = Process(path, clock)
    SECOND.replace(path)
    whole = path.read_text()
    for damaged in (whole[: len(whole) // 2], ""):
        path.write_text(damaged)
        clock.advance(LOOK_S)
        assert sealed_under(process.seal(PLAIN, "here")) == FIRST.seal.active
    path.unlink()
    clock.advance(LOOK_S)
    assert sealed_under(process.seal(PLAIN, "here")) == FIRST.seal.active
    path.write_text(whole)
    clock.advance(LOOK_S)
    assert sealed_under(process.seal(PLAIN, "here")) == SECOND.seal.active


def test_another_deployments_file_is_not_taken_over(path: Path, clock: ManualClock) -> None:
    process = Process(path, clock)
    other = Keys(Keyring.generate(), b"c" * 32, STATES, JwtKeys.generate())
    other.replace(path)
    clock.advance(LOOK_S)
    assert sealed_under(process.seal(PLAIN, "here")) == FIRST.seal.active
    with pytest.raises(KeysUnusable, match="another deployment"):
        process.keys.adopt(other)
