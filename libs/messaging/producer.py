"""The idempotent producer, supervised: every wait has an end, and a broken one is replaced."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from libs.db.faults import Fault, classify
from libs.runtime.loops import Pulse

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it goes to the broker; `topic` is the physical name. No partition: the key chooses."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    partition: int | None = None


class BrokerAway(Exception):
    """The broker did not take the records in time; they may still land, which inboxes absorb."""


async def publish_every(
    seconds: float, once: Callable[[], Awaitable[object]], put_off: str, pulse: Pulse
) -> None:
    """Do `once` every so many seconds until told to stop. What broker or database do not take now comes with
    the next, and is logged as `put_off`."""
    while not pulse.stopping:
        try:
            await once()
        except Exception as error:
            if not isinstance(error, BrokerAway) and classify(error) is Fault.DATA:
                raise
            log.warning(put_off, error=type(error).__name__)
        await pulse.pause(seconds)


class Producer:
    """Publishes batches. An idempotent producer never gives a batch up by itself, and after broker trouble it
    may stay broken for good; so a batch has a deadline, and whoever misses it is closed and built anew."""

    def __init__(self, bootstrap: str, *, client_id: str, timeout: float = 15.0, linger_ms: int = 0) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._timeout = timeout
        self._linger_ms = linger_ms
        self._client: Any = None
        self._building = asyncio.Lock()

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when the broker has acknowledged all records; raise `BrokerAway` otherwise.

        Records of one key arrive in the given order.
        """
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._ready()
                sent = [
                    await client.send(
                        record.topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=list(record.headers),
                    )
                    for record in records
                ]
                await asyncio.gather(*sent)
        except Exception as error:
            await self._discard()
            raise BrokerAway(type(error).__name__) from error

    async def close(self) -> None:
        """Deliver what is under way for a moment, then leave."""
        await self._discard()

    async def _ready(self) -> Any:
        async with self._building:
            if self._client is None:
                client = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    enable_idempotence=True,
                    linger_ms=self._linger_ms,
                    max_batch_size=131_072,
                    request_timeout_ms=10_000,
                )
                try:
                    await client.start()
                except BaseException:
                    await _stop(client)
                    raise
                self._client = client
            return self._client

    async def _discard(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _stop(client)


async def _stop(client: Any) -> None:
    try:
        await asyncio.wait_for(client.stop(), 5)
    except Exception as error:
        log.warning("producer_stop_failed", error=type(error).__name__)
