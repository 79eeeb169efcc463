"""Live broadcasts: made, given a stream, taken through their states; and their chat.

    broadcast --bind--> stream    created, ready --testing, live--> the stream must be active --complete-->

A broadcast is a video: its id is the video's. Source: discovery document `youtube.v3`, liveBroadcasts,
liveStreams, liveChatMessages; youtube/data/live.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from domain.live import Broadcast, BroadcastPage, BroadcastStatus, ChatPage, Stream
from platforms.capabilities import Access
from platforms.outcome import Ok, Outcome, Rejected, Unknown
from platforms.wire import Json, count_at, id_at, mapping, moment_at, objects, packed, text_at, words_at
from platforms.youtube.api import ask
from platforms.youtube.normalise import chat_message

_PARTS = "id,snippet,contentDetails,status"
_STATUS = {
    "created": BroadcastStatus.CREATED,
    "ready": BroadcastStatus.READY,
    "testStarting": BroadcastStatus.TESTING,
    "testing": BroadcastStatus.TESTING,
    "liveStarting": BroadcastStatus.LIVE,
    "live": BroadcastStatus.LIVE,
    "complete": BroadcastStatus.COMPLETE,
}
_TRANSITIONS = {
    BroadcastStatus.TESTING: "testing",
    BroadcastStatus.LIVE: "live",
    BroadcastStatus.COMPLETE: "complete",
}
# Names of the API: a yes or no, or one of its words.
_YES_NO = ("enableAutoStart", "enableAutoStop", "enableDvr", "recordFromStart")
_WORDS = {
    "privacyStatus": ("public", "unlisted", "private"),
    "latencyPreference": ("normal", "low", "ultraLow"),
}
_MESSAGES_A_PAGE = 500
_LONGEST_WAIT_S = 300.0


class YouTubeLive:
    missing: Mapping[str, str] = {}

    async def broadcasts(self, access: Access, cursor: str | None) -> Outcome[BroadcastPage]:
        query = {"part": _PARTS, "mine": "true", "broadcastType": "all", "maxResults": "50"}
        if cursor is not None:
            query["pageToken"] = cursor
        answer = await ask(access.http, access.token, "live", "liveBroadcasts", query)
        if not isinstance(answer, Ok):
            return answer
        items = tuple(b for row in objects(answer.value, "items") if (b := broadcast(row)))
        following = text_at(answer.value, "nextPageToken")
        return Ok(BroadcastPage(items, following if following != cursor else None))

    async def create(
        self, access: Access, title: str, scheduled_at: datetime, options: Mapping[str, str]
    ) -> Outcome[str]:
        """`options` by YouTube's names: privacyStatus, latencyPreference, description, and `true` or `false`
        for enableAutoStart, enableAutoStop, enableDvr, recordFromStart."""
        wrong = _wrong(options)
        if wrong is not None:
            return Rejected("option", wrong)
        moment = scheduled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        details: Json = {name: options[name] == "true" for name in _YES_NO if name in options}
        if "latencyPreference" in options:
            details["latencyPreference"] = options["latencyPreference"]
        body = {
            "snippet": {
                "title": title,
                "scheduledStartTime": moment,
                "description": options.get("description", ""),
            },
            "status": {
                "privacyStatus": options.get("privacyStatus", "public"),
                "selfDeclaredMadeForKids": False,
            },
            "contentDetails": details,
        }
        return await self._made(access, "liveBroadcasts", body, "the broadcast may have been made")

    async def create_stream(self, access: Access, title: str) -> Outcome[Stream]:
        body = {
            "snippet": {"title": title},
            "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"},
            "contentDetails": {"isReusable": False},
        }
        answer = await ask(
            access.http,
            access.token,
            "live",
            "liveStreams",
            {"part": ",".join(body)},
            method="POST",
            json=body,
            once="the stream may have been made",
        )
        if not isinstance(answer, Ok):
            return answer
        info = mapping(answer.value, "cdn", "ingestionInfo")
        stream_id, name = id_at(answer.value, "id"), text_at(info, "streamName")
        address = text_at(info, "rtmpsIngestionAddress", "ingestionAddress")
        if stream_id is None or name is None or address is None:
            return Rejected("no_stream", "YouTube answered without an address to send to.")
        return Ok(Stream(stream_id, address, name))

    async def bind(self, access: Access, broadcast_id: str, stream_id: str) -> Outcome[None]:
        """Repeatable: the same stream again changes nothing."""
        query = {"id": broadcast_id, "streamId": stream_id, "part": "id,contentDetails"}
        answer = await ask(access.http, access.token, "live", "liveBroadcasts/bind", query, method="POST")
        return Ok(None) if isinstance(answer, Ok) else answer

    async def transition(self, access: Access, broadcast_id: str, to: BroadcastStatus) -> Outcome[None]:
        """Repeatable: "it is in that state already" is what was wanted. RetryAfter(stream_inactive) while no
        encoder sends."""
        word = _TRANSITIONS.get(to)
        if word is None:
            return Rejected("transition", f"A broadcast is taken to testing, live or complete, not to {to}.")
        query = {"id": broadcast_id, "broadcastStatus": word, "part": "id,status"}
        answer = await ask(
            access.http, access.token, "live", "liveBroadcasts/transition", query, method="POST"
        )
        done = isinstance(answer, Rejected) and answer.code == "redundantTransition"
        return Ok(None) if isinstance(answer, Ok) or done else answer

    async def chat(self, access: Access, chat_id: str, cursor: str | None) -> Outcome[ChatPage]:
        query = {
            "liveChatId": chat_id,
            "part": "id,snippet,authorDetails",
            "maxResults": str(_MESSAGES_A_PAGE),
        }
        if cursor is not None:
            query["pageToken"] = cursor
        answer = await ask(access.http, access.token, "chat", "liveChat/messages", query)
        if isinstance(answer, Rejected) and answer.code in ("liveChatEnded", "liveChatNotFound"):
            return Ok(ChatPage(ended=True))
        if not isinstance(answer, Ok):
            return answer
        rows = list(objects(answer.value, "items"))
        wait = count_at(answer.value, "pollingIntervalMillis")
        over = text_at(answer.value, "offlineAt") is not None or any(
            text_at(mapping(row, "snippet"), "type") == "chatEndedEvent" for row in rows
        )
        return Ok(
            ChatPage(
                messages=tuple(m for row in rows if _words(row) and (m := chat_message(row))),
                next_cursor=text_at(answer.value, "nextPageToken") or cursor,
                wait_s=5.0 if wait is None else min(wait / 1000, _LONGEST_WAIT_S),
                ended=over,
            )
        )

    async def _made(self, access: Access, path: str, body: Mapping[str, object], once: str) -> Outcome[str]:
        answer = await ask(
            access.http,
            access.token,
            "live",
            path,
            {"part": ",".join(body)},
            method="POST",
            json=body,
            once=once,
        )
        if not isinstance(answer, Ok):
            return answer
        made = id_at(answer.value, "id")
        return Ok(made) if made is not None else Unknown(once)


def broadcast(row: Json) -> Broadcast | None:
    external_id = id_at(row, "id")
    if external_id is None:
        return None
    snippet = mapping(row, "snippet")
    native = text_at(mapping(row, "status"), "lifeCycleStatus") or ""
    return Broadcast(
        external_id=external_id,
        title=words_at(snippet, "title") or "",
        status=_STATUS.get(native, BroadcastStatus.UNKNOWN),
        native_status=native,
        scheduled_at=moment_at(snippet, "scheduledStartTime"),
        started_at=moment_at(snippet, "actualStartTime"),
        ended_at=moment_at(snippet, "actualEndTime"),
        viewers=count_at(mapping(row, "statistics"), "concurrentViewers"),
        stream_id=id_at(mapping(row, "contentDetails"), "boundStreamId"),
        chat_id=id_at(snippet, "liveChatId"),
        permalink=f"https://www.youtube.com/watch?v={external_id}",
        payload=packed(row),
    )


def _words(row: Json) -> bool:
    """Whether somebody said something: bans, tombstones and mode changes are no words."""
    return mapping(row, "snippet").get("hasDisplayContent") is True


def _wrong(options: Mapping[str, str]) -> str | None:
    for name, value in options.items():
        known = _WORDS.get(name) or (("true", "false") if name in _YES_NO else None)
        if name == "description":
            continue
        if known is None:
            return f"There is no option {name!r} for a broadcast on YouTube."
        if value not in known:
            return f"{name} must be one of {', '.join(known)}."
    return None
