"""Query parameters are read as strictly as bodies: one that is unknown or repeated is refused, never guessed.

A misspelt filter would otherwise list everything, and look as if it worked.
"""

from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from api.policy import POLICY
from domain.errors import Invalid


async def check_query(connection: HTTPConnection) -> None:
    """Runs before every route. Public routes are left alone: browsers, platforms and advertisements that lead
    there bring parameters of their own."""
    route = connection.scope["route"]
    if not connection.query_params or POLICY[route.name].public:
        return
    known = set(_names(route.dependant))
    seen = set()
    for name, _ in connection.query_params.multi_items():
        shown = name[:50]
        if name not in known:
            allowed = f"known are {', '.join(sorted(known))}" if known else "there are none"
            raise Invalid("parameter_unknown", f"{shown} is no parameter here; {allowed}.", field=shown)
        if name in seen:
            raise Invalid("parameter_repeated", f"{shown} is given more than once.", field=shown)
        seen.add(name)


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)
