"""From a frame to a matrix: by name, never by place."""

import numpy as np
import polars as pl
import pytest

from models.manifest import BundleError, FeatureColumn
from models.matrix import to_matrix

COLUMNS = (
    FeatureColumn(name="a"),
    FeatureColumn(name="country", kind="category", levels=("FR", "DE")),
    FeatureColumn(name="b"),
)
FRAME = pl.DataFrame({"a": [1.0, None], "b": [True, False], "country": ["DE", "XX"], "other": ["x", "y"]})
MATRIX = np.array([[1, 1, 1], [np.nan, np.nan, 0]], dtype=np.float32)


def test_columns_come_in_the_manifests_order_and_nulls_are_nan() -> None:
    found = to_matrix(FRAME, COLUMNS)
    np.testing.assert_array_equal(found, MATRIX)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


@pytest.mark.parametrize("order", [["b", "other", "country", "a"], ["other", "a", "country", "b"]])
def test_the_order_of_the_frame_does_not_matter(order: list[str]) -> None:
    np.testing.assert_array_equal(to_matrix(FRAME.select(order), COLUMNS), MATRIX)


def test_a_column_nobody_knows_is_nan_throughout() -> None:
    frame = pl.DataFrame({"a": [None], "country": [None], "b": [None]})
    assert np.isnan(to_matrix(frame, COLUMNS)).all()


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["DE", "XX"])])
def test_text_may_be_categorical(kind: pl.DataType) -> None:
    np.testing.assert_array_equal(to_matrix(FRAME.with_columns(pl.col("country").cast(kind)), COLUMNS), MATRIX)


def test_no_rows_make_an_empty_matrix() -> None:
    assert to_matrix(FRAME.head(0), COLUMNS).shape == (0, 3)


def test_every_misfit_is_named_at_once() -> None:
    wrong = FRAME.drop("b").with_columns(a=pl.lit("1"), country=pl.lit(1))
    with pytest.raises(BundleError) as caught:
        to_matrix(wrong, COLUMNS)
    problems = caught.value.problems
    assert [problem.split(": ")[1].split()[1] for problem in problems] == ["a", "country", "b"]
    assert "missing" in problems[2]
    assert "takes a number" in problems[0]
    assert "takes a category" in problems[1]
