"""Live broadcasts, streams and chat. Source: discovery document `youtube.v3`; "Life of a Broadcast" guide.

    created --bind--> ready --testing--> testing --live--> live --complete--> complete

testing and live need the bound stream to be active: the act `stream` lets an encoder send.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso_z
from sandbox.ids import base64_id, secret
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Content, Media, Profile
from sandbox.youtube import errors, shapes
from sandbox.youtube.access import READ, WRITE, Access, Caller, answer, parts_of, tagged
from sandbox.youtube.errors import Refused

_BROADCAST_PARTS = ("id", "snippet", "contentDetails", "status", "statistics")
_STREAM_PARTS = ("id", "snippet", "cdn", "contentDetails", "status")
_CHAT_PARTS = ("id", "snippet", "authorDetails")
# What a broadcast may become from each state.
_NEXT = {
    "created": (),
    "ready": ("testing", "live"),
    "testing": ("live",),
    "live": ("complete",),
    "complete": (),
}
POLL_MS = 5000


@dataclass(slots=True)
class Stream:
    id: str
    account_id: str
    title: str
    cdn: dict[str, Any]
    name: str
    made_ms: int
    status: str = "ready"


@dataclass(slots=True)
class Message:
    id: str
    author: Profile
    text: str
    at_ms: int


@dataclass(slots=True)
class Broadcast:
    video: Content
    details: dict[str, Any]
    chat_id: str
    status: str = "created"
    stream: Stream | None = None
    messages: list[Message] = field(default_factory=list)
    kids: bool = False


class Live:
    def __init__(self, state: State, access: Access) -> None:
        self._state, self._access = state, access
        self._broadcasts: dict[str, Broadcast] = {}
        self._streams: dict[str, Stream] = {}

    def operations(self) -> list[Operation]:
        op, root = self._access.operation, "/youtube/v3"
        return [
            op("POST", f"{root}/liveStreams", self.make_stream, WRITE, cost=50),
            op("GET", f"{root}/liveStreams", self.streams, READ),
            op("POST", f"{root}/liveBroadcasts", self.make, WRITE, cost=50),
            op("GET", f"{root}/liveBroadcasts", self.broadcasts, READ),
            op("DELETE", f"{root}/liveBroadcasts", self.delete, WRITE, cost=50),
            op("POST", f"{root}/liveBroadcasts/bind", self.bind, WRITE, cost=50),
            op("POST", f"{root}/liveBroadcasts/transition", self.transition, WRITE, cost=50),
            op("GET", f"{root}/liveChat/messages", self.chat, READ, cost=5),
            op("POST", f"{root}/liveChat/messages", self.say, WRITE, cost=20),
        ]

    async def make_stream(self, call: Call, caller: Caller) -> Reply:
        parts, wish = parts_of(call, _STREAM_PARTS), _json(call)
        cdn = wish.get("cdn", {})
        title = wish.get("snippet", {}).get("title")
        if not title or not all(cdn.get(name) for name in ("ingestionType", "resolution", "frameRate")):
            message = "The liveStream resource must specify snippet.title and cdn settings."
            raise errors.refuse(400, "invalidValue", message, "liveStream")
        number = len(self._streams)
        stream = Stream(
            base64_id(30, caller.account.id, "stream", number),
            caller.account.id,
            title,
            {name: cdn[name] for name in ("ingestionType", "resolution", "frameRate")},
            "-".join(secret(4, caller.account.id, "key", number, n).lower() for n in range(5)),
            self._state.clock.now_ms(),
        )
        self._streams[stream.id] = stream
        return answer(self._stream(stream, parts))

    async def streams(self, call: Call, caller: Caller) -> Reply:
        parts = parts_of(call, _STREAM_PARTS)
        own = [s for s in self._streams.values() if s.account_id == caller.account.id]
        if "id" in call.query:
            own = [s for s in own if s.id in call.query["id"].split(",")]
        elif call.query.get("mine") != "true":
            raise Refused(errors.missing("mine"))
        items = [self._stream(s, parts) for s in own]
        return answer(_listed("liveStreamListResponse", items))

    async def make(self, call: Call, caller: Caller) -> Reply:
        parts, wish = parts_of(call, _BROADCAST_PARTS), _json(call)
        snippet, status = wish.get("snippet", {}), wish.get("status", {})
        if not snippet.get("title") or len(snippet["title"]) > 100:
            raise Refused(_bad("titleRequired", "The broadcast needs a title of at most 100 characters."))
        if not snippet.get("scheduledStartTime"):
            raise Refused(_bad("scheduledStartTimeRequired", "scheduledStartTime is needed."))
        if status.get("privacyStatus") not in ("public", "unlisted", "private"):
            raise Refused(_bad("privacyStatusRequired", "privacyStatus is needed."))
        number, account = len(self._broadcasts), caller.account
        now = self._state.clock.now_ms()
        video_id = base64_id(11, account.id, "broadcast", number)
        chat_id = "Cg0KC" + base64_id(30, video_id, "chat")
        text = snippet.get("description", "")
        video = Content(
            "youtube", video_id, "live", account.id, text, now, account.lang, title=snippet["title"]
        )
        video.media = [Media(video_id, "video", "", None, 1920, 1080)]
        video.facts = {
            "privacyStatus": status["privacyStatus"],
            "liveBroadcastContent": "upcoming",
            "scheduled": snippet["scheduledStartTime"],
            "liveChatId": chat_id,
            "chat_open": True,
        }
        self._state.world.add(video)
        made = Broadcast(video, wish.get("contentDetails", {}), chat_id)
        made.kids = bool(status.get("selfDeclaredMadeForKids"))
        self._broadcasts[video_id] = made
        return answer(self._broadcast(made, parts))

    async def broadcasts(self, call: Call, caller: Caller) -> Reply:
        parts, query = parts_of(call, _BROADCAST_PARTS), call.query
        filters = [name for name in ("id", "mine", "broadcastStatus") if query.get(name)]
        if len(filters) != 1:
            message = "Incompatible parameters specified in the request: " + ", ".join(filters)
            reason = "incompatibleParameters" if filters else "missingRequiredParameter"
            raise Refused(errors.invalid(reason, message))
        own = [b for b in self._broadcasts.values() if b.video.author_id == caller.account.id]
        own = [b for b in own if not b.video.deleted]
        if "id" in query:
            own = [b for b in own if b.video.id in query["id"].split(",")]
        wanted = {
            "active": ("live", "testing"),
            "upcoming": ("created", "ready"),
            "completed": ("complete",),
        }.get(query.get("broadcastStatus", ""))
        own = [b for b in own if wanted is None or b.status in wanted]
        own.sort(key=lambda b: b.video.key, reverse=True)
        size, start = int(query.get("maxResults", "5")), _start(query.get("pageToken"))
        items = [self._broadcast(b, parts) for b in own[start : start + size]]
        following = f"CN{start + size}" if start + size < len(own) else None
        return answer(_listed("liveBroadcastListResponse", items, len(own), size, following))

    async def delete(self, call: Call, caller: Caller) -> Reply:
        found = self._own(call, caller)
        self._state.world.remove(found.video)
        return Reply(204)

    async def bind(self, call: Call, caller: Caller) -> Reply:
        parts, found = parts_of(call, _BROADCAST_PARTS), self._own(call, caller)
        stream = self._streams.get(call.query.get("streamId", ""))
        if stream is None or stream.account_id != caller.account.id:
            message = "The stream specified by the streamId parameter does not exist."
            raise errors.refuse(404, "liveStreamNotFound", message, "liveBroadcast")
        if found.status in ("live", "complete"):
            message = "The broadcast is not in a state that allows binding."
            raise errors.refuse(403, "liveBroadcastBindingNotAllowed", message, "liveBroadcast")
        found.stream = stream
        found.status = "ready" if found.status == "created" else found.status
        return answer(self._broadcast(found, parts))

    async def transition(self, call: Call, caller: Caller) -> Reply:
        parts, found = parts_of(call, _BROADCAST_PARTS), self._own(call, caller)
        to = call.query.get("broadcastStatus", "")
        if to not in ("testing", "live", "complete"):
            raise Refused(errors.missing("broadcastStatus"))
        if to == found.status:
            message = "The live broadcast is already in the requested status."
            raise errors.refuse(403, "redundantTransition", message, "liveBroadcast")
        if to not in _NEXT[found.status]:
            message = "The live broadcast can't transition from its current status to the requested status."
            raise errors.refuse(403, "invalidTransition", message, "liveBroadcast")
        if to != "complete" and (found.stream is None or found.stream.status != "active"):
            message = "The stream that is bound to the broadcast is not active."
            raise errors.refuse(403, "errorStreamInactive", message, "liveBroadcast")
        now, facts = self._state.clock.now_ms(), found.video.facts
        found.status = to
        if to == "live":
            facts |= {"actualStartTime": now, "liveBroadcastContent": "live"}
        elif to == "complete":
            facts |= {"actualEndTime": now, "liveBroadcastContent": "none", "chat_open": False}
            found.video.media[0].duration_ms = now - int(facts.get("actualStartTime", now))
        return answer(self._broadcast(found, parts))

    async def chat(self, call: Call, caller: Caller) -> Reply:
        parts = parts_of(call, _CHAT_PARTS)
        found = self._of_chat(call.query.get("liveChatId", ""))
        start = _start(call.query.get("pageToken"))
        size = int(call.query.get("maxResults", "500"))
        shown = found.messages[start : start + size]
        items = [self._message(found, m, parts) for m in shown]
        body: dict[str, Any] = {
            "pollingIntervalMillis": POLL_MS,
            "nextPageToken": f"CN{start + len(shown)}",
            "pageInfo": {"totalResults": len(items), "resultsPerPage": len(items)},
            "items": items,
        }
        if not found.video.facts["chat_open"] and start + len(shown) >= len(found.messages):
            body["offlineAt"] = iso_z(int(found.video.facts["actualEndTime"]))
        return answer(tagged("liveChatMessageListResponse", body))

    async def say(self, call: Call, caller: Caller) -> Reply:
        parts, snippet = parts_of(call, _CHAT_PARTS), _json(call).get("snippet", {})
        found = self._of_chat(str(snippet.get("liveChatId", "")))
        if not found.video.facts["chat_open"]:
            message = "The specified live chat is no longer live."
            raise errors.refuse(403, "liveChatEnded", message, "liveChat")
        text = snippet.get("textMessageDetails", {}).get("messageText")
        if not text:
            raise errors.refuse(400, "messageTextRequired", "A text is needed.", "liveChat")
        return answer(self._message(found, self._said(found, caller.account, text), parts))

    # -- acts ---------------------------------------------------------------------------------------
    def encode(self, account: Profile, content_id: str | None) -> str:
        """An encoder begins to send to the stream of this broadcast, or of the account's newest one."""
        found = self._chosen(account, content_id)
        if found.stream is None:
            raise BadInput("no stream is bound to the broadcast; bind one first")
        found.stream.status = "active"
        return found.video.id

    def chatted(self, account: Profile, content_id: str | None, author: Profile, text: str) -> str:
        found = self._chosen(account, content_id)
        if not found.video.facts["chat_open"]:
            raise BadInput("the chat of this broadcast has ended")
        return self._said(found, author, text).id

    def _chosen(self, account: Profile, content_id: str | None) -> Broadcast:
        own = [b for b in self._broadcasts.values() if b.video.author_id == account.id]
        own = [b for b in own if content_id in (None, b.video.id) and not b.video.deleted]
        if not own:
            raise BadInput("the account has no such broadcast; POST /youtube/v3/liveBroadcasts first")
        return own[-1]

    def _said(self, found: Broadcast, author: Profile, text: str) -> Message:
        message_id = "LCC." + base64_id(40, found.chat_id, len(found.messages))
        message = Message(message_id, author, text, self._state.clock.now_ms())
        found.messages.append(message)
        return message

    # -- shapes -------------------------------------------------------------------------------------
    def _stream(self, stream: Stream, parts: list[str]) -> dict[str, Any]:
        host = "a.rtmp.youtube.com/live2"
        shown: dict[str, Any] = {
            "snippet": {
                "publishedAt": shapes.stamp(stream.made_ms),
                "channelId": stream.account_id,
                "title": stream.title,
                "description": "",
                "isDefaultStream": False,
            },
            "cdn": {
                **stream.cdn,
                "ingestionInfo": {
                    "streamName": stream.name,
                    "ingestionAddress": f"rtmp://{host}",
                    "backupIngestionAddress": "rtmp://b.rtmp.youtube.com/live2?backup=1",
                    "rtmpsIngestionAddress": f"rtmps://{host}",
                    "rtmpsBackupIngestionAddress": "rtmps://b.rtmps.youtube.com/live2?backup=1",
                },
            },
            "contentDetails": {"isReusable": False},
            "status": {
                "streamStatus": stream.status,
                "healthStatus": {"status": "good" if stream.status == "active" else "noData"},
            },
        }
        return tagged("liveStream", {"id": stream.id} | {p: shown[p] for p in parts if p in shown})

    def _broadcast(self, found: Broadcast, parts: list[str]) -> dict[str, Any]:
        video, facts = found.video, found.video.facts
        times = ("actualStartTime", "actualEndTime")
        snippet = {
            "publishedAt": shapes.stamp(video.created_ms),
            "channelId": video.author_id,
            "title": video.title,
            "description": video.text,
            "thumbnails": shapes.thumbnails(video),
            "scheduledStartTime": facts["scheduled"],
            "isDefaultBroadcast": False,
            "liveChatId": found.chat_id,
            **{name: shapes.stamp(int(facts[name])) for name in times if name in facts},
        }
        details = {name: value for name, value in found.details.items() if value is not None}
        if found.stream is not None:
            details["boundStreamId"] = found.stream.id
        shown: dict[str, Any] = {
            "snippet": snippet,
            "contentDetails": details,
            "status": {
                "lifeCycleStatus": found.status,
                "privacyStatus": facts["privacyStatus"],
                "recordingStatus": {"live": "recording", "complete": "recorded"}.get(
                    found.status, "notRecording"
                ),
                "madeForKids": found.kids,
                "selfDeclaredMadeForKids": found.kids,
            },
            "statistics": {"concurrentViewers": str(len({m.author.id for m in found.messages}))},
        }
        return tagged("liveBroadcast", {"id": video.id} | {p: shown[p] for p in parts if p in shown})

    def _message(self, found: Broadcast, message: Message, parts: list[str]) -> dict[str, Any]:
        author = message.author
        shown: dict[str, Any] = {
            "snippet": {
                "type": "textMessageEvent",
                "liveChatId": found.chat_id,
                "authorChannelId": author.id,
                "publishedAt": iso_z(message.at_ms),
                "hasDisplayContent": True,
                "displayMessage": message.text,
                "textMessageDetails": {"messageText": message.text},
            },
            "authorDetails": {
                "channelId": author.id,
                "channelUrl": f"http://www.youtube.com/channel/{author.id}",
                "displayName": author.name,
                "profileImageUrl": f"https://yt3.ggpht.com/{author.id}=s88",
                "isVerified": author.verified,
                "isChatOwner": author.id == found.video.author_id,
                "isChatSponsor": False,
                "isChatModerator": False,
            },
        }
        return tagged("liveChatMessage", {"id": message.id} | {p: shown[p] for p in parts if p in shown})

    def _own(self, call: Call, caller: Caller) -> Broadcast:
        found = self._broadcasts.get(call.query.get("id", ""))
        if found is None or found.video.deleted or found.video.author_id != caller.account.id:
            message = "The broadcast specified by the id parameter does not exist."
            raise errors.refuse(404, "liveBroadcastNotFound", message, "liveBroadcast")
        return found

    def _of_chat(self, chat_id: str) -> Broadcast:
        for found in self._broadcasts.values():
            if found.chat_id == chat_id and not found.video.deleted:
                return found
        message = "The live chat that you are trying to retrieve cannot be found."
        raise errors.refuse(404, "liveChatNotFound", message, "liveChat")


def _listed(
    kind: str,
    items: list[dict[str, Any]],
    total: int | None = None,
    size: int = 50,
    following: str | None = None,
) -> dict[str, Any]:
    info = {"totalResults": len(items) if total is None else total, "resultsPerPage": size}
    body: dict[str, Any] = {"pageInfo": info, "items": items}
    return tagged(kind, body | ({"nextPageToken": following} if following else {}))


def _start(token: str | None) -> int:
    if token is None:
        return 0
    number = token.removeprefix("CN")
    if not number.isdigit():
        message = "The request specifies an invalid page token."
        raise errors.refuse(400, "invalidPageToken", message, "parameter")
    return int(number)


def _json(call: Call) -> dict[str, Any]:
    try:
        return call.json()
    except BadInput:
        raise errors.refuse(400, "parseError", "Parse Error", "global") from None


def _bad(reason: str, message: str) -> Reply:
    return errors.error(400, reason, message, "youtube.liveBroadcast")
