"""Who may enter: a staff token or an API key becomes a `Principal`, a door says which of them it lets in.

Every route of a service names its door (`create_app` refuses to start otherwise):
`Depends(staff("operator"))`, `Depends(partner())`, `Depends(staff("operator") | channel())`, or
`Depends(open_to_all)`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from libs.privacy.keyring import Keyring
from libs.runtime.clock import Clock
from libs.runtime.metrics import Metrics
from libs.runtime.settings import ServiceSettings
from libs.web import apikeys
from libs.web.apikeys import KeyLookup
from libs.web.errors import FieldError, Forbidden, Invalid, Unauthorised, Unavailable
from libs.web.fieldfaults import pointer, twice
from libs.web.limits import RateLimit, Tries
from libs.web.principal import Principal
from libs.web.tokens import Verifier

OLDEST_COPY = timedelta(seconds=60)
"""How old a copy of another service's keys may be (G15): beyond, a revoked key might still be let in."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the doors of a process share; made by the composition root.

    `rate` is that of each person, `key_rate` that of each API key, `tries` counts failures to sign in. `mac`
    is an HMAC under the house's key `request`: only such digests of idempotency keys and bodies are kept.
    """

    clock: Clock
    metrics: Metrics
    tokens: Verifier
    mac: Callable[[bytes], bytes]
    rate: RateLimit
    key_rate: RateLimit = field(default_factory=lambda: RateLimit(100, 500))
    tries: Tries = field(default_factory=Tries)
    keys: KeyLookup | None = None
    budget: float = 9.0
    in_flight: int = 2_000

    @classmethod
    def of(
        cls,
        settings: ServiceSettings,
        *,
        clock: Clock,
        metrics: Metrics,
        keyring: Keyring,
        keys: KeyLookup | None = None,
    ) -> "Edge":
        """The edge that a service's settings describe, over the keys of the house."""
        serving = settings.serving
        return cls(
            clock=clock,
            metrics=metrics,
            tokens=Verifier(settings.keys_folder, mode=settings.mode, now=clock.now),
            mac=partial(keyring.hmac, "request"),
            rate=RateLimit(serving.rate_per_second, serving.burst),
            key_rate=RateLimit(serving.key_rate_per_second, serving.key_burst),
            tries=Tries(serving.tries_per_second, serving.tries_burst),
            keys=keys,
            budget=serving.budget_s,
            in_flight=serving.in_flight,
        )


def bearer(request: Request) -> str:
    """The credential of the `Authorization` header, empty without one."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


async def principal(request: Request, credential: str | None = None) -> Principal:
    """The caller by this credential, else by the header's; 401 without a valid one, 429 above its rate or
    that of failures, 503 when the copy of keys is old."""
    edge: Edge = request.app.state.edge
    credential = bearer(request) if credential is None else credential
    address = request.client.host if request.client else ""
    is_key = edge.keys is not None and apikeys.well_formed(credential)
    key = apikeys.hash_of(credential) if is_key else None
    if key is not None:
        edge.tries.check(address, key)
    try:
        caller = await _caller(edge, credential, key)
    except Unauthorised:
        edge.tries.failed(address, key)
        raise
    if key is not None:
        edge.tries.succeeded(key)
    rate = edge.rate if caller.kind == "staff" else edge.key_rate
    rate.take(caller.label())
    return caller


async def _caller(edge: Edge, credential: str, key: bytes | None) -> Principal:
    if key is not None:
        return await _holder(edge, key)
    if not credential or credential.startswith(apikeys.PREFIX):
        raise Unauthorised
    return edge.tokens.verify(credential)


async def _holder(edge: Edge, wanted: bytes) -> Principal:
    if edge.keys is None:
        raise Unauthorised
    as_of = await edge.keys.as_of()
    if as_of is None or edge.clock.now() - as_of > OLDEST_COPY:
        raise Unavailable("the keys are not known to be current")
    record = await edge.keys.find(wanted)
    if record is None or not hmac.compare_digest(record.hash, wanted):
        raise Unauthorised
    if record.expires_at is not None and edge.clock.now() >= record.expires_at:
        raise Unauthorised("the key expired")
    return Principal(
        record.kind,
        record.key_id,
        org_id=record.owner if record.kind == "partner" else None,
        portal=record.owner if record.kind == "channel" else None,
        districts=record.districts,
        scopes=record.scopes,
    )


class _Bearer(SecurityBase):
    model = HTTPBearer(description="a staff token or an API key")
    scheme_name = "bearer"


@dataclass(frozen=True, eq=False)
class Entrance(_Bearer):
    """Lets in staff with one of `roles` (None: no staff; empty: any), keys by kind and scope (None: any)."""

    roles: frozenset[str] | None = None
    keys: tuple[tuple[Literal["partner", "channel"], str | None], ...] = ()

    def __or__(self, other: "Entrance") -> "Entrance":
        """Both doors at once."""
        roles = self.roles if other.roles is None else other.roles if self.roles is None else None
        if roles is None and self.roles is not None and other.roles is not None:
            roles = self.roles | other.roles if self.roles and other.roles else frozenset()
        return replace(self, roles=roles, keys=self.keys + other.keys)

    async def __call__(self, request: Request) -> Principal:
        """The caller; 401, 403, 429 and 503 as they come, 422 for a query parameter that the route lacks, or
        that stands twice."""
        caller = await principal(request, await self.credential(request))
        if not self.admits(caller):
            raise Forbidden
        if request.scope["query_string"]:
            _check_parameters(request)
        return caller

    async def credential(self, request: Request) -> str:
        """What the caller shows."""
        return bearer(request)

    def admits(self, caller: Principal) -> bool:
        """Whether this caller may pass."""
        if caller.kind == "staff":
            return self.roles is not None and (not self.roles or bool(self.roles & caller.roles))
        return any(
            kind == caller.kind and (scope is None or scope in caller.scopes) for kind, scope in self.keys
        )


def staff(*roles: str) -> Entrance:
    """Staff in one of these roles (lower case); without any, whoever signed in."""
    return Entrance(roles=frozenset(roles))


def partner(scope: str | None = None) -> Entrance:
    """The software of an organisation, by API key."""
    return Entrance(keys=(("partner", scope),))


def channel(scope: str | None = None) -> Entrance:
    """A portal or hotline, by API key."""
    return Entrance(keys=(("channel", scope),))


async def open_to_all() -> None:
    """The door of a route that needs no credential: said, not forgotten."""


def _check_parameters(request: Request) -> None:
    known: dict[Any, frozenset[str]] = request.app.state.parameters
    asked = request.query_params
    if not asked.keys() <= known.get(request.scope.get("endpoint"), frozenset()):
        # The name is not repeated: a person may have put anything there.
        raise Invalid(errors=[FieldError("/query", "unknown_parameter")])
    if (name := twice(name for name, _ in asked.multi_items())) is not None:
        raise Invalid(errors=[FieldError(pointer(("query", name)), "twice")])
