"""The trace goes on over process boundaries, with or without a collector."""

import asyncio
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.runtime import telemetry
from libs.runtime.telemetry import parse, span

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_read_and_written_back() -> None:
    trace = parse(REMOTE)
    assert trace is not None
    assert trace.traceparent == REMOTE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "x" * 10_000,
    ],
)
def test_what_the_standard_calls_invalid_is_ignored(header: str | None) -> None:
    assert parse(header) is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    trace = parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more")
    assert trace is not None
    assert not trace.sampled


def test_outside_every_span_nothing_travels() -> None:
    assert telemetry.traceparent() is None
    assert telemetry.trace_id() is None


def test_a_span_continues_the_remote_trace_under_an_id_of_its_own() -> None:
    with span("process", kind="consumer", parent=REMOTE) as here:
        assert telemetry.trace_id() == "0af7651916cd43dd8448eb211c80319c"
        assert here.trace.span_id != "b7ad6b7169203331"
        assert here.trace.sampled
        assert telemetry.traceparent() == here.trace.traceparent
    assert telemetry.traceparent() is None


def test_a_span_without_parent_begins_a_trace_and_inner_spans_share_it() -> None:
    with span("outer") as outer, span("inner") as inner:
        assert inner.trace.trace_id == outer.trace.trace_id
        assert inner.trace.span_id != outer.trace.span_id
    with span("other") as other:
        assert other.trace.trace_id != outer.trace.trace_id


def test_what_comes_through_a_door_never_belongs_to_what_ran_there_before() -> None:
    with span("request", kind="server") as first:
        for kind in ("server", "consumer"):
            with span("next", kind=kind) as second:  # type: ignore[arg-type]
                assert second.trace.trace_id != first.trace.trace_id


def test_a_malformed_parent_begins_a_new_trace() -> None:
    with span("request", kind="server", parent="nonsense") as here:
        assert len(here.trace.trace_id) == 32


def test_the_span_is_left_when_its_block_fails() -> None:
    with pytest.raises(ValueError, match="inner"), span("failing"):
        raise ValueError("inner")
    assert telemetry.trace_id() is None


async def test_tasks_keep_the_trace_they_were_made_in() -> None:
    async def asked() -> str | None:
        await asyncio.sleep(0)
        return telemetry.trace_id()

    with span("one") as one:
        first = asyncio.create_task(asked())
    with span("two") as two:
        second = asyncio.create_task(asked())
    assert await first == one.trace.trace_id
    assert await second == two.trace.trace_id


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    return exporter


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (finished,) = exporter.get_finished_spans()
    return finished


def test_an_exported_span_has_its_remote_parent_kind_links_and_attributes(
    exported: InMemorySpanExporter,
) -> None:
    linked = "00-11111111111111111111111111111111-2222222222222222-01"
    with span("first", kind="consumer", parent=REMOTE, links=[linked, "junk"], topic="t") as here:
        here.rename("process t")
        here.set(size=3)
    finished = only(exported)
    assert finished.name == "process t"
    assert finished.kind.name == "CONSUMER"
    assert finished.parent is not None
    assert finished.parent.span_id == 0xB7AD6B7169203331
    assert f"{finished.context.trace_id:032x}" == here.trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert [link.context.span_id for link in finished.links] == [0x2222222222222222]
    assert dict(finished.attributes or {}) == {"topic": "t", "size": 3}


def test_an_exported_span_keeps_the_type_of_an_exception_and_not_its_words(
    exported: InMemorySpanExporter,
) -> None:
    with pytest.raises(ValueError, match="138"), span("request"):
        raise ValueError("no such phone: 13800000001")
    finished = only(exported)
    assert dict(finished.attributes or {}) == {"error.type": "ValueError"}
    assert "13800000001" not in finished.to_json()


class Counted:
    """What an exporter tells of its spans."""

    def __init__(self) -> None:
        self.recorded = self.delivered = 0

    def __call__(self, outcome: str, number: int) -> None:
        setattr(self, outcome, getattr(self, outcome) + number)


def test_without_a_collector_nothing_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    stop = telemetry.export("intake", Counted())
    assert telemetry._tracer is None
    stop()


class Collector(BaseHTTPRequestHandler):
    """Takes every batch."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_what_a_collector_took_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        counted = Counted()
        stop = telemetry.export("intake", counted)
        for _ in range(50):
            with span("request", kind="server"):
                pass
        stop()
        collector.shutdown()
    assert (counted.recorded, counted.delivered) == (50, 50)


@pytest.mark.parametrize("listening", [True, False], ids=["silent", "away"])
def test_row_29_a_collector_that_does_not_answer_costs_spans_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, listening: bool
) -> None:
    """The queue stays bounded, what was dropped is known, and the end of the process is not held up."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]
        if not listening:
            hole.close()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        counted = Counted()
        stop = telemetry.export("intake", counted)
        threads = threading.active_count()
        for _ in range(3 * telemetry.QUEUED):
            with span("request", kind="server") as here:
                pass
        assert len(here.trace.span_id) == 16
        assert threading.active_count() == threads
        begun = time.monotonic()
        stop()
        assert time.monotonic() - begun < telemetry.LAST_WORDS + telemetry.ANSWERED + 5  # never for ever
    assert (counted.recorded, counted.delivered) == (3 * telemetry.QUEUED, 0)
    assert telemetry._tracer is None
