"""Ports for servers that must be found again where they were."""

import socket
import threading
from pathlib import Path

import pytest

from ops import ports
from ops.ports import HOST, free_port, is_free


def test_a_free_port_is_none_that_an_outgoing_connection_may_be_given() -> None:
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if outgoing <= 20_000:
        pytest.skip(f"this machine gives outgoing connections every port from {outgoing} on")
    found = {free_port() for _ in range(50)}
    assert max(found) < outgoing
    assert len(found) > 25


def test_a_port_is_found_where_outgoing_connections_leave_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = tmp_path / "ip_local_port_range"
    every.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_RANGE", every)
    with socket.create_server((HOST, free_port())) as server:
        assert server.getsockname()[1] >= 1024


def test_a_port_that_is_given_up_in_time_is_free() -> None:
    with socket.create_server((HOST, free_port())) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert not is_free(port, patience_s=0.1)
        threading.Timer(0.2, server.close).start()
        assert is_free(port, patience_s=10)
