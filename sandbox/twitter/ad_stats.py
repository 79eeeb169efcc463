"""Numbers of X's advertising by day: in the answer, or by jobs whose files are fetched from another host.

Source: docs.x.com "Ads API", analytics: 20 objects; 7 days in an answer, 90 by a job; files are packed and
expire after two days. The refusal of too many jobs is one that users of X's client library met. Granularities
but DAY and segments (45 days) are not emulated.
"""

import gzip
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from sandbox.clock import iso_z
from sandbox.ids import secret
from sandbox.limits import Rule
from sandbox.state import State
from sandbox.twitter.ad_books import ENTITIES, ZONE, Book, numbers
from sandbox.twitter.ads_answers import echoed, listed, wrong
from sandbox.twitter.errors import Refused, ads_error
from sandbox.web import Call, Reply, json_reply

FILE_HOST, FILES = "ton.twimg.com", "/advertiser-api-async-analytics"
JOBS_FAMILY = "ads_jobs"
"""So many jobs of an ad account may be processing at a time."""
JOBS_AT_ONCE = Rule(100, 1)
OBJECTS_AT_MOST, DAYS_AT_MOST, DAYS_OF_A_JOB = 20, 7, 90
PROCESSING_S, KEPT_S = 4, 2 * 86_400
_JOB_IDS_AT_MOST = 200
_GROUPS = ("ENGAGEMENT", "BILLING", "VIDEO", "MEDIA", "WEB_CONVERSION", "MOBILE_CONVERSION")
_PLACEMENTS = ("ALL_ON_TWITTER", "SPOTLIGHT", "TREND")


@dataclass(frozen=True, slots=True)
class Wanted:
    level: str
    ids: tuple[str, ...]
    days: tuple[date, ...]
    groups: tuple[str, ...]
    placement: str


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    book: Book
    wanted: Wanted
    asked: dict[str, Any]  # as the job is shown
    made_ms: int
    file: str = field(repr=False)

    @property
    def done_ms(self) -> int:
        return self.made_ms + PROCESSING_S * 1000

    @property
    def expires_ms(self) -> int:
        return self.done_ms + KEPT_S * 1000


