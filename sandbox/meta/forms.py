"""Parameters as Graph takes them: lists in two spellings, bodies with files (multipart) for photos and
films."""

import json
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP

from sandbox.web import Call


@dataclass(frozen=True, slots=True)
class Sent:
    """Parameters from query and body as one, and the files of the body."""

    fields: dict[str, str]
    files: dict[str, bytes]


def read(call: Call) -> Sent:
    kind = call.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return Sent(call.fields(), {})
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + call.body)
    fields, files = dict(call.query), {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition") or "")
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        if part.get_filename() is not None:
            files[name] = content
        else:
            fields[name] = content.decode("utf-8", "replace")
    return Sent(fields, files)


def names(text: str) -> list[str]:
    """A list of names: with commas between them, or as JSON, which Meta's own client sends."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return []
        return [str(name) for name in found]
    return [name for name in text.split(",") if name]
