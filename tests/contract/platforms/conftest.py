from collections.abc import AsyncIterator

import pytest

from tests.contract.platforms.cases import CASES, Case
from tests.contract.platforms.place import Place, opened


@pytest.fixture(scope="session", params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Every platform there is."""
    found: Case = request.param
    return found


@pytest.fixture
async def place(case: Case) -> AsyncIterator[Place]:
    async with opened(case) as place:
        yield place
