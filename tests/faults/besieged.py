"""A service that every route of can answer in earnest: predictions, scores from raw rows, customers, open alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from features.engines import open_source
from features.settings import Settings
from serving.access.keys import Keys
from serving.database import transaction
from serving.home import Home
from serving.store import open_store
from serving.tables import ALERTS
from tests.faults.loading import descendants, is_worker
from tests.literal import ago, rows, written
from tests.serving.running import Running, fill, running
from tests.serving.small_company import fitted_bundle, orders

ALERT = "C0:a"
"""The key of an open alert; the others are `C1:a` to `C9:a`."""

PREDICT, SCORE, LEADS = "/v1/predict", "/v1/score", "/v1/leads/score"
EVENTS = f"/v1/alerts/{ALERT}/events"


@dataclass(frozen=True)
class Besieged:
    """The service, and its one worker."""

    service: Running
    worker: int

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.service.client.base_url.port or 0


def besieged_home(folder: Path) -> Home:
    """Thirty scored customers, ten open alerts, and a bundle with rules fitted on what its customers bought."""
    home = Home(folder)
    fill(home)
    bought = orders(**{f"C{i}": (700, 170 - i, 40 + i) for i in range(20)})
    people = rows("customer_id signed_up_at country", *((f"C{i}", ago(900), "Spain") for i in range(20)))
    data = folder.parent / "data"
    data.mkdir()
    fitted_bundle(folder, open_source(written(data, {"customers": people, "transactions": bought}), Settings()))
    opened = [
        {
            "key": f"C{i}:a",
            "customer_id": f"C{i}",
            "rule": "silent",
            "state": "open",
            "severity": 1,
            "contact": True,
            "signs": [],
            "opened_as_of": 0,
            "rules_version": "x",
        }
        for i in range(10)
    ]
    with open_store(home.store) as store, transaction(store.engine, writes=True) as connection:
        connection.execute(sa.insert(ALERTS), opened)
    return home


def tenants_key(home: Home, tenant: str = "north") -> str:
    """A key that may do everything for the customers of one tenant: half of them."""
    with open_store(home.store) as store:
        ids = [f"C{i}" for i in range(28)]
        owners = [tenant if i % 2 else "south" for i in range(28)]
        store.save_customers(pl.DataFrame({"customer_id": ids, "tenant": owners}))
        return Keys(store.engine).create(["predict", "read", "act"], "siege", tenant=tenant)


@contextmanager
def besieged(folder: Path) -> Iterator[Besieged]:
    """Serve a home of `besieged_home` until the end of the `with`."""
    with running(folder) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        (worker,) = (pid for pid in descendants(service.pid) if is_worker(pid))
        yield Besieged(service, worker)
