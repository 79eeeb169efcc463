"""What README and the guides tell people to send is sent, to the API in memory."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.conftest import World

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```sh.*?\n(.*?)^```", re.DOTALL | re.MULTILINE)


def curls() -> list[tuple[str, list[str]]]:
    """(page, the words of a command) for every `curl` of the service in a block of shell."""
    found = []
    for page in PAGES:
        for block in FENCED.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("curl ") and "$URL/" in line:
                    found.append((page.name, shlex.split(line, comments=True)[1:]))
    return found


def request(words: list[str], variables: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Method, address, and the rest as httpx takes it: as curl understands these words."""
    method, address, body = "GET", "", None
    headers: dict[str, str] = {}
    filled = iter(re.sub(r"\$(\w+)", lambda found: variables[found[1]], word) for word in words)
    for word in filled:
        match word:
            case "-s" | "-sS" | "-i":
                pass
            case "-H":
                name, _, value = next(filled).partition(": ")
                headers[name] = value
            case "-d":
                method, body = "POST", next(filled)
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            case "--json":
                method, body = "POST", next(filled)
                headers["Content-Type"] = "application/json"
            case _:
                assert not word.startswith("-"), f"this test knows no {word}"
                address = word
    return method, address, {"headers": headers} | ({} if body is None else {"content": body.encode()})


def test_there_is_something_to_send() -> None:
    assert {page for page, _ in curls()} >= {"README.md", "deploy.md"}


@pytest.mark.parametrize(
    ("page", "words"), curls(), ids=lambda value: value if isinstance(value, str) else None
)
async def test_what_a_page_says_to_send_is_accepted(world: World, page: str, words: list[str]) -> None:
    admin = world.ours.admin
    bearer = f"Authorization: Bearer {admin.token}"
    variables = {"URL": "", "KEY": admin.api_key, "TOKEN": admin.token, "AUTH": bearer}
    method, address, rest = request(words, variables)
    answer = await world.http.request(method, address, **rest)
    assert answer.is_success, (page, words, answer.text)


async def test_every_address_a_page_names_is_one(world: World) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    routes = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in paths.items()
        for method in methods
    }
    named = set()
    for page in PAGES:
        for method, path in re.findall(r"`(GET|POST|PATCH|DELETE)\s+(/v1/[^`?\s]*)", page.read_text()):
            named.add((page.name, method, re.sub(r"{\w+}", "{}", path)))
    assert len(named) >= 5
    assert {(page, method, path) for page, method, path in named if (method, path) not in routes} == set()
