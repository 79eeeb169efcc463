"""The top level (requirement K3), and that the documents speak of what is there."""

import ast
import re
from pathlib import Path

import pytest

from storage.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PACKAGES = {"actors", "api", "bench", "domain", "ops", "platforms", "sandbox", "services", "storage"}


def names_of(documents: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in documents]


@pytest.mark.parametrize("name", ["pyproject.toml", "serve_app.py", "cluster.yaml", "README.md", "LICENSE"])
def test_the_top_level_has_its_files(name: str) -> None:
    assert (ROOT / name).is_file()


def test_the_top_level_has_its_folders_and_no_other_packages() -> None:
    """A folder with Python files is a package of the project, or tests."""
    found = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("[a-z]*/*.py")}
    assert found - {"build", "tests"} == PACKAGES
    assert (ROOT / "tests").is_dir() and (ROOT / "docs/decisions").is_dir()


def test_the_readme_names_every_folder() -> None:
    text = (ROOT / "README.md").read_text()
    folders = text.split("## The folders", 1)[1].split("```")[1]
    assert {line.split("/")[0] for line in folders.splitlines() if re.match(r"[a-z]+/", line)} == {
        *PACKAGES,
        "tests",
        "docs",
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=names_of(DOCUMENTS))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if path.startswith("https://"):
            continue
        led_to = (document.parent / path).resolve() if path else document
        assert led_to.exists(), f"{document.name}: {target}"
        if heading:
            assert heading in anchors(led_to), f"{document.name}: {target}"


def anchors(document: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_promise_of_the_readme_has_its_test() -> None:
    table = (ROOT / "README.md").read_text().split("## What is promised", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows
    for row in rows:
        file = ""
        named = re.findall(r"`([\w/.]*)::(\w+)`", row)
        assert named, row
        for path, test in named:
            file = path or file
            assert test in functions_of(ROOT / file), f"{file}::{test}"


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=names_of(DOCUMENTS))
def test_files_named_in_the_documents_exist(document: Path) -> None:
    """`folder/file.py` from the root, or a file name that some folder has."""
    there = {path.name for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")}
    for name in re.findall(r"`([\w/.-]+\.py)(?:::\w+)?`", document.read_text()):
        assert (ROOT / name).is_file() if "/" in name else name in there or (ROOT / name).is_file(), name


def test_the_deployment_guide_names_every_setting_and_no_other() -> None:
    text = (ROOT / "docs/deploy.md").read_text()
    table = text.split("## Settings", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`((?:ROOKERY_|MONGODB_|REDIS_)[A-Z_]+)`", table))
    assert named == {variable(field) for field in Settings.model_fields}


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs/decisions"
    pages = {path.name for path in folder.glob("[0-9]*.md")}
    assert pages == set(re.findall(r"\]\((\d{4}[^)]*)\)", (folder / "README.md").read_text()))
    for page in pages:
        text = (folder / page).read_text()
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences", "Rejected")), (
            page
        )
