"""X's report jobs in the sandbox: what may be asked for, how many at a time, and how long a file is kept."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import oauthlib.oauth1
import pytest

from tests.unit.sandbox.conftest import NOW_MS, World

HOST = "ads-api.x.com"
UNTIL = datetime.fromtimestamp(NOW_MS / 1000, UTC).date() - timedelta(days=2)


class Advertiser:
    def __init__(self, world: World, account: dict[str, Any]) -> None:
        self._http = world.http
        self._signer = oauthlib.oauth1.Client(
            account["app"]["client_id"],
            client_secret=account["app"]["webhook_secret"],
            resource_owner_key=account["oauth1_token"],
            resource_owner_secret=account["oauth1_secret"],
            timestamp=str(NOW_MS // 1000),
        )

    async def call(self, method: str, path: str, **query: str) -> httpx.Response:
        url = str(httpx.URL(f"https://{HOST}/12/{path}", params=query))
        _, headers, _ = self._signer.sign(url, method)
        return await self._http.request(method, url.replace("https:/", ""), headers=headers)

    async def objects(self) -> tuple[str, list[str]]:
        (account,) = (await self.call("GET", "accounts")).json()["data"]
        rows = (await self.call("GET", f"accounts/{account['id']}/campaigns")).json()["data"]
        return account["id"], [row["id"] for row in rows]

    async def ask(self, account: str, ids: list[str], **changes: str) -> httpx.Response:
        query = {
            "entity": "CAMPAIGN",
            "entity_ids": ",".join(ids),
            "start_time": str(UNTIL - timedelta(days=30)),
            "end_time": str(UNTIL),
            "granularity": "DAY",
            "placement": "ALL_ON_TWITTER",
            "metric_groups": "ENGAGEMENT,BILLING",
        }
        return await self.call("POST", f"stats/jobs/accounts/{account}", **(query | changes))


@pytest.fixture
async def advertiser(world: World) -> Advertiser:
    return Advertiser(world, await world.account("twitter", posts=0))


async def test_a_job_is_processed_and_its_file_kept_for_two_days(
    world: World, advertiser: Advertiser
) -> None:
    account, ids = await advertiser.objects()
    made = await advertiser.ask(account, ids)
    assert (made.status_code, made.headers["x-concurrent-job-limit-remaining"]) == (201, "99")
    job = made.json()["data"]
    assert (job["status"], job["url"], job["expires_at"]) == ("PROCESSING", None, None)
    assert str(job["id"]) == job["id_str"]
    path = f"stats/jobs/accounts/{account}"

    async def shown() -> dict[str, Any]:
        (row,) = (await advertiser.call("GET", path, job_ids=job["id_str"])).json()["data"]
        return dict(row)

    assert (await shown())["status"] == "PROCESSING"
    await world.post("/clock", advance_s=4)
    done = await shown()
    assert done["status"] == "SUCCESS" and done["entity_ids"] == ids
    file = done["url"].replace("https:/", "")
    assert file.startswith("/ton.twimg.com/") and job["id_str"] not in file, "nobody guesses it"
    packed = await world.http.get(file)
    assert packed.headers["content-type"] == "application/gzip"
    document = json.loads(gzip.decompress(packed.content))
    assert [row["id"] for row in document["data"]] == ids and document["time_series_length"] == 30
    assert (await world.http.get(file.replace(".json", "x.json"))).status_code == 404
    await world.post("/clock", advance_s=2 * 86_400)
    assert (await world.http.get(file)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"start_time": str(UNTIL - timedelta(days=90))}, 201),
        ({"start_time": str(UNTIL - timedelta(days=91))}, 400),
        ({"start_time": str(UNTIL)}, 400),
        ({"start_time": "yesterday"}, 400),
        ({"end_time": f"{UNTIL}T01:00:00Z"}, 400),
        ({"entity_ids": ""}, 400),
        ({"entity_ids": ",".join(["x"] * 21)}, 400),
        ({"entity_ids": "nothing"}, 404),
        ({"metric_groups": "MONEY"}, 400),
        ({"placement": "EVERYWHERE"}, 400),
        ({"granularity": "TOTAL"}, 400),
        ({"segmentation_type": "GENDER"}, 501),
    ],
)
async def test_what_a_job_takes(advertiser: Advertiser, changes: dict[str, str], status: int) -> None:
    account, ids = await advertiser.objects()
    answer = await advertiser.ask(account, ids, **changes)
    assert answer.status_code == status, answer.text


async def test_so_many_jobs_at_a_time(world: World, advertiser: Advertiser) -> None:
    account, ids = await advertiser.objects()
    await world.put("/limits", platform="twitter", family="ads_jobs", limit=2)
    answers = [await advertiser.ask(account, ids) for _ in range(3)]
    assert [a.status_code for a in answers] == [201, 201, 400]
    assert answers[-1].json()["errors"][0]["code"] == "TOO_MANY_JOBS"
    await world.post("/clock", advance_s=4)
    assert (await advertiser.ask(account, ids)).status_code == 201


async def test_jobs_of_others_are_not_shown(world: World, advertiser: Advertiser) -> None:
    account, ids = await advertiser.objects()
    job = (await advertiser.ask(account, ids)).json()["data"]["id_str"]
    other = Advertiser(world, await world.account("twitter", seed="other", posts=0))
    own, _ = await other.objects()
    assert (await other.call("GET", f"stats/jobs/accounts/{own}", job_ids=job)).json()["data"] == []
    assert (await other.call("GET", f"stats/jobs/accounts/{account}", job_ids=job)).status_code == 404
    assert len((await advertiser.call("GET", f"stats/jobs/accounts/{account}")).json()["data"]) == 1
