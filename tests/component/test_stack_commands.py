"""The commands that look into the services' databases: audit, dead letters, republish, status, tokens."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from libs.db import auditlog
from libs.db.dsn import of_database
from libs.db.pool import Database
from libs.events import topics as declared
from libs.messaging import topics
from libs.messaging.heads import HeadPublisher
from libs.messaging.producer import Producer
from libs.messaging.reader import KafkaPlace
from libs.privacy.keyring import Keyring
from libs.web.errors import Refusal
from libs.web.tokens import Verifier
from ops.cli import app
from ops.stack.errors import StackError
from ops.stack.home import Home
from ops.stack.keys import ensure_keys
from ops.stack.parts import SERVICES
from tests.support import infrastructure

CASE = UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.fixture
def prefix(databases: infrastructure.Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation with routing's fresh database, named by the environment; the prefix of its name."""
    made = databases.set_of(("routing",))
    monkeypatch.setenv("HESHI_POSTGRES", infrastructure.server())
    monkeypatch.setenv("HESHI_KAFKA", infrastructure.bootstrap())
    monkeypatch.setenv("HESHI_TOPIC_PREFIX", made)
    monkeypatch.setenv("HESHI_DATABASE_PREFIX", made)
    monkeypatch.setenv("HESHI_HOME", str(tmp_path / "home"))
    return made


def heshi(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command; a refusal is raised as the command's own caller would see it."""
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, StackError | Refusal):
        raise result.exception
    return result.exit_code, result.output


def audited(prefix: str, service: str, actions: list[str]) -> None:
    asyncio.run(_audited(prefix, service, actions))


async def _audited(prefix: str, service: str, actions: list[str]) -> None:
    database = await Database.open(
        of_database(infrastructure.server(), prefix + service), name="test", size=1
    )
    for action in actions:
        async with database.transaction() as tx:
            entry = auditlog.Entry(datetime.now(UTC), "staff:operator", action, CASE, {})
            await auditlog.append(tx, service, [entry])
    await database.close()


def sql(prefix: str, service: str, statement: str, *values: object) -> None:
    with psycopg.connect(of_database(infrastructure.server(), prefix + service)) as connection:
        connection.execute(statement, values)  # type: ignore[call-overload]


def dead_letter(prefix: str, service: str, offset: int) -> None:
    sql(
        prefix,
        service,
        """
        insert into dead_letter (consumer, case_id, event_id, version, topic, partition, "offset", value,
            headers, attempts, first_failed_at, error_type, error)
        values (%s, %s, %s, %s, 'intake.case.v1', 0, %s, '{}', '[]', 7, now(), 'Bug', 'what was wrong')
        """,
        f"{service}.intake-case",
        CASE,
        uuid4(),
        offset,
        offset,
    )


def test_audit_chains_that_hold_are_counted(prefix: str) -> None:
    audited(prefix, "routing", ["case.registered", "case.accepted", "case.revealed"])
    assert heshi("audit", "verify", "--service", "routing") == (
        0,
        "3 entries, 0 published heads, 0 places that do not hold.\n",
    )


def test_changed_audit_entry_is_found_with_its_place(prefix: str) -> None:
    audited(prefix, "routing", ["case.revealed"] * 40)
    sql(
        prefix,
        "routing",
        "update audit set actor = 'staff:nobody' where (chain, seq) = "
        "(select chain, seq from audit where seq = 2 order by chain limit 1)",
    )
    code, said = heshi("audit", "verify", "--service", "routing")
    assert code == 1
    assert "entry 2: ALTERED" in said
    assert said.endswith("40 entries, 0 published heads, 1 places that do not hold.\n")


def test_cut_tail_of_a_chain_is_found(prefix: str) -> None:
    audited(prefix, "routing", ["a"])
    sql(prefix, "routing", "delete from audit")
    code, said = heshi("audit", "verify", "--service", "routing")
    assert (code, "routing: chain" in said, "CUT" in said) == (1, True, True)


