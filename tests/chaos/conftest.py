"""The chaos tier has a service of its own: its hosts die on purpose."""

from tests.integration.conftest import service, world

__all__ = ["service", "world"]
