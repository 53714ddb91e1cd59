"""Whatever a program sends that the description allows or forbids: intake answers as it describes itself."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import FailureGroup

from libs.db.pool import Database
from tests.component.intake_door import Door, opened

EXAMPLES = 12
"""Requests for each door."""
REFUSED = ["2xx", "401", "403", "404", "409", "412", "422", "503"]
"""What a well-formed request may get: a code that nobody knows is 422, a case that is not there 404."""


@pytest.fixture
async def door(database: Callable[[str], Awaitable[Database]], tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(await database("intake"), tmp_path) as made:
        yield made


@pytest.mark.timeout(300)
async def test_no_request_that_the_description_allows_or_forbids_is_answered_otherwise(door: Door) -> None:
    token = door.token("operator", "dispatcher", "supervisor", "sealed_officer")
    found = await asyncio.to_thread(lambda: list(faults(str(door.session._base_url).rstrip("/"), token)))
    assert found == []


def faults(address: str, token: str) -> Iterator[str]:
    """Each door with its first fault, by all checks of schemathesis."""
    expected = {"positive_data_acceptance": {"expected-statuses": REFUSED}}
    config = schemathesis.Config.from_dict({"checks": expected})
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)
    for operation in schema.get_all_operations():
        described = operation.ok()

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=described.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            headers = {
                "Authorization": f"Bearer {token}",
                "Idempotency-Key": str(uuid.uuid4()),
                "If-Match": '"1"',
            }
            answer = case.call(base_url=address, headers=headers)
            case.validate_response(answer, headers=headers)

        try:
            ask()
        except FailureGroup as group:
            yield f"{described.label}: {[str(fault)[:400] for fault in group.exceptions]}"
