"""Nodes of a cluster on one machine: each in a network namespace of its own, with two cables.

    machine ── bridge for Ray ────── node a, node b      what Ray says to itself
            └─ bridge for the rest ─ node a, node b      stores and platforms

Pulling the first cable leaves a node that Ray gives up and that still reaches everything it writes to.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"rk(\d+)[a-z-]")
_RAY, _REST = "r", "s"
_END_S = 10.0


class NoNamespaces(Exception):
    """This machine cannot do it: one sentence that says why."""


class Network:
    """Of this very process: names carry its number, so what a killed run left is known and taken away."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes = tuple(nodes)
        self._own = f"rk{os.getpid()}"
        third = os.getpid() % 250
        self._nets = {_RAY: f"10.77.{third}", _REST: f"10.78.{third}"}

    def open(self) -> None:
        """NoNamespaces when the machine refuses; `close` then takes back what was made."""
        if shutil.which("ip") is None:
            raise NoNamespaces("there is no `ip` command (iproute2)")
        if os.geteuid() != 0:
            raise NoNamespaces("only root may make network namespaces")
        makers = {found[1] for found in map(_NAME.match, _names()) if found}
        for pid in makers:
            if not Path(f"/proc/{pid}").exists():
                _remove(f"rk{pid}")
        try:
            for kind, net in self._nets.items():
                bridge = self._own + kind
                _ip("link", "add", bridge, "type", "bridge")
                _ip("addr", "add", f"{net}.1/24", "dev", bridge)
                _ip("link", "set", bridge, "up")
            for number, node in enumerate(self.nodes, 2):
                self._connect(node, number)
        except subprocess.CalledProcessError as error:
            raise NoNamespaces(f"`{' '.join(error.cmd)}` was refused: {error.stderr.strip()}") from None

    def close(self) -> None:
        _remove(self._own)

    @property
    def machine(self) -> str:
        """Where the nodes reach stores and platforms."""
        return f"{self._nets[_REST]}.1"

    def address(self, node: str) -> str:
        """By which Ray knows the node."""
        return f"{self._nets[_RAY]}.{2 + self.nodes.index(node)}"

    def inside(self, node: str) -> list[str]:
        """What to put before a command so that it runs there."""
        return [str(shutil.which("ip")), "netns", "exec", self._space(node)]

    def processes(self, node: str) -> list[int]:
        return _inhabitants(self._space(node))

    def clear(self, node: str) -> None:
        """End everything that runs there."""
        _empty(self._space(node))

    def cut(self, node: str, *, from_all: bool) -> None:
        for kind in (_RAY, _REST) if from_all else (_RAY,):
            _ip("link", "set", f"{self._own}{kind}{node}", "down")

    def heal(self, node: str) -> None:
        for kind in (_RAY, _REST):
            _ip("link", "set", f"{self._own}{kind}{node}", "up")

    def _connect(self, node: str, number: int) -> None:
        space = self._space(node)
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")
        for kind, net in self._nets.items():
            outer, inner = f"{self._own}{kind}{node}", f"{kind}0"
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
            _ip("link", "set", outer, "master", self._own + kind)
            _ip("link", "set", outer, "up")
            _ip("-n", space, "addr", "add", f"{net}.{number}/24", "dev", inner)
            _ip("-n", space, "link", "set", inner, "up")
        # The head calls itself by an address of the machine's own choice.
        _ip("-n", space, "route", "add", "default", "via", f"{self._nets[_RAY]}.1")

    def _space(self, node: str) -> str:
        return f"{self._own}-{node}"


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def _names() -> list[str]:
    """Of all links and namespaces of the machine."""
    with suppress(subprocess.CalledProcessError):
        return [*_ip("-br", "link").splitlines(), *_ip("netns", "list").splitlines()]
    return []


def _inhabitants(space: str) -> list[int]:
    with suppress(subprocess.CalledProcessError):
        return [int(pid) for pid in _ip("netns", "pids", space).split()]
    return []


def _empty(space: str) -> None:
    deadline = time.monotonic() + _END_S
    while (pids := _inhabitants(space)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _remove(own: str) -> None:
    """All namespaces and links whose names begin so, with what runs there."""
    for line in _names():
        name = line.split()[0].partition("@")[0]
        if name.startswith(f"{own}-"):
            _empty(name)
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)
    for line in _names():  # a cable is gone with its namespace
        name = line.split()[0].partition("@")[0]
        if re.fullmatch(rf"{own}[a-z]+", name):
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", name)
