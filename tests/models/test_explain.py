"""Reasons are the largest contributions, one of a kind, in words beside what is normal; contributions add up."""

import re
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest

from features.catalog import phrase
from models.bundle import Bundle, write_bundle
from models.calibration import Calibration
from models.contributions import by_family, chances
from models.explain import (
    churn_contributions,
    reason_series,
    reasons,
    top_of_groups,
    usual_of,
    value_contributions,
    value_reasons,
    values_of,
)
from models.manifest import FeatureColumn
from models.prediction import REASON, Reason
from models.telling import Usual
from tests.small_bundle import AS_OF, FEATURES, NAMES, customers, parts, texts, write_small_bundle

NORMALS = {
    "rfm_recency_days": 40.0,
    "rfm_orders_count_90d": 3.0,
    "rfm_orders_count_365d": 9.0,
    "profile_country": "France",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_small_bundle(tmp_path_factory.mktemp("home") / "b")


@pytest.fixture(scope="module")
def with_normals(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same models; the last but one column is taken for the customer's own rhythm, and normals are kept."""
    churn, value = texts()
    columns = tuple(FeatureColumn(name="rfm_gap_mean_days") if c.name == "nps_score_last" else c for c in FEATURES)
    named = parts().model_copy(update={"features": columns, "fitted": {"normals": NORMALS}})
    reference = customers().rename({"nps_score_last": "rfm_gap_mean_days"}).head(50)
    folder: Path = tmp_path_factory.mktemp("normals") / "b"
    return write_bundle(folder, named, churn=churn, value=value, pack="", reference=reference, created_at=AS_OF)


def shap() -> np.ndarray:
    """LightGBM's own TreeSHAP through its Python package."""
    matrix = customers().with_columns(
        pl.col("profile_country").replace_strict(["France", "Germany", "Spain"], [0, 1, 2])
    )
    rows = matrix.select(NAMES).cast(pl.Float32).to_numpy()
    return np.asarray(lightgbm.Booster(model_str=texts()[0]).predict(rows, pred_contrib=True))[:, :-1]


def test_the_first_reason_is_the_largest_contribution(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers())
    for row, told in zip(shap(), reasons(bundle, matrix), strict=True):
        best = int(np.argmax(np.abs(row)))
        assert told[0].feature == NAMES[best]
        assert told[0].direction == ("raises" if row[best] > 0 else "lowers")
        assert told[0].size == pytest.approx(abs(row[best]) / np.abs(row).sum())
        assert [r.size for r in told] == sorted((r.size for r in told), reverse=True)


def test_churn_contributions_add_up_to_the_calibrated_log_odds(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers())
    p = bundle.predict(matrix).churn_probability
    found = churn_contributions(bundle, matrix)
    assert found.total == pytest.approx(np.log(p / (1 - p)), abs=1e-9)
    assert chances(found).total == pytest.approx(p, abs=1e-9)
    assert found.parts == pytest.approx(0.9 * shap())  # the slope of the small bundle's calibration


def test_families_add_up_to_the_whole(bundle: Bundle) -> None:
    found = churn_contributions(bundle, bundle.matrix(customers()))
    families = by_family(found)
    assert set(families) == {"rfm", "nps", "profile"}
    assert families["rfm"] == pytest.approx(0.9 * shap()[:, :4].sum(axis=1))
    assert found.base + sum(families.values()) == pytest.approx(found.total)


def test_value_contributions_add_up_to_the_log_of_the_expected_value(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers())
    expected = bundle.predict(matrix).expected_value
    assert expected is not None
    assert value_contributions(bundle, matrix).total == pytest.approx(np.log(expected), abs=1e-6)


def test_worth_is_told_by_its_own_drivers(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers().head(200))
    found = value_contributions(bundle, matrix).parts
    for row, told in zip(found, value_reasons(bundle, matrix, top=1), strict=True):
        best = int(np.abs(row).argmax())
        direction = "raises" if row[best] > 0 else "lowers"
        assert (told[0].feature, told[0].direction) == (NAMES[best], direction)
        assert told[0].text.endswith(f"({direction} the worth)")


def test_without_value_models_there_is_no_reason_of_worth(tmp_path: Path) -> None:
    poor = write_small_bundle(tmp_path / "b", value=False)
    with pytest.raises(ValueError, match="no value models"):
        value_reasons(poor, poor.matrix(customers().head(1)))


def test_windows_of_one_feature_speak_once(bundle: Bundle) -> None:
    for told in reasons(bundle, bundle.matrix(customers()), top=5):
        assert sum("rfm_orders_count" in reason.feature for reason in told) <= 1


def row_of(recency: float, gap: float | None = None) -> pl.DataFrame:
    given = {"rfm_recency_days": recency, "rfm_gap_mean_days": gap, "nps_score_last": gap}
    literals = [pl.lit(value, pl.Float64).alias(name) for name, value in given.items()]
    return customers().head(1).with_columns(*literals, pl.lit("Spain").alias("profile_country"))


def test_words_hold_value_and_direction(bundle: Bundle) -> None:
    told = {r.feature: r for r in reasons(bundle, bundle.matrix(row_of(300.0)), top=6)[0]}
    assert told["rfm_recency_days"].text == "last purchase 300 days ago (raises the risk)"
    assert told["nps_score_last"].text.startswith("score last: never happened (")
    assert (told["nps_score_last"].value, told["nps_score_last"].level) == (None, None)
    assert told["profile_country"].text.startswith("country: Spain (")
    assert (told["profile_country"].value, told["profile_country"].level) == (None, "Spain")


def test_words_hold_what_is_normal(with_normals: Bundle) -> None:
    """The customer's own rhythm where it is known, else what most customers have."""
    known = with_normals.matrix(row_of(300.0, gap=21.0))
    strange = with_normals.matrix(row_of(300.0))
    told = {r.feature: r.text for r in reasons(with_normals, known, top=6)[0]}
    assert told["rfm_recency_days"] == "last purchase 300 days ago; usually every 21 days (raises the risk)"
    orders = told.get("rfm_orders_count_90d") or told["rfm_orders_count_365d"]
    assert re.search(r"^\d+ orders in the last (90 days; typical: 3|365 days; typical: 9) \(", orders)
    assert told["profile_country"].startswith("country: Spain; most often: France (")
    assert told["rfm_amount_sum_180d"].count(";") == 0  # no normal value is known of it
    other = {r.feature: r.text for r in reasons(with_normals, strange, top=6)[0]}
    assert other["rfm_recency_days"] == "last purchase 300 days ago; typical: 40 (raises the risk)"
    assert usual_of(with_normals, known)["rfm_recency_days"] == Usual(21.0, own=True)
    assert usual_of(with_normals, strange)["rfm_recency_days"] == Usual(40.0, own=False)
    assert set(usual_of(with_normals, strange)) == set(NORMALS)


def test_a_row_as_values(bundle: Bundle) -> None:
    row = row_of(300.0)
    found = values_of(bundle, bundle.matrix(row))
    expected = {name: row[name][0] for name in NAMES}
    assert found["rfm_amount_sum_180d"] == pytest.approx(expected.pop("rfm_amount_sum_180d"), rel=1e-6)
    assert {name: found[name] for name in expected} == expected


def test_many_rows_are_told_as_one_by_one(with_normals: Bundle) -> None:
    frame = customers().rename({"nps_score_last": "rfm_gap_mean_days"}).head(60)
    matrix = with_normals.matrix(frame)
    for of, listed in (("risk", reasons), ("worth", value_reasons)):
        many = listed(with_normals, matrix)
        alone = [listed(with_normals, matrix[i : i + 1])[0] for i in range(60)]
        assert [[r.text for r in row] for row in alone] == [[r.text for r in row] for row in many]
        series = reason_series(with_normals, matrix, of=of, batch=7)  # type: ignore[arg-type]
        assert series.dtype == pl.List(REASON)
        assert [[Reason(**each) for each in row] for row in series.to_list()] == many


def test_no_rows_no_reasons(bundle: Bundle) -> None:
    empty = bundle.matrix(customers().clear())
    assert reasons(bundle, empty) == []
    assert reason_series(bundle, empty).dtype == pl.List(REASON)
    assert reason_series(bundle, empty).len() == 0


def test_what_contributes_nothing_is_no_reason(tmp_path: Path) -> None:
    """A model of one constant tree has no drivers."""
    rows = np.zeros((100, len(NAMES)), dtype=np.float32)
    data = lightgbm.Dataset(rows, np.arange(100) % 2)
    flat = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 1).model_to_string()
    made = write_bundle(
        tmp_path / "b", parts(False), churn=flat, value={}, pack="", reference=customers().head(5), created_at=AS_OF
    )
    assert reasons(made, made.matrix(customers().head(3))) == [[], [], []]
    assert reason_series(made, made.matrix(customers().head(3))).to_list() == [[], [], []]


def test_top_of_groups_by_hand() -> None:
    sizes = np.array([[1.0, 9.0, 8.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
    groups = np.array([0, 1, 1, 2])
    assert top_of_groups(sizes, groups, 3).tolist() == [[1, 3, 0], [0, 1, 3]]
    assert top_of_groups(sizes, groups, 9).shape == (2, 3)


def test_the_english_text_is_the_phrase_of_the_catalog(bundle: Bundle) -> None:
    for row in reasons(bundle, bundle.matrix(customers().head(50)), top=6):
        for r in row:
            found = r.level if r.level is not None else r.value
            assert r.text == f"{phrase(r.feature, found)} ({r.direction} the risk)"


@pytest.mark.parametrize("calibration", [
    Calibration(),
    Calibration(method="beta", slope_low=0.6, slope_high=1.3, intercept=0.2),
    Calibration(method="isotonic", raw=(0.1, 0.3, 0.6, 0.9), probability=(0.05, 0.2, 0.7, 0.8)),
], ids=lambda calibration: calibration.method)  # fmt: skip
def test_they_add_up_under_every_calibration(bundle: Bundle, calibration: Calibration) -> None:
    other = replace(bundle, churn=replace(bundle.churn, calibration=calibration))
    matrix = other.matrix(customers())
    p = other.predict(matrix).churn_probability
    found = churn_contributions(other, matrix)
    assert found.total == pytest.approx(np.log(p / (1 - p)), abs=1e-9)
    assert chances(found).total == pytest.approx(p, abs=1e-9)
    sizes = [[r.size for r in row] for row in reasons(other, matrix[:20])]
    expected = [[r.size for r in row] for row in reasons(bundle, matrix[:20])]
    assert sizes == [pytest.approx(row) for row in expected]  # a calibration changes no share


def test_where_a_calibration_levels_off_there_are_reasons_still(bundle: Bundle) -> None:
    """One knot: the same probability for all; why one was placed above another can be told all the same."""
    level = Calibration(method="isotonic", raw=(0.5,), probability=(0.3,))
    other = replace(bundle, churn=replace(bundle.churn, calibration=level))
    matrix = bundle.matrix(customers().head(20))
    assert other.predict(matrix).churn_probability == pytest.approx(np.full(20, 0.3))
    assert not churn_contributions(other, matrix).parts.any()
    assert reasons(other, matrix) == reasons(bundle, matrix)
