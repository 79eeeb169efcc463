"""What there is of each platform, part by part, and what proves it: `docs/platforms.md`.

    python -m tests.contract.table

Everything in it is computed from the registries, the specs and the tests; a test fails when it is stale.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from platforms.base import Platform
from platforms.registry import PLATFORMS
from sandbox.app import Sandbox

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "platforms.md"
SUITE = "tests/contract/platforms"
SUPPORT = ("tests/unit/platforms/support.py", "tests/unit/platforms/publish_support.py")

# Part -> names by which a test calls it, names of files that hold it, and the suite's tests of it.
PARTS: Mapping[str, tuple[str, str, str]] = {
    "connect": (
        "authorize_url exchange refresh revoke connectables farewell",
        "login oauth oauth1 consents roles",
        "test_connecting",
    ),
    "read": ("list_page read_items profile", "reading read lookup boards api people comments", "test_owning"),
    "normalise": ("", "normalise shapes", "test_answers"),
    "publish": (
        "publishing",
        "publishing publish publications posts pins drafts rules films media upload uploads write containers "
        "captions tags",
        "test_publishing",
    ),
    "insights": ("insights", "insights analytics metrics business", "test_numbers"),
    "ads": (
        "ads",
        "ads ads_api ads_rows ads_making ads_answers ad_books ad_stats stats targeting marketing reports "
        "advertising business amounts",
        "test_numbers",
    ),
    "commerce": ("commerce", "commerce catalog catalogs products shop shopping no_commerce", "test_answers"),
    "live": ("live", "live", "test_answers"),
    "webhooks": (
        "subscribe handshake verify split parse",
        "webhooks events subscriptions websub legacy",
        "test_webhooks",
    ),
    "limits and errors": ("", "errors spec access", "test_answers"),
}
OFFERED = {"publish": "publishing", **{part: part for part in ("insights", "ads", "commerce", "live")}}


def _parts_by(column: int) -> dict[str, frozenset[str]]:
    rows = [(name, part) for part, columns in PARTS.items() for name in columns[column].split()]
    return {name: frozenset(part for other, part in rows if other == name) for name, _ in rows}


CALLS, FILES = _parts_by(0), _parts_by(1)


def page() -> str:
    return INTRODUCTION + "\n".join(line for row in PLATFORMS.items() for line in section(*row)) + "\n"


INTRODUCTION = f"""# The platforms, part by part

Written by `make docs` from the registries, the specs and the tests; nothing here is typed by hand.

*Adapter*: where Rookery speaks to the platform. *Sandbox*: where the platform is emulated, with the number of
operations that it answers. *Proof*: tests, with how many of them exercise the part. The [suite](../{SUITE})
is what every platform passes: a crash at every step, every call before every kind of answer. A platform adds
data to it and no code: [how to add one](add-a-platform.md).
"""


def section(name: str, platform: Platform) -> Iterator[str]:
    spec = platform.spec
    hosts = ", ".join(f"`{host}`" for host in (*spec.hosts, *spec.file_hosts))
    yield from ("", f"## {spec.title}", "")
    yield f"- tokens: {spec.token.model.value}, {lasting(spec.token.lifetime_s)}"
    yield f"- lists: {', '.join(source.name for source in spec.sources)}"
    yield f"- hosts: {hosts}"
    yield f"- contracts and recorded payloads: {judges(name) or 'none that a machine can read'}"
    yield f"- client libraries against the sandbox: {clients(name) or 'none'}"
    yield f"- the sandbox's own tests: {', '.join(map(named, tests_of(name, 'sandbox')))}"
    yield from ("", "| part | adapter | sandbox | proof |", "|---|---|---|---|")
    for part in PARTS:
        cells = (adapter(name, platform, part), sandbox(name, part), proof(name, platform, part))
        yield f"| {part} | {' | '.join(cells)} |"


# -- cells --------------------------------------------------------------------------------------------
def adapter(name: str, platform: Platform, part: str) -> str:
    if not offers(platform, part):
        why = platform.spec.not_offered.get(OFFERED.get(part, part))
        return f"not offered: {why}" if why else "not offered"
    files = [path for path in modules(f"platforms/{name}") if part in FILES.get(path.stem, ())]
    if part in ("connect", "read"):
        files.insert(0, ROOT / f"platforms/{name}/adapter.py")
    return "<br>".join([*map(named, files), *facts(platform, part)])


def facts(platform: Platform, part: str) -> Iterator[str]:
    spec = platform.spec
    if part == "publish" and platform.publishing is not None:
        yield ", ".join(kind.value for kind in platform.publishing.rules)
    offered = getattr(platform, OFFERED[part]) if part in OFFERED else None
    yield from (f"no {what}: {sentence}" for what, sentence in lacks(getattr(offered, "missing", {})))
    if part == "webhooks":
        lease = f", asked for anew every {lasting(spec.webhook_lease_s // 2)}" if spec.webhook_lease_s else ""
        yield f"signed in `{spec.webhook_signature_header}`{lease}"
    if part == "limits and errors":
        yield f"{len(spec.windows)} windows, {len(spec.app_windows)} of them shared by an application"


def lacks(missing: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is missing for the same reason, together."""
    for sentence in dict.fromkeys(missing.values()):
        yield ", ".join(what for what, why in missing.items() if why == sentence), sentence


