"""The churn classifier and its calibration."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.booster import Booster
from models.churn import fit_calibration, fit_churn
from models.manifest import Calibration
from models.predicted import calibrate

RNG = np.random.default_rng(5)
ROWS = 600
MATRIX = RNG.normal(size=(ROWS, 4)).astype(np.float32)
MATRIX[:, 3] = RNG.integers(0, 3, ROWS)
CHURNED = (RNG.random(ROWS) < 1 / (1 + np.exp(-2 * MATRIX[:, 0] - (MATRIX[:, 3] == 1)))).astype(np.float64)


@pytest.fixture(scope="module")
def text() -> str:
    return fit_churn(MATRIX, CHURNED, [3])


def test_it_learns_what_is_planted(text: str) -> None:
    predicted = Booster.from_text(text).predict(MATRIX)
    assert predicted[CHURNED == 1].mean() > predicted[CHURNED == 0].mean() + 0.2
    assert Booster.from_text(text).num_features == 4


def test_the_same_text_again_with_the_rows_in_another_order(text: str) -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    assert fit_churn(MATRIX, CHURNED, [3]) == text
    again = Booster.from_text(fit_churn(MATRIX[order], CHURNED[order], [3])).predict(MATRIX)
    assert np.corrcoef(again, Booster.from_text(text).predict(MATRIX))[0, 1] > 0.97  # bagging draws by position


@pytest.mark.parametrize(
    ("centre", "spread", "slope", "intercept"),
    [
        (0, 1, 1, 0),
        (0, 1, 3, -1),
        (-2, 1, 0.5, 0),
        (-1, 0.5, 2, 1),
        (-3, 2, 0.3, -0.5),
        (-6, 3, 0.3, 0.5),
        (2, 2, 0.5, -2),
    ],
)
def test_platt_is_logistic_regression_without_a_penalty(
    centre: float, spread: float, slope: float, intercept: float
) -> None:
    """Also for a model that is far too sure of itself (small slopes): the gradient of the likelihood is zero there."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        odds = rng.normal(centre, spread, 400)
        churned = (rng.random(400) < 1 / (1 + np.exp(-(slope * odds + intercept)))).astype(np.float64)
        found = fit_calibration(1 / (1 + np.exp(-odds)), churned)
        excess = 1 / (1 + np.exp(-(found.slope * odds + found.intercept))) - churned
        assert abs(excess.mean()) < 1e-6
        assert abs((excess * odds).mean()) < 1e-6 * spread


def test_platt_agrees_with_scikit_learn_on_one_case() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-2, 1.5, 400)
    churned = (rng.random(400) < 1 / (1 + np.exp(-(0.7 * odds + 0.3)))).astype(np.float64)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], churned)
    found = fit_calibration(1 / (1 + np.exp(-odds)), churned)
    assert (found.slope, found.intercept) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), rel=1e-4)


def test_with_few_churners_only_the_level_is_fitted() -> None:
    raw = np.linspace(0.05, 0.4, 200)
    churned = np.zeros(200)
    churned[5::10] = 1
    churned[5] = 0
    found = fit_calibration(raw, churned)
    assert found.slope == 1.0
    assert calibrate(raw, found).mean() == pytest.approx(churned.mean(), abs=1e-6)
    churned[195:197] = 1  # the twentieth
    assert fit_calibration(raw, churned).slope != 1.0


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_leaves_the_probabilities_alone(label: float) -> None:
    assert fit_calibration(np.linspace(0.1, 0.9, 50), np.full(50, label)) == Calibration()


def test_no_rows_leave_the_probabilities_alone() -> None:
    assert fit_calibration(np.array([]), np.array([])) == Calibration()


def test_a_score_that_points_the_wrong_way_is_not_turned_round() -> None:
    raw, chance = np.linspace(0.05, 0.95, 400), np.random.default_rng(1).random(400)
    found = fit_calibration(raw, (chance > raw).astype(float))
    assert found.slope >= 0


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
def test_perfect_separation_gives_finite_numbers(spread: float) -> None:
    odds = np.concatenate([np.linspace(-2 * spread, -spread, 30), np.linspace(spread, 2 * spread, 30)])
    found = fit_calibration(1 / (1 + np.exp(-odds)), (odds > 0).astype(float))
    assert np.isfinite([found.slope, found.intercept]).all()
    assert (np.diff(calibrate(1 / (1 + np.exp(-odds)), found)) >= 0).all()


def test_scores_far_from_the_truth_still_come_to_the_right_level() -> None:
    """All but certain, and wrong half the time: what an over-fitted model says of customers set aside."""
    raw = np.random.default_rng(2).choice([1e-9, 1e-7, 1e-5], 300)
    churned = np.tile([0.0, 1.0], 150)
    assert calibrate(raw, fit_calibration(raw, churned)).mean() == pytest.approx(0.5, abs=0.02)
