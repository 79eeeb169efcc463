"""How urgent it is to wake an entity whose time has come."""

from enum import IntEnum


class Urgency(IntEnum):
    """Whose call waits for the tick; smaller goes first. Stored with `next_due_at`, so that after a long stop
    a host can rank all due work before it has loaded any of it."""

    SAVE = 0  # no call: published events leave the document
    PERSON = 1
    PUBLISH = 2
    WEBHOOK = 3
    REFRESH = 4  # the account's other work waits for the token
    SCHEDULED = 5
    BACKFILL = 6
