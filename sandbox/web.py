"""What a request and an answer are inside the sandbox: plain data, so that faults can cut them up."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson


class BadInput(Exception):
    """The caller of the control API sent something unusable; the text says what and what to do."""


@dataclass(slots=True)
class Call:
    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    params: dict[str, str] = field(default_factory=dict)
    # False when a fault will keep the answer from the caller although the work is done.
    answered: bool = True

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; `BadInput` when it is not one. An empty body is an empty object."""
        if not self.body:
            return {}
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"the body is not valid JSON ({error}); send a JSON object") from None
        if not isinstance(value, dict):
            raise BadInput("the body must be a JSON object")
        return value

    def fields(self) -> dict[str, str]:
        """Query and body parameters as one, as the Graph API treats them (form or JSON body)."""
        if self.headers.get("content-type", "").startswith("application/json"):
            try:
                sent = {name: _text(value) for name, value in self.json().items()}
            except BadInput:
                sent = {}
        else:
            sent = self.form()
        return {**self.query, **sent}

    def bearer(self) -> str | None:
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() in ("bearer", "oauth") and value else None


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(data: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    body = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS)
    return Reply(status, body, {"content-type": "application/json; charset=utf-8", **(headers or {})})


def html_reply(text: str, status: int = 200) -> Reply:
    return Reply(status, text.encode(), {"content-type": "text/html; charset=utf-8"})


def redirect(location: str) -> Reply:
    return Reply(302, b"", {"location": location})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
