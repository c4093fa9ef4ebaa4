"""A home in which something is kept of two customers wherever Remora keeps anything of one."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from serving.access.audit import AuditLog, Entry
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS, AUDIT, DELIVERIES, EFFECTS, OUTBOX
from serving.home import Home
from serving.scorings import keep_features
from serving.store import Store
from serving.tables import ALERTS, METADATA, SEGMENTS, STANDING
from tests.serving.running import scores

GONE, STAYS = "CUST-ключ-0042", "CUST-ключ-0042-B"
"""The one to be forgotten, and one whose id begins the same."""
NAME = "Quxley & Söhne Handel"
DAY = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
SCORINGS = 3


def fill(home: Home, store: Store) -> None:
    """Everything of GONE and STAYS, and more customers."""
    renamed = scores().with_columns(pl.col("customer_id").replace({"C0": GONE, "C1": STAYS}))
    store.save(renamed)
    store.save_customers(pl.DataFrame({"customer_id": [GONE, STAYS], "name": [NAME, "Other"]}))
    with transaction(store.engine, writes=True) as connection:
        for customer in (GONE, STAYS):
            for table, row in _rows(customer):
                connection.execute(sa.insert(table), row)
        connection.execute(sa.insert(EFFECTS), _mentioning("C5", f"/v1/customers/{GONE}/events", "{}"))
        connection.execute(sa.insert(EFFECTS), _mentioning("C6", "/v1/list", json.dumps({"all": ["C9", GONE]})))
        connection.execute(sa.insert(EFFECTS), _mentioning("C7", "/v1/list", json.dumps({"all": [STAYS]})))
    AuditLog(store.engine).record(
        Entry("ab12", "customer.read", (GONE,)), Entry("ab12", "at_risk.read", (STAYS, GONE, "C3"))
    )
    for day in range(SCORINGS):
        keep_features(home.scorings, wide(), DAY + dt.timedelta(days=day), "first")


def wide(customers: int = 2000) -> pl.DataFrame:
    """Features of GONE, STAYS and others."""
    ids = [GONE, STAYS, *(f"C{number}" for number in range(customers))]
    return pl.DataFrame({"customer_id": ids, "rfm_recency_days": range(len(ids)), "profile_country": "France"})


def _rows(customer: str) -> list[tuple[sa.Table, dict[str, Any]]]:
    key = f"{customer}:dormant:17"
    return [
        (ALERTS, {"key": key, "customer_id": customer, "rule": "dormant", "state": "open", "severity": 1,
                  "contact": True, "signs": [], "opened_as_of": 1, "rules_version": "1"}),
        (ALERT_EVENTS, {"id": f"e-{len(customer)}", "alert_key": key, "customer_id": customer, "at": DAY,
                        "kind": "contacted", "actor": "ab12", "note": f"called {customer}"}),
        (SEGMENTS, {"customer_id": customer, "scheme": "rfm", "as_of": 1, "after": "vip"}),
        (STANDING, {"customer_id": customer, "as_of": 1, "segments": {}, "metrics": {}}),
        (EFFECTS, {"actor": customer[-1], "idempotency_key": "k", "route": "alerts", "body_sha256": "0",
                   "customer_id": customer, "status": 200, "answer": "{}", "at": DAY}),
        (OUTBOX, {"id": f"o-{len(customer)}", "kind": "alert.opened", "customer_id": customer, "at": DAY,
                  "data": {"customer_id": customer}}),
        (DELIVERIES, {"event_id": f"o-{len(customer)}", "target": "crm", "state": "dead", "attempts": 12,
                      "next_at": DAY}),
    ]  # fmt: skip


def _mentioning(key: str, route: str, answer: str) -> dict[str, Any]:
    return {"actor": "ab12", "idempotency_key": key, "route": route, "body_sha256": "0", "customer_id": None,
            "status": 200, "answer": answer, "at": DAY}  # fmt: skip


def rows_of(store: Store, customer: str) -> dict[str, int]:
    """Table → rows of a customer, in every table that has customers."""
    tables = [table for table in METADATA.sorted_tables if "customer_id" in table.c and table is not AUDIT]
    with transaction(store.engine) as connection:
        return {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.customer_id == customer)
            ).scalar_one()
            for table in tables
        }


def files_with(folder: Path, *texts: str) -> list[str]:
    """The files whose bytes hold one of `texts`, as it is or as JSON writes it: a search of the test's own."""
    wanted = [each.encode() for text in texts for each in {text, json.dumps(text)[1:-1]}]
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file.name for file in files if any(each in file.read_bytes() for each in wanted)]


def scored_rows(home: Home, customer: str) -> list[int]:
    """How many rows of a customer each scoring keeps."""
    files = sorted(home.scorings.glob("*.parquet"))
    return [pl.read_parquet(file).filter(pl.col("customer_id") == customer).height for file in files]
