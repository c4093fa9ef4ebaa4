"""What is normal: medians and most common levels of the training rows."""

import math

import polars as pl
import pytest

from models.manifest import FeatureColumn
from training.normals import normals

ROWS = pl.DataFrame({
    "rfm_recency_days": [10.0, 50.0, 20.0, 40.0],
    "rfm_amount_sum_90d": [1234567.8, 1234567.8, 1234567.8, 0.0],
    "nps_score_last": [None, 9.0, None, 7.0],
    "nps_score_mean": [None, None, None, 7.0],
    "usage_depth_30d": [math.nan, math.nan, math.nan, 1.0],
    "profile_country": ["Spain", "France", None, "Spain"],
    "profile_region": ["south", "north", None, None],
    "profile_industry": [None, None, None, "law"],
    "left_out": [1.0, 2.0, 3.0, 4.0],
})  # fmt: skip


def column(name: str) -> FeatureColumn:
    text = ROWS.schema[name] == pl.String
    return FeatureColumn(name=name, kind="category" if text else "number", levels=("x",) if text else ())


def test_the_middle_and_the_most_common() -> None:
    assert normals(ROWS, [column(name) for name in ROWS.columns if name != "left_out"]) == {
        "rfm_recency_days": 30.0,  # the mean of the two middle ones
        "rfm_amount_sum_90d": 1234570.0,  # six digits
        "nps_score_last": 8.0,  # half of the rows know it
        "profile_country": "Spain",
        "profile_region": "north",  # of two that are equally common the first by name
    }


@pytest.mark.parametrize("name", ["rfm_recency_days", "profile_country"])
def test_without_rows_nothing_is_normal(name: str) -> None:
    assert normals(ROWS.clear(), [column(name)]) == {}
