"""Each protection, switched off, is missed: the simulation sees what it is there for."""

import pytest

from tests.simulation.run import run
from tests.simulation.sabotage import SABOTAGES, UNPROVEN, Sabotage


@pytest.mark.heavy
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_protection_that_is_switched_off_is_missed(sabotage: Sabotage) -> None:
    with sabotage.at_work():
        for seed in range(sabotage.first, sabotage.first + sabotage.seeds):
            if run(seed).violations:
                return
    pytest.fail(f"{sabotage.what}, and {sabotage.seeds} seeds from {sabotage.first} find nothing")


def test_nothing_stays_switched_off() -> None:
    for sabotage in (*SABOTAGES, *UNPROVEN):
        with sabotage.at_work():
            pass
    assert not run(0).violations
