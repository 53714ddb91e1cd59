"""What runs and how it fares: the supervisor's word on each part, the services' figures from `/metrics`."""

import http.client
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from prometheus_client.parser import text_string_to_metric_families

from ops.stack.home import Home, PartState, StackState
from ops.stack.parts import PARTS, SERVICES

# What each figure is read from and how the services' values become one.
FIGURES: dict[str, tuple[str, Callable[[Iterable[float]], float]]] = {
    "lag": ("heshi_consumer_lag", sum),
    "outbox_oldest_s": ("heshi_outbox_oldest_seconds", max),
    "parked": ("heshi_parked", sum),
    "dead_letters": ("heshi_dead_letters", sum),
    "overdue": ("heshi_deadlines_overdue", sum),
}


def show(*, as_json: bool) -> int:
    """Print the state; the exit code is 0 when everything that was started is ready."""
    home = Home.from_environment()
    state = home.read_state() or StackState(supervisor=0)
    report = report_of(state)
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    elif not state.parts:
        print(f"Nothing runs from {home.root}; `heshi up` starts it.")
    else:
        print(as_text(state, report))
    return 0 if state.complete and all(part.ready for part in state.parts) else 1


def report_of(state: StackState) -> dict[str, object]:
    """The answer for programs. A figure is null where no service tells it."""
    parts = sorted(state.parts, key=lambda part: PARTS.index(part.name))
    samples = samples_of([part for part in parts if part.name in SERVICES and part.ready])
    figures = {
        name: fold(samples[metric]) if samples.get(metric) else None
        for name, (metric, fold) in FIGURES.items()
    }
    return {
        "parts": [asdict(part) for part in parts],
        "kafka": state.kafka or None,
        "postgres": state.postgres or None,
        **figures,
    }


def samples_of(services: list[PartState]) -> dict[str, list[float]]:
    """Every service's samples by name; one that does not answer is left out."""
    found: dict[str, list[float]] = {}
    with ThreadPoolExecutor(5) as pool:
        for text in pool.map(lambda part: metrics_text(part.port or 0), services):
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    found.setdefault(sample.name, []).append(sample.value)
    return found


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


def as_text(state: StackState, report: dict[str, object]) -> str:
    """The answer for a person."""
    lines = [
        f"  {part.name:<11} {'ready' if part.ready else 'NOT READY':<10} "
        f"{f'port {part.port}' if part.port else '':<11} {f'process {part.pid}' if part.pid else ''}"
        for part in sorted(state.parts, key=lambda part: PARTS.index(part.name))
    ]
    figures = [f"{name} {report[name]}" for name in FIGURES if report[name] is not None]
    return "\n".join([*lines, "  " + ", ".join(figures)] if figures else lines)
