"""The few HTML pages: consent, a refused consent, and the index of the sandbox."""

from collections.abc import Iterable
from html import escape

from sandbox.web import Reply, html_reply

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1c2430}
h1{font-size:1.4rem} code{background:#f1f3f6;padding:.1em .3em;border-radius:4px;overflow-wrap:anywhere}
label{display:block;padding:.5rem .7rem;border:1px solid #cfd6df;border-radius:8px;margin:.4rem 0}
button{font:inherit;padding:.5rem 1.1rem;border-radius:8px;border:1px solid #2b6cb0;
  background:#2b6cb0;color:#fff}
button[value=deny]{background:#fff;color:#2b6cb0} table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e3e7ec}
.note{color:#596575;font-size:.9rem}
"""


def page(title: str, body: str, status: int = 200) -> Reply:
    return html_reply(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>",
        status,
    )


def choose_account(
    platform: str,
    app: str,
    query: dict[str, str],
    accounts: Iterable[tuple[str, str, str]],
    scopes: Iterable[str],
    several: bool = False,
) -> Reply:
    """A form that repeats the request's parameters; `accounts` are (external id, username, name). `several`:
    one consent opens as many as are ticked."""
    kind = "checkbox" if several else "radio"
    hidden = "".join(
        f"<input type=hidden name='{escape(name)}' value='{escape(value)}'>" for name, value in query.items()
    )
    choices = "".join(
        f"<label><input type={kind} name=user value='{escape(external_id)}'{'' if number else ' checked'}> "
        f"<b>@{escape(username)}</b> {escape(name)} <span class=note>{escape(external_id)}</span></label>"
        for number, (external_id, username, name) in enumerate(accounts)
    )
    if not choices:
        choices = "<p>No accounts yet: <code>POST /_sandbox/accounts</code> makes one.</p>"
    asked = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    return page(
        f"{app} wants to use your {platform} account",
        f"<p class=note>Sandbox: an emulation of {platform}, not the real thing.</p>"
        f"<form method=post>{hidden}{choices}<p>It asks for</p><ul>{asked}</ul>"
        "<button name=decision value=approve>Authorize</button> "
        "<button name=decision value=deny>Cancel</button></form>",
    )


def problem_page(platform: str, text: str) -> Reply:
    return page(f"{platform}: something went wrong", f"<p>{escape(text)}</p>", 400)
