"""The health score: its formula by hand, its quintiles, and what it rests on."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clock import DAY
from models.rules import load_pack
from models.rules.fitted_health import FittedHealth
from models.rules.health import fit_health, health, health_basis_label

PACK = load_pack()
T = 20_000 * DAY
FITTED = FittedHealth(
    rules_version="", recency=(10, 20, 30, 40), frequency=(1, 2, 3, 4), monetary=(100, 200, 300, 400)
)  # fmt: skip


def customers(*rows: dict[str, Any]) -> pl.DataFrame:
    kinds = {"customer_id": pl.String(), "order_last_at": pl.Int64()}
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(list(rows), schema={name: kinds.get(name, pl.Float64()) for name in names})


def buyer(days: float | None, orders: float, spend: float, **more: Any) -> dict[str, Any]:
    last = None if days is None else T - int(days * DAY)
    return {"customer_id": "a", "order_last_at": last, "orders_365d": orders, "spend_365d": spend, **more}


def scored(row: dict[str, Any]) -> tuple[float | None, str]:
    _, score, basis = health(customers(row), FITTED, PACK, T).row(0)
    return score, basis


QUINTILES = [  # recency, orders, spend → R, F, M: an edge belongs to the quintile below it (R: to the better one)
    (10, 1, 100, (5, 1, 1)), (10.1, 1.1, 100.1, (4, 2, 2)), (20, 2, 200, (4, 2, 2)), (20.1, 2.1, 200.1, (3, 3, 3)),
    (30, 3, 300, (3, 3, 3)), (30.1, 3.1, 300.1, (2, 4, 4)), (40, 4, 400, (2, 4, 4)), (40.1, 4.1, 400.1, (1, 5, 5)),
    (0, 0, -50, (5, 1, 1)), (0, 9, 999, (5, 5, 5)), (99, 0, 0, (1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("days", "orders", "spend", "rfm"), QUINTILES)
@pytest.mark.parametrize("nps", [None, -100.0, 0.0, 50.0, 100.0])
def test_the_formula_by_hand(days: float, orders: float, spend: float, rfm: tuple[int, ...], nps: float | None) -> None:
    """D5: RFM and NPS; 0.7 and 0.3 are project defaults."""
    mean = sum(rfm) / 3
    expected = 100 * (mean - 1) / 4 if nps is None else 100 * (0.7 * (mean - 1) / 4 + 0.3 * (nps + 100) / 200)
    score, basis = scored(buyer(days, orders, spend, nps=nps))
    assert score == pytest.approx(expected)
    assert basis == ("rfm" if nps is None else "rfm_and_nps")


def test_without_purchases_there_is_no_score() -> None:
    assert scored(buyer(None, 0, 0, nps=100.0)) == (None, "no_purchases")
    assert scored({"customer_id": "a", "nps": 100.0}) == (None, "no_purchases")
    nobody = fit_health(customers({"customer_id": "a"}), PACK, T)
    assert nobody.recency == ()
    assert health(customers(buyer(1, 1, 1)), nobody, PACK, T)["health_score"].to_list() == [None]


def test_edges_are_quintiles_of_buyers() -> None:
    buyers = [buyer(10 * n, n, 100 * n) for n in range(1, 12)]
    fitted = fit_health(customers(*buyers, buyer(None, 0, 0)), PACK, T)
    assert fitted.frequency == (3, 5, 7, 9)
    assert fitted.monetary == (300, 500, 700, 900)
    assert fitted.recency == (30, 50, 70, 90)
    assert FittedHealth.from_dict(fitted.to_dict()) == fitted


def test_labels() -> None:
    assert health_basis_label("rfm", PACK) == "RFM alone (no NPS answer in the last year)"
    assert health_basis_label("no_purchases", PACK, "zh") == "没有购买记录，无法评分"


some = st.floats(-1e6, 1e6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e4), some, some, st.none() | st.floats(-100, 100), some)
def test_stays_in_range_and_is_monotone(
    days: float, orders: float, spend: float, nps: float | None, more: float
) -> None:
    rows = customers(
        buyer(days, orders, spend, nps=nps), buyer(days, orders, spend + abs(more), nps=nps),
        buyer(days, orders + abs(more), spend, nps=nps), buyer(days / 2, orders, spend, nps=nps),
    )  # fmt: skip
    base, *better = health(rows, FITTED, PACK, T)["health_score"].to_list()
    assert 0 <= base <= min(better) <= max(better) <= 100
    assert scored(buyer(days, orders, spend, nps=nps))[0] == base
