"""What the sandbox shows of itself: its apps, accounts, ledger and a page for people."""

from html import escape
from typing import Any

from sandbox.apps import PlatformApp
from sandbox.clock import iso_z
from sandbox.pages import page
from sandbox.state import State
from sandbox.web import Reply
from sandbox.world import Content, Profile

_PAGES = ("ledger/summary", "ledger", "faults", "delivery", "traffic", "apps", "accounts", "healthz")


def account(profile: Profile) -> dict[str, Any]:
    return {
        "platform": profile.platform,
        "external_id": profile.id,
        "username": profile.username,
        "name": profile.name,
    }


def app(app: PlatformApp) -> dict[str, Any]:
    """With its secrets: they are the sandbox's own inventions, and clients need them."""
    target = app.target(None)
    shown = {
        "id": app.id,
        "platform": app.platform,
        "name": app.name,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "webhook_secret": app.webhook_secret,
        "redirect_uris": app.redirect_uris,
        "webhook_url": target.url if target else None,
        "auto_subscribe": app.auto_subscribe,
        "dialect": app.dialect,
    }
    optional = {"bearer_token": app.bearer_token, "verify_token": app.verify_token}
    return shown | {name: value for name, value in optional.items() if value}


def content(item: Content, now_ms: int) -> dict[str, Any]:
    """`expired`: a story that the platform does not list any more."""
    shown = {
        "id": item.id,
        "kind": item.kind,
        "created_at": iso_z(item.created_ms),
        "deleted": item.deleted,
        "text": item.text,
        "media": [media.kind for media in item.media],
        "metrics": item.metrics,
    }
    if len(item.edit_ids) > 1:
        shown["edit_ids"] = item.edit_ids
    if item.expires_ms is not None:
        shown["expired"] = item.expires_ms <= now_ms
    if item.parent_id:
        shown |= {"content_id": item.root_id, "parent_id": item.parent_id, "author_id": item.author_id}
    if item.kind == "comment":
        shown["hidden"] = item.hidden
    return shown


def ledger(state: State, since: int, kinds: frozenset[str]) -> dict[str, Any]:
    """`content`: what each account published. `comments`: what was answered to it, by anybody."""
    book = state.ledger
    now_ms = state.clock.now_ms()
    contents: dict[str, list[dict[str, Any]]] = {}
    comments: dict[str, list[dict[str, Any]]] = {}
    for (platform, external_id), profile in state.world.accounts.items():
        key = f"{platform}:{external_id}"
        own = list(state.world.timeline(platform, profile.id))
        contents[key] = [content(item, now_ms) for item in own]
        comments[key] = [
            content(answer, now_ms)
            for item in own
            for answer in state.world.thread(platform, item.id)
            if answer.parent_id
        ]
    return {
        "events": book.rows(since, kinds),
        "deliveries": book.deliveries,
        "deliveries_pending": state.deliverer.pending,
        "content": contents,
        "comments": comments,
        "refreshes": book.refreshes,
        "double_refreshes": book.double_refreshes,
        "in_doubt_retries": book.in_doubt_retries,
        "grants": [
            {
                "family": grant.id,
                "platform": grant.platform,
                "external_id": grant.external_id,
                "app_id": grant.app_id,
                "at": iso_z(grant.at_ms),
                "scopes": grant.scopes,
                "via": grant.via,
                "authorised": grant.authorised,
                "family_killed": grant.family_killed,
            }
            for grant in state.tokens.grants
        ],
        "calls": book.calls,
        "rate_limited": book.rate_limited,
        "apps": book.apps,
        "token_expiries": book.token_expiries,
        "posts_created": book.posts_created,
        "duplicates_refused": book.duplicates_refused,
        "publications": book.publications,
        "published_twice": book.published_twice(),
        "crc_checks": book.crc_checks,
        "callbacks": book.callbacks,
        "limits_changed": state.limits.changed(),
    }


def summary(state: State) -> dict[str, Any]:
    own = sum(len(state.world.timeline(*key)) for key in state.world.accounts)
    return {
        **state.ledger.numbers(),
        "deliveries_pending": state.deliverer.pending,
        "grants": len(state.tokens.grants),
        "accounts": len(state.world.accounts),
        "content": own,
    }


def index(state: State) -> Reply:
    accounts = "".join(
        f"<tr><td>{escape(a.platform)}<td>@{escape(a.username)}<td>{escape(a.name)}<td><code>{escape(a.id)}</code>"
        for a in state.world.accounts.values()
    )
    apps = "".join(
        f"<tr><td>{escape(a.platform)}<td>{escape(a.name)}<td><code>{escape(a.id)}</code>"
        f"<td>{escape(hook.url) if (hook := a.target(None)) else 'no webhook'}"
        for a in state.apps.all()
    )
    links = " · ".join(f"<a href=/_sandbox/{path}>{path}</a>" for path in _PAGES)
    return page(
        "Platform sandbox",
        "<p>X, Instagram and YouTube, emulated offline. Platform calls go to "
        "<code>/{real host}/{real path}</code>, for example <code>/api.x.com/2/users/me</code>.</p>"
        f"<p>{links}</p>"
        f"<h2>Accounts</h2><table>{accounts or '<tr><td>none yet: POST /_sandbox/accounts'}</table>"
        f"<h2>Apps</h2><table>{apps}</table>",
    )