class Stats:
    def __init__(self, state: State) -> None:
        self._state = state
        self._jobs: dict[str, Job] = {}

    async def now(self, call: Call, book: Book) -> Reply:
        wanted = self._wanted(call, book, DAYS_AT_MOST)
        return json_reply(self._document(book, wanted) | echoed(call))

    async def ask(self, call: Call, book: Book) -> Reply:
        if call.query.get("segmentation_type"):
            raise Refused(ads_error(501, "NOT_IMPLEMENTED", "The sandbox does not emulate segments."))
        wanted = self._wanted(call, book, DAYS_OF_A_JOB)
        limit, processing = self._room(book)
        if processing >= limit:
            text = f"A maximum of {limit} jobs can be in processing state"
            raise Refused(ads_error(400, "TOO_MANY_JOBS", text))
        now = self._state.clock.now_ms()
        job_id = self._state.world.ids.snowflake(now)
        asked = {
            "entity": ENTITIES[wanted.level],
            "entity_ids": list(wanted.ids),
            "start_time": call.query["start_time"],
            "end_time": call.query["end_time"],
            "granularity": "DAY",
            "placement": wanted.placement,
            "metric_groups": list(wanted.groups),
            "account_id": book.id,
            **dict.fromkeys(("segmentation_type", "country", "platform")),
        }
        name = f"{secret(64, self._state.seed, 'stats job', job_id)}.json.gz"
        job = self._jobs[job_id] = Job(job_id, book, wanted, asked, now, name)
        reply = json_reply({"data": self._row(job)} | echoed(call), 201)
        reply.headers |= _room_headers(limit, processing + 1)
        return reply

    async def jobs(self, call: Call, book: Book) -> Reply:
        wished = [part for part in call.query.get("job_ids", "").split(",") if part]
        if len(wished) > _JOB_IDS_AT_MOST or not all(part.isdigit() for part in wished):
            raise wrong(call, "job_ids", f"job_ids takes up to {_JOB_IDS_AT_MOST} ids")
        own = [job for job in self._jobs.values() if job.book is book]
        reply = listed(call, [self._row(job) for job in own if not wished or job.id in wished])
        reply.headers |= _room_headers(*self._room(book))
        return reply

    async def file(self, call: Call) -> Reply:
        """Whoever knows the name may read it."""
        job = next((job for job in self._jobs.values() if job.file == call.params["name"]), None)
        now = self._state.clock.now_ms()
        if job is None or not job.done_ms <= now < job.expires_ms:
            return Reply(404, b"not found", {"content-type": "text/plain"})
        params = {name: value for name, value in job.asked.items() if name != "account_id"}
        document = self._document(job.book, job.wanted) | {"request": {"params": params}}
        packed = gzip.compress(orjson.dumps(document), mtime=0)
        return Reply(200, packed, {"content-type": "application/gzip"})

    def _row(self, job: Job) -> dict[str, Any]:
        done = self._state.clock.now_ms() >= job.done_ms
        return {
            **job.asked,
            "id": int(job.id),
            "id_str": job.id,
            "status": "SUCCESS" if done else "PROCESSING",
            "url": f"https://{FILE_HOST}{FILES}/{job.file}" if done else None,
            "created_at": iso_z(job.made_ms),
            "updated_at": iso_z(job.done_ms if done else job.made_ms),
            "expires_at": iso_z(job.expires_ms) if done else None,
        }

    def _room(self, book: Book) -> tuple[int, int]:
        """How many jobs may be processing, and how many are."""
        rule = self._state.limits.rule("twitter", JOBS_FAMILY) or JOBS_AT_ONCE
        now = self._state.clock.now_ms()
        return rule.limit, sum(job.book is book and now < job.done_ms for job in self._jobs.values())

    def _document(self, book: Book, wanted: Wanted) -> dict[str, Any]:
        shown = list(wanted.days) if wanted.placement == "ALL_ON_TWITTER" else []
        groups = list(wanted.groups)
        data = [numbers(book, self._state.seed, wanted.level, i, shown, groups) for i in wanted.ids]
        return {"data_type": "stats", "time_series_length": len(wanted.days), "data": data}

    def _wanted(self, call: Call, book: Book, days_at_most: int) -> Wanted:
        query = call.query
        level = next((name for name, entity in ENTITIES.items() if entity == query.get("entity")), None)
        if level is None:
            raise wrong(call, "entity", f"entity must be one of {', '.join(ENTITIES.values())}")
        ids = tuple(part for part in query.get("entity_ids", "").split(",") if part)
        if not 1 <= len(ids) <= OBJECTS_AT_MOST:
            raise wrong(call, "entity_ids", f"entity_ids takes 1 to {OBJECTS_AT_MOST} ids")
        groups = tuple(query.get("metric_groups", "").split(","))
        if any(group not in _GROUPS for group in groups):
            raise wrong(call, "metric_groups", f"metric_groups takes {', '.join(_GROUPS)}")
        placement = query.get("placement", "")
        if placement not in _PLACEMENTS:
            raise wrong(call, "placement", f"placement must be one of {', '.join(_PLACEMENTS)}")
        days = self._days(call, days_at_most)
        found = {row["id"] for row in book.rows[level]}
        if missing := [part for part in ids if part not in found]:
            raise Refused(ads_error(404, "NOT_FOUND", "The object does not exist", "entity_ids", missing[0]))
        return Wanted(level, ids, days, groups, placement)

    def _days(self, call: Call, at_most: int) -> tuple[date, ...]:
        """The days asked for, in the account's zone, up to today."""
        if call.query.get("granularity") != "DAY":
            raise wrong(call, "granularity", "The sandbox reports by DAY")
        bounds = []
        for name in ("start_time", "end_time"):
            text = call.query.get(name, "")
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                raise wrong(call, name, f"{name} is not an ISO 8601 time") from None
            local = moment.replace(tzinfo=ZONE) if len(text) == 10 else moment.astimezone(ZONE)
            if local.time().isoformat() != "00:00:00":
                raise wrong(call, name, f"{name} must be midnight in the account's time zone")
            bounds.append(local.date())
        length = (bounds[1] - bounds[0]).days
        if not 1 <= length <= at_most:
            raise wrong(call, "end_time", f"The time range must have 1 to {at_most} days")
        today = datetime.fromtimestamp(self._state.clock.now_ms() / 1000, UTC).astimezone(ZONE).date()
        return tuple(d for n in range(length) if (d := bounds[0] + timedelta(days=n)) <= today)


def _room_headers(limit: int, processing: int) -> dict[str, str]:
    return {
        "x-concurrent-job-limit": str(limit),
        "x-concurrent-job-limit-remaining": str(max(0, limit - processing)),
    }
