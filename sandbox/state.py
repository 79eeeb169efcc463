"""Everything one running sandbox holds, handed to its parts."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from sandbox.apps import Apps, PlatformApp
from sandbox.clock import SandboxClock, midnight_before
from sandbox.deliver import Deliverer
from sandbox.emulation import Emulation
from sandbox.events import Events
from sandbox.faults import Faults
from sandbox.ledger import Ledger
from sandbox.limits import Limits
from sandbox.tokens import Tokens
from sandbox.world import World


@dataclass(slots=True)
class State:
    seed: str
    clock: SandboxClock
    world: World
    apps: Apps
    tokens: Tokens
    limits: Limits
    faults: Faults
    ledger: Ledger
    deliverer: Deliverer
    events: Events

    def app_of(self, app_id: str) -> PlatformApp:
        """The app a grant was given to; it exists for as long as the sandbox runs."""
        app = self.apps.get(app_id)
        assert app is not None
        return app


def new_state(
    seed: str,
    clock: SandboxClock,
    epoch_ms: int | None,
    emulations: Mapping[str, Emulation],
    transport: httpx.AsyncBaseTransport | None,
) -> State:
    """`epoch_ms`: the moment all seeded content lies before; the last UTC midnight by default.
    `transport`: how webhooks leave; the network by default."""
    epoch = midnight_before(clock.now_ms()) if epoch_ms is None else epoch_ms
    apps, tokens, ledger = Apps(seed, emulations), Tokens(seed), Ledger()
    deliverer = Deliverer(ledger, clock, seed, transport)
    return State(
        seed=seed,
        clock=clock,
        world=World(seed, epoch),
        apps=apps,
        tokens=tokens,
        limits=Limits(),
        faults=Faults(seed),
        ledger=ledger,
        deliverer=deliverer,
        events=Events(apps, tokens, ledger, clock, deliverer.enqueue),
    )
