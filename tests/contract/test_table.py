"""The page of the platforms says what is there, and the guide to adding one shows code that runs."""

import inspect
import re

import pytest

from tests.contract import table
from tests.contract.toy import perch, perch_sandbox

GUIDE = table.ROOT / "docs" / "add-a-platform.md"


def test_the_page_of_the_platforms_is_as_the_code_is() -> None:
    assert table.PAGE.read_text() == table.page(), "run `make docs`"


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", GUIDE.read_text()))))
def test_the_guide_leads_to_files_that_are_there(link: str) -> None:
    assert (GUIDE.parent / link).exists()


def test_the_guide_shows_the_toys_own_code() -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    code = inspect.getsource(perch) + inspect.getsource(perch_sandbox)
    assert len(blocks) >= 6
    for block in blocks:
        assert block in code, block
