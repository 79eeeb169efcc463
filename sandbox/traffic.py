"""A stream of things people do, at a steady rate, seeded."""

import asyncio
import logging
from collections import Counter
from typing import Any

from sandbox.acts import Act
from sandbox.ids import seeded
from sandbox.platform import Platform
from sandbox.state import State
from sandbox.web import BadInput
from sandbox.world import Profile

_log = logging.getLogger(__name__)
_RATE_AT_MOST = 5000


class Traffic:
    """At most one stream runs at a time; starting another one ends it."""

    def __init__(self, state: State, platforms: dict[str, Platform]) -> None:
        self._state, self._platforms = state, platforms
        self._task: asyncio.Task[None] | None = None
        self._sent: Counter[str] = Counter()
        self._events = 0

    def start(self, wish: dict[str, Any]) -> dict[str, Any]:
        seconds, rate = wish.get("seconds"), wish.get("rate")
        if not isinstance(seconds, int | float) or not isinstance(rate, int | float):
            raise BadInput("seconds and rate (events per second) are needed, both numbers")
        if not 0 < rate <= _RATE_AT_MOST or seconds <= 0:
            raise BadInput(f"seconds must be above 0 and rate from 0 to {_RATE_AT_MOST}")
        accounts = self._accounts(wish.get("accounts"))
        mix = wish.get("mix")
        if mix is not None and (not isinstance(mix, dict) or not mix):
            raise BadInput('mix must be an object of kind and weight, such as {"comment": 3, "like": 1}')
        mixes = {name: self._mix(platform, mix) for name, platform in self._platforms.items()}
        accounts = [a for a in accounts if mixes[a.platform]]
        if not accounts:
            raise BadInput("no account to make traffic for; POST /_sandbox/accounts first")
        if self._task:
            self._task.cancel()
        self._sent, self._events = Counter(), 0
        work = self._run(float(seconds), float(rate), wish.get("seed", 0), accounts, mixes)
        self._task = asyncio.get_running_loop().create_task(work)
        return self.view()

    def view(self) -> dict[str, Any]:
        running = self._task is not None and not self._task.done()
        return {"running": running, "sent": self._sent.total(), "kinds": self._sent, "events": self._events}

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _accounts(self, wanted: object) -> list[Profile]:
        every = list(self._state.world.accounts.values())
        if wanted is None:
            return every
        if not isinstance(wanted, list):
            raise BadInput("accounts must be a list of external ids or of platform:external_id")
        names = {str(name) for name in wanted}
        chosen = [a for a in every if a.id in names or f"{a.platform}:{a.id}" in names]
        if not chosen:
            raise BadInput("none of these accounts exists; GET /_sandbox/accounts lists them")
        return chosen

    def _mix(self, platform: Platform, wish: dict[str, Any] | None) -> dict[str, float]:
        if wish is None:
            return platform.traffic_mix
        known = {kind for p in self._platforms.values() for kind in p.act_kinds}
        for kind, weight in wish.items():
            if kind not in known or not isinstance(weight, int | float) or weight < 0:
                raise BadInput(
                    f"mix: {kind!r} must be one of {', '.join(sorted(known))} with a weight of 0 or more"
                )
        return {kind: float(weight) for kind, weight in wish.items() if kind in platform.act_kinds and weight}

    async def _run(
        self,
        seconds: float,
        rate: float,
        seed: object,
        accounts: list[Profile],
        mixes: dict[str, dict[str, float]],
    ) -> None:
        rng = seeded(self._state.seed, "traffic", seed)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(int(seconds * rate)):
            wait = started + number / rate - loop.time()
            # Also yields when late: a burst must not keep deliveries from leaving.
            await asyncio.sleep(max(wait, 0))
            account = rng.choice(accounts)
            mix = mixes[account.platform]
            kind = rng.choices(list(mix), list(mix.values()))[0]
            try:
                done = self._platforms[account.platform].act(account, Act(kind))
            except BadInput as error:
                # For instance an account without a single post left to comment on.
                _log.warning("traffic: %s", error)
                continue
            self._sent[kind] += 1
            self._events += len(done.event_ids)