def offers(platform: Platform, part: str) -> bool:
    if part == "webhooks":
        return platform.spec.webhook_signature_header is not None
    return part not in OFFERED or getattr(platform, OFFERED[part]) is not None


def sandbox(name: str, part: str) -> str:
    files = {path: 0 for path in modules(f"sandbox/{name}") if part in FILES.get(path.stem, ())}
    for operation in emulated().platforms[name].operations:
        path = ROOT / (home(operation.handler).replace(".", "/") + ".py")
        if path in files:
            files[path] += 1
    return "<br>".join(f"{named(path)}{f' ({n})' if n else ''}" for path, n in files.items()) or "none"


def proof(name: str, platform: Platform, part: str) -> str:
    if not offers(platform, part):
        return ""
    counted = ((path, sum(part in parts for parts in tested(path).values())) for path in tests_of(name))
    rows = [f"{named(path)} ({number})" for path, number in counted if number]
    return "<br>".join([f"suite: {named(ROOT / SUITE / f'{PARTS[part][2]}.py')}", *rows])


def judges(name: str) -> str:
    """Tests that hold requests or answers against a contract of the platform's own, or read what it sent."""
    found = []
    for path in (*tests_of(name), *tests_of(name, "sandbox")):
        text = path.read_text()
        kinds = [k for k, sign in JUDGES.items() if re.search(sign, text)]
        if kinds:
            found.append(f"{named(path)} ({', '.join(kinds)})")
    return ", ".join(found)


JUDGES = {
    "contract": r"shared\" / \"specs|_contract as contract|discovery_cache|x_spec|X_SPEC",
    "recorded": r"shared\" / \"recorded",
}


_LIBRARIES = frozenset(
    {
        "business_api_client",
        "facebook_business",
        "google_auth_httplib2",
        "googleapiclient",
        "pinterestsdk",
        "pyfacebook",
        "pytiktok",
        "requests_oauthlib",
        "tiktok_shop_api",
        "twitter_ads",
        "xdk",
    }
)


def clients(name: str) -> str:
    found: dict[str, Path] = {}
    for path in tests_of(name, "sandbox"):
        for library in re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE):
            if library in _LIBRARIES:
                found.setdefault(library, path)
    return ", ".join(
        f"[`{library}`]({link(str(path.relative_to(ROOT)))})" for library, path in sorted(found.items())
    )


# -- reading tests ------------------------------------------------------------------------------------
def tests_of(name: str, folder: str = "platforms") -> list[Path]:
    return sorted((ROOT / "tests/unit" / folder).glob(f"test_{name}*.py"))


@cache
def tested(path: Path) -> Mapping[str, frozenset[str]]:
    """Test -> the parts that it exercises: by what it, and whatever it calls in its module, names."""
    known = {**dict(_meanings(path)), **{n: w for support in SUPPORT for n, w in _meanings(ROOT / support)}}

    def parts(word: str, seen: frozenset[str]) -> frozenset[str]:
        direct = CALLS.get(word, frozenset()) | (known[word][1] if word in known else frozenset())
        inner = known[word][0] if word in known else frozenset()
        return direct.union(*(parts(w, seen | {w}) for w in inner - seen))

    return {test: parts(test, frozenset({test})) for test in known if test.startswith("test_")}


Meaning = tuple[frozenset[str], frozenset[str]]  # the names that occur in it, the parts that it belongs to


def _meanings(path: Path) -> Iterator[tuple[str, Meaning]]:
    """What each name of a module stands for: imports belong to parts, functions and constants name others."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith(("platforms.", "sandbox.")):
                for alias in node.names:
                    stems = {module.rpartition(".")[2], alias.name}
                    found = frozenset(part for stem in stems for part in FILES.get(stem, ()))
                    yield alias.asname or alias.name, (frozenset(), found)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, (_words(node), frozenset())
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for name, value in zip(names, values, strict=True):
                    if isinstance(name, ast.Name):
                        yield name.id, (_words(value), frozenset())
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name, (_words(node.value), frozenset())


def _words(node: ast.AST) -> frozenset[str]:
    inner = list(ast.walk(node))
    attributes = {n.attr for n in inner if isinstance(n, ast.Attribute)}
    return frozenset(attributes | {n.id for n in inner if isinstance(n, ast.Name)})


# -- helpers ------------------------------------------------------------------------------------------
@cache
def emulated() -> Sandbox:
    return Sandbox()


def home(handler: Any) -> str:
    """The module of an operation's handler, behind what guards it."""
    module: str = handler.__module__
    for cell in getattr(getattr(handler, "__func__", handler), "__closure__", None) or ():
        if callable(cell.cell_contents) and hasattr(cell.cell_contents, "__module__"):
            inner = home(cell.cell_contents)
            if inner.startswith("sandbox.") and not inner.endswith((".access", ".web")):
                module = inner
    return module


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("*.py"))


def named(path: Path) -> str:
    return f"[{path.name}]({link(str(path.relative_to(ROOT)))})"


def link(path: str) -> str:
    return f"../{path}"


def lasting(seconds: int) -> str:
    return f"{seconds // 86_400} days" if seconds >= 2 * 86_400 else f"{round(seconds / 3600)} hours"


if __name__ == "__main__":
    PAGE.write_text(page())
