"""Google's own Python client, unmodified apart from the address, against the sandbox as a process."""

import io
import json
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import google_auth_httplib2  # noqa: F401 - what the client sends with
import httpx
import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError, ResumableUploadError
from googleapiclient.http import MediaIoBaseUpload

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with Popen(command, cwd=ROOT, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.rsplit(" ", 1)[1].strip()
        process.terminate()


@pytest.fixture
def account(base: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    wish = {"platform": "youtube", "seed": request.node.name, "posts": 60}
    found: dict[str, Any] = httpx.post(f"{base}/_sandbox/accounts", json=wish).json()
    return found


def credentials(base: str, account: dict[str, Any], **change: Any) -> Any:
    fields = {
        "token": account["access_token"],
        "refresh_token": account["refresh_token"],
        "token_uri": f"{base}/oauth2.googleapis.com/token",
        "client_id": account["app"]["client_id"],
        "client_secret": account["app"]["client_secret"],
    }
    return Credentials(**fields | change)


def service(base: str, name: str, credentials: Any) -> Any:
    """Media uploads keep `https` unless the document itself says otherwise."""
    folder = resources.files("googleapiclient") / "discovery_cache" / "documents"
    document = json.loads((folder / f"{name}.json").read_text())
    host = document["rootUrl"].removeprefix("https://")
    return build_from_document(document | {"rootUrl": f"{base}/{host}"}, credentials=credentials)


@pytest.fixture
def youtube(base: str, account: dict[str, Any]) -> Any:
    return service(base, "youtube.v3", credentials(base, account))


def test_profile_and_every_page_of_uploads(youtube: Any, account: dict[str, Any]) -> None:
    channels = youtube.channels().list(part="snippet,contentDetails,statistics", mine=True).execute()
    (channel,) = channels["items"]
    assert channel["id"] == account["external_id"]
    playlist = channel["contentDetails"]["relatedPlaylists"]["uploads"]
    ids = []
    request = youtube.playlistItems().list(part="contentDetails", playlistId=playlist, maxResults=25)
    while request is not None:
        page = request.execute()
        ids += [item["contentDetails"]["videoId"] for item in page["items"]]
        request = youtube.playlistItems().list_next(request, page)
    assert len(ids) == len(set(ids)) == 60
    videos = youtube.videos().list(part="snippet,statistics", id=",".join(ids[:50])).execute()
    assert [v["id"] for v in videos["items"]] == ids[:50]
    stats = youtube.videos().batchGetStats(part=["statistics"], id=ids[:3]).execute()
    assert stats["items"][0]["statistics"]["viewCount"] == videos["items"][0]["statistics"]["viewCount"]


def test_comments(youtube: Any, account: dict[str, Any]) -> None:
    request = youtube.commentThreads().list(
        part="snippet,replies", allThreadsRelatedToChannelId=account["external_id"], maxResults=10
    )
    threads = []
    while request is not None:
        page = request.execute()
        threads += page["items"]
        request = youtube.commentThreads().list_next(request, page)
    assert len({t["id"] for t in threads}) == len(threads) > 10
    top = threads[0]["id"]
    body = {"snippet": {"parentId": top, "textOriginal": "Danke!"}}
    made = youtube.comments().insert(part="snippet", body=body).execute()
    replies = youtube.comments().list(part="snippet", parentId=top).execute()
    assert made["id"] in [r["id"] for r in replies["items"]]


def test_resumable_upload_in_chunks(youtube: Any) -> None:
    data = bytes(range(256)) * (MIB // 256) + b"end"
    media = MediaIoBaseUpload(io.BytesIO(data), "video/mp4", chunksize=MIB // 2, resumable=True)
    body = {"snippet": {"title": "By the client"}, "status": {"privacyStatus": "private"}}
    request = youtube.videos().insert(part="snippet,status", body=body, media_body=media)
    answer, progress = None, []
    while answer is None:
        status, answer = request.next_chunk()
        progress += [status.resumable_progress] if status else []
    assert progress == [MIB // 2, MIB]
    assert answer["snippet"]["title"] == "By the client"
    assert answer["status"]["uploadStatus"] == "uploaded"
    changed = {"id": answer["id"], "snippet": {"title": "Renamed", "categoryId": "22"}}
    again = youtube.videos().update(part="snippet", body=changed).execute()
    assert again["snippet"]["title"] == "Renamed"
    youtube.videos().delete(id=answer["id"]).execute()
    assert youtube.videos().list(part="id", id=answer["id"]).execute()["items"] == []


def test_simple_uploads_and_thumbnails(youtube: Any) -> None:
    media = MediaIoBaseUpload(io.BytesIO(b"x" * 5000), "video/mp4")
    body = {"snippet": {"title": "In one piece"}}
    answer = youtube.videos().insert(part="snippet", body=body, media_body=media).execute()
    assert answer["snippet"]["title"] == "In one piece"
    picture = MediaIoBaseUpload(io.BytesIO(b"png"), "image/png")
    shown = youtube.thumbnails().set(videoId=answer["id"], media_body=picture).execute()
    assert shown["items"][0]["default"]["url"]


def test_google_s_own_errors(base: str, youtube: Any, account: dict[str, Any]) -> None:
    with pytest.raises(HttpError) as error:
        youtube.playlistItems().list(part="snippet", playlistId="UUnope").execute()
    assert (error.value.resp.status, error.value.error_details[0]["reason"]) == (404, "playlistNotFound")
    with pytest.raises(HttpError) as error:
        youtube.commentThreads().list(part="snippet", videoId="x", pageToken="???").execute()
    assert error.value.resp.status in (400, 404)
    media = MediaIoBaseUpload(io.BytesIO(b"x"), "video/mp4", resumable=True)
    bad = youtube.videos().insert(part="snippet", body={"snippet": {"title": ""}}, media_body=media)
    with pytest.raises((HttpError, ResumableUploadError)) as refused:
        bad.execute()
    assert b"invalidTitle" in refused.value.content
    limit = {"platform": "youtube", "family": "search", "limit": 1}
    httpx.put(f"{base}/_sandbox/limits", json=limit)
    search = youtube.search().list(part="snippet", forMine=True, type="video")
    search.execute()
    with pytest.raises(HttpError) as error:
        search.execute()
    assert error.value.resp.status == 429
    assert "per day" in error.value.reason


def test_an_expired_token_is_refreshed_by_the_client_itself(base: str, account: dict[str, Any]) -> None:
    old = credentials(base, account, token="ya29.dead")
    client = service(base, "youtube.v3", old)
    client.channels().list(part="id", mine=True).execute()
    assert old.token != "ya29.dead"
    assert old.refresh_token == account["refresh_token"]


def test_reports(base: str, account: dict[str, Any]) -> None:
    analytics = service(base, "youtubeAnalytics.v2", credentials(base, account))
    query = {
        "ids": "channel==MINE",
        "startDate": "2020-01-01",
        "endDate": "2030-01-01",
        "metrics": "views,likes",
    }
    total = analytics.reports().query(**query).execute()
    per_video = analytics.reports().query(**query, dimensions="video", sort="-views").execute()
    assert [h["name"] for h in per_video["columnHeaders"]] == ["video", "views", "likes"]
    assert sum(row[1] for row in per_video["rows"]) == total["rows"][0][0]


def test_going_live(youtube: Any) -> None:
    cdn = {"ingestionType": "rtmp", "resolution": "1080p", "frameRate": "30fps"}
    stream = youtube.liveStreams().insert(
        part="snippet,cdn,status", body={"snippet": {"title": "s"}, "cdn": cdn}
    )
    stream_id = stream.execute()["id"]
    body = {
        "snippet": {"title": "b", "scheduledStartTime": "2026-12-01T10:00:00Z"},
        "status": {"privacyStatus": "unlisted"},
    }
    made = youtube.liveBroadcasts().insert(part="snippet,status", body=body).execute()
    bound = youtube.liveBroadcasts().bind(part="status", id=made["id"], streamId=stream_id).execute()
    assert bound["status"]["lifeCycleStatus"] == "ready"
    with pytest.raises(HttpError) as error:
        youtube.liveBroadcasts().transition(part="status", id=made["id"], broadcastStatus="live").execute()
    assert error.value.error_details[0]["reason"] == "errorStreamInactive"
