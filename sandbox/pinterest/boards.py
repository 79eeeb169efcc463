"""The boards of each account: a few from the start, more as apps make them."""

from dataclasses import dataclass

from sandbox.clock import DAY_MS
from sandbox.generate import voice_of
from sandbox.ids import seeded
from sandbox.pinterest.history import PINTEREST_BOARDS, pinterest_board_id
from sandbox.world import Profile, World

PRIVACIES = ("PUBLIC", "PROTECTED", "SECRET")


@dataclass(slots=True)
class Board:
    id: str
    owner_id: str
    name: str
    description: str
    created_ms: int
    privacy: str = "PUBLIC"
    ads_only: bool = False
    followers: int = 0


class Boards:
    def __init__(self, world: World) -> None:
        self._world = world
        self._of: dict[str, dict[str, Board]] = {}

    def of(self, account: Profile) -> dict[str, Board]:
        """By id, oldest first."""
        if account.id not in self._of:
            self._of[account.id] = {board.id: board for board in self._first(account)}
        return self._of[account.id]

    def find(self, board_id: str) -> Board | None:
        for account in self._world.accounts.values():
            if account.platform == "pinterest" and board_id in self.of(account):
                return self.of(account)[board_id]
        return None

    def create(self, account: Profile, name: str, description: str, privacy: str, now_ms: int) -> Board:
        new_id = self._world.ids.numbered("8806", 18)
        board = Board(new_id, account.id, name, description, now_ms, privacy)
        self.of(account)[new_id] = board
        return board

    def remove(self, account: Profile, board: Board) -> None:
        """With everything pinned to it."""
        del self.of(account)[board.id]
        for pin in list(self._world.timeline("pinterest", account.id)):
            if pin.facts.get("board_id") == board.id:
                self._world.remove(pin)

    def _first(self, account: Profile) -> list[Board]:
        rng, voice = seeded(account.id, "boards"), voice_of(account)
        names = [f"{word[:1].upper()}{word[1:]}" for word in (*voice.tags, *voice.products)]
        chosen = list(dict.fromkeys(names))[:PINTEREST_BOARDS]
        return [
            Board(
                pinterest_board_id(account.id, number),
                account.id,
                name,
                f"{account.name}: {name}",
                self._world.epoch_ms - (200 + 10 * (PINTEREST_BOARDS - number)) * DAY_MS,
                followers=rng.randrange(10, 900),
            )
            for number, name in enumerate(chosen)
        ]
