"""Marks of this tier."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "e2e: starts the whole service as a person does; minutes each")
