"""The churn curve as it is served: it never crosses, meets the churn probability, and means what it says."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from models.booster import Booster
from models.calibration import Calibration
from models.churn import fit_churn
from models.churn_curve import ChurnCurve, CurveModel, anchored

EDGES = (30, 60, 90, 180)
PLATT = Calibration(method="platt", slope=0.8, intercept=-0.3)
Vector = NDArray[np.float64]


def curve(rising: bool = True, horizon: int = 60, edges: tuple[int, ...] = EDGES, **more: Calibration) -> ChurnCurve:
    return ChurnCurve(edges=edges, horizon_days=horizon, rising=rising, **more)


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=9),
    st.lists(st.one_of(st.sampled_from([0.0, 1.0, 1e-13, 1 - 1e-13]), st.floats(0, 1)), min_size=9, max_size=9),
    st.booleans(),
    st.sampled_from(EDGES),
)
def test_it_never_crosses_and_meets_the_churn_probability(
    raw: list[list[float]], chances: list[float], rising: bool, horizon: int
) -> None:
    fitted, scores, p = curve(rising, horizon, calibration=PLATT), np.array(raw), np.array(chances[: len(raw)])
    found = fitted.probabilities(scores, p)
    assert found.shape == scores.shape
    assert ((found >= 0) & (found <= 1)).all()
    steps = np.diff(found, axis=1)
    assert (steps >= 0 if rising else steps <= 0).all()
    assert (found[:, EDGES.index(horizon)] == p).all()
    days = fitted.expected_days(found)
    assert ((days >= 0) & (days <= 180)).all()
    alone = [fitted.probabilities(scores[i : i + 1], p[i : i + 1]) for i in range(len(p))]
    assert (np.vstack(alone) == found).all()
    assert (np.concatenate([fitted.expected_days(each) for each in alone]) == days).all()


@given(st.lists(st.lists(st.floats(0, 1e300), min_size=4, max_size=4), min_size=1, max_size=5), st.booleans())
def test_nor_do_survivals_of_nought_and_one_break_it(losses: list[list[float]], rising: bool) -> None:
    mounting = np.minimum(np.maximum.accumulate(np.array(losses), axis=1), 700)
    for p in (0.0, 0.4, 1.0):
        found = anchored(mounting, np.full(len(losses), p), curve(rising))
        steps = np.diff(found, axis=1)
        assert np.isfinite(found).all()
        assert (steps >= 0 if rising else steps <= 0).all()
        assert (found[:, 1] == p).all()


@pytest.mark.parametrize("rising", [True, False])
def test_the_numbers_by_hand(rising: bool) -> None:
    """Hazards 0.1, 0.2, 0.3, 0.4 survive 0.9, 0.72, 0.504, 0.3024; survival at 60 days is to be 0.5184, the square."""
    hazards, wanted = np.array([[0.1, 0.2, 0.3, 0.4]]), 0.72**2
    raw = np.log(hazards / (1 - hazards))
    found = curve(rising).probabilities(raw, np.array([1 - wanted if rising else wanted]))
    survival = np.array([0.9 ** np.sqrt(2), 0.72**2, 0.504**2, 0.3024**2])
    np.testing.assert_allclose(found[0], 1 - survival if rising else survival, rtol=1e-12)
    area = np.trapezoid([1.0, *survival], [0, 30, 60, 90, 180])
    np.testing.assert_allclose(curve(rising).expected_days(found), [area], rtol=1e-12)


def test_where_the_hazards_know_nothing_the_loss_is_even() -> None:
    found = anchored(np.zeros((1, 4)), np.array([0.36]), curve(rising=True))
    np.testing.assert_allclose(found[0], 1 - 0.64 ** np.array([0.5, 1.0, 1.5, 3.0]), rtol=1e-12)


def test_a_strong_correction_does_not_reach_past_the_horizon() -> None:
    """θ = 0.1 leaves a loss of 0.32 at 30 days, above the 0.11 of the horizon: held there, and 90 days stay."""
    found = anchored(np.array([[1.0, 1.1, 1.2, 1.3]]), 1 - np.exp([-0.11]), curve(rising=True))
    np.testing.assert_allclose(found[0], 1 - np.exp([-0.11, -0.11, -0.12, -0.13]), rtol=1e-12)


@pytest.mark.parametrize(
    ("edges", "days"), [((30, 90, 365), 90), ((30, 60, 90, 180, 365), 180), ((200, 400), 200), (EDGES, 180)]
)
def test_expected_time_is_counted_up_to_180_days(edges: tuple[int, ...], days: int) -> None:
    fitted = curve(horizon=edges[0], edges=edges)
    assert fitted.restricted_days == days
    nobody, everybody = np.zeros((1, len(edges))), np.ones((1, len(edges)))
    assert fitted.expected_days(nobody).tolist() == [days]
    assert fitted.expected_days(everybody).tolist() == [edges[0] / 2]
    silent = curve(rising=False, horizon=edges[0], edges=edges)
    assert silent.expected_days(everybody).tolist() == [days]


@pytest.mark.parametrize(
    ("edges", "horizon", "said"),
    [((30,), 30, "at least 2"), ((30, 30), 30, "increase"), ((60, 30), 30, "increase"), ((0, 30), 30, "1 or more"),
     ((30, 90), 60, "one of the edges")],
)  # fmt: skip
def test_a_curve_that_cannot_be(edges: tuple[int, ...], horizon: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        curve(horizon=horizon, edges=edges)


def test_it_survives_the_manifest() -> None:
    fitted = curve(calibration=PLATT)
    assert ChurnCurve.model_validate_json(fitted.model_dump_json()) == fitted


@pytest.fixture(scope="module")
def model() -> CurveModel:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(3000, 3)).astype(np.float32)
    wide = np.column_stack([matrix, rng.choice(EDGES, 3000)]).astype(np.float32)
    odds = wide[:, 0] + wide[:, 3] / 60 - 2
    text = fit_churn(wide, (rng.random(3000) < 1 / (1 + np.exp(-odds))).astype(float), tuned={"rounds": 40})
    return CurveModel(curve(calibration=PLATT), Booster.from_text(text))


@pytest.mark.parametrize("ask", [lambda m: m, lambda m: np.asfortranarray(m)])
def test_the_interval_is_the_last_column(model: CurveModel, ask: Callable[[Vector], Vector]) -> None:
    matrix = np.random.default_rng(6).normal(size=(40, 3)).astype(np.float32)
    raw = model.raw(ask(matrix))
    for k, edge in enumerate(EDGES):
        wide = np.column_stack([matrix, np.full(40, edge, dtype=np.float32)])
        assert (raw[:, k] == model.trees.predict_raw(wide)).all()
    assert len(np.unique(raw.mean(axis=0))) == len(EDGES)


def test_one_row_is_many_rows(model: CurveModel) -> None:
    matrix, p = np.random.default_rng(7).normal(size=(50, 3)).astype(np.float32), np.linspace(0.01, 0.99, 50)
    whole = model.probabilities(matrix, p)
    alone = [model.probabilities(matrix[i : i + 1], p[i : i + 1]) for i in range(50)]
    assert (np.vstack(alone) == whole).all()
    assert model.probabilities(matrix[:0], p[:0]).shape == (0, len(EDGES))
