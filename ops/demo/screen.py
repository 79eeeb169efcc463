"""The demo in the terminal: a live picture, or plain lines when nobody looks at a terminal."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from domain.clock import Clock
from ops.demo.compare import Check, Condition

Json = dict[str, Any]

_NOTES = 9
_PLAIN_EVERY_S = 5.0


@dataclass(slots=True)
class Picture:
    """What is shown. `campaigns` comes from the WebSocket, `accounts` from the API, `accepted` (monotonic
    seconds, webhooks so far) from the ledger."""

    step: str = "starting"
    names: dict[str, str] = field(default_factory=dict)
    campaigns: dict[str, Json] = field(default_factory=dict)
    accounts: list[Json] = field(default_factory=list)
    accepted: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=6))
    live_events: int = 0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=_NOTES))

    @property
    def rate(self) -> float:
        """Webhooks accepted per second, over the last few looks."""
        if len(self.accepted) < 2:
            return 0.0
        (since, before), (now, after) = self.accepted[0], self.accepted[-1]
        return (after - before) / (now - since) if now > since else 0.0


class Screen:
    """Used as a context manager around the run."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self.picture = Picture()
        self._console = console
        self._clock = clock
        self._began = clock.monotonic()
        self._live: Live | None = None
        self._plain_at = 0.0
        self._told: list[str] = []

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def step(self, text: str) -> None:
        self.picture.step = text
        self.say(text)

    def say(self, text: str) -> None:
        self.picture.notes.append(f"{self.seconds:5.1f} s  {text}")
        if self._live is None:
            self._console.print(self.picture.notes[-1], markup=False, highlight=False, soft_wrap=True)

    def pulse(self) -> None:
        """Something changed. The live picture draws itself; plain output tells the numbers now and then."""
        if self._live is not None or self.seconds - self._plain_at < _PLAIN_EVERY_S:
            return
        told = []
        for id_, snapshot in sorted(self.picture.campaigns.items()):
            numbers = _numbers(snapshot["performance"])
            name = self.picture.names.get(id_, id_)
            told.append(f"{name}: " + ", ".join(f"{what} {value}" for what, value in numbers.items()))
        if told != self._told:
            self._plain_at, self._told = self.seconds, told
            for line in told:
                self.say(line)
            self.say(f"{self.picture.rate:.0f} webhooks/s accepted, {self.picture.live_events} live events")

    def results(self, checks: Sequence[Check], conditions: Sequence[Condition]) -> None:
        """The comparison, row by row."""
        table = Table(title="What the service holds, beside what truly happened", title_justify="left")
        for column in ("what", "service", "ledger", "verdict"):
            table.add_column(column, justify="left" if column in ("what", "verdict") else "right")
        for check in checks:
            table.add_row(check.what, str(check.service), str(check.ledger), _verdict(check))
        for condition in conditions:
            met = Text("yes", "green") if condition.met else Text("too few", "bold red")
            least = f"at least {condition.least}"
            table.add_row(f"the run had: {condition.what}", str(condition.found), least, met)
        self._console.print(table)

    def _render(self) -> RenderableType:
        picture = self.picture
        head = Text(f"{picture.step}   {self.seconds:.0f} s", "bold")
        rates = Text(f"{picture.rate:.0f} webhooks/s accepted, {picture.live_events} live events", "cyan")
        notes = Panel(Text("\n".join(picture.notes)), title="what happens", title_align="left")
        return Group(head, rates, self._campaigns(), self._accounts(), notes)

    def _campaigns(self) -> Table:
        table = Table(title="campaigns, live over the WebSocket", title_justify="left", expand=True)
        table.add_column("campaign")
        columns = list(_numbers(_NOTHING))
        for column in columns:
            table.add_column(column, justify="right")
        for id_, snapshot in sorted(self.picture.campaigns.items()):
            numbers = _numbers(snapshot["performance"])
            table.add_row(self.picture.names.get(id_, id_), *(str(numbers[c]) for c in columns))
        return table

    def _accounts(self) -> Table:
        table = Table(title="accounts", title_justify="left", expand=True)
        for column in ("account", "org", "status", "webhooks", "remarks", "likes", "posts read", "refreshes"):
            table.add_column(column, justify="left" if column in ("account", "org", "status") else "right")
        for view in self.picture.accounts:
            counters = view["counters"]
            table.add_row(
                f"{view['platform']} @{view['profile']['username']}",
                self.picture.names.get(view["org"], view["org"]),
                Text(view["status"], "green" if view["status"] == "connected" else "red"),
                *(str(counters.get(name, 0)) for name in ("webhooks", "remarked", "liked")),
                str(sum(source["items"] for source in view["sync"].values())),
                str(view["token"]["refreshes"]),
            )
        return table


_NOTHING: Json = {
    "impressions": 0,
    "engagement": {"likes": 0, "comments": 0, "shares": 0},
    "clicks": 0,
    "conversions": 0,
    "revenue_minor": 0,
    "currency": "",
    "roas": None,
}


def _numbers(performance: Json) -> dict[str, int | str]:
    engagement = performance["engagement"]
    return {
        "impressions": performance["impressions"],
        "likes": engagement["likes"],
        "comments": engagement["comments"],
        "shares": engagement["shares"],
        "clicks": performance["clicks"],
        "orders": performance["conversions"],
        "revenue": f"{performance['revenue_minor'] / 100:.2f} {performance['currency']}",
        "ROAS": performance["roas"] or "-",
    }


def _verdict(check: Check) -> Text:
    if check.holds:
        return Text("holds", "green")
    differences = {"lost": check.lost, "doubled": check.doubled, "wrong": check.wrong}
    return Text(", ".join(f"{n} {name}" for name, n in differences.items() if n), "bold red")
