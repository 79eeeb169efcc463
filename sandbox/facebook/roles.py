"""Who manages which page, and what a consent opens: a person's token, and from it one for each page.

A page's grant ends with the person's: removing the app, or losing the role, ends the page's tokens too. A
page token made from a long-lived user token has no end of its own; from a short one it ends with it.
"""

from dataclasses import dataclass

from sandbox.apps import PlatformApp
from sandbox.clock import DAY_MS
from sandbox.ids import digits
from sandbox.state import State
from sandbox.tokens import AccessToken, Grant
from sandbox.world import Profile

USER_PREFIX, PAGE_PREFIX = "EAAU", "EAAP"
NEVER_S = 10_000 * 86_400
DATA_ACCESS_MS = 90 * DAY_MS
TASKS = ("ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE")


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person granted: the pages ticked, in the order of the page's list."""

    person: str
    pages: tuple[str, ...]


class Roles:
    def __init__(self, state: State) -> None:
        self._state = state
        self._consents: dict[str, Consent] = {}  # by the id of the person's grant
        self._page_grants: dict[tuple[str, str], Grant] = {}  # (person's grant, page) -> the page's
        self._person_grant: dict[str, Grant] = {}  # the page's grant -> the person's

    def manager(self, page: Profile) -> str:
        """The person who manages the page. Whoever ticks several at once manages them all."""
        return digits(12, self._state.seed, page.id, "manager", prefix="77")

    def scoped(self, app: PlatformApp, person: str) -> str:
        """The app-scoped id, which is all an app ever sees."""
        return digits(17, app.id, person, "scoped", prefix="122")

    def consented(self, grant: Grant, consent: Consent) -> None:
        self._consents[grant.id] = consent

    def consent(self, grant: Grant) -> Consent | None:
        """None for a page's own grant."""
        return self._consents.get(grant.id)

    def pages(self, grant: Grant) -> list[Profile]:
        found = self._consents[grant.id].pages
        return [self._state.world.accounts["facebook", page] for page in found]

    def person_grant(self, grant: Grant) -> Grant:
        return self._person_grant.get(grant.id, grant)

    def page_token(self, token: AccessToken, page: Profile, now_ms: int) -> AccessToken:
        """A new token of the page, under one grant for each consent."""
        grant = token.grant
        key = grant.id, page.id
        if key not in self._page_grants:
            made = self._state.tokens.grant(
                "facebook", grant.app_id, page.id, grant.scopes, now_ms, grant.via
            )
            self._page_grants[key] = made
            self._person_grant[made.id] = grant
        lifetime = NEVER_S if token.long_lived else max(1, (token.expires_ms - now_ms) // 1000)
        return self._state.tokens.issue_access(
            self._page_grants[key], now_ms, lifetime, PAGE_PREFIX, long_lived=token.long_lived
        )

    def withdraw(self, page: Profile) -> list[tuple[PlatformApp, str, tuple[str, ...]]]:
        """The person removes every app: (app, the person's id there, the pages it loses)."""
        ended = []
        for grant in self._state.tokens.grants:
            consent = self._consents.get(grant.id)
            if consent and grant.authorised and page.id in consent.pages:
                app = self._state.app_of(grant.app_id)
                ended.append((app, self.scoped(app, consent.person), consent.pages))
                self.end(grant)
        return ended

    def end(self, grant: Grant) -> None:
        """One consent, with the tokens of every page it opened."""
        concerned = [grant, *(made for (of, _), made in self._page_grants.items() if of == grant.id)]
        for one in concerned:
            one.authorised = False
            self._state.tokens.kill_family(one)

    def data_access_ends_ms(self, grant: Grant) -> int:
        return self.person_grant(grant).at_ms + DATA_ACCESS_MS
