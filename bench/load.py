"""The load generator, a process of its own: sends at given times whether or not earlier answers came.

    python -m bench.load < order.json > answers.json

Arrivals are random with the given mean (as callers are) and are drawn before the start; a delay of ours
counts as a delay of the stack's. A request that got no answer is sent again under its Idempotency-Key.
"""

import asyncio
import random
import sys
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field

import aiohttp
import orjson
import uvloop

from bench.cases import bodies

CONNECTIONS = 400
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to send where: `rate` requests a second for `seconds`; `seed` makes the cases."""

    url: str
    token: str
    rate: float
    seconds: float
    seed: int


@dataclass(slots=True)
class Answers:
    """Per accepted case, in the order of the answers: query code, when it was due to be sent (seconds since
    the epoch), and how long its answer took from then. `cpu` is what the generator itself used for it."""

    codes: list[str] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0


async def ordered(order: Order) -> Answers:
    """Run the generator as a process; its answers."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate(orjson.dumps(asdict(order)))
    assert child.returncode == 0, "the load generator failed"
    return Answers(**orjson.loads(told))


async def run(order: Order) -> Answers:
    """Send everything, wait for every answer."""
    draw = random.Random(order.seed)
    offsets, at = [], 0.0
    while at < order.seconds:
        offsets.append(at)
        at += draw.expovariate(order.rate)
    prepared = list(bodies(len(offsets), order.seed))
    answers = Answers()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(PATIENCE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        begun, wall, ready = time.perf_counter() + 0.1, time.time() + 0.1, time.process_time()
        async with asyncio.TaskGroup() as group:
            for offset, body in zip(offsets, prepared, strict=True):
                if (wait := begun + offset - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(_send(session, order, body, begun + offset, wall + offset, answers))
    answers.cpu = time.process_time() - ready
    return answers


async def _send(
    session: aiohttp.ClientSession, order: Order, body: bytes, due: float, wall: float, answers: Answers
) -> None:
    headers = {
        "Authorization": f"Bearer {order.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    for _ in range(3):
        try:
            async with session.post(order.url, data=body, headers=headers) as answer:
                told = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            answers.refused[type(error).__name__] += 1
            continue
        if answer.status == 201:
            case = orjson.loads(told)
            assert (case["state"], case["flags"]) == ("accepted", []), "the load is not what it should be"
            answers.codes.append(case["query_code"])
            answers.due.append(wall)
            answers.took.append(time.perf_counter() - due)
        else:
            answers.refused[str(answer.status)] += 1
        return


def main() -> None:
    order = Order(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(run(order)))))


if __name__ == "__main__":
    main()
