"""What the service counts of itself, for Prometheus; over all workers where there are several."""

import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE_LATEST", "ModelCounts", "count", "exposition"]

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


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


@cache
def _of_models() -> tuple[Gauge, Counter, Gauge]:
    return (
        Gauge("remora_model_info", "1 for the bundle in service.", ["version"], multiprocess_mode="livemax"),
        Counter("remora_bundle_refusals", "Bundles that were promoted and not switched to."),
        Gauge("remora_model_loaded_timestamp_seconds", "When a worker switched last.", multiprocess_mode="livemax"),
    )


def count(route: str, status: int, seconds: Sequence[float]) -> None:
    """Count answers by the seconds they took. `route` is a route's name, never a path: those have no end."""
    requests, durations = _of(route, status)
    requests.inc(len(seconds))
    durations._sum.inc(sum(seconds))
    places = np.bincount(np.searchsorted(_SECONDS, seconds), minlength=len(_SECONDS) + 1)
    for bucket, number in zip(durations._buckets, places.tolist(), strict=True):  # `observe` takes one at a time
        if number:
            bucket.inc(number)


class ModelCounts:
    """What is counted of changes of the model: an observer of `serving.champion.Champion`."""

    def __init__(self) -> None:
        self._serving: str | None = None

    def switched(self, model_version: str) -> None:
        """Another bundle serves."""
        info, _, loaded = _of_models()
        if self._serving is not None:
            info.labels(self._serving).set(0)
        info.labels(model_version).set(1)
        loaded.set(time.time())
        self._serving = model_version

    def refused(self, problem: str) -> None:
        """The pointer names a bundle that was not switched to."""
        _of_models()[1].inc()


def reserve() -> None:
    """Take the room on disk that the counts of this worker need, once.

    They are kept in mapped files without blocks behind them: on a full disk the next count would kill the process.
    """
    _of_models()
    _of("other", 404)  # a file is made with the first count of its kind
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    for file in Path(folder).glob(f"*_{os.getpid()}.db") if folder else ():
        with file.open("r+b") as mapped:
            os.posix_fallocate(mapped.fileno(), 0, file.stat().st_size)


def exposition() -> bytes:
    """All counts in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
