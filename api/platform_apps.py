"""Which application at a platform a connect uses, and where its webhooks go."""

from api.services import Services
from domain.errors import Invalid, NotFound
from platforms.base import Platform
from storage.mongo.apps import AppRecord, Apps


async def choose_app(apps: Apps, org: str, platform: str, app_id: str | None) -> AppRecord:
    """The named app, else the org's own, else the deployment's. Another org's app is unknown."""
    usable = await apps.usable(org, platform)
    if app_id is None:
        if not usable:
            raise Invalid(
                "app_missing",
                f"No application for {platform} is set up: add one under /v1/integrations/{platform}/apps.",
                field="app_id",
            )
        return usable[0]
    for app in usable:
        if app.id == app_id:
            return app
    raise Invalid("app_unknown", "There is no such application for this platform.", field="app_id")


def platform_of(services: Services, name: str) -> Platform:
    platform = services.platforms.get(name)
    if platform is None:
        known = ", ".join(sorted(services.platforms))
        raise NotFound("platform_unknown", f"There is no such platform here; known are {known}.")
    return platform


def webhook_url(services: Services, platform: str, app_id: str) -> str:
    """What to enter as the webhook address at the platform."""
    return f"{services.settings.public_url}/webhooks/{platform}/{app_id}"
