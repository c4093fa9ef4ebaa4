"""The churn curve in the output contract, and the line that tells of it."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from models.prediction import CURVE, CurvePoint, Prediction
from serving.curve_lines import curve_lines
from serving.curves import curve_points, curve_series
from tests.serving.test_store import row

EDGES = (30, 90, 180)
RISKS = np.array([[0.04, 0.09, 0.2], [0.5, 0.625, 0.75]])


def points(*probabilities: float, edges: tuple[int, ...] = EDGES) -> list[CurvePoint]:
    return [CurvePoint(days=days, probability=p) for days, p in zip(edges, probabilities, strict=True)]


def test_many_rows_and_one_row_are_the_same_points() -> None:
    found = curve_series(EDGES, RISKS)
    assert found.dtype == CURVE
    assert found.to_list() == [curve_points(EDGES, each) for each in RISKS]
    assert found.to_list()[0] == [
        {"days": 30, "probability": 0.04}, {"days": 90, "probability": 0.09}, {"days": 180, "probability": 0.2}
    ]  # fmt: skip


def test_of_nobody_there_is_no_curve_of_the_same_type() -> None:
    assert curve_series(EDGES, RISKS[:0]).equals(pl.Series("churn_curve", [], CURVE))


def told(lang: Any = "en", **known: Any) -> list[str]:
    return [*curve_lines(Prediction(**row(**known)), lang)]


def test_who_may_leave_is_told_by_when() -> None:
    known = {"churn_curve": points(0.04, 0.09, 0.2), "expected_days": 166.4}
    assert told(**known) == ["Left by: 30 days 4%, 90 days 9%, 180 days 20%; expected to stay 166 of the next 180 days"]
    assert told("zh", **known) == ["流失概率：30天4%、90天9%、180天20%；预计在未来180天中停留166天"]


def test_who_may_return_is_told_how_long_silent() -> None:
    known = {"churn_curve": points(0.8, 0.5, 0.25), "expected_days": 101.0}
    assert told(**known) == [
        "Still silent after: 30 days 80%, 90 days 50%, 180 days 25%; expected to be silent for 101 of the next 180 days"
    ]
    assert told("zh", **known) == ["届时仍未回来的概率：30天80%、90天50%、180天25%；预计在未来180天中沉默101天"]


def test_days_are_counted_up_to_180_or_the_first_edge() -> None:
    later = points(0.1, 0.2, edges=(365, 730))
    assert told(churn_curve=later, expected_days=350.0)[0].endswith("stay 350 of the next 365 days")
    year = points(0.1, 0.2, 0.3, edges=(90, 180, 365))
    assert told(churn_curve=year, expected_days=160.0)[0].endswith("stay 160 of the next 180 days")


@pytest.mark.parametrize(
    "known",
    [{}, {"churn_curve": points(0.1, 0.2, 0.3)}, {"churn_curve": points(0.5, 0.5, 0.5), "expected_days": 90.0}],
)
def test_what_is_not_known_is_not_told(known: dict[str, Any]) -> None:
    assert told(**known) == []
