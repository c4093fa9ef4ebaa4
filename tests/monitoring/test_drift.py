"""Drift, with the real Evidently: what must be caught, what must not, and what one bad column may cost."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency, false_discovery_control

from monitoring.drift import ColumnDrift, DriftReport, DriftSettings, benjamini_hochberg, drift
from monitoring.stattests import homogeneity

ROWS = 1000


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("something called out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def kinds_of(frame: pl.DataFrame) -> dict[str, str]:
    return {name: "category" if dtype == pl.String else "number" for name, dtype in frame.schema.items()}


def compared(reference: pl.DataFrame, current: pl.DataFrame, **settings: float) -> DriftReport:
    kinds = kinds_of(reference)
    return drift(reference, current, kinds=kinds, gain=dict.fromkeys(kinds, 1.0), settings=DriftSettings(**settings))


def one(reference: Sequence[object], current: Sequence[object], kind: str = "number") -> ColumnDrift:
    frames = (pl.DataFrame({"x": values}) for values in (reference, current))
    return drift(*frames, kinds={"x": kind}, gain={"x": 1.0}).columns[0]


def stable_company(rng: np.random.Generator, rows: int = ROWS) -> pl.DataFrame:
    """50 columns: bell-shaped, skewed, counts full of ties and zeros, categories few and many, some with nulls."""
    columns: dict[str, pl.Series] = {}
    for i in range(10):
        columns[f"normal_{i}"] = pl.Series(rng.normal(size=rows))
        columns[f"skewed_{i}"] = pl.Series(rng.lognormal(0, 2, size=rows))
        columns[f"count_{i}"] = pl.Series(rng.poisson(0.2 * (i + 1), size=rows)).cast(pl.Float64)
        columns[f"category_{i}"] = pl.Series(rng.zipf(1.5 + i / 5, size=rows).clip(1, 40)).cast(pl.String)
        gappy = pl.Series(rng.exponential(size=rows))
        columns[f"gappy_{i}"] = gappy.set(pl.Series(rng.random(rows) < 0.05 * (i + 1)), None)
    return pl.DataFrame(columns)


@pytest.mark.parametrize("rows", [ROWS, 20_000])
def test_none_or_nearly_none_of_fifty_stable_columns_are_flagged(rows: int) -> None:
    seeds = 15 if rows == ROWS else 2
    flagged = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        report = compared(stable_company(rng, rows), stable_company(rng, rows))
        assert report.named("too few rows", "not compared") == []
        flagged.append(len(report.named("drifted")))
    assert max(flagged) <= 1
    assert sum(flagged) <= seeds * 0.2


def test_small_reference_and_large_current_stay_controlled() -> None:
    rng = np.random.default_rng(1)
    reports = [compared(stable_company(rng, 500), stable_company(rng, 8_000)) for _ in range(4)]
    assert sum(len(report.named("drifted")) for report in reports) <= 1


def test_shift_of_three_tenths_of_a_deviation_is_caught_at_a_thousand_rows() -> None:
    caught = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        reference, current = stable_company(rng), stable_company(rng)
        report = compared(reference, current.with_columns(pl.col("normal_3") + 0.3))
        caught += "normal_3" in report.named("drifted")
    assert caught >= 14


def test_skewed_column_is_judged_by_rank_not_by_its_largest_customers() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.lognormal(0, 2, 5000), rng.lognormal(0.6, 2, 5000)
    assert one(before, after).status == "drifted"
    assert one(before, [*rng.lognormal(0, 2, 4999), 1e9]).status == "stable"
    assert one(before, after).values.effect == pytest.approx(one(np.log(before), np.log(after)).values.effect)


def test_trifle_at_many_rows_is_certain_but_no_drift() -> None:
    rng = np.random.default_rng(0)
    found = one(rng.normal(size=20_000), rng.normal(0.05, size=20_000))
    assert found.values.adjusted_p < 0.001
    assert found.status == "stable"
    assert found.text.startswith("no drift")


def test_category_that_moved_and_category_never_seen() -> None:
    moved = one(["basic"] * 600 + ["pro"] * 400, ["basic"] * 480 + ["pro"] * 520, "category")
    assert (moved.status, moved.values.method) == ("drifted", "homogeneity")
    assert moved.text == "values changed: 'pro' 40% → 52% (100% of the model's gain)"
    new = one(["basic"] * 500, ["basic"] * 450 + ["new"] * 50, "category")
    assert new.status == "drifted"
    assert "'new' 0% → 10%" in new.text


def test_share_of_missing_values_is_a_drift_of_its_own() -> None:
    values = [float(i % 97) for i in range(970)]
    found = one(values + [None] * 30, values + [None] * 200)
    assert found.status == "drifted"
    assert not found.values.drifted
    assert found.missing.drifted
    assert found.missing.effect == pytest.approx(200 / 1170 - 30 / 1000)
    assert found.text.startswith("missing 3% → 17%")


def test_column_gone_silent_is_drift_though_its_values_cannot_be_compared() -> None:
    found = one([1.0, 2.0] * 500, [None] * 1000)
    assert (found.status, found.values) == ("drifted", None)
    assert "values not compared: 1000 rows with a value in the reference and 0 now" in found.text


def test_infinite_and_nan_count_as_missing() -> None:
    found = one([1.0, 2.0] * 500, [1.0, 2.0] * 300 + [float("inf"), float("-inf"), float("nan"), None] * 100)
    assert (found.current_missing_share, found.status) == (0.4, "drifted")


def test_bad_columns_do_not_cost_the_report() -> None:
    rng = np.random.default_rng(0)
    good = {"good": rng.normal(size=ROWS), "shifted": rng.normal(size=ROWS)}
    reference = pl.DataFrame(good | {"empty": [None] * ROWS, "constant": [3.0] * ROWS, "text": ["a", "b"] * 500})
    reference = reference.with_columns(
        ids=pl.Series([f"r{i}" for i in range(ROWS)]),
        listed=pl.Series([[1, 2]] * ROWS),
        dropped=pl.lit(1.0),
        starts=pl.lit(5.0),
        huge=pl.Series([float("inf")] * ROWS),
    )
    current = reference.drop("dropped").with_columns(
        pl.col("shifted") + 1,
        ids=pl.Series([f"c{i}" for i in range(ROWS)]),
        arrived=pl.lit(1.0),
        starts=pl.Series(rng.normal(size=ROWS)),
    )
    kinds = dict.fromkeys([*reference.columns, "arrived", "nowhere"], "number") | {
        "ids": "category",
        "listed": "category",
    }
    report = drift(reference, current, kinds=kinds, gain={})
    status = {each.column: each.status for each in report.columns}
    assert status == {
        "good": "stable", "shifted": "drifted", "empty": "too few rows", "constant": "stable", "text": "not compared",
        "ids": "not compared", "listed": "not compared", "dropped": "not compared", "starts": "drifted",
        "huge": "too few rows", "arrived": "not compared", "nowhere": "not compared",
    }  # fmt: skip
    words = {each.column: each.text for each in report.columns}
    assert "numbers were expected, the column holds String" in words["text"]
    assert "no category is frequent enough" in words["ids"]
    assert "not in the scored population" in words["dropped"]
    assert "new since training" in words["arrived"]
    assert "in neither" in words["nowhere"]
    assert report.status == "compared"


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_never_reads_as_no_drift(rows: int) -> None:
    reference = pl.DataFrame({"a": np.arange(500.0), "b": ["x"] * 500})
    current = pl.DataFrame({"a": np.arange(float(rows)), "b": ["x"] * rows}, schema=reference.schema)
    report = compared(reference, current)
    assert report.status == "too few rows"
    assert report.named("too few rows") == ["a", "b"]
    assert not any("no drift" in each.text for each in report.columns)
    assert "nothing is known about drift" in report.text
    assert (report.retraining_due, report.not_compared_gain_share) == (False, 1.0)


@pytest.mark.parametrize(("gain", "due"), [(0.19, False), (0.2, True), (0.5, True)])
def test_retraining_is_due_when_drifted_columns_carry_a_fifth_of_the_gain(gain: float, due: bool) -> None:
    rng = np.random.default_rng(0)
    reference = pl.DataFrame({"kept": rng.normal(size=ROWS), "moved": rng.normal(size=ROWS)})
    current = reference.with_columns(pl.col("moved") + 1)
    report = drift(reference, current, kinds=kinds_of(reference), gain={"kept": 100 * (1 - gain), "moved": 100 * gain})
    assert (report.drifted_gain_share, report.retraining_due) == (pytest.approx(gain), due)


def test_predictions_are_compared_but_carry_no_gain() -> None:
    rng = np.random.default_rng(0)
    reference = pl.DataFrame({"x": rng.normal(size=ROWS), "churn_probability": rng.random(ROWS) / 2})
    current = reference.with_columns(pl.col("churn_probability") * 2)
    report = drift(reference, current, kinds={"x": "number"}, gain={"x": 3.0})
    assert report.named("drifted") == ["churn_probability"]
    assert (report.drifted_gain_share, report.retraining_due) == (0.0, False)


def test_gain_without_a_verdict_is_said() -> None:
    reference = pl.DataFrame({"x": np.arange(500.0)})
    report = drift(reference, reference, kinds={"x": "number", "gone": "number"}, gain={"x": 1, "gone": 2, "other": 1})
    assert report.not_compared_gain_share == 0.75
    assert "Not compared: 1, with 75% of the gain" in report.text


def test_large_frames_are_sampled_with_the_seed() -> None:
    rng = np.random.default_rng(0)
    big = pl.DataFrame({"x": rng.normal(size=30_000)})
    first, again = compared(big, big.head(500)), compared(big, big.head(500))
    assert (first.reference_rows, first.current_rows) == (20_000, 500)
    assert first.columns == again.columns
    assert first.columns != compared(big, big.head(500), seed=1).columns


def test_json_holds_everything_and_reads_back() -> None:
    rng = np.random.default_rng(0)
    report = compared(stable_company(rng), stable_company(rng))
    text = report.model_dump_json()
    assert json.loads(text)["columns"][0]["values"].keys() == {
        "method", "p", "adjusted_p", "effect_method", "effect", "effect_needed", "drifted",
    }  # fmt: skip
    back = DriftReport.model_validate_json(text)
    assert (back.columns, back.sample) == (report.columns, None)
    assert back.model_dump() == report.model_dump()


def test_benjamini_hochberg_equals_scipys() -> None:
    p = np.random.default_rng(0).random(200) ** 3
    assert benjamini_hochberg(list(p)) == pytest.approx(list(false_discovery_control(p)))
    assert benjamini_hochberg([]) == []


def test_homogeneity_pools_rare_categories() -> None:
    counts = np.array([[500.0, 490, 4, 3, 3], [480.0, 500, 10, 5, 5]])
    pooled = np.array([[500.0, 490, 4, 6], [480.0, 500, 10, 10]])
    assert homogeneity(counts) == pytest.approx(chi2_contingency(pooled, correction=False).pvalue)
    assert homogeneity(np.array([[10.0], [20.0]])) == 1.0


def test_homogeneity_has_the_level_it_claims() -> None:
    rng = np.random.default_rng(0)
    draws = [rng.multinomial(ROWS, [0.125] * 8, size=2).astype(float) for _ in range(600)]
    assert np.mean([homogeneity(counts) <= 0.05 for counts in draws]) == pytest.approx(0.05, abs=0.025)


def test_import_of_the_module_does_not_import_evidently_or_pandas() -> None:
    code = "import sys, monitoring.drift, monitoring.report; print({'evidently', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
