"""Fixtures of the tiers that drive the running service; unit tests never ask for them."""

pytest_plugins = ["tests.support.service"]
