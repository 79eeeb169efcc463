"""The groups of the command line, one module each; `ops.cli` lists them."""


class CommandFailed(Exception):
    """What was asked cannot be done: one sentence that says why and what to do instead."""
