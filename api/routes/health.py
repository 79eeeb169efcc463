"""Whether the process lives and the service is ready; and the keys that its tokens are checked with."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.access import Svc
from api.schemas import Json
from api.services import Probe, Services
from storage.records import StoreUnavailable

router = APIRouter(tags=["service"])
_PROBE_S = 3.0


@router.get("/healthz")
async def healthz(services: Svc) -> Json:
    """This process answers."""
    return {"status": "ok", "build": services.settings.build}


@router.get("/readyz")
async def readyz(services: Svc) -> JSONResponse:
    """200 when every partition has an owner and the stores answer; else 503 and what is missing."""
    answers = await asyncio.gather(*(_answers(probe) for probe in services.probes.values()))
    checks = dict(zip(services.probes, answers, strict=True)) | {"owners": await _owners_ready(services)}
    ready = all(checks.values())
    body = {
        "status": "ready" if ready else "not_ready",
        "checks": {name: "ok" if good else "failing" for name, good in checks.items()},
    }
    return JSONResponse(body, 200 if ready else 503, {} if ready else {"Retry-After": "2"})


@router.get("/.well-known/jwks.json")
async def jwks(services: Svc) -> Json:
    """The public keys of the service's tokens (RFC 7517)."""
    return services.keys.jwt.jwks()


async def _answers(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            await probe()
    except (StoreUnavailable, TimeoutError):
        return False
    return True


async def _owners_ready(services: Services) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            return await services.owners.ready()
    except (StoreUnavailable, TimeoutError):
        return False
