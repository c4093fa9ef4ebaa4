"""The served churn model: every kind is one sum on the log-odds, and its contributions add up to what it says."""

import lightgbm
import numpy as np
import pytest
from pydantic import ValidationError

from models.booster import Booster
from models.calibration import Calibration
from models.churn_model import ChurnModel
from models.design import Design
from models.linear import Linear
from models.mixture import Mixture
from tests.small_bundle import FEATURES, NAMES, customers, texts

LINEAR = Linear(
    columns=("rfm_recency_days", "nps_score_last"),
    transforms=("log1p", "identity"),
    centers=(3.0, 5.0),
    scales=(1.5, 2.0),
    weights=(0.8, -0.4),
    intercept=-1.0,
)
CALIBRATIONS = (
    Calibration(),
    Calibration(method="platt", slope=0.7, intercept=0.3),
    Calibration(method="beta", slope_low=0.6, slope_high=1.4, intercept=-0.2),
    Calibration(method="isotonic", raw=(0.1, 0.4, 0.8), probability=(0.05, 0.5, 0.9)),
)
MIXTURES = (
    Mixture(),
    Mixture(kind="linear", trees_weight=0.0, linear_weight=1.0, linear=LINEAR),
    Mixture(kind="blend", trees_weight=0.25, linear_weight=0.75, linear=LINEAR),
)


def model(mixture: Mixture, calibration: Calibration = CALIBRATIONS[0]) -> ChurnModel:
    trees = Booster.from_text(texts()[0]) if mixture.trees_weight else None
    return ChurnModel(mixture, calibration, trees, tuple(NAMES))


def matrix() -> np.ndarray:
    return Design(FEATURES).matrix(customers())


def test_a_blend_recomputed() -> None:
    x = matrix()
    grown = lightgbm.Booster(model_str=texts()[0]).predict(x, raw_score=True)
    recency, nps = np.log1p(x[:, 0].astype(float)), x[:, 4].astype(float)
    line = -1.0 + 0.8 * (recency - 3.0) / 1.5 + np.nan_to_num(-0.4 * (nps - 5.0) / 2.0)
    raw = 0.25 * grown + 0.75 * line
    found = model(MIXTURES[2], CALIBRATIONS[1])
    np.testing.assert_allclose(found.raw(x), raw, rtol=1e-9)
    np.testing.assert_allclose(found.probability(x), 1 / (1 + np.exp(-(0.7 * raw + 0.3))), rtol=1e-9)


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda c: c.method)
@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda m: m.kind)
def test_contributions_add_up(mixture: Mixture, calibration: Calibration) -> None:
    x, found = matrix(), model(mixture, calibration)
    parts, base = found.contributions(x)
    np.testing.assert_allclose(parts.sum(axis=1) + base, found.raw(x), atol=1e-9)
    parts, base = found.calibrated_contributions(x)
    p = found.probability(x)
    np.testing.assert_allclose(parts.sum(axis=1) + base, np.log(p / (1 - p)), atol=1e-9)


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda m: m.kind)
def test_a_row_alone_gets_the_same_bits(mixture: Mixture) -> None:
    x, found = matrix()[:50], model(mixture, CALIBRATIONS[2])
    alone = np.concatenate([found.probability(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_array_equal(found.probability(x), alone)


def test_nobody_to_explain() -> None:
    parts, _ = model(MIXTURES[2]).calibrated_contributions(matrix()[:0])
    assert parts.shape == (0, len(NAMES))


@pytest.mark.parametrize(
    "wrong",
    [
        {"trees_weight": 0.0},
        {"linear_weight": 0.5},
        {"linear": LINEAR},
        {"trees_weight": -1.0},
        {"kind": "forest"},
    ],
)
def test_impossible_mixtures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Mixture(**wrong)
