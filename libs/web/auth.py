"""Who may enter: a staff token or an API key becomes a `Principal`, a door says which of them it lets in.

Every route of a service names its door (`create_app` refuses to start otherwise):
`Depends(staff("operator"))`, `Depends(partner())`, `Depends(staff("operator") | channel())`, or
`Depends(open_to_all)`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from libs.web.limits import RateLimit
from libs.web.principal import Principal
from libs.web.tokens import Verifier

OLDEST_COPY = timedelta(seconds=60)
"""How old a copy of another service's keys may be (G15): beyond, a revoked key might still be let in."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What the doors of a process share; made by the composition root.

    `mac` is an HMAC under the house's key `request`: only such digests of idempotency keys and bodies are
    kept.
    """

    clock: Clock
    metrics: Metrics
    tokens: Verifier
    mac: Callable[[bytes], bytes]
    rate: RateLimit
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
            keys=keys,
            budget=serving.budget_s,
            in_flight=serving.in_flight,
        )


async def principal(request: Request) -> Principal:
    """The caller; 401 without a valid credential, 429 above its rate, 503 when the copy of keys is old."""
    edge: Edge = request.app.state.edge
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthorised
    if credential.startswith(apikeys.PREFIX):
        caller = await _holder(edge, credential)
    else:
        caller = edge.tokens.verify(credential)
    edge.rate.take(caller.label())
    return caller


async def _holder(edge: Edge, key: str) -> Principal:
    if edge.keys is None or not apikeys.well_formed(key):
        raise Unauthorised
    as_of = await edge.keys.as_of()
    if as_of is None or edge.clock.now() - as_of > OLDEST_COPY:
        raise Unavailable("the keys are not known to be current")
    wanted = apikeys.hash_of(key)
    record = await edge.keys.find(wanted)
    if record is None or not hmac.compare_digest(record.hash, wanted):
        raise Unauthorised
    if record.expires_at is not None and edge.clock.now() >= record.expires_at:
        raise Unauthorised("the key expired")
    org_id = record.owner if record.kind == "partner" else None
    return Principal(
        record.kind, record.key_id, org_id=org_id, districts=record.districts, scopes=record.scopes
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
        """The caller; 401, 403, 429 and 503 as they come, 422 for a query parameter that the route lacks."""
        caller = await principal(request)
        if not self.admits(caller):
            raise Forbidden
        if request.scope["query_string"]:
            _check_parameters(request)
        return caller

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
    unknown = set(request.query_params) - known.get(request.scope.get("endpoint"), frozenset())
    if unknown:
        # The name is not repeated: a person may have put anything there.
        raise Invalid(errors=[FieldError("/query", "unknown_parameter")])
