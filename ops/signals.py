"""SIGINT and SIGTERM as one way to end a command that started other processes."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within, either signal raises KeyboardInterrupt."""
    before = {number: signal.signal(number, _interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def until_signal() -> Iterator[None]:
    """Within, either signal ends the block quietly. Sets the handlers anew, because Ray installs its own."""
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        return


def wait(while_: Callable[[], bool]) -> None:
    """Until a signal, or until `while_` is no longer true."""
    while while_():
        time.sleep(1.0)


def ignore_signals() -> None:
    """From here on the end is under way, and is not to be interrupted by an impatient second Ctrl-C."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
