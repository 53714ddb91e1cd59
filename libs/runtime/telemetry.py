"""The trace that travels with a piece of work, and spans by hand at the three doors (HTTP, Kafka, provider).

By hand, because the instrumentations of the web framework and of the Kafka client cost more than the work
itself and lose the context between poll and handler. The trace travels without any collector: request span
→ `Work.trace` → event row → Kafka header → consumer span.
"""

import os
import re
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Kind = Literal["server", "consumer", "client", "internal"]
Outcome = Literal["recorded", "delivered"]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """One span's place in its trace (W3C Trace Context): lower-case hex ids and the sampling flag."""

    trace_id: str
    span_id: str
    sampled: bool = False

    @property
    def traceparent(self) -> str:
        """The header that carries this place on."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


_current: ContextVar[Trace | None] = ContextVar("heshi_trace", default=None)
_tracer: "Tracer | None" = None


def parse(header: str | None) -> Trace | None:
    """The place that a `traceparent` names; None for a missing or malformed one, as the standard asks."""
    found = _TRACEPARENT.fullmatch(header) if header else None
    if found is None:
        return None
    trace_id, span_id, flags = found.groups()
    if trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & 1))


def traceparent() -> str | None:
    """The header for work that leaves from here; None outside every span."""
    here = _current.get()
    return here.traceparent if here else None


def trace_id() -> str | None:
    """The trace that the caller is in; it stands in problems and log lines."""
    here = _current.get()
    return here.trace_id if here else None


class span:
    """Run a block as a span under `parent` (a `traceparent`), else, unless it is a door, the caller's span.

    `links` name further traces that led here (a batch, a long pause). Attributes are codes and ids, never
    personal data; of an exception only its type is kept. Without an exporter this costs ids and a context
    variable, a few microseconds.
    """

    __slots__ = ("_attributes", "_kind", "_links", "_name", "_parent", "_span", "_token", "trace")

    trace: Trace

    def __init__(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
        **attributes: str | int,
    ) -> None:
        self._name = name
        self._kind: Kind = kind
        self._parent = parent
        self._links = links
        self._attributes = attributes
        self._span: Span | None = None
        self._token: Token[Trace | None] | None = None

    def __enter__(self) -> "span":
        inside = self._kind in ("client", "internal")
        above = parse(self._parent) or (_current.get() if inside else None)
        if _tracer is None:
            ids = os.urandom(24).hex()
            self.trace = (
                Trace(above.trace_id, ids[32:], above.sampled) if above else Trace(ids[:32], ids[32:])
            )
        else:
            self._span = _recorded(_tracer, self._name, self._kind, above, self._links, self._attributes)
            context = self._span.get_span_context()
            self.trace = Trace(
                f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled
            )
        self._token = _current.set(self.trace)
        return self

    def set(self, **attributes: str | int) -> None:
        """Add attributes that were not known at the start."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Give the span its final name, for example once the route is known."""
        if self._span is not None:
            self._span.update_name(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._span is not None:
            if kind is not None:
                self._span.set_attribute("error.type", kind.__qualname__)
            self._span.end()


def _recorded(
    tracer: "Tracer",
    name: str,
    kind: Kind,
    above: Trace | None,
    links: Sequence[str],
    attributes: dict[str, str | int],
) -> "Span":
    from opentelemetry import trace as otel
    from opentelemetry.context import Context

    def place(of: Trace) -> otel.SpanContext:
        return otel.SpanContext(
            int(of.trace_id, 16), int(of.span_id, 16), is_remote=True, trace_flags=otel.TraceFlags(of.sampled)
        )

    root = Context()
    return tracer.start_span(
        name,
        context=otel.set_span_in_context(otel.NonRecordingSpan(place(above)), root) if above else root,
        kind=otel.SpanKind[kind.upper()],
        attributes=attributes,
        links=[otel.Link(place(linked)) for linked in map(parse, links) if linked],
        record_exception=False,
        set_status_on_exception=False,
    )


QUEUED: Final = 2048
"""Spans that wait for the collector at most."""
ANSWERED: Final = 3.0
"""Seconds within which the collector has to take a batch."""
LAST_WORDS: Final = 1.5
"""Seconds for which the last spans are offered when the process ends; what is under way may take longer."""


def export(service: str, count: Callable[[Outcome, int], None]) -> Callable[[], None]:
    """Send spans to the collector of `OTEL_EXPORTER_OTLP_ENDPOINT`, if there is one; returns what stops it.

    Sampling follows `OTEL_TRACES_SAMPLER`. What does not fit into the queue is dropped: a collector that is
    away or silent costs spans, never memory, requests or a late end. `count` is told how many spans were
    recorded and how many delivered, so what is missing is known; it is called from threads.
    """
    global _tracer
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

    class Delivery(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            if result is SpanExportResult.SUCCESS:
                count("delivered", len(spans))
            return result

    class Queue(BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            if span.context is not None and span.context.trace_flags.sampled:
                count("recorded", 1)
                super().on_end(span)

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"heshi-{service}"}), shutdown_on_exit=False
    )
    delivery = Delivery(timeout=ANSWERED)
    provider.add_span_processor(Queue(delivery, max_queue_size=QUEUED))
    _tracer = provider.get_tracer("heshi")

    def stop() -> None:
        global _tracer
        _tracer = None
        giving_up = threading.Timer(LAST_WORDS, delivery.shutdown)
        giving_up.start()
        provider.shutdown()
        giving_up.cancel()

    return stop
