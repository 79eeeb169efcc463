"""Promotion codes: their normal form, who owns one, and where that is written.

A code belongs to one live campaign of an org at a time, but over the years to several (`SUMMER`). A side
document is ordered by its writer's version, so two campaigns must never write the same one: the owners of a
code follow each other in numbered places, each written by a single campaign. Earlier places stay, so a
late sale still finds the campaign that owned the code when it was made.
"""

import re
from collections.abc import Mapping
from typing import Any

from domain.errors import Conflict, Invalid

COLLECTION = "promotion_codes"
MAX_OWNERS = 8

_CODE = re.compile(r"[\w.%+&-]{2,40}")


def normal_code(text: str) -> str | None:
    """The form in which codes are compared (upper case, no surrounding space); None when it is not one."""
    code = text.strip().upper()
    return code if _CODE.fullmatch(code) else None


def checked_code(text: str, field: str) -> str:
    code = normal_code(text)
    if code is None:
        raise Invalid(
            "promotion_code_invalid",
            f"{field}: a promotion code is 2 to 40 letters, digits or . % + & - _ without spaces.",
            field=field,
        )
    return code


def place_ids(org: str, code: str) -> list[str]:
    """Document ids of a code's owners in this org, first owner first."""
    return [f"{org}:{code}"] + [f"{org}:{code}:{n}" for n in range(2, MAX_OWNERS + 1)]


def free_place(org: str, code: str, campaign: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The document id where `campaign` may write that it owns `code`; `found` holds those that exist.

    Conflict when another live campaign owns it.
    """
    ids = place_ids(org, code)
    for id_ in ids:
        owner = found.get(id_)
        if owner is not None and owner["campaign"] != campaign and owner["active"]:
            raise Conflict(
                "promotion_code_taken",
                f"The promotion code {code} belongs to the live campaign {owner['campaign']}: choose another "
                "or complete that campaign first.",
                field="promotion_codes",
            )
    for id_ in ids:
        if id_ not in found or found[id_]["campaign"] == campaign:
            return id_
    raise Conflict(
        "promotion_code_used_up",
        f"The promotion code {code} has served {MAX_OWNERS} campaigns: choose another.",
        field="promotion_codes",
    )
