"""Rate windows: so many calls of a family per user or app, counted from the first call of a window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    limit: int
    window_s: int


@dataclass(slots=True)
class Window:
    limit: int
    used: int
    ends_ms: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def resets_at_s(self) -> int:
        """Unix seconds, rounded up so that waiting until then is long enough."""
        return -(-self.ends_ms // 1000)


class Limits:
    """Windows keyed by (platform, family, scope, subject); rules can be changed while running."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str, str, str], Window] = {}
        self._rules: dict[tuple[str, str], Rule] = {}

    def set(self, platform: str, family: str, rule: Rule) -> None:
        """Replace a family's rule; windows now open are forgotten, so that it holds from the next call."""
        self._rules[platform, family] = rule
        for key in [key for key in self._windows if key[:2] == (platform, family)]:
            del self._windows[key]

    def rule(self, platform: str, family: str) -> Rule | None:
        """The rule that was set for a family; None while its default holds."""
        return self._rules.get((platform, family))

    def window(self, platform: str, family: str, scope: str, subject: str) -> Window | None:
        """The window open now or last: it goes on counting where it is."""
        return self._windows.get((platform, family, scope, subject))

    def changed(self) -> dict[str, dict[str, int]]:
        return {
            f"{platform} {family}": {"limit": rule.limit, "window_s": rule.window_s}
            for (platform, family), rule in self._rules.items()
        }

    def spend(
        self,
        platform: str,
        family: str,
        scope: str,
        subject: str,
        default: Rule,
        now_ms: int,
        cost: int = 1,
        ends_ms: int | None = None,
    ) -> Window:
        """Count one call of so many units. A refused call is counted too, but does not lengthen the window.
        `ends_ms`: when a window that begins now ends, where it ends with a calendar day."""
        rule = self._rules.get((platform, family), default)
        key = (platform, family, scope, subject)
        window = self._windows.get(key)
        if window is None or window.ends_ms <= now_ms:
            ends_ms = now_ms + rule.window_s * 1000 if ends_ms is None else ends_ms
            window = self._windows[key] = Window(rule.limit, 0, ends_ms)
        window.used += cost
        return window
