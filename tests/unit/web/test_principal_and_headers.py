"""Doors, idempotency keys, versions and answers, without a server."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest
from starlette.requests import Request

from libs.db.work import Outcome
from libs.events.base import DueDate
from libs.privacy.keyring import Keyring
from libs.runtime.metrics import Metrics
from libs.runtime.settings import ServiceSettings, Serving
from libs.testing.clock import ManualClock
from libs.web.answers import answer, json
from libs.web.apikeys import KeyRecord, generate, hash_of
from libs.web.auth import Edge, Entrance, channel, partner, principal, staff
from libs.web.body import BODY
from libs.web.errors import (
    Forbidden,
    Invalid,
    PreconditionRequired,
    Refusal,
    Stale,
    Unauthorised,
    Unavailable,
)
from libs.web.etag import etag, if_match
from libs.web.idempotency import idempotency
from libs.web.limits import RateLimit, Tries
from libs.web.principal import Principal
from libs.web.refusals import KeyMalformed, KeyMissing, TooManyRequests, TooManyTries

WANG = Principal("staff", "wang", frozenset({"operator"}), None, frozenset({"990101"}))
KEY = generate()


class Keys:
    """A copy of the partners' keys that says how old it is."""

    def __init__(self, clock: ManualClock) -> None:
        self.known: dict[bytes, KeyRecord] = {
            hash_of(KEY): KeyRecord(
                "k1", "partner", "LAB-01", hash_of(KEY), frozenset({"990101"}), frozenset({"cases"})
            )
        }
        self.current: datetime | None = clock.now()
        self.asked = 0

    async def find(self, hash: bytes) -> KeyRecord | None:
        self.asked += 1
        return self.known.get(hash)

    async def as_of(self) -> datetime | None:
        return self.current


class Tokens:
    """Knows one token."""

    def verify(self, token: str) -> Principal:
        if token != "good":
            raise Unauthorised
        return WANG


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(clock: ManualClock) -> Keys:
    return Keys(clock)


@pytest.fixture
def edge(clock: ManualClock, keys: Keys) -> SimpleNamespace:
    def mac(text: bytes) -> bytes:
        return sha256(b"secret" + text).digest()

    return SimpleNamespace(
        clock=clock,
        tokens=Tokens(),
        keys=keys,
        rate=RateLimit(1, 5, lambda: 0.0),
        key_rate=RateLimit(1, 3, lambda: 0.0),
        tries=Tries(1, 4, lambda: 0.0),
        mac=mac,
    )


def request(edge: SimpleNamespace, query: str = "", path: str = "/v1/cases", **headers: str) -> Request:
    async def endpoint() -> None: ...

    state = SimpleNamespace(edge=edge, parameters={endpoint: frozenset({"limit", "after"})})
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query.encode(),
        "client": ("192.0.2.7", 40_000),
        "headers": [(n.replace("_", "-").encode(), v.encode("latin-1")) for n, v in headers.items()],
        "app": SimpleNamespace(state=state),
        "endpoint": endpoint,
    }
    return Request(scope)


async def refused(edge: SimpleNamespace, kind: type[Refusal], **headers: str) -> Refusal:
    with pytest.raises(kind) as caught:
        await principal(request(edge, **headers))
    return caught.value


def test_an_edge_follows_the_settings(clock: ManualClock, keys: Keys, tmp_path: Path) -> None:
    settings = ServiceSettings(
        postgres="postgresql://db/x", kafka="k:1", home=tmp_path, serving=Serving(budget_s=3, burst=1)
    )
    edge = Edge.of(
        settings, clock=clock, metrics=Metrics(), keyring=Keyring.ephemeral(["request"]), keys=keys
    )
    assert (edge.budget, edge.keys) == (3, keys)
    assert edge.mac(b"a") == edge.mac(b"a") != edge.mac(b"b")
    edge.rate.take("x")
    with pytest.raises(TooManyRequests):
        edge.rate.take("x")
    edge.key_rate.take("x")
    edge.key_rate.take("x")


async def test_a_staff_token_is_a_person(edge: SimpleNamespace) -> None:
    assert await principal(request(edge, authorization="Bearer good")) is WANG
    assert await principal(request(edge, authorization="bearer  good ")) is WANG


async def test_an_api_key_is_its_organisation(edge: SimpleNamespace) -> None:
    caller = await principal(request(edge, authorization=f"Bearer {KEY}"))
    assert (caller.kind, caller.id, caller.org_id) == ("partner", "k1", "LAB-01")
    assert caller.scopes == {"cases"}
    actor = caller.actor()
    assert (actor.label(), actor.org_id, actor.districts) == ("partner:k1", "LAB-01", {"990101"})


@pytest.mark.parametrize(
    "header", ["", "good", "Basic good", "Bearer", "Bearer ", "Bearer bad", "Token good"]
)
async def test_anything_else_is_unauthorised(edge: SimpleNamespace, header: str) -> None:
    await refused(edge, Unauthorised, authorization=header)
    await refused(edge, Unauthorised)


