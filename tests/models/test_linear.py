"""The linear predictor: the sum it says it is, and parts that add up to it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.linear import Linear, LinearError, transformed

NAMES = ("rfm_orders_trend_90d", "rfm_amount_sum", "nps_score", "rhythm_no_purchase")
MODEL = Linear(
    columns=("rhythm_no_purchase", "rfm_amount_sum", "rfm_orders_trend_90d"),
    transforms=("logit", "log1p", "identity"),
    centers=(0.5, 4.0, 0.1),
    scales=(2.0, 1.5, 0.4),
    weights=(0.8, -0.3, -0.2),
    intercept=-0.7,
)
CELLS = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32))


def rows(*cells: tuple[float, ...]) -> np.ndarray:
    return np.array(cells, dtype=np.float32).reshape(-1, len(NAMES))


def test_a_row_by_hand() -> None:
    chance, spent, trend = math.log(0.25 / 0.75), math.log1p(99), 0.5
    expected = -0.7 + 0.8 * (chance - 0.5) / 2 - 0.3 * (spent - 4) / 1.5 - 0.2 * (trend - 0.1) / 0.4
    assert MODEL.predict_raw(rows((0.5, 99, 7, 0.25)), NAMES)[0] == pytest.approx(expected, rel=1e-6)


def test_what_is_missing_counts_as_the_centre() -> None:
    parts, base = MODEL.contributions(rows((np.nan,) * 4), NAMES)
    assert parts.tolist() == [[0.0] * 4]
    assert base == -0.7


@given(st.lists(st.tuples(*[CELLS] * 4), max_size=8))
def test_parts_add_up_and_a_row_alone_gets_the_same_bits(cells: list[tuple[float, ...]]) -> None:
    matrix = rows(*cells)
    parts, base = MODEL.contributions(matrix, NAMES)
    raw = MODEL.predict_raw(matrix, NAMES)
    assert parts.shape == matrix.shape
    assert not parts[:, 2].any()  # nps_score is not read
    assert (parts.sum(axis=1) + base).tolist() == pytest.approx(raw.tolist(), rel=1e-12, abs=1e-12)
    assert [MODEL.predict_raw(matrix[i : i + 1], NAMES)[0] for i in range(len(matrix))] == raw.tolist()


def test_transforms() -> None:
    values = np.array([-3.0, 0.0, 3.0, np.nan], dtype=np.float32)
    signed = transformed(values, "log1p").tolist()
    assert signed[:3] == pytest.approx([-math.log(4), 0.0, math.log(4)])
    assert math.isnan(signed[3])
    odds = transformed(np.array([0.0, 0.5, 1.0, np.nan], dtype=np.float32), "logit").tolist()
    assert odds[:3] == pytest.approx([math.log(1e-6 / (1 - 1e-6)), 0.0, -math.log(1e-6 / (1 - 1e-6))])
    assert math.isnan(odds[3])


def test_missing_columns_are_named() -> None:
    with pytest.raises(LinearError, match="rfm_amount_sum, rfm_orders_trend_90d missing"):
        MODEL.predict_raw(np.zeros((1, 1), np.float32), ("rhythm_no_purchase",))


@pytest.mark.parametrize(
    "broken", [{"scales": (1.0, 0.0, 1.0)}, {"weights": (1.0,)}, {"columns": ("a", "a", "b")}, {"intercept": math.inf}]
)
def test_a_broken_predictor_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Linear.model_validate(MODEL.model_dump() | broken)


def test_it_survives_json() -> None:
    assert Linear.model_validate_json(MODEL.model_dump_json()) == MODEL
