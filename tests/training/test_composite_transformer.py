"""The composite score as scikit-learn sees it: its own checks, and the same scores as the rules."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.rules import composite_score, fit_composite, load_pack
from training.composite_transformer import CompositeScore

PACK = load_pack()
INDICATORS = PACK.composite.enabled
FIRST = [indicator.features[0] for indicator in INDICATORS.values()]


def frame(rows: int = 200, seed: int = 5) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 1, rows) for name in FIRST}
    return pl.DataFrame(columns).with_columns(pl.when(pl.col(FIRST[0]) > 0.1).then(FIRST[0]), region=pl.lit("north"))


FRAME = frame()


def expected(columns: list[str], **how: Any) -> np.ndarray:
    pack = PACK.using(how["method"]) if "method" in how else PACK
    rows = FRAME.with_row_index("customer_id")
    return composite_score(rows, fit_composite(rows, pack), pack).select(columns).to_numpy()


# no check is expected to fail
@parametrize_with_checks([CompositeScore(), CompositeScore(output="points", method="points")])
def test_scikit_learn_agrees(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("method", ["dimension", "points"])
def test_scores_are_those_of_the_rules(method: Any) -> None:
    got = CompositeScore(method=method).fit_transform(FRAME)
    np.testing.assert_array_equal(got, expected(["composite_score"], method=method))


def test_points_add_up_to_the_score() -> None:
    points = CompositeScore(output="points").fit(FRAME)
    got = points.transform(FRAME)
    names = [f"points_{name}" for name in INDICATORS]
    np.testing.assert_array_equal(got, expected(names))
    assert list(points.get_feature_names_out()) == names
    np.testing.assert_allclose(got.sum(axis=1), CompositeScore().fit_transform(FRAME)[:, 0])


def test_polars_pandas_and_arrays_score_the_same() -> None:
    polars = CompositeScore().fit_transform(FRAME)
    np.testing.assert_array_equal(CompositeScore().fit_transform(FRAME.to_pandas()), polars)
    np.testing.assert_array_equal(CompositeScore().fit_transform(FRAME.select(FIRST).to_numpy()), polars)


def test_bounds_are_learnt_once() -> None:
    fitted = CompositeScore().fit(FRAME)
    part = fitted.transform(FRAME[:3])
    np.testing.assert_array_equal(part, fitted.transform(FRAME)[:3])
    assert not np.array_equal(part, CompositeScore().fit_transform(FRAME[:3]))


def test_money_bounds_count_in_their_currency() -> None:
    assert CompositeScore(currency="CNY").fit(FRAME).fitted_.indicators["spend"].high == 100_000
    assert CompositeScore(currency="EUR").fit(FRAME).fitted_.indicators["spend"].high < 1


def test_nothing_known_is_no_score() -> None:
    assert np.isnan(
        CompositeScore().fit(FRAME).transform(FRAME.with_columns(pl.lit(None).alias(x) for x in FIRST))
    ).all()
    strange = pl.DataFrame({"region": ["north", "south"]})
    assert np.isnan(CompositeScore().fit_transform(strange)).all()
    assert np.isnan(CompositeScore(output="points").fit_transform(strange)).all()


def test_it_stands_in_a_pipeline_and_is_cloned() -> None:
    copy = clone(CompositeScore(pack=PACK, output="points"))
    assert copy.pack == PACK
    assert make_pipeline(copy, StandardScaler()).fit_transform(FRAME).shape == (FRAME.height, len(INDICATORS))


@pytest.mark.parametrize("wrong", [{"output": "tier"}, {"method": "mean"}])
def test_wrong_parameters_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        CompositeScore(**wrong).fit(FRAME)


def test_unfitted() -> None:
    with pytest.raises(NotFittedError):
        CompositeScore().transform(FRAME)
