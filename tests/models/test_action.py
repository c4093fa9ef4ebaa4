"""What acting on a customer is expected to earn."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.settings import Action
from models.action import ActionError, is_priced, threshold, worth_acting

ROWS = pl.DataFrame({
    "customer_id": ["calls", "costs", "even", "unknown value", "unknown risk", "returns"],
    "churn_probability": [0.5, 0.1, 0.25, 0.5, None, 0.9],
    "value_if_retained": [200.0, 200.0, 160.0, None, 200.0, -50.0],
})  # fmt: skip


def by_id(rows: pl.DataFrame, column: str) -> dict[str, object]:
    return dict(zip(rows["customer_id"], rows[column], strict=True))


def test_profit_by_the_rows_own_value() -> None:
    found = worth_acting(ROWS, Action(cost=10, success_rate=0.25))
    assert by_id(found, "expected_profit") == {
        "calls": 15.0,  # 0.25 · 0.5 · 200 − 10
        "costs": -5.0,
        "even": 0.0,
        "unknown value": None,
        "unknown risk": None,
        "returns": -21.25,
    }
    assert by_id(found, "worth_acting") == {
        "calls": True, "costs": False, "even": False, "unknown value": None, "unknown risk": None, "returns": False,
    }  # fmt: skip


def test_profit_by_one_value_for_all() -> None:
    found = by_id(worth_acting(ROWS, Action(cost=10, success_rate=0.25, value_saved=100)), "expected_profit")
    assert found == pytest.approx(
        {"calls": 2.5, "costs": -7.5, "even": -3.75, "unknown value": 2.5, "unknown risk": None, "returns": 12.5}
    )


def test_without_a_price_nothing_is_known_and_the_columns_are_there() -> None:
    found = worth_acting(ROWS, Action())
    assert found.schema["expected_profit"] == pl.Float64
    assert found.schema["worth_acting"] == pl.Boolean
    assert found["expected_profit"].null_count() == found["worth_acting"].null_count() == ROWS.height
    assert found.drop("expected_profit", "worth_acting").equals(ROWS)


def test_nan_is_unknown_and_no_rows_are_no_rows() -> None:
    action = Action(cost=1, success_rate=0.5)
    nan = pl.DataFrame({"churn_probability": [0.5], "value_if_retained": [float("nan")]})
    assert worth_acting(nan, action).row(0)[2:] == (None, None)
    assert worth_acting(nan.clear(), action).schema["expected_profit"] == pl.Float64
    null = pl.DataFrame({"churn_probability": [0.5], "value_if_retained": [None]})
    assert worth_acting(null, action).schema["expected_profit"] == pl.Float64


@pytest.mark.parametrize(
    ("half", "missing"),
    [
        ({"cost": 5.0}, "success_rate"),
        ({"success_rate": 0.5}, "cost"),
        ({"value_saved": 5.0}, "cost and success_rate"),
        ({"cost": 5.0, "value_saved": 5.0}, "success_rate"),
    ],
)
def test_half_a_price_is_a_mistake_that_says_what_is_missing(half: dict[str, float], missing: str) -> None:
    with pytest.raises(ActionError, match=rf"^\[action\] {missing}: missing"):
        is_priced(Action(**half))


@given(st.floats(0.1, 100), st.floats(0.01, 1), st.floats(1, 1000), st.floats(0, 1))
def test_acting_pays_just_above_the_threshold(cost: float, rate: float, value: float, p: float) -> None:
    action = Action(cost=cost, success_rate=rate, value_saved=value)
    above = threshold(action)
    assert above is not None
    row = pl.DataFrame(
        {"churn_probability": [p], "value_if_retained": [None]}, schema_overrides={"value_if_retained": pl.Float64}
    )
    if abs(p - above) > 1e-9:
        assert worth_acting(row, action)["worth_acting"].item() == (p > above)


def test_no_threshold_where_values_differ_or_nothing_is_priced() -> None:
    assert threshold(Action(cost=1, success_rate=0.5)) is None
    assert threshold(Action()) is None