async def test_unknown_malformed_and_expired_keys_are_unauthorised(
    edge: SimpleNamespace, keys: Keys, clock: ManualClock
) -> None:
    await refused(edge, Unauthorised, authorization=f"Bearer {generate()}")
    await refused(edge, Unauthorised, authorization=f"Bearer {KEY[:-1]}é")
    record = keys.known[hash_of(KEY)]
    keys.known[hash_of(KEY)] = KeyRecord(
        record.key_id, "partner", "LAB-01", record.hash, expires_at=clock.now()
    )
    await refused(edge, Unauthorised, authorization=f"Bearer {KEY}")


async def test_a_record_of_another_key_does_not_let_in(edge: SimpleNamespace, keys: Keys) -> None:
    keys.known[hash_of(KEY)] = KeyRecord("k2", "partner", "PSY-01", hash_of(generate()))
    await refused(edge, Unauthorised, authorization=f"Bearer {KEY}")


async def test_an_old_copy_of_the_keys_lets_nobody_in(
    edge: SimpleNamespace, keys: Keys, clock: ManualClock
) -> None:
    clock.advance(seconds=60)
    await principal(request(edge, authorization=f"Bearer {KEY}"))
    clock.advance(seconds=1)
    assert (await refused(edge, Unavailable, authorization=f"Bearer {KEY}")).retry_after
    await refused(edge, Unavailable, authorization=f"Bearer {generate()}")
    keys.current = None
    await refused(edge, Unavailable, authorization=f"Bearer {KEY}")
    await principal(request(edge, authorization="Bearer good"))


async def test_a_service_without_keys_knows_none(edge: SimpleNamespace) -> None:
    edge.keys = None
    await refused(edge, Unauthorised, authorization=f"Bearer {KEY}")


async def test_each_credential_has_its_rate(edge: SimpleNamespace) -> None:
    for _ in range(5):
        await principal(request(edge, authorization="Bearer good"))
    await refused(edge, TooManyRequests, authorization="Bearer good")
    for _ in range(3):
        await principal(request(edge, authorization=f"Bearer {KEY}"))
    await refused(edge, TooManyRequests, authorization=f"Bearer {KEY}")


async def test_a_portals_key_says_whose_it_is(edge: SimpleNamespace, keys: Keys) -> None:
    keys.known[hash_of(KEY)] = KeyRecord(
        "site.k1", "channel", "site", hash_of(KEY), frozenset({"990101"}), frozenset({"read"})
    )
    actor = (await principal(request(edge, authorization=f"Bearer {KEY}"))).actor()
    assert (actor.label(), actor.portal, actor.org_id) == ("channel:site.k1", "site", None)
    assert actor.scopes == {"read"}


async def test_who_fails_too_often_is_told_to_wait(edge: SimpleNamespace) -> None:
    for header in ("", "Bearer bad", f"Bearer {generate()}", "Basic x"):
        await refused(edge, Unauthorised, authorization=header)
    assert (await refused(edge, TooManyTries, authorization="Bearer bad")).retry_after == 1
    await principal(request(edge, authorization="Bearer good"))


async def test_after_too_many_failures_no_unknown_key_is_looked_up(edge: SimpleNamespace, keys: Keys) -> None:
    for _ in range(4):
        await refused(edge, Unauthorised, authorization="Bearer bad")
    await refused(edge, TooManyTries, authorization=f"Bearer {KEY}")
    assert keys.asked == 0


async def test_a_key_that_was_let_in_is_let_in_whatever_its_neighbours_do(edge: SimpleNamespace) -> None:
    await principal(request(edge, authorization=f"Bearer {KEY}"))
    for _ in range(4):
        await refused(edge, Unauthorised, authorization="Bearer bad")
    await principal(request(edge, authorization=f"Bearer {KEY}"))


async def test_a_revoked_key_is_known_to_be_good_no_more(edge: SimpleNamespace, keys: Keys) -> None:
    await principal(request(edge, authorization=f"Bearer {KEY}"))
    del keys.known[hash_of(KEY)]
    await refused(edge, Unauthorised, authorization=f"Bearer {KEY}")
    for _ in range(3):
        await refused(edge, Unauthorised, authorization="Bearer bad")
    asked = keys.asked
    await refused(edge, TooManyTries, authorization=f"Bearer {KEY}")
    assert keys.asked == asked


PARTNER = Principal("partner", "k1", org_id="LAB-01", scopes=frozenset({"cases"}))
CHANNEL = Principal("channel", "c1", scopes=frozenset())


