"""Composition only: the two Serve applications and what they are given.

    api        FastAPI at /           people, shops, operators
    webhooks   bare ASGI at /webhooks platforms; a framework costs more than the work

Both read their settings from the environment of the Ray node (`storage.settings.Settings`), which also sets
RAY_SERVE_ENABLE_HA_PROXY=1 and RAY_SERVE_THROUGHPUT_OPTIMIZED=1: set before Ray starts, on every node.
"""

import os
from typing import Any

from ray import serve
from starlette.types import ASGIApp

from actors.runtime.ray_actors import Metrics, ensure_supervisor
from api.compose import build_api, build_webhooks
from api.serve_http import serve_directly
from storage.logs import configure
from storage.settings import Settings

REPLICAS = int(os.environ.get("ROOKERY_REPLICAS", "2"))

# Serve queues without bound by default; beyond this a caller gets 503 and comes back.
_LIMITS: dict[str, Any] = {
    "max_ongoing_requests": 512,
    "max_queued_requests": 1024,
    "health_check_period_s": 1,
    "health_check_timeout_s": 5,
    "graceful_shutdown_timeout_s": 5,
}


@serve.deployment(name="api", num_replicas=1, ray_actor_options={"num_cpus": 0.1}, **_LIMITS)
@serve.ingress()
class Api:
    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        settings = Settings.load()
        configure(settings.log_level)
        self._app = await build_api(settings, Metrics("api"))
        await ensure_supervisor(settings.build)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app


@serve.deployment(name="webhooks", num_replicas=REPLICAS, ray_actor_options={"num_cpus": 0.1}, **_LIMITS)
@serve.ingress()
class WebhookIngress:
    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        settings = Settings.load()
        configure(settings.log_level)
        self._app = await build_webhooks(settings, Metrics("webhooks"))
        serve_directly(self._app)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app


api = Api.bind()  # type: ignore[attr-defined]
webhooks = WebhookIngress.bind()  # type: ignore[attr-defined]
