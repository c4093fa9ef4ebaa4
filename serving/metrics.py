"""What the service counts of itself, for Prometheus; over all workers where there are several."""

import os
from functools import cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE_LATEST", "count", "exposition"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


@cache
def _instruments() -> tuple[Counter, Histogram]:
    return (
        Counter("remora_requests", "Requests answered.", ["route", "status"]),
        Histogram("remora_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS),
    )


@cache
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    requests, seconds = _instruments()
    return requests.labels(route, str(status)), seconds.labels(route)


def count(route: str, status: int, seconds: float) -> None:
    """Count one answer. `route` is a route's name, never a path: paths hold customer ids and have no end."""
    requests, durations = _of(route, status)
    requests.inc()
    durations.observe(seconds)


def exposition() -> bytes:
    """All counts in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
