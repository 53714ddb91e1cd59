"""Failpoints: orders come from outside and are carried out once; every point is around something there."""

import asyncio
import importlib
import inspect
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from faults import points
from faults.points import POINTS, Armed, Order


@pytest.fixture
def file(tmp_path):
    return tmp_path / "points"


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_every_point_is_around_something_that_can_be_awaited(point):
    owner, name = points._place(point.target)
    real = getattr(owner, name)
    assert inspect.iscoroutinefunction(real) or inspect.isasyncgenfunction(inspect.unwrap(real))


@pytest.mark.parametrize(
    "line", ["1 intake nowhere kill", "1 intake api.in_transaction explode", "1 intake", ""]
)
def test_an_order_that_makes_no_sense_is_refused(line):
    with pytest.raises(ValueError, match=r"no point or action|not enough values"):
        Order.of(line)


def test_an_order_is_carried_out_at_the_nth_time_and_once(file):
    file.write_text("7 intake api.in_transaction kill 3\n8 notify api.in_transaction kill\n")
    armed = Armed(file, "intake")
    due = [armed.due("api.in_transaction") for _ in range(6)]
    assert [order and order.id for order in due] == [None, None, "7", None, None, None]


def test_a_restarted_process_does_not_carry_it_out_again(file):
    file.write_text("7 intake api.in_transaction kill\n")
    assert Armed(file, "intake").due("api.in_transaction") is not None
    assert Armed(file, "intake").due("api.in_transaction") is None


def test_orders_may_come_and_go_while_the_process_runs(file):
    armed = Armed(file, "intake")
    assert armed.due("relay.after_claim") is None
    file.write_text("1 intake relay.after_claim raise\n")
    assert armed.due("relay.after_claim") is not None
    file.write_text("2 intake relay.after_claim raise 2\n")
    assert armed.due("relay.after_claim") is None
    file.write_text("")
    assert armed.due("relay.after_claim") is None


def test_the_time_is_off_for_as_long_as_the_order_stands(file):
    armed = Armed(file, "mediation")
    assert armed.offset() == timedelta()
    file.write_text("1 mediation deadlines.now offset=-3600\n")
    assert armed.offset() == armed.offset() == timedelta(hours=-1)


class Service:
    """Stands for a place in the house."""

    def __init__(self):
        self.done = []

    async def work(self, items):
        self.done += items
        return len(items)

    @asynccontextmanager
    async def transaction(self):
        self.done.append("open")
        yield self
        self.done.append("closed")


@pytest.mark.parametrize(
    ("when", "line", "done"),
    [
        ("before", "1 x point raise", []),
        ("after", "1 x point raise", ["a", "b", "c"]),
        ("halves", "1 x point raise", ["a", "b"]),
        ("before", "", ["a", "b", "c"]),
        ("halves", "", ["a", "b", "c"]),
    ],
)
async def test_what_was_done_when_the_point_is_passed(monkeypatch, file, when, line, done):
    point = points.Point("point", "faults.points:Order.of", when)
    monkeypatch.setitem(points.BY_NAME, "point", point)
    file.write_text(line)
    service = Service()
    wrapped = points._wrapped(point, Service.work, Armed(file, "x"))
    if line:
        with pytest.raises(ConnectionResetError):
            await wrapped(service, ["a", "b", "c"])
    else:
        await wrapped(service, ["a", "b", "c"])
    assert service.done == done


async def test_a_transaction_is_opened_as_ever(monkeypatch, file):
    point = points.BY_NAME["pool.before_transaction"]
    service = Service()
    wrapped = points._wrapped(point, Service.transaction, Armed(file, "x"))
    async with wrapped(service) as tx:
        assert tx is service
    assert service.done == ["open", "closed"]


async def test_the_sweep_is_told_another_time(file):
    file.write_text("1 mediation deadlines.now offset=600\n")
    heard = []

    async def candidates(tx, now, limit):
        heard.append((tx, now, limit))

    wrapped = points._wrapped(points.BY_NAME["deadlines.now"], candidates, Armed(file, "mediation"))
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    await wrapped("tx", noon, 200)
    assert heard == [("tx", noon + timedelta(minutes=10), 200)]


def test_the_services_know_nothing_of_it():
    """No code path of a service that was started without points leads here."""
    for name in ("libs.db.shell", "libs.messaging.relay", "services.notify.providers"):
        source = inspect.getsource(importlib.import_module(name))
        assert "faults." not in source.replace("libs.db.faults", "")
        assert "HESHI_FAILPOINTS" not in source


async def test_sleep_lets_others_go_on_and_block_does_not():
    async def others():
        for _ in range(3):
            await asyncio.sleep(0)
        return "went on"

    going = asyncio.create_task(others())
    await points._block("1")
    assert not going.done()
    await points._sleep("5")
    assert going.done()
