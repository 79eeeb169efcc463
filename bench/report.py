"""`docs/benchmarks.md`, made from the saved results alone."""

from pathlib import Path

from bench.results import Saved, saved

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = """# Benchmarks

Made by `python -m bench report` from the results that the benchmarks saved in `bench/results`; each section
names the command that measured it. Both sides run in the same run on the same machine and are loaded in turn;
the figures are medians over the rounds. Take them as sizes: measure on your machine before you rely on one.
"""


def write_report() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([_HEAD, *map(_section, saved())]))


def _section(one: Saved) -> str:
    result, detail = one.result, one.result.detail
    ours, theirs = detail["ours"], detail["theirs"]
    rows = [
        ("accepted per second", "per_second", "{:,.0f}"),
        ("p50, ms", "p50_ms", "{:.1f}"),
        ("p99, ms", "p99_ms", "{:.1f}"),
        ("CPU of the servers per webhook, µs", "cpu_us", "{:.0f}"),
        ("CPU of Valkey per webhook, µs", "redis_cpu_us", "{:.0f}"),
    ]
    machine = dict(one.machine)
    where = f"{machine.pop('cores')} cores ({machine.pop('cpu')}), {machine.pop('memory_gib')} GiB"
    versions = ", ".join(f"{name} {number}" for name, number in machine.items())
    changed = ", ".join(f"`{name}={value}`" for name, value in detail["environment"].items())
    lines = [
        f"## {result.title}",
        "",
        f"`{result.command}`: **{result.ratio:.2f} times** uvicorn + FastAPI + redis-py "
        f"(round by round: {', '.join(f'{ratio:.2f}' for ratio in detail['ratio_of_rounds'])}).",
        "",
        "| | ours | uvicorn + FastAPI + redis-py |",
        "|---|---|---|",
        *(
            f"| {label} | {form.format(ours[key])} | {form.format(theirs[key])} |"
            for label, key, form in rows
        ),
        "",
        f"{detail['workers']} workers each, {detail['connections']} connections, {detail['rounds']} rounds "
        f"of {detail['seconds']:g} s, `appendfsync always`. {one.at}, {where}; {versions}."
        + (f" Changed for this run: {changed}." if changed else ""),
        "",
    ]
    return "\n".join(lines)
