"""Value models learn what was planted, and one-sided data is no crash."""

from collections.abc import Mapping

import numpy as np
import pytest

from models.booster import Booster
from models.lifetime_value import fit_quantiles, fit_retained, fit_trees, spread_of_logs, typical_scale
from models.value_model import Trees, ValueMixture, expected

ROWS = 600
RNG = np.random.default_rng(8)
MATRIX = RNG.normal(size=(ROWS, 3)).astype(np.float32)
SOME = MATRIX[:, 0] > 0
VALUE = np.where(SOME, np.where(MATRIX[:, 1] > 0, 300.0, 100.0), -5.0)
STAYED = (np.arange(ROWS) % 2).astype(np.float64)
KINDS: tuple[Trees, ...] = ("tweedie", "two_part", "ziln")


def ran(text: str, matrix: np.ndarray = MATRIX) -> np.ndarray:
    return Booster.from_text(text).predict(matrix)


def worth(kind: Trees, texts: Mapping[str, str], matrix: np.ndarray = MATRIX) -> np.ndarray:
    return expected(ValueMixture(trees=kind), {name: ran(text, matrix) for name, text in texts.items()})


@pytest.fixture(scope="module")
def planted() -> dict[Trees, dict[str, str]]:
    return fit_trees(KINDS, MATRIX, VALUE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_the_amounts(planted: dict[Trees, dict[str, str]], kind: Trees) -> None:
    found = worth(kind, planted[kind])
    for rows, value in ((SOME & (MATRIX[:, 1] > 0.2), 300), (SOME & (MATRIX[:, 1] < -0.2), 100)):
        assert found[rows].mean() == pytest.approx(value, rel=0.15)
    assert found[~SOME].mean() < 25
    assert found.sum() == pytest.approx(VALUE[SOME].sum(), rel=0.08)


def test_a_negative_value_counts_as_none(planted: dict[Trees, dict[str, str]]) -> None:
    assert ran(planted["two_part"]["any"])[~SOME].max() < 0.2
    assert (worth("tweedie", planted["tweedie"]) > 0).all()


def test_the_chance_of_any_value_is_shared(planted: dict[Trees, dict[str, str]]) -> None:
    assert planted["two_part"]["any"] == planted["ziln"]["any"]
    assert set(planted["tweedie"]) == {"amount"}


def test_value_if_retained_is_learnt_from_those_who_stayed() -> None:
    """Those who stay bring 100, those who leave 10, and nothing tells them apart; a tenth of stayers brings nothing."""
    value, stayed = np.where(STAYED == 1, 100.0, 10.0), STAYED.copy()
    value[1::20] = 0.0
    stayed[2::30] = np.nan  # not at stake: nobody knows
    value[2::30] = 5000.0
    assert ran(fit_retained(MATRIX, value, stayed)).mean() == pytest.approx(90, rel=0.05)


def test_quantiles_hold_eight_of_ten() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(3000, 2)).astype(np.float32)
    value = np.exp(4 + matrix[:, 0] + 0.5 * rng.normal(size=3000))
    texts = fit_quantiles(matrix[:2000], value[:2000], 5.0)
    low, high = (5 * np.sinh(ran(texts[name], matrix[2000:])) for name in ("low", "high"))
    assert (value[2000:] < low).mean() == pytest.approx(0.1, abs=0.04)
    assert (value[2000:] > high).mean() == pytest.approx(0.1, abs=0.04)


def test_the_scale_and_the_spread_are_those_of_who_brought_any() -> None:
    value = np.array([-3.0, 0.0, 100.0, 200.0, 900.0])
    assert typical_scale(value) == pytest.approx(20)
    assert typical_scale(np.zeros(3)) == 1.0
    logs = np.log(np.array([1.0, 1.0, 200.0, 200.0, 900.0]))
    assert spread_of_logs(value, logs) == pytest.approx(np.log(2) / np.sqrt(3))
    assert spread_of_logs(np.zeros(5), logs) == 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value", [np.zeros(60), np.full(60, -4.0), np.full(60, 20.0)], ids=["nothing", "only returns", "all the same"]
)
def test_one_sided_data_gives_a_model_and_not_a_crash(kind: Trees, value: np.ndarray) -> None:
    texts = fit_trees((kind,), MATRIX[:60], value)[kind]
    assert worth(kind, texts, MATRIX[:60]).mean() == pytest.approx(max(value.mean(), 0.0), abs=0.5)


@pytest.mark.parametrize("stayed", [np.zeros(60), np.full(60, np.nan), (np.arange(60) < 30) * 1.0])
def test_nobody_stayed_or_those_who_stayed_brought_nothing(stayed: np.ndarray) -> None:
    value = np.where(np.arange(60) < 30, 0.0, 20.0)
    kept = value[stayed == 1] if (stayed == 1).any() else value
    assert ran(fit_retained(MATRIX[:60], value, stayed), MATRIX[:60]).mean() == pytest.approx(kept.mean(), abs=0.5)
