"""The Content Posting API: what an app asks TikTok to publish, from the creator's options to the public id.

Source: developers.tiktok.com "Content Posting API": direct post, upload, photo post, query creator info, get
video status, media transfer guide. A publication is processed for a second after its last byte; a public one
gets its id after three more, when moderation has passed. Times of the sandbox's own clock.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.acts import Done
from sandbox.apps import PlatformApp
from sandbox.clock import DAY_MS, iso_z
from sandbox.ids import digits, hexadecimal, secret
from sandbox.ledger import Publication
from sandbox.limits import Rule
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import errors
from sandbox.tiktok.access import Access, Caller
from sandbox.tiktok.errors import UPLOAD, Refused
from sandbox.tiktok.people import People
from sandbox.tiktok.publications import Task, fetch, read_photos, read_video
from sandbox.tiktok.uploads import receive
from sandbox.tiktok.webhooks import Describer
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Content, Media, Profile

PRIVACY_LEVELS = ("PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY")
POSTS_FAMILY = "posts"
POSTS_A_DAY = Rule(15, DAY_MS // 1000)
PENDING_AT_MOST = 5
LONGEST_S = 600
_PROCESSING_MS = 1000
_MODERATION_MS = 3000
_UPLOAD_LIFETIME_MS = 3_600_000
_PUBLISH, _UPLOAD_SCOPE = "video.publish", "video.upload"


class Publishing:
    def __init__(self, state: State, access: Access, people: People) -> None:
        self._state, self._world, self._access, self._people = state, state.world, access, people
        self._describe = Describer(state)
        self._tasks: dict[str, Task] = {}
        self._uploads: dict[tuple[str, str], Task] = {}
        self._pulls: set[asyncio.Task[None]] = set()

    def operations(self) -> list[Operation]:
        op, base = self._access.operation, "/v2/post/publish"
        either = (_PUBLISH, _UPLOAD_SCOPE)
        return [
            op("POST", f"{base}/creator_info/query/", self.creator_info, (_PUBLISH,), 20),
            op("POST", f"{base}/video/init/", self.direct_video, (_PUBLISH,), 6),
            op("POST", f"{base}/inbox/video/init/", self.inbox_video, (_UPLOAD_SCOPE,), 6),
            op("POST", f"{base}/content/init/", self.photos, either, 6),
            op("POST", f"{base}/status/fetch/", self.status, either, 30),
            op("POST", f"{base}/cancel/", self.cancel, either, 30),
            Operation("tiktok", UPLOAD, "PUT", "/video/", self.upload),
        ]

    async def creator_info(self, call: Call, caller: Caller) -> Reply:
        """Refuses with status 200, as TikTok does here."""
        self.settle()
        account = caller.account
        if self._posts_of_today(account) >= self._daily().limit:
            return errors.refusal("spam_risk_too_many_posts", "Daily post cap reached.", 200)
        return errors.fine(
            {
                "creator_avatar_url": f"https://p16-sign.tiktokcdn.com/{account.username}.jpeg",
                "creator_username": account.username,
                "creator_nickname": account.name,
                "privacy_level_options": list(PRIVACY_LEVELS),
                "comment_disabled": False,
                "duet_disabled": False,
                "stitch_disabled": False,
                "max_video_post_duration_sec": LONGEST_S,
            }
        )

    async def direct_video(self, call: Call, caller: Caller) -> Reply:
        self._check_room(caller.account)
        return self._video(call, caller, direct=True)

    async def inbox_video(self, call: Call, caller: Caller) -> Reply:
        waiting = [t for t in self._tasks.values() if t.account is caller.account and t.pending_draft]
        if len(waiting) >= PENDING_AT_MOST:
            message = "Too many drafts wait in the creator's inbox."
            raise Refused(errors.refusal("spam_risk_too_many_pending_share", message))
        return self._video(call, caller, direct=False)

    async def photos(self, call: Call, caller: Caller) -> Reply:
        wish = read_photos(call.json(), PRIVACY_LEVELS)
        needed = _PUBLISH if wish.direct else _UPLOAD_SCOPE
        if needed not in caller.scopes:
            message = f"The user did not authorize the scope required: {needed}."
            raise Refused(errors.refusal("scope_not_authorized", message))
        if wish.direct:
            self._check_room(caller.account)
        self._check_addresses(caller.app, wish.addresses)
        task = self._open(caller, Task("p_pub_url~v2.", caller.account, caller.app, wish))
        self._pull(task)
        return errors.fine({"publish_id": task.publish_id})

    async def status(self, call: Call, caller: Caller) -> Reply:
        self.settle()
        task = self._task(call, caller)
        data: dict[str, Any] = {"status": task.status}
        if task.fail_reason:
            data["fail_reason"] = task.fail_reason
        # int64 and misspelt on the wire; empty until moderation has passed, and for ever unless public.
        data["publicaly_available_post_id"] = [int(task.content.id)] if task.public and task.content else []
        data["downloaded_bytes" if task.wish.addresses else "uploaded_bytes"] = task.received
        return errors.fine(data)

    async def cancel(self, call: Call, caller: Caller) -> Reply:
        self.settle()
        task = self._task(call, caller)
        if not task.wish.addresses or task.status != "PROCESSING_DOWNLOAD":
            raise Refused(errors.refusal("publish_not_cancellable", "The publish cannot be cancelled."))
        self._fail(task, "publish_cancelled")
        return errors.fine({})

    async def upload(self, call: Call) -> Reply:
        """A chunk of a file. The address is the permission: no token travels with it."""
        task = self._uploads.get((call.query.get("upload_id", ""), call.query.get("upload_token", "")))
        now = self._state.clock.now_ms()
        if task is None or task.status == "FAILED":
            return Reply(404)
        if task.upload_until_ms <= now:
            return Reply(403)
        reply = receive(task, call)
        if reply.status == 201:
            wrong = task.wrong_format()
            if wrong:
                self._fail(task, wrong)
            else:
                self._process(task)
        return reply

    def settle(self) -> None:
        """Bring every publication to where it is by now."""
        now = self._state.clock.now_ms()
        for task in self._tasks.values():
            if task.status.startswith("PROCESSING") and task.done_ms is not None and task.done_ms <= now:
                if task.wish.direct:
                    self.complete(task)
                else:
                    task.status, task.pending_draft = "SEND_TO_USER_INBOX", True
                    self._emit(task, "post.publish.inbox_delivered", "inbox")
            if task.becomes_public_ms is not None and task.becomes_public_ms <= now and task.content:
                task.becomes_public_ms = None
                task.public, task.content.hidden = not task.content.deleted, False
                if task.public:
                    self._emit(task, "post.publish.publicly_available", "public", post_id=task.content.id)

    def complete(self, task: Task) -> Content:
        """It is out: for everybody, if it is to be public, when moderation has passed."""
        now, account = self._state.clock.now_ms(), task.account
        public = task.wish.privacy in (None, PRIVACY_LEVELS[0])
        content = self._people.publish(
            account, "photo" if task.wish.photo else "video", task.wish.text, _media(task)
        )
        content.hidden = True
        task.content, task.status, task.pending_draft = content, "PUBLISH_COMPLETE", False
        task.published_ms = now
        task.becomes_public_ms = now + _MODERATION_MS if public else None
        self._people.published_by_api[content.id] = (task.app.id, task.publish_id, task.publish_type)
        self._state.ledger.publications.append(
            Publication(
                "tiktok",
                account.id,
                task.app.id,
                content.id,
                hexadecimal(32, task.wish.text, task.fingerprint()),
                iso_z(now),
            )
        )
        self._emit(task, "post.publish.complete", "published")
        return content

    def post_draft(self, account: Profile) -> Done:
        """The creator opens the newest draft of the inbox and posts it."""
        self.settle()
        drafts = [t for t in self._tasks.values() if t.account is account and t.pending_draft]
        if not drafts:
            raise BadInput("no draft waits in the account's inbox; an app has to send one first")
        return Done(self.complete(drafts[-1]).id)

    def _video(self, call: Call, caller: Caller, direct: bool) -> Reply:
        wish = read_video(call.json(), PRIVACY_LEVELS, direct)
        self._check_addresses(caller.app, wish.addresses)
        prefix = f"v_{'pub' if direct else 'inbox'}_{'url' if wish.addresses else 'file'}~v2."
        task = self._open(caller, Task(prefix, caller.account, caller.app, wish))
        data = {"publish_id": task.publish_id}
        if wish.addresses:
            self._pull(task)
        else:
            task.upload_until_ms = self._state.clock.now_ms() + _UPLOAD_LIFETIME_MS
            upload_id, token = digits(12, task.publish_id, "upload"), secret(48, task.publish_id, "upload")
            self._uploads[upload_id, token] = task
            data["upload_url"] = f"https://{UPLOAD[0]}/video/?upload_id={upload_id}&upload_token={token}"
        return errors.fine(data)

    def _open(self, caller: Caller, task: Task) -> Task:
        number = len(self._tasks) + 1
        task.publish_id = f"{task.publish_id}{digits(19, self._state.seed, 'publish', number, prefix='74')}"
        self._tasks[task.publish_id] = task
        return task

    def _pull(self, task: Task) -> None:
        async def pull() -> None:
            wrong = await fetch(task, self._state.deliverer.client)
            if task.status != "PROCESSING_DOWNLOAD":
                return  # cancelled meanwhile
            if wrong:
                self._fail(task, wrong)
            else:
                self._process(task)

        work = asyncio.get_running_loop().create_task(pull())
        self._pulls.add(work)
        work.add_done_callback(self._pulls.discard)

    def _process(self, task: Task) -> None:
        """Also looked at when nobody calls, so that webhooks come by themselves."""
        task.done_ms = self._state.clock.now_ms() + _PROCESSING_MS
        loop = asyncio.get_running_loop()
        for wait_ms in (_PROCESSING_MS, _PROCESSING_MS + _MODERATION_MS):
            loop.call_later(wait_ms / 1000 + 0.01, self.settle)

    def _fail(self, task: Task, reason: str) -> None:
        task.status, task.fail_reason = "FAILED", reason
        self._emit(task, "post.publish.failed", "failed", reason=reason)

    def _emit(self, task: Task, event: str, kind: str, **more: str) -> None:
        content = {"publish_id": task.publish_id, "publish_type": task.publish_type, **more}
        happening = self._describe.told(
            task.account, event, content, kind, task.publish_id, task.app.id, more.get("post_id")
        )
        self._state.events.emit(happening)

    def _task(self, call: Call, caller: Caller) -> Task:
        task = self._tasks.get(str(call.json().get("publish_id")))
        if task is None:
            raise Refused(errors.refusal("invalid_publish_id", "The publish_id does not exist."))
        if task.account is not caller.account or task.app is not caller.app:
            message = "The token is not authorized for this publish_id."
            raise Refused(errors.refusal("token_not_authorized_for_specified_publish_id", message))
        return task

    def _check_room(self, account: Profile) -> None:
        if self._posts_of_today(account) >= self._daily().limit:
            raise Refused(errors.refusal("spam_risk_too_many_posts", "Daily post cap reached."))

    def _daily(self) -> Rule:
        return self._state.limits.rule("tiktok", POSTS_FAMILY) or POSTS_A_DAY

    def _posts_of_today(self, account: Profile) -> int:
        since = self._state.clock.now_ms() - self._daily().window_s * 1000
        own: Callable[[Task], bool] = lambda t: t.account is account and (t.published_ms or 0) > since  # noqa: E731
        return sum(1 for task in self._tasks.values() if own(task))

    def _check_addresses(self, app: PlatformApp, addresses: list[str]) -> None:
        """TikTok pulls from domains verified in its portal: here those of the app's registered redirect
        addresses; an app without any may pull from everywhere."""
        known = {host_of(uri) for uri in app.redirect_uris}
        if known and any(host_of(address) not in known for address in addresses):
            message = "The domain of the media is not verified."
            raise Refused(errors.refusal("url_ownership_unverified", message))


def host_of(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0].lower()


def _media(task: Task) -> list[Media]:
    host, key = "https://p16-sign.tiktokcdn.com/obj", hexadecimal(24, task.publish_id)
    if task.wish.photo:
        return [
            Media(f"{key}-{n}", "IMAGE", f"{host}/{key}-{n}.jpeg", None, 1080, 1440)
            for n in range(len(task.wish.addresses))
        ]
    film = f"https://v16.tiktokcdn.com/{key}.mp4"
    return [Media(key, "VIDEO", film, f"{host}/{key}.jpeg", 1080, 1920, 15_000)]
