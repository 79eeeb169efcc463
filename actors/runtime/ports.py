"""What the API asks of the runtime; `gateway.py` answers over Ray, tests answer in process."""

from typing import Any, Protocol

from actors.runtime.entity import Message
from domain.ids import EntityKey


class Owners(Protocol):
    """Reaches the owner of an entity.

    Guarantee: an answer means the effect is saved. `Busy` (503) means an unknown outcome or no owner yet;
    repeating is safe only with the same `message.id`, and then answers what the first call answered.
    """

    async def ask(self, key: EntityKey, message: Message, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Apply a command. Raises the RookeryError of the rule that refused it."""
        ...

    async def view(self, key: EntityKey) -> dict[str, Any]:
        """The last saved state for people; NotFound when the entity was never created."""
        ...

    async def inspect(self, key: EntityKey) -> dict[str, Any]:
        """For operators: view, version, placement, host, partition, epoch, watermark, outbox length, next
        due time, whether it is activated."""
        ...

    async def place(self, key: EntityKey, placement: str) -> dict[str, Any]:
        """`dedicated` (isolate) or `shared` (release); answers `inspect`."""
        ...

    async def hosts(self) -> list[dict[str, Any]]:
        """Per host: name, incarnation, partitions, activations, messages applied, held entities, build."""
        ...

    async def partitions(self) -> list[dict[str, Any]]:
        """Per partition: host, epoch, claimed, lag per kind, and the pause of its last move."""
        ...

    async def scale(self, hosts: int) -> dict[str, Any]:
        """Wish for so many hosts from now on; answers `scaling`. Invalid for more than partitions."""
        ...

    async def scaling(self) -> dict[str, Any]:
        """How many hosts are wanted, how many own something, and how many partitions have yet to move."""
        ...

    async def ready(self) -> bool:
        """Whether every partition is claimed."""
        ...
