"""The simulation in the default test run: many crashes, no violation, and each seed its own history."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from tests.simulation.run import main, run, run_many, told

PARTS, CRASHES = 10, 1_000
"""Ten thousand crashes, in parts that several processes share."""

KEPT = {
    1: "a mark that was let go of with its partition",
    15: "a message set aside that had taken effect",
    47: "overtaken by what was read after the partition was let go of",
    73: "a command that changes nothing, repeated",
    98: "a partition let go of in the middle of a load",
    204: "content whose events were told out of order",
    215: "a process that counted itself twice",
    226: "set aside in the middle of a release",
    309: "sent though a later message of the turn had ended it",
    909: "set aside twice, because Redis had lost the first",
    919: "parked, deleted and told again, while an owner of before still held it",
    353: "a click set aside and replayed",
    1213: "an answer from before an adoption",
    1239: "counted once for each claim instead of each process",
    54: "marked as done before its letter was written",
    156: "parked, passed before it was deleted, and taken for applied",
    501: "set aside while its partition was let go of",
    20404: "told twice before Redis lost the mark, which the judge did not know",
}
"""Seeds that found something, in the simulation as it was then: another world now, and still a run each."""


@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_crashes_and_no_violation(part: int) -> None:
    crashes, seeds = 0, itertools.count(100 * part)
    while crashes < CRASHES:
        result = run(next(seeds))
        assert not result.violations, told(result)
        crashes += result.done["crash"]
    assert next(seeds) <= 100 * (part + 1), "the parts overlap: the same seeds would count twice"


@pytest.mark.parametrize("seed", KEPT)
def test_a_seed_that_once_found_something_finds_nothing(seed: int) -> None:
    result = run(seed)
    assert not result.violations, told(result)


@pytest.mark.parametrize("seed", [3, 7])
def test_a_seed_is_the_same_history_in_every_process(seed: int) -> None:
    """Also where strings have other hashes, so that sets of them have another order."""
    here = run(seed)
    assert run(seed).history == here.history
    asked = f"from tests.simulation.run import run; print(run({seed}).history)"
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        elsewhere = subprocess.run(
            [sys.executable, "-c", asked], env=environment, capture_output=True, check=True, text=True
        )
        assert int(elsewhere.stdout) == here.history


def test_several_processes_find_what_one_finds() -> None:
    histories = {result.seed: result.history for result in run_many(range(3), processes=2)}
    assert histories == {seed: run(seed).history for seed in range(3)}


def test_different_seeds_are_different_histories() -> None:
    assert len({run(seed).history for seed in range(4)}) == 4


def test_the_last_line_is_json_and_a_violated_seed_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(0)
    result.violations = ["the sky fell"]
    monkeypatch.setattr("tests.simulation.run.run", lambda seed: result)
    monkeypatch.setattr(sys, "argv", ["run", "--start", "0", "--seeds", "2"])
    assert main() == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert "python -m tests.simulation.run --start 0 --seeds 1" in lines[0]
    assert "the sky fell" in lines[1]
    line = json.loads(last)
    assert (line["seeds"], line["violated"]) == (2, [0, 0])
    assert line["crashes"] == 2 * result.done["crash"]
