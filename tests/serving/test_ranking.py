"""The ranked list in pages by key, and its filters, on SQLite and on a real PostgreSQL."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from models.prediction import SCHEMA
from serving.errors import InvalidRequestError
from serving.ranking import Wanted
from serving.store import Store, open_store
from tests.serving.running import scores


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """Two hundred customers, many of them equal, or unknown, in what the list goes by."""
    with open_store(place) as opened:
        opened.save(rows())
        tenants = {"customer_id": [f"c{i}" for i in range(200)], "tenant": ["ab"[i % 2] for i in range(200)]}
        opened.save_customers(pl.DataFrame(tenants))
        yield opened


def rows() -> pl.DataFrame:
    draw, usual = random.Random(4), scores().row(0, named=True)
    return pl.DataFrame([usual | _one(draw) | {"customer_id": f"c{i}"} for i in range(200)], schema=SCHEMA)


def _one(draw: random.Random) -> dict[str, Any]:
    return {
        "value_at_risk": draw.choice([None, 0.0, 10.0, 0.1 + 0.2, 1e12]),
        "churn_probability": draw.choice([None, 0.1, 0.5, 1 / 3]),
        "composite_score": draw.choice([None, 0.0, 61.5, 100.0]),
        "expected_profit": draw.choice([None, -5.0, 5.0, 7.5]),
        "value_if_retained": draw.choice([None, 10.0, 99.5]),
        "risk_band": draw.choice([None, "low", "high"]),
        "segments": draw.choice([[], ["a"], ["a", "b c"], ['quo"te', "ключ"]]),
        "at_stake": draw.random() < 0.9,
    }


def ids(store: Store, wanted: Wanted) -> list[str]:
    return [account.prediction.customer_id for account in store.at_risk(wanted, limit=None).accounts]


def paged(store: Store, wanted: Wanted, size: int) -> list[str]:
    found, after = [], None
    while True:
        page = store.at_risk(wanted, size, after=after)
        found += [account.prediction.customer_id for account in page.accounts]
        if page.next is None:
            return found
        after = page.next


EVERY = (
    Wanted(),
    Wanted(worth_acting=True),
    Wanted(segment="a"),
    Wanted(segment="ключ", tenant="a"),
    Wanted(band="high", min_value=50.0),
    Wanted(min_probability=0.2, tenant="b"),
)


@pytest.mark.parametrize("wanted", EVERY, ids=str)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_pages_hold_everyone_once_and_in_order(store: Store, wanted: Wanted, size: int) -> None:
    whole = ids(store, wanted)
    assert len(whole) > 3
    assert paged(store, wanted, size) == whole
    assert store.count_at_risk(wanted) == len(whole)


def test_filters_choose_what_they_say(store: Store) -> None:
    known = rows().filter("at_stake")
    expected = {
        Wanted(segment="a"): known.filter(pl.col("segments").list.contains("a")),
        Wanted(segment='quo"te'): known.filter(pl.col("segments").list.contains('quo"te')),
        Wanted(segment="b"): known.head(0),
        Wanted(band="low"): known.filter(risk_band="low"),
        Wanted(min_value=50.0): known.filter(pl.col("value_if_retained") >= 50),
        Wanted(tenant="a"): known.filter(pl.col("customer_id").str.slice(1).cast(pl.Int64) % 2 == 0),
        Wanted(tenant="nobody's"): known.head(0),
    }
    for wanted, those in expected.items():
        assert set(ids(store, wanted)) == set(those["customer_id"]), wanted
        assert set(ids(store, replace(wanted, worth_acting=True))) <= set(ids(store, wanted))


def test_who_goes_between_two_pages_moves_nobody(store: Store) -> None:
    whole = ids(store, Wanted())
    first = store.at_risk(Wanted(), 10)
    gone = rows().filter(pl.col("customer_id").is_in(whole[3:6])).with_columns(at_stake=False)
    store.save(gone)
    second = store.at_risk(Wanted(), 10, after=first.next)
    assert [account.prediction.customer_id for account in second.accounts] == whole[10:20]


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA==", "WzEsMiwzLDRd", "W251bGwsbnVsbCwibiIsImEiXQ=="])
def test_what_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="a page before gave"):
        store.at_risk(Wanted(), 10, after=cursor)
