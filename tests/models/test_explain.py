"""Reasons are the largest TreeSHAP contributions, one of a kind, in words."""

import lightgbm
import numpy as np
import polars as pl
import pytest

from models.bundle import Bundle
from models.explain import reasons, top_of_groups
from tests.small_bundle import NAMES, customers, texts, write_small_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_small_bundle(tmp_path_factory.mktemp("home") / "b")


def spell(name: str, value: float | str | None) -> str:
    return f"{name} is {value}"


def test_the_first_reason_is_the_largest_contribution(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers())
    parts = lightgbm.Booster(model_str=texts()[0]).predict(matrix, pred_contrib=True)[:, :-1]
    for row, told in zip(parts, reasons(bundle, matrix, phrase=spell, batch=300), strict=True):
        best = int(np.argmax(np.abs(row)))
        assert told[0].feature == NAMES[best]
        assert told[0].direction == ("raises" if row[best] > 0 else "lowers")
        assert told[0].size == pytest.approx(abs(row[best]) / np.abs(row).sum())
        assert [r.size for r in told] == sorted((r.size for r in told), reverse=True)


def test_windows_of_one_feature_speak_once(bundle: Bundle) -> None:
    for told in reasons(bundle, bundle.matrix(customers()), top=5, phrase=spell):
        assert sum("rfm_orders_count" in reason.feature for reason in told) <= 1


def test_words_hold_value_and_direction(bundle: Bundle) -> None:
    row = (
        customers()
        .head(1)
        .with_columns(
            pl.lit(300.0).alias("rfm_recency_days"),
            pl.lit(None, pl.Float64).alias("nps_score_last"),
            pl.lit("Spain").alias("profile_country"),
        )
    )
    texts = {r.feature: r.text for r in reasons(bundle, bundle.matrix(row), top=6, phrase=spell)[0]}
    assert texts["rfm_recency_days"] == "rfm_recency_days is 300.0 (raises the risk)"
    assert texts["nps_score_last"].startswith("nps_score_last is None")
    assert texts["profile_country"].startswith("profile_country is Spain")


def test_one_row_is_told_as_many(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers().head(40))
    many = reasons(bundle, matrix, phrase=spell)
    assert [reasons(bundle, matrix[i : i + 1], phrase=spell)[0] for i in range(40)] == many


def test_no_rows_no_reasons(bundle: Bundle) -> None:
    assert reasons(bundle, bundle.matrix(customers().clear()), phrase=spell) == []


def test_top_of_groups_by_hand() -> None:
    sizes = np.array([[1.0, 9.0, 8.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
    groups = np.array([0, 1, 1, 2])
    assert top_of_groups(sizes, groups, 3).tolist() == [[1, 3, 0], [0, 1, 3]]
    assert top_of_groups(sizes, groups, 9).shape == (2, 3)
