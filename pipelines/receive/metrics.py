"""Prometheus metrics of the endpoint."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from pipelines.receive.gate import REASONS


class Metrics:
    """One set for each process. Every reason exists from the start, so that rates are defined at once."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the creation times would say nothing
        self.registry = registry = CollectorRegistry()
        self.received = Counter(
            "smsrecon_pushes_received", "Pushes that are on disk and were answered 200.", registry=registry
        )
        self.repeated = Counter(
            "smsrecon_pushes_repeated", "Of those, pushes that were on disk already.", registry=registry
        )
        self.unreadable = Counter(
            "smsrecon_pushes_unreadable", "Of those, pushes that can't be parsed.", registry=registry
        )
        self.refused = Counter("smsrecon_pushes_refused", "Pushes that were not taken.", ["reason"], registry=registry)
        self.closed = Counter(
            "smsrecon_connections_closed",
            "Connections closed because their request took too long (slow), or there were too many (crowded).",
            ["reason"],
            registry=registry,
        )
        self.bytes = Counter("smsrecon_push_bytes", "Bytes of the bodies that were kept.", registry=registry)
        self.landing = Histogram(
            "smsrecon_push_landing_seconds",
            "Seconds from the last byte of a push until it is on disk.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=registry,
        )
        self.waiting = Gauge("smsrecon_push_waiting_bytes", "Bytes received and not on disk yet.", registry=registry)
        self.unloaded = Gauge(
            "smsrecon_push_load_lag_seconds", "Age of the oldest push that is not in the warehouse.", registry=registry
        )
        for reason in REASONS:
            self.refused.labels(reason)
        for reason in ("slow", "crowded"):
            self.closed.labels(reason)
