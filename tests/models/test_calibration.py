"""Calibration of raw log-odds, and what it does to contributions."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.calibration import LIMIT, Calibration, beta_columns, calibrate, calibrated_logodds, rescale

NONE = Calibration()
PLATT = Calibration(method="platt", slope=0.7, intercept=-0.4)
BETA = Calibration(method="beta", slope_low=0.5, slope_high=2.0, intercept=0.3)
STEPS = Calibration(method="isotonic", raw=(0.1, 0.2, 0.5, 0.6), probability=(0.05, 0.05, 0.4, 0.9))
ALL = [NONE, PLATT, BETA, STEPS]

slopes = st.floats(0, 20)
numbers = st.floats(-60, 60)


@st.composite
def calibrations(draw):
    method = draw(st.sampled_from(["none", "platt", "beta", "isotonic"]))
    if method == "platt":
        return Calibration(method=method, slope=draw(slopes), intercept=draw(st.floats(-10, 10)))
    if method == "beta":
        low, high = draw(slopes), draw(slopes)
        return Calibration(method=method, slope_low=low, slope_high=high, intercept=draw(st.floats(-10, 10)))
    if method == "isotonic":
        raw = sorted(draw(st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True)))
        value = draw(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=len(raw), max_size=len(raw)))
        return Calibration(method=method, raw=raw, probability=sorted(value))
    return NONE


def by_hand(z: float, calibration: Calibration) -> float:
    """The formulae of the references, on probabilities, one customer at a time."""
    s = 1 / (1 + math.exp(-z))
    if calibration.method == "none":
        return s
    if calibration.method == "platt":
        return 1 / (1 + math.exp(-(calibration.slope * math.log(s / (1 - s)) + calibration.intercept)))
    if calibration.method == "beta":
        a, b, c = calibration.slope_low, calibration.slope_high, calibration.intercept
        return 1 / (1 + 1 / (math.exp(c) * s**a / (1 - s) ** b))
    return float(np.interp(s, calibration.raw, calibration.probability))


@pytest.mark.parametrize("calibration", ALL, ids=lambda c: c.method)
def test_it_follows_the_formula_of_its_source(calibration: Calibration) -> None:
    raw = np.linspace(-8, 8, 33)
    expected = [by_hand(float(z), calibration) for z in raw]
    assert calibrate(raw, calibration) == pytest.approx(expected, rel=1e-9)


def test_isotonic_by_a_table() -> None:
    s = np.array([0.0001, 0.1, 0.15, 0.2, 0.35, 0.5, 0.55, 0.6, 0.9999])
    expected = [0.05, 0.05, 0.05, 0.05, 0.225, 0.4, 0.65, 0.9, 0.9]
    assert calibrate(np.log(s / (1 - s)), STEPS) == pytest.approx(expected)


def test_equal_slopes_of_beta_are_platt() -> None:
    raw = np.linspace(-700, 700, 57)
    beta = Calibration(method="beta", slope_low=0.7, slope_high=0.7, intercept=-0.4)
    assert calibrated_logodds(raw, beta) == pytest.approx(calibrated_logodds(raw, PLATT), rel=1e-12)


def test_logs_stay_exact_where_the_probability_rounds_to_one() -> None:
    log_s, log_rest = beta_columns(np.array([-800.0, 0.0, 40.0, 800.0]))
    assert log_s == pytest.approx([-800.0, -math.log(2), -math.exp(-40), 0.0], rel=1e-12)
    assert log_rest == pytest.approx([0.0, math.log(2), 40.0, 800.0], rel=1e-12)


@given(calibrations(), st.lists(numbers, min_size=2, max_size=20))
def test_a_higher_score_never_gets_a_lower_probability(calibration: Calibration, raw: list[float]) -> None:
    p = calibrate(np.sort(np.array(raw)), calibration)
    assert (np.diff(p) >= -1e-14).all()


@pytest.mark.parametrize("calibration", ALL, ids=lambda c: c.method)
def test_nobody_gets_exactly_0_or_1(calibration: Calibration) -> None:
    p = calibrate(np.array([-1e6, -800.0, -40.0, 40.0, 800.0, 1e6]), calibration)
    assert ((p > 0) & (p < 1)).all()
    assert p.min() >= 1 / (1 + math.exp(LIMIT)) * (1 - 1e-12)


@given(calibrations(), st.lists(numbers, min_size=1, max_size=40))
def test_one_row_is_bit_identical_to_many(calibration: Calibration, raw: list[float]) -> None:
    many = np.array(raw)
    one = [calibrate(many[i : i + 1], calibration)[0] for i in range(len(many))]
    assert calibrate(many, calibration).tolist() == one
    factors = [rescale(many[i : i + 1], -1.0, calibration)[0] for i in range(len(many))]
    assert rescale(many, -1.0, calibration).tolist() == factors


@given(calibrations(), numbers, st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_rescaled_contributions_add_up(calibration: Calibration, base: float, parts: list[float]) -> None:
    raw = np.array([base + sum(parts)])
    factor = rescale(raw, base, calibration)
    assert factor[0] >= -1e-9
    before, after = calibrated_logodds(np.array([base]), calibration), calibrated_logodds(raw, calibration)
    assert factor[0] * (raw[0] - base) == pytest.approx(
        (after - before)[0], abs=1e-3 if abs(raw[0] - base) < 1e-5 else 1e-9
    )


@pytest.mark.parametrize("calibration", ALL, ids=lambda c: c.method)
def test_the_factor_where_score_and_base_meet_is_the_limit(calibration: Calibration) -> None:
    base = np.linspace(-4, 3.9, 80)
    step = 1e-5
    rise = calibrated_logodds(base + step, calibration) - calibrated_logodds(base, calibration)
    assert rescale(base, base, calibration) == pytest.approx(rise / step, rel=1e-4, abs=1e-4)


def test_rescaling_by_platt_is_its_slope_and_by_none_is_1() -> None:
    raw = np.array([-3.0, 0.1, 4.0])
    assert rescale(raw, 0.1, PLATT).tolist() == [0.7] * 3
    assert rescale(raw, 0.1, NONE).tolist() == [1.0] * 3


def test_it_goes_through_json_unchanged() -> None:
    for calibration in ALL:
        assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration
        assert Calibration.model_validate(json.loads(calibration.model_dump_json())) == calibration


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"method": "platt", "slope": -0.1}, "greater than or equal to 0"),
        ({"method": "beta", "slope_low": 1.0, "slope_high": -1e-9}, "greater than or equal to 0"),
        ({"method": "none", "intercept": 0.1}, "none has no intercept"),
        ({"method": "platt", "slope_low": 2.0}, "platt has no slope_low"),
        ({"method": "platt", "intercept": math.inf}, "finite"),
        ({"method": "isotonic"}, "at least 1"),
        ({"method": "isotonic", "raw": (0.1, 0.2), "probability": (0.5,)}, "one length"),
        ({"method": "isotonic", "raw": (0.2, 0.2), "probability": (0.5, 0.6)}, "increase strictly"),
        ({"method": "isotonic", "raw": (0.2, 1.2), "probability": (0.5, 0.6)}, "increase strictly within"),
        ({"method": "isotonic", "raw": (0.2, 0.3), "probability": (0.6, 0.5)}, "must not decrease"),
        ({"method": "isotonic", "raw": (0.2, 0.3), "probability": (0.0, 0.5)}, "inside"),
        ({"method": "isotonic", "raw": (0.2, 0.3), "probability": (0.5, 1.0)}, "inside"),
        ({"method": "guess"}, "none"),
    ],
)
def test_what_is_no_calibration_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Calibration.model_validate(fields)
