"""Rules of making advertisements that several platforms share: each a sentence, or None when it is kept."""

from collections.abc import Iterable, Mapping

from domain.advertising import AdAccount
from domain.money import Money
from platforms.outcome import Rejected


def other_currency(account: AdAccount, *budgets: Money | None) -> Rejected | None:
    if all(budget is None or budget.currency == account.currency for budget in budgets):
        return None
    return Rejected("currency", f"The ad account's budgets are in {account.currency}.")


def unknown_setting(settings: Mapping[str, str], known: Iterable[str], what: str) -> Rejected | None:
    """`what`: of what they are settings, such as "Facebook's ad sets"."""
    wrong = sorted(settings.keys() - set(known))
    if not wrong:
        return None
    listed = ", ".join(sorted(known)) or "none"
    return Rejected("setting", f"{what} have no setting {wrong[0][:60]!r} here; known: {listed}.")


def missing_setting(settings: Mapping[str, str], needed: Iterable[str], why: str) -> Rejected | None:
    """`why`: a sentence's beginning, such as "A campaign of TRAFFIC"."""
    absent = [name for name in needed if not settings.get(name)]
    return Rejected("setting", f"{why} needs the setting {absent[0]}.") if absent else None
