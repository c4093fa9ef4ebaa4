"""The churn classifier."""

import re

import numpy as np
import pytest

from models import churn
from models.booster import Booster
from models.churn import PARAMETERS, ROUNDS, early_rounds, fit_booster, fit_churn, smallest_leaf
from training.metrics import log_loss

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


def told(text: str, name: str) -> str:
    """A parameter as the model's text has it."""
    found = re.search(rf"(?m)^\[{name}: (.*)\]$", text)
    assert found is not None
    return found[1]


def test_the_number_of_threads_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    one = fit_churn(MATRIX, CHURNED, [3], {"rounds": 10})
    monkeypatch.setattr(churn, "SMALL", 0)  # as many threads as there are, as for many rows
    assert fit_churn(MATRIX, CHURNED, [3], {"rounds": 10}) == one


def test_tuned_parameters_go_before_the_defaults(text: str) -> None:
    assert (told(text, "min_data_in_leaf"), told(text, "max_depth")) == ("20", str(PARAMETERS["max_depth"]))
    tuned = fit_churn(MATRIX, CHURNED, [3], {"min_data_in_leaf": 33, "max_depth": 2})
    assert (told(tuned, "min_data_in_leaf"), told(tuned, "max_depth")) == ("33", "2")
    assert told(tuned, "lambda_l2") == told(text, "lambda_l2")


@pytest.mark.parametrize(("rows", "leaf"), [(10, 20), (3000, 20), (6000, 40), (15_000, 100), (10**6, 100)])
def test_a_leaf_holds_a_share_of_the_rows_within_bounds(rows: int, leaf: int) -> None:
    assert smallest_leaf(rows) == leaf


def test_early_stopping_finds_the_round_that_was_best_on_later_rows() -> None:
    """Recomputed tree by tree: no other number of rounds up to fifty further on has a lower log loss."""
    import lightgbm

    first, later = slice(0, 400), slice(400, ROWS)
    found = early_rounds(MATRIX[first], CHURNED[first], (MATRIX[later], CHURNED[later]), [3])
    whole = lightgbm.Booster(
        model_str=fit_churn(MATRIX[first], CHURNED[first], [3], {"rounds": found + churn.PATIENCE})
    )
    losses = [
        log_loss(CHURNED[later], whole.predict(MATRIX[later], num_iteration=rounds))
        for rounds in range(1, found + churn.PATIENCE + 1)
    ]
    assert 1 < found < churn.MOST_ROUNDS
    assert int(np.argmin(losses)) + 1 == found


def test_without_later_rows_growth_goes_on(text: str) -> None:
    assert text.count("\nTree=") == ROUNDS
    assert fit_booster(PARAMETERS, MATRIX, CHURNED, [3], 7).count("\nTree=") == 7
