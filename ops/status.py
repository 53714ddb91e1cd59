"""`heshi status`: the supervisor's word on each part, the figures of databases and `/metrics`."""

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from prometheus_client.parser import text_string_to_metric_families

from libs.messaging import figures
from libs.messaging.figures import Figures
from ops.installation import Installation
from ops.stack.home import Home, PartState, StackState
from ops.stack.parts import PARTS, SERVICES

LAG = "heshi_consumer_lag"


def show(*, as_json: bool) -> int:
    """Print the state; the exit code is 0 when everything that was started is ready."""
    home = Home.from_environment()
    state = home.read_state() or StackState(supervisor=0)
    state.parts.sort(key=lambda part: PARTS.index(part.name))
    report = report_of(state)
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    elif not state.parts:
        print(f"Nothing runs from {home.root}; `heshi up` starts it.")
    else:
        print(as_text(state.parts, report))
    return 0 if state.complete and all(part.ready for part in state.parts) else 1


def report_of(state: StackState) -> dict[str, object]:
    """The answer for programs. A figure is null where nobody tells it."""
    services = [part for part in state.parts if part.name in SERVICES]
    known = asyncio.run(figures_of([part.name for part in services]))
    lag = lag_of([part for part in services if part.ready])
    return {
        "parts": [asdict(part) for part in state.parts],
        "kafka": state.kafka or None,
        "postgres": state.postgres or None,
        "lag": int(sum(lag)) if lag else None,
        "outbox_oldest_s": max((each.outbox_oldest_s for each in known), default=None),
        "parked": sum(each.parked for each in known) if known else None,
        "dead_letters": sum(each.dead_letters for each in known) if known else None,
        "overdue": sum(each.overdue for each in known) if known else None,
    }


async def figures_of(services: Sequence[str]) -> list[Figures]:
    """What the databases tell, of a service that is down too; what cannot be read is left out."""

    async def one(service: str) -> Figures | None:
        try:
            async with Installation.current().database(service) as database, database.read() as tx:
                return await figures.read(tx)
        except Exception:  # away, not migrated yet, never made: the figure is not known, and status shows why
            return None

    return [each for each in await asyncio.gather(*map(one, services)) if each is not None]


def lag_of(services: Sequence[PartState]) -> list[float]:
    """Records behind, per consumer and partition, of the services that answer."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        texts = pool.map(lambda part: metrics_text(part.port or 0), services)
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    return [sample.value for family in families for sample in family.samples if sample.name == LAG]


def metrics_text(port: int) -> str:
    """What `/metrics` says; nothing when it does not answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return ""
    finally:
        connection.close()


def as_text(parts: Sequence[PartState], report: Mapping[str, object]) -> str:
    """The answer for a person."""
    lines = [
        f"  {part.name:<11} {'ready' if part.ready else 'NOT READY':<10} "
        f"{f'port {part.port}' if part.port else '':<11} {f'process {part.pid}' if part.pid else ''}"
        for part in parts
    ]
    figures = [f"{name} {value}" for name, value in report.items() if isinstance(value, int | float)]
    return "\n".join([*lines, f"  {', '.join(figures)}"] if figures else lines)
