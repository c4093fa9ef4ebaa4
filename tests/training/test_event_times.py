"""What had happened by each day after a cut-off: the answers of the label, known only where a window had closed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from features.engines import Engine, open_source
from features.point_in_time import Tables
from features.settings import Churn, Definition
from tests.literal import ENGINES, T, ago, rows, source
from tests.real_data import real_data, real_settings
from training.event_times import edges_of, happened, settled
from training.labels import churned

Opened = Callable[..., Tables]
EDGES = (30, 60, 90)
CHURN = Churn(horizon_days=60, active_within_days=365, grace_days=14)
LATER = T + 1000 * DAY
NAN = float("nan")


@pytest.fixture(params=ENGINES)
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    engine: Engine = request.param
    return lambda **tables: source(tmp_path, engine, tables).tables


def told(tables: Tables, ids: list[str], definition: Definition, closes: int = LATER) -> dict[str, list[float]]:
    found = happened(tables, T, pl.Series(ids), EDGES, closes, definition, CHURN)
    return dict(zip(ids, found.tolist(), strict=True))


def test_a_return_is_the_first_purchase(opened: Opened) -> None:
    tables = opened(transactions=rows(
        "customer_id occurred_at amount order_id",
        ("at_once", ago(0), 1.0, None), ("at_once", ago(-70), 1.0, None),
        ("day_29", ago(-30, microseconds=-1), 1.0, None),
        ("day_30", ago(-30), 1.0, None),
        ("day_90", ago(-90), 1.0, None),
        ("before", ago(1), 1.0, None),
        ("sent_back", ago(-1), -1.0, None), ("sent_back", ago(-61), 0.0, None),
        ("one_order", ago(-10), -5.0, "a"), ("one_order", ago(-10), 9.0, "a"),
    ))  # fmt: skip
    ids = ["day_90", "at_once", "day_29", "day_30", "before", "sent_back", "one_order", "nobody"]
    assert told(tables, ids, "no_purchase") == {
        "day_90": [0, 0, 0], "at_once": [1, 1, 1], "day_29": [1, 1, 1], "day_30": [0, 1, 1], "before": [0, 0, 0],
        "sent_back": [0, 0, 1], "one_order": [1, 1, 1], "nobody": [0, 0, 0],
    }  # fmt: skip


def test_or_the_first_use(opened: Opened) -> None:
    tables = opened(usage_events=rows(
        "customer_id occurred_at feature", ("back", ago(-45), "x"), ("back", ago(5), "x"), ("gone", ago(5), "x")
    ))  # fmt: skip
    assert told(tables, ["gone", "back"], "inactive") == {"gone": [0, 0, 0], "back": [0, 1, 1]}


def test_leaving_is_for_good_at_the_horizon(opened: Opened) -> None:
    tables = opened(subscriptions=rows(
        "customer_id started_at ended_at monthly_amount",
        ("stays", ago(100), None, 1.0),
        ("day_20", ago(100), ago(-20), 1.0),
        ("day_70", ago(100), ago(-70), 1.0),
        ("pauses", ago(100), ago(-20), 1.0), ("pauses", ago(-50), None, 1.0),
        ("in_grace", ago(100), ago(-55), 1.0), ("in_grace", ago(-70), None, 1.0),
        ("comes_back", ago(100), ago(-20), 1.0), ("comes_back", ago(-80), None, 1.0),
    ))  # fmt: skip
    ids = ["stays", "day_20", "day_70", "pauses", "in_grace", "comes_back"]
    assert told(tables, ids, "cancelled") == {
        "stays": [0, 0, 0], "day_20": [1, 1, 1], "day_70": [0, 0, 1], "pauses": [0, 0, 0], "in_grace": [0, 0, 0],
        "comes_back": [1, 1, 1],
    }  # fmt: skip


def test_who_comes_and_goes_settles_at_the_horizon() -> None:
    gone = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1]], dtype=float)
    assert settled(gone, 1).tolist() == [[0, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]
    assert settled(gone, 2).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert settled(gone, 0).tolist() == [[1, 1, 1], [1, 1, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]]


def test_a_window_that_has_not_closed_is_not_known(tmp_path: Path) -> None:
    tables = source(tmp_path, "polars", {
        "transactions": rows("customer_id occurred_at amount", ("a", ago(-1), 1.0)),
        "subscriptions": rows("customer_id started_at ended_at monthly_amount", ("a", ago(9), None, 1.0)),
    }).tables  # fmt: skip
    bought = [told(tables, ["a"], "no_purchase", T + days * DAY)["a"] for days in (90, 89, 60, 29)]
    np.testing.assert_equal(bought, [[1, 1, 1], [1, 1, NAN], [1, 1, NAN], [NAN, NAN, NAN]])
    left = [told(tables, ["a"], "cancelled", T + days * DAY)["a"] for days in (104, 103, 74, 73)]
    np.testing.assert_equal(left, [[0, 0, 0], [0, 0, NAN], [0, 0, NAN], [NAN, NAN, NAN]])


def test_labels_have_no_events() -> None:
    with pytest.raises(ValueError, match="one horizon"):
        happened({}, T, pl.Series(["a"]), EDGES, LATER, "labelled", CHURN)


def test_the_days_of_a_curve() -> None:
    assert edges_of(Churn(horizon_days=90)) == (30, 60, 90, 180)
    assert edges_of(Churn(horizon_days=31)) == (30, 31, 60, 90, 180)


@pytest.mark.parametrize(("name", "cutoff"), [("online_retail_2", "2010-07-04"), ("social_network", "2020-03-01")])
def test_on_real_tables_it_is_the_label_at_every_day(name: str, cutoff: str) -> None:
    """For silence at each of the days; for leaving at the churn horizon, and elsewhere but for those who come back."""
    settings = real_settings(name)
    tables, churn, definition = open_source(real_data(name), settings).tables, settings.churn, settings.churn.definition
    assert definition is not None
    as_of = int(pl.Series([cutoff]).str.to_datetime(time_unit="us").to_physical()[0])
    edges = (30, churn.horizon_days, 60)
    labels = {
        edge: churned(tables, as_of, definition, churn.model_copy(update={"horizon_days": edge})) for edge in edges
    }
    ids = labels[churn.horizon_days]["customer_id"].sample(fraction=1.0, shuffle=True, seed=1)
    ordered = tuple(sorted(edges))
    found = happened(tables, as_of, ids, ordered, as_of + 400 * DAY, definition, churn)
    for k, edge in enumerate(ordered):
        label = ids.to_frame("customer_id").join(labels[edge], on="customer_id", maintain_order="left")["churned"]
        same = found[:, k] == (label if definition == "cancelled" else 1 - label).to_numpy()
        assert same.all() if definition == "no_purchase" or edge == churn.horizon_days else same.mean() > 0.95
    assert 0 < found.mean() < 1