@pytest.mark.parametrize(
    ("door", "admitted"),
    [
        (staff("operator"), [WANG]),
        (staff("supervisor"), []),
        (staff("supervisor", "operator"), [WANG]),
        (staff(), [WANG]),
        (partner(), [PARTNER]),
        (partner("cases"), [PARTNER]),
        (partner("webhooks"), []),
        (channel(), [CHANNEL]),
        (staff("operator") | channel(), [WANG, CHANNEL]),
        (channel() | staff("supervisor"), [CHANNEL]),
        (staff("supervisor") | staff("operator"), [WANG]),
        (staff("supervisor") | staff(), [WANG]),
        (partner() | channel() | staff(), [WANG, PARTNER, CHANNEL]),
    ],
)
def test_a_door_lets_in_whom_it_names(door: Entrance, admitted: list[Principal]) -> None:
    assert [caller for caller in (WANG, PARTNER, CHANNEL) if door.admits(caller)] == admitted


async def test_who_is_known_but_not_named_is_forbidden(edge: SimpleNamespace) -> None:
    with pytest.raises(Forbidden):
        await staff("auditor")(request(edge, authorization="Bearer good"))
    with pytest.raises(Unauthorised):
        await staff("auditor")(request(edge))


async def test_a_parameter_that_the_route_does_not_know_is_refused(edge: SimpleNamespace) -> None:
    door = staff("operator")
    await door(request(edge, "limit=5&after=x", authorization="Bearer good"))
    with pytest.raises(Invalid) as caught:
        await door(request(edge, "limit=5&phone=13800000001", authorization="Bearer good"))
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == ("/query", "unknown_parameter")
    assert "138" not in str(error)


def test_the_same_request_has_the_same_key_and_holds_nothing_readable(edge: SimpleNamespace) -> None:
    first = idempotency(request(edge, idempotency_key="abc"), WANG)
    assert first == idempotency(request(edge, idempotency_key="abc"), WANG)
    assert first is not None
    assert len(first.scope) == len(first.body) == 32


def test_credential_path_key_and_body_all_count(edge: SimpleNamespace) -> None:
    def key(caller: Principal = WANG, path: str = "/v1/cases", given: str = "abc", body: bytes = b"") -> Any:
        asked = request(edge, path=path, idempotency_key=given)
        asked.scope[BODY] = body
        return idempotency(asked, caller)

    plain = key()
    for other in (key(PARTNER), key(path="/v1/cases/1/flags"), key(given="abd")):
        assert other.scope != plain.scope
        assert other.body == plain.body
    assert key(body=b"{}").scope == plain.scope
    assert key(body=b"{}").body != plain.body


def test_a_missing_key_is_400_where_it_is_required(edge: SimpleNamespace) -> None:
    assert idempotency(request(edge), WANG, required=False) is None
    with pytest.raises(KeyMissing) as caught:
        idempotency(request(edge), WANG)
    assert caught.value.status == 400


@pytest.mark.parametrize("given", ["", "x" * 256, "a b", "a\tb", "é", "a\x7f"])
def test_a_malformed_key_is_400(edge: SimpleNamespace, given: str) -> None:
    idempotency(request(edge, idempotency_key="x" * 255), WANG)
    with pytest.raises(KeyMalformed):
        idempotency(request(edge, idempotency_key=given), WANG)
    with pytest.raises(KeyMalformed):
        idempotency(request(edge, idempotency_key=given), WANG, required=False)


def test_if_match_is_one_strong_tag(edge: SimpleNamespace) -> None:
    assert if_match(request(edge, if_match=etag(7))) == 7
    with pytest.raises(PreconditionRequired):
        if_match(request(edge))


@pytest.mark.parametrize("given", ["7", "*", 'W/"7"', '"7", "8"', '"-1"', '"x"', '""', '"' + "9" * 50 + '"'])
def test_another_if_match_is_412(edge: SimpleNamespace, given: str) -> None:
    with pytest.raises(Stale):
        if_match(request(edge, if_match=given))


def test_an_outcome_becomes_an_answer_with_its_headers() -> None:
    said = answer(Outcome(201, {"case_id": UUID(int=1)}, 3, location="/v1/cases/1"))
    assert said.status_code == 201
    assert said.headers["etag"] == '"3"'
    assert said.headers["location"] == "/v1/cases/1"
    assert "idempotent-replayed" not in said.headers
    assert orjson.loads(said.body) == {"case_id": str(UUID(int=1))}


def test_a_repetition_says_so_and_what_has_no_version_has_no_tag() -> None:
    said = answer(Outcome(200, [], 0, replayed=True), x_more="1")
    assert said.headers["idempotent-replayed"] == "true"
    assert said.headers["x-more"] == "1"
    assert "etag" not in said.headers


def test_no_content_has_no_body() -> None:
    said = answer(Outcome(204, None, 4))
    assert said.body == b""
    assert said.headers["etag"] == '"4"'


def test_models_times_and_sets_become_json() -> None:
    at = datetime(2026, 3, 2, 10, tzinfo=UTC) + timedelta(0)
    body = orjson.loads(json({"due": DueDate(rule="R", due_at=at), "codes": frozenset("ba")}).body)
    assert body["due"]["due_at"] == "2026-03-02T10:00:00+00:00"
    assert body["codes"] == ["a", "b"]


def test_what_is_no_json_is_a_bug_and_said() -> None:
    with pytest.raises(TypeError):
        json({"x": object()})
