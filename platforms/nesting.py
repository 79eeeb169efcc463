"""Lists inside a list, such as the comments of each post: walked page by page, the cursor of bounded size."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from platforms.wire import NotJson, decode, encode, strings, text_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk stands: the next page of the outer list (None: there is none any more), and the inner
    lists that come before it, each by a name without spaces and, once it is begun, its next page behind a
    space. It holds no more of them than one page of the outer list and one of each level below bring."""

    outer: str | None = None
    inner: tuple[str, ...] = ()

    @classmethod
    def read(cls, cursor: str | None) -> "Place":
        """The beginning, for None and for what no `cursor` ever said."""
        try:
            value = decode((cursor or "{}").encode())
        except NotJson:
            value = {}
        return cls(text_at(value, "outer"), tuple(strings(value, "inner")))

    def cursor(self) -> str | None:
        """None: the walk is at its end."""
        if not self.inner and self.outer is None:
            return None
        return encode({"outer": self.outer, "inner": self.inner}).decode()

    @property
    def first(self) -> tuple[str, str | None]:
        """Name and next page of the first inner list."""
        name, _, page = self.inner[0].partition(" ")
        return name, page or None

    def onward(self, following: str | None, deeper: Iterable[str] = ()) -> "Place":
        """After a page of the first inner list: what that page named, its next page, the lists behind it."""
        name, _ = self.first
        rest = self.inner[1:] if following is None else (f"{name} {following}", *self.inner[1:])
        return replace(self, inner=(*deeper, *rest))
