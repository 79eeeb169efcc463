"""What docs/operations.md says of chaos and of moves is what was kept, and nothing else."""

from tests.chaos.run.told import PAGE, written


def test_the_page_says_what_was_kept() -> None:
    text = PAGE.read_text()
    assert written(text) == text, "run `python -m tests.chaos.run.told`"
    assert written(text.replace("| `kill_host` |", "| `kill_nobody` |")) == text
