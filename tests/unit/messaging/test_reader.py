"""How a reader waits: a broker that is away is waited for, a stuck client is given up."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from libs.messaging import reader
from libs.messaging.reader import KafkaPlace, Reader
from libs.runtime.loops import Pulse


class Client:
    """A client whose poll returns after so many seconds, and notes when it is given up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.given_up = False

    async def getmany(self, *, timeout_ms: int) -> dict[Any, Any]:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up = True
            raise
        return {"partition": ["record"]}


class Place(KafkaPlace):
    """A broker that answers, or does not."""

    there: bool

    async def answers(self) -> bool:
        return self.there


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LOOK", 0.01)
    monkeypatch.setattr(reader, "STUCK", 0.05)


def reading(there: bool) -> Reader:
    place = Place("nowhere:1")
    object.__setattr__(place, "there", there)
    unused: Any = None
    return Reader("a.consumer", ["a.topic.v1"], place, unused, unused)


async def test_what_the_client_returns_is_read() -> None:
    assert await reading(True)._poll(Client(0.02), Pulse(lambda: None)) == {"partition": ["record"]}


async def test_a_client_that_returns_nothing_while_the_broker_answers_is_given_up() -> None:
    client = Client(60)
    with pytest.raises(KafkaTimeoutError):
        await asyncio.wait_for(reading(True)._poll(client, Pulse(lambda: None)), 10)
    await asyncio.sleep(0)
    assert client.given_up


async def test_a_broker_that_is_away_is_waited_for_without_a_stall() -> None:
    beats = list[int]()
    assert await reading(False)._poll(Client(0.3), Pulse(lambda: beats.append(1)))
    assert len(beats) > 5


async def test_a_reader_that_is_told_to_end_gives_its_poll_up() -> None:
    client = Client(60)
    polling = asyncio.create_task(reading(False)._poll(client, Pulse(lambda: None)))
    await asyncio.sleep(0.02)
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling
    assert client.given_up
