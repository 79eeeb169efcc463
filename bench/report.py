"""`docs/benchmarks.md`, made from the saved results alone."""

from pathlib import Path

from bench.results import Row, Saved, saved

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = """# Benchmarks

Made by `python -m bench report` from the results that the benchmarks saved in `bench/results`; nothing here
is typed by hand. `make bench` measures everything anew, `python -m bench NAME` one of them, and `--small`
its smallest form. Both sides of a comparison run in the same run on the same machine, in turn; a figure of
several rounds is the median. A ratio above 1 is in our favour. Take the figures as sizes: measure on your
machine before you rely on one.

"""
_COLUMNS = "| what | ours | theirs | ratio | target | command | machine |\n|---|---|---|---|---|---|---|"


def write_report() -> None:
    found = saved()
    lines = [_HEAD + _COLUMNS, *(_headline(one) for one in found), ""]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([*lines, *map(_section, found)]))


def _headline(one: Saved) -> str:
    result = one.result
    row = Row(result.title, result.unit, result.ours, result.theirs, result.ratio, result.target)
    return f"| {' | '.join(_cells(row))} | `{result.command}` | {_machine(one)} |"


def _section(one: Saved) -> str:
    result = one.result
    lines = [f"## {result.name}", "", f"`{result.command}`: {result.title}.", ""]
    if result.rows:
        lines += ["| | ours | theirs | ratio | target |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in result.rows]
        lines.append("")
    own = Row(result.title, result.unit, result.ours, result.theirs, result.ratio, result.target)
    if result.limit and not all(map(_met, [own, *result.rows])):
        lines += [f"Why not more: {result.limit}", ""]
    lines += [f"{one.at}, {_machine(one)}; {_versions(one)}. {_settings(one)}".rstrip(), ""]
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    unit = f" {row.unit}" if row.unit else ""
    ours = f"{_number(row.ours)}{unit}"
    theirs = "" if row.theirs is None else f"{_number(row.theirs)}{unit}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.what, ours, theirs, ratio, _target(row)]


def _target(row: Row) -> str:
    """What it should be, and whether it is."""
    if row.target is None:
        return ""
    wanted = f"at {'most' if row.ratio is None else 'least'} {_number(row.target)}"
    return f"{wanted}: {'met' if _met(row) else '**missed**'}"


def _met(row: Row) -> bool:
    if row.target is None:
        return True
    return row.ours <= row.target if row.ratio is None else row.ratio >= row.target


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _machine(one: Saved) -> str:
    machine = one.machine
    return f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB"


def _versions(one: Saved) -> str:
    known = {k: v for k, v in one.machine.items() if k not in ("cpu", "cores", "memory_gib")}
    peers = one.result.detail.get("peers")
    if isinstance(peers, dict):  # name -> version; density says how many it made
        known |= peers
    return ", ".join(f"{name} {number}" for name, number in known.items())


def _settings(one: Saved) -> str:
    """What it was measured with: the plain values beside the figures."""
    plain = {k: v for k, v in one.result.detail.items() if isinstance(v, int | float | str) and v != ""}
    changed = one.result.detail.get("environment", {})
    said = [f"{name} {f'{value:g}' if isinstance(value, float) else value}" for name, value in plain.items()]
    said += [f"changed for this run `{name}={value}`" for name, value in changed.items()]
    return f"With {', '.join(said)}." if said else ""
