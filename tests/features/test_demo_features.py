"""Features of the simulated company: none constant, none twice, all in the catalog."""

import datetime as dt
import itertools

import numpy as np
import polars as pl
import pytest

from features.build import FAMILIES, Fitted, build
from features.catalog import describe, phrase
from features.clock import micros
from features.demo import simulate
from features.engines import open_source
from features.settings import load_settings
from features.usage import popular_features

AS_OF = micros(dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
"""Early enough that a window lies behind it, late enough for two years of history."""


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = simulate(tmp_path_factory.mktemp("company"), customers=400).folder
    settings = load_settings(folder / "remora.toml")
    tables = open_source(folder, settings).on("polars").until(AS_OF).tables
    wide = build(tables, AS_OF, Fitted(popular_features(tables, AS_OF), settings.profile.static))
    return wide.drop("customer_id")


def test_every_family_is_there(features: pl.DataFrame) -> None:
    assert {name.split("_")[0] for name in features.columns} == FAMILIES.keys()
    assert len(features.columns) > 120


def test_no_feature_is_constant(features: pl.DataFrame) -> None:
    assert [name for name in features.columns if features[name].drop_nulls().n_unique() < 2] == []


def test_no_feature_is_there_twice(features: pl.DataFrame) -> None:
    """Neither the same, nor the same in another unit, where both are known."""
    numbers = [name for name in features.columns if features.schema[name] == pl.Float64]
    twins = [pair for pair in itertools.combinations(numbers, 2) if are_twins(features.select(pair).drop_nulls())]
    texts = [name for name in features.columns if features.schema[name] == pl.String]
    same = [(a, b) for a, b in itertools.combinations(texts, 2) if features[a].equals(features[b])]
    assert twins + same == []


def are_twins(pair: pl.DataFrame) -> bool:
    values = pair.to_numpy()
    if len(values) < 20 or np.any(values.std(axis=0) == 0):
        return False
    return bool(abs(np.corrcoef(values.T)[0, 1]) > 1 - 1e-9)


def test_most_customers_have_most_features(features: pl.DataFrame) -> None:
    rare = [name for name in features.columns if features[name].is_not_null().mean() < 0.05]
    assert rare == []


def test_every_feature_can_be_put_in_words(features: pl.DataFrame) -> None:
    for name in features.columns:
        known = features[name].drop_nulls()
        assert describe(name).missing
        words = phrase(name, known[0])
        assert "{}" not in words
        assert "…" not in words
        assert phrase(name, None).endswith(describe(name).missing)
