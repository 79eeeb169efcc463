"""The terminal is for our own lines; what Ray and Serve print goes into a file."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from ops.commands import CommandFailed

_LOGGERS = (
    "ray",
    "ray.serve",
)  # their handlers hold the stream that was standard error when Ray was imported


@contextmanager
def printing_into(log: Path) -> Iterator[None]:
    """Within, what is printed in this process is appended to `log`, by whatever thread.

    Not by settings of theirs: Ray has none for what its raylet reports (`ray.init(log_to_driver=False)` is
    about the workers' output only). To speak within, hold on to the terminal: `Console(file=sys.stdout)`.
    CommandFailed when the log cannot be written.
    """
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = log.open("a", buffering=1)  # left open: a logger made within holds on to it until the end
    except OSError as error:
        raise CommandFailed(f"The log {log} cannot be written: {error.strerror}.") from None
    terminal = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    with ExitStack() as stack:
        for handler in (h for name in _LOGGERS for h in logging.getLogger(name).handlers):
            if isinstance(handler, logging.StreamHandler) and handler.stream in terminal:
                stack.callback(handler.setStream, handler.setStream(file))
        stack.enter_context(redirect_stdout(file))
        stack.enter_context(redirect_stderr(file))
        yield
