"""Chunks of a file, in order. Source: developers.tiktok.com "Media transfer guide"."""

import re

from sandbox.tiktok.publications import Task
from sandbox.web import Call, Reply

_TYPES = ("video/mp4", "video/quicktime", "video/webm")
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


def receive(task: Task, call: Call) -> Reply:
    """206: go on; 201: that was the last; 400: the headers are wrong; 416: not the chunk that comes next.
    Whether the number in `Content-Range` is that of the last byte is unconfirmed: here it is."""
    found = _RANGE.fullmatch(call.headers.get("content-range", ""))
    if found is None or call.headers.get("content-type") not in _TYPES:
        return Reply(400)
    first, last, total = (int(group) for group in found.groups())
    size = last - first + 1
    if total != task.wish.size or size != len(call.body):
        return Reply(400)
    number = task.received // task.wish.chunk if task.wish.chunk else 0
    is_last = number >= task.wish.count - 1
    expected = task.wish.size - task.received if is_last else task.wish.chunk
    if first != task.received or size != expected or not size:
        return Reply(416, b"", _told(task))
    task.take(call.body)
    return Reply(201 if task.received == total else 206, b"", _told(task))


def _told(task: Task) -> dict[str, str]:
    return {"content-range": f"bytes 0-{max(task.received - 1, 0)}/{task.wish.size}"}
