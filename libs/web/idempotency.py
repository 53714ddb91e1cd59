"""The `Idempotency-Key` header as the digests that are kept of it (G4)."""

import re
from typing import overload

from starlette.requests import Request

from libs.db.work import IdempotencyKey
from libs.web.auth import Edge
from libs.web.body import BODY
from libs.web.principal import Principal
from libs.web.refusals import KeyMalformed, KeyMissing

_FORM = re.compile(r"[\x21-\x7e]{1,255}")


@overload
def idempotency(request: Request, caller: Principal) -> IdempotencyKey: ...
@overload
def idempotency(request: Request, caller: Principal, required: bool) -> IdempotencyKey | None: ...
def idempotency(request: Request, caller: Principal, required: bool = True) -> IdempotencyKey | None:
    """The key of a request: scope is the HMAC of credential, method, path and key, body that of the raw body.

    Raises 400 when the header is missing and `required`, or malformed. The body counts as the route read
    it; a route without one has none.
    """
    given = request.headers.get("idempotency-key")
    if given is None and not required:
        return None
    if given is None:
        raise KeyMissing
    if not _FORM.fullmatch(given):
        raise KeyMalformed("1 to 255 visible ASCII characters")
    edge: Edge = request.app.state.edge
    scope = "\n".join((caller.label(), request.method, request.scope["path"], given))
    return IdempotencyKey(edge.mac(scope.encode()), edge.mac(request.scope.get(BODY, b"")))
