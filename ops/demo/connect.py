"""How the demo's orgs come into being and connect their accounts, as customers do."""

import asyncio
from dataclasses import dataclass
from html.parser import HTMLParser

import httpx

from api.bootstrap import add_platform_app, create_org
from domain.clock import Clock
from domain.secrets import Secret
from ops.demo.wire import Api, Json, Refused, Sandbox
from platforms.registry import PLATFORMS
from storage.mongo.directory import Directory


@dataclass(frozen=True, slots=True)
class Party:
    """An org: its admin's view of the API, and an analyst's."""

    id: str
    name: str
    admin: Api
    analyst: Api


@dataclass(frozen=True, slots=True)
class App:
    """An application at a platform: `id` here, `platform_id` there."""

    id: str
    platform_id: str
    platform: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One org's connection of one external account, heard through one application."""

    account_id: str
    org: str
    platform: str
    external_id: str
    app: App
    username: str

    @property
    def key(self) -> str:
        """As the ledger names the account."""
        return f"{self.platform}:{self.external_id}"


async def found_org(
    directory: Directory, http: httpx.AsyncClient, clock: Clock, name: str, *, operator: bool
) -> Party:
    """An org with an admin (made on the stores, since nobody is there yet to ask) and an analyst (made by
    the admin over the API)."""
    domain = name.lower().replace(" ", "-") + ".example"
    made = await create_org(directory, clock, name, f"admin@{domain}", operator=operator)
    admin = await Api.open(http, clock, made.api_key.reveal())
    person = await admin.post("/v1/users", {"email": f"analyst@{domain}", "role": "analyst"})
    key = await admin.post("/v1/api-keys", {"name": "analyst", "user_id": person["id"]})
    return Party(made.org.id, name, admin, await Api.open(http, clock, key["api_key"]))


async def deployment_apps(
    directory: Directory, clock: Clock, sandbox: Sandbox, api_url: str
) -> dict[str, App]:
    """Register the sandbox's applications as the deployment's own, one per platform."""
    apps = {}
    for given in (await sandbox.get("/apps"))["apps"]:
        record = await add_platform_app(
            directory,
            clock,
            given["platform"],
            given["client_id"],
            Secret(given["client_secret"]),
            webhook_secrets=(Secret(given["webhook_secret"]),),
            verify_token=_secret(given.get("verify_token")),
            bearer_token=_secret(given.get("bearer_token")),
            name="the deployment's",
        )
        app = App(record.id, given["id"], given["platform"])
        pushes = "webhooks" in PLATFORMS[app.platform].spec.capabilities
        if pushes and given["dialect"] != "websub":  # there the service subscribes each account by itself
            await _point_webhooks(sandbox, app, f"{api_url}/webhooks/{app.platform}/{app.id}")
        apps[app.platform] = app
    return apps


async def own_app(party: Party, sandbox: Sandbox, platform: str) -> App:
    """The org makes an application at the platform and brings it to the service over the API."""
    given = await sandbox.post("/apps", {"platform": platform, "name": f"{party.name}'s own"})
    wanted = {
        "name": given["name"],
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "webhook_secrets": [given["webhook_secret"]],
    }
    optional = {name: given[name] for name in ("verify_token", "bearer_token") if given.get(name)}
    record = await party.admin.post(f"/v1/integrations/{platform}/apps", wanted | optional)
    app = App(record["id"], given["id"], platform)
    await _point_webhooks(sandbox, app, record["webhook_url"])
    return app


async def connect(party: Party, sandbox: Sandbox, account: Json, app: App) -> Connection:
    """The real redirect flow: authorize address, consent form in a browser, back to the callback."""
    platform = account["platform"]
    begun = await party.admin.post(f"/v1/integrations/{platform}/connect", {"app_id": app.id})
    page_url = "/" + begun["authorize_url"].removeprefix("https://")
    page = await sandbox.http.get(page_url)
    form, target = _consent_form(page.text)
    form |= {"user": account["external_id"], "decision": "approve"}
    consent = await sandbox.http.post(target or page_url, data=form)
    back = consent.headers.get("location")
    if back is None:
        raise Refused(f"The consent page of {platform} led nowhere ({consent.status_code}).")
    async with httpx.AsyncClient(timeout=60, trust_env=False) as browser:
        answer = await browser.get(back)
    if answer.status_code != 200:
        raise Refused(f"Connecting {account['username']} failed: {answer.status_code} {answer.text[:300]}")
    view = answer.json()
    return Connection(view["id"], party.id, platform, view["external_id"], app, account["username"])


async def await_backfill(parties: list[Party], connections: list[Connection], clock: Clock) -> None:
    """Until every account has read its history and nothing is left to do."""
    by_org = {party.id: party.admin for party in parties}
    waiting = {c.account_id: by_org[c.org] for c in connections}
    deadline = clock.monotonic() + 120
    while waiting:
        for account_id, api in list(waiting.items()):
            view = await api.get(f"/v1/accounts/{account_id}")
            done = bool(view["sync"]) and all(s["backfilled"] for s in view["sync"].values())
            if done and view["job"] is None and not view["waiting_work"]:
                del waiting[account_id]
        if waiting and clock.monotonic() > deadline:
            raise Refused(f"The history of {', '.join(waiting)} was not read within two minutes.")
        await asyncio.sleep(0.5)


async def _point_webhooks(sandbox: Sandbox, app: App, url: str) -> None:
    answer = await sandbox.put(f"/apps/{app.platform_id}", {"webhook_url": url})
    if not answer["verified"]:
        raise Refused(f"The {app.platform} handshake with {url} failed: {answer.get('reason')}")


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None


def _consent_form(page: str) -> tuple[dict[str, str], str | None]:
    """Its hidden fields, and where it is sent; None: where it came from."""
    fields: dict[str, str] = {}
    target: str | None = None

    class Form(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            nonlocal target
            found = dict(attrs)
            if tag == "form":
                target = found.get("action")
            if tag == "input" and found.get("type") == "hidden":
                fields[found.get("name") or ""] = found.get("value") or ""

    Form().feed(page)
    return fields, target
