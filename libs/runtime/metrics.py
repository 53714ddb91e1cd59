"""What a process tells Prometheus. One registry per process, made by the composition root and passed on."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 9.0)
_LATE = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The gauges, histograms and counters of one process; times are seconds, labels are codes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.outbox_oldest_seconds = self._gauge("outbox_oldest_seconds", "Age of the oldest unpublished row")
        self.consumer_lag = self._gauge(
            "consumer_lag", "Records behind the end of the partition", "consumer", "topic", "partition"
        )
        self.parked = self._gauge("parked", "Records that wait in parking", "consumer")
        self.dead_letters = self._gauge("dead_letters", "Records given up and not yet replayed", "consumer")
        self.events_missing = self._gauge(
            "events_missing", "Events that did not come although later ones of their case did", "consumer"
        )
        self.deadline_lateness_seconds = self._histogram(
            "deadline_lateness_seconds", "How late a deadline was acted on", _LATE, "rule"
        )
        self.pool_wait_seconds = self._histogram(
            "pool_wait_seconds", "Wait for a database connection", _FAST, "pool"
        )
        self.handler_seconds = self._histogram(
            "handler_seconds", "A use case's whole time", _FAST, "use_case"
        )
        self.batch_size = self._histogram(
            "batch_size", "Commands or events per transaction", _SIZES, "use_case"
        )
        self.http_seconds = self._histogram(
            "http_seconds", "A request's whole time", _FAST, "method", "route", "status"
        )
        self.rate_refusals = self._counter("rate_refusals", "Requests above a limit (429)", "code")
        self.ignored = self._counter("ignored", "Events that meant nothing in the case's state", "reason")
        self.loop_restarts = self._counter("loop_restarts", "Crashed loops that were started again", "loop")
        self.log_fields_dropped = self._counter(
            "log_fields_dropped", "Log fields that are not on the allow-list"
        )
        self.spans = self._counter(
            "spans",
            "Spans recorded, and delivered to the collector; the rest was dropped",
            "outcome",
        )
        self.clock_offset_seconds = self._gauge(
            "clock_offset_seconds", "The database's clock minus this machine's"
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"heshi_{name}", what, labels, registry=self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"heshi_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"heshi_{name}", what, labels, buckets=buckets, registry=self.registry)