def test_who_did_what_to_a_case_and_who_read_it_is_told_by_all_services_in_order(
    databases: infrastructure.Databases, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = databases.set_of(SERVICES)
    monkeypatch.setenv("HESHI_DATABASE_PREFIX", made)
    audited(made, "intake", ["case.registered"])
    audited(made, "mediation", ["case.read"])
    audited(made, "intake", ["case.revealed"])
    code, said = heshi("audit", "case", str(CASE))
    told = [line.split()[2:] for line in said.splitlines()]
    assert code == 0
    assert told == [
        ["intake", "staff:operator", "case.registered"],
        ["mediation", "staff:operator", "case.read"],
        ["intake", "staff:operator", "case.revealed"],
    ]
    assert heshi("audit", "case", str(uuid4())) == (0, "")


def signed(prefix: str, keys: Keyring) -> int:
    """What a worker of routing does every minute; how many heads it published."""

    async def publish() -> int:
        await topics.apply(infrastructure.bootstrap(), declared.load(), prefix)
        place = KafkaPlace(infrastructure.bootstrap(), prefix)
        database = await Database.open(
            of_database(infrastructure.server(), prefix + "routing"), name="test", size=1
        )
        producer = Producer(place.bootstrap, client_id="test")
        try:
            publisher = HeadPublisher("routing", database, producer, place, keys)
            count = await publisher.once()
            assert await publisher.once() == 0  # nothing moved
            return count
        finally:
            await producer.close()
            await database.close()

    return asyncio.run(publish())


@pytest.fixture
def keys(prefix: str) -> Keyring:
    home = Home.from_environment()
    ensure_keys(home)
    return Keyring.open(home.keys)


@pytest.mark.parametrize(
    "loss",
    [
        "delete from audit where seq > 1; update audit_head h set seq = 1, hash ="
        " (select hash from audit a where (a.chain, a.seq) = (h.chain, 1)) where seq > 1",
        "delete from audit; update audit_head set seq = 0, hash = repeat(E'\\\\000', 32)::bytea",
    ],
    ids=["the tail", "everything"],
)
def test_g25_a_chain_that_was_cut_together_with_its_head_is_found(
    prefix: str, keys: Keyring, loss: str
) -> None:
    """As a database is that was put back to an earlier copy: by itself it holds."""
    audited(prefix, "routing", ["case.revealed"] * 40)
    assert signed(prefix, keys) > 0
    code, said = heshi("audit", "verify", "--service", "routing")
    assert (code, "0 places" in said) == (0, True), said
    for statement in loss.split(";"):
        sql(prefix, "routing", statement)
    code, said = heshi("audit", "verify", "--service", "routing")
    assert (code, "CUT" in said) == (1, True), said


def test_g25_a_head_that_somebody_else_signed_is_found(prefix: str, keys: Keyring) -> None:
    audited(prefix, "routing", ["case.revealed"])
    signed(prefix, Keyring.ephemeral(["audit"]))
    code, said = heshi("audit", "verify", "--service", "routing")
    assert (code, "FORGED" in said) == (1, True), said


def test_dead_letters_are_listed_and_shown_without_their_value(prefix: str) -> None:
    assert heshi("deadletters", "list", "--service", "routing") == (0, "There are none.\n")
    dead_letter(prefix, "routing", 4)
    _, said = heshi("deadletters", "list", "--service", "routing")
    assert said.startswith("routing:1  ")
    assert f"case {CASE} event 4  intake.case.v1/0/4  Bug: what was wrong" in said
    shown = json.loads(heshi("deadletters", "show", "routing:1")[1])
    assert (shown["consumer"], shown["value_bytes"]) == ("routing.intake-case", 2)
    assert "value" not in shown


def test_waiving_is_only_tried_without_yes(prefix: str) -> None:
    dead_letter(prefix, "routing", 4)
    _, said = heshi("deadletters", "waive", "routing:1", "--reason", "a test")
    assert said == "routing:1 can be settled by waive; nothing was changed, add --yes to do it.\n"
    assert "routing:1" in heshi("deadletters", "list", "--service", "routing")[1]
    heshi("deadletters", "waive", "routing:1", "--reason", "a test", "--yes")
    assert heshi("deadletters", "list", "--service", "routing")[1] == "There are none.\n"
    assert json.loads(heshi("deadletters", "show", "routing:1")[1])["settled_why"] == "a test"
    assert heshi("audit", "verify", "--service", "routing") == (
        0,
        "1 entries, 0 published heads, 0 places that do not hold.\n",
    )


def test_event_is_not_replayed_while_an_earlier_one_of_its_case_is_dead(prefix: str) -> None:
    dead_letter(prefix, "routing", 4)
    dead_letter(prefix, "routing", 5)
    with pytest.raises(Refusal) as refused:
        heshi("deadletters", "replay", "routing:2", "--reason", "a test", "--yes")
    assert refused.value.code == "earlier_event_dead"


@pytest.mark.parametrize("name", ["routing", "routing:", "nowhere:1", "1", "routing:x"])
def test_wrong_name_of_a_letter_is_one_sentence(prefix: str, name: str) -> None:
    with pytest.raises(StackError, match=r"names no dead letter|There is no service"):
        heshi("deadletters", "show", name)


def test_republish_points_to_what_is_stored(prefix: str) -> None:
    assert heshi("republish", "--service", "routing") == (0, "0 records go out again.\n")


def test_token_opens_the_door_of_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    ensure_keys(home)
    monkeypatch.setenv("HESHI_HOME", str(home.root))
    code, text = heshi(
        "token", "--role", "supervisor", "--user", "wang", "--district", "990102", "--ttl", "1h"
    )
    person = Verifier(home.keys, mode="demo", now=lambda: datetime.now(UTC)).verify(text.strip())
    assert (code, person.id, person.roles, person.districts) == (0, "wang", {"supervisor"}, {"990102"})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--role", "king"], "no such role: king"),
        (["--role", "operator", "--ttl", "13h"], "lives at most"),
        (["--role", "operator", "--ttl", "soon"], "soon is no time"),
    ],
)
def test_token_that_cannot_be_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    home = Home(tmp_path / "home")
    ensure_keys(home)
    monkeypatch.setenv("HESHI_HOME", str(home.root))
    with pytest.raises(StackError, match=told):
        heshi("token", *options)


def test_token_of_production_lives_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    ensure_keys(home, "production")
    monkeypatch.setenv("HESHI_HOME", str(home.root))
    monkeypatch.setenv("HESHI_MODE", "production")
    with pytest.raises(StackError, match=str(timedelta(minutes=5))):
        heshi("token", "--role", "operator", "--ttl", "6m")


def test_commands_without_an_installation_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HESHI_HOME", str(tmp_path))
    monkeypatch.delenv("HESHI_POSTGRES", raising=False)
    with pytest.raises(StackError, match="start it by `heshi up`, or set HESHI_POSTGRES"):
        heshi("deadletters", "list", "--service", "routing")
    code, said = heshi("status")
    assert (code, said) == (1, f"Nothing runs from {tmp_path}; `heshi up` starts it.\n")
