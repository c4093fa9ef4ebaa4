"""Leaks in the profile: what tells too well, what is a key, what may only be suspected by its name."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.settings import Features, Profile, Settings
from features.suspects import MANY_LEVELS, suspicions
from monitoring.findings import ColumnFinding, ProfileFinding
from monitoring.profile_columns import declared_leaks, profile_finding, single_auc
from tests.literal import ago, rows, source
from training.snapshots import MOST_LEVELS

N = 400
IDS = [f"c{i:03}" for i in range(N)]
CHURNED = pl.Series([float(i % 4 == 0) for i in range(N)])
LABELS = pl.DataFrame({"customer_id": IDS, "churned": CHURNED})


def people() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "customer_id": IDS,
            "name": [f"Company {i}" for i in range(N)],
            "signed_up_at": [ago(i) for i in range(N)],
            "country": rng.choice(["DE", "FR", "PL"], N),
            "plan_tier": rng.choice(["basic", "pro"], N),
            "account_key": [f"K{i}" for i in range(N)],
            "customer_no": np.arange(N) + 1000,
            "revenue_measured": rng.normal(size=N),
            "town": [f"town {i % 150}" for i in range(N)],
            "reason_given": ["too dear" if churned else None for churned in CHURNED],
            "mood": CHURNED * 3 + rng.normal(size=N) * 0.5,
            "churn_flag": rng.choice([True, False], N),
            "cltv": rng.normal(size=N),
            "always": ["x"] * N,
        }
    )


def judged(folder: Path, settings: Settings, dated: bool = False, labels: pl.DataFrame = LABELS) -> ProfileFinding:
    opened = source(folder, "duckdb", {"customers": people()})
    return profile_finding(opened.tables["customers"], labels, "2026-01-01", dated, settings)


def by_column(profile: ProfileFinding) -> dict[str, ColumnFinding]:
    return {each.column: each for each in profile.columns}


def test_marks(tmp_path: Path) -> None:
    profile = judged(tmp_path, Settings.model_construct())
    assert {name: set(each.marks) for name, each in by_column(profile).items()} == {
        "country": set(),
        "plan_tier": {"may change"},
        "account_key": {"identifier-like"},
        "customer_no": {"identifier-like"},
        "revenue_measured": {"may change"},
        "town": {"high-cardinality"},
        "reason_given": {"constant", "label-like"},
        "mood": {"label-like"},
        "churn_flag": {"label-like"},
        "cltv": {"as of today"},
        "always": {"constant"},
    }
    assert profile.static == ("country",)


def test_declared_leaks_are_warned_about(tmp_path: Path) -> None:
    profile = judged(tmp_path, Settings.model_construct(profile=Profile(static=("country", "mood", "plan_tier"))))
    assert by_column(profile)["mood"].use == by_column(profile)["plan_tier"].use == "declared"
    (warning,) = declared_leaks(profile)
    assert "mood" in warning
    assert "AUC" in warning


def test_labels_that_date_the_profile_leave_all_but_leaks(tmp_path: Path) -> None:
    profile = judged(tmp_path, Settings.model_construct(features=Features(exclude=("mood",))), dated=True)
    uses = {name: each.use for name, each in by_column(profile).items()}
    assert uses["plan_tier"] == "used by the labels' date"
    assert uses["mood"] == "excluded"
    assert set(profile.exclude) == {"account_key", "customer_no", "town", "reason_given", "mood", "churn_flag", "cltv"}


def test_without_labels_names_and_figures_speak(tmp_path: Path) -> None:
    profile = judged(tmp_path, Settings.model_construct(), labels=LABELS.head(0))
    assert all(each.auc is None for each in profile.columns)
    assert profile.auc_note == "no AUC: 2026-01-01"
    assert "label-like" in by_column(profile)["churn_flag"].marks


@pytest.mark.parametrize("sign", [1, -1])
def test_auc_of_a_number_has_no_direction(sign: int) -> None:
    measured = CHURNED * 2 + pl.Series(np.linspace(0, 1, N))  # too many values to be a category
    assert single_auc(sign * measured, CHURNED, pl.Series(IDS)) == 1.0


def test_a_level_of_its_own_for_every_customer_tells_nothing() -> None:
    assert single_auc(pl.Series(IDS), CHURNED, pl.Series(IDS)) == pytest.approx(0.5, abs=0.02)


def test_levels_that_hold_churners_tell() -> None:
    levels = CHURNED.replace_strict({1.0: "gone", 0.0: "here"}, return_dtype=pl.String)
    assert single_auc(levels, CHURNED, pl.Series(IDS)) == 1.0


def test_missing_values_tell_and_missing_labels_do_not_count() -> None:
    values = pl.Series([1.0 if churned else None for churned in CHURNED])
    assert single_auc(values, CHURNED, pl.Series(IDS)) == 1.0
    half = pl.Series([y if i < N // 2 else None for i, y in enumerate(CHURNED)])
    noise = pl.Series([y if i < N // 2 else 1 - y for i, y in enumerate(CHURNED)])
    assert single_auc(noise, half, pl.Series(IDS)) == 1.0


def test_keys_are_texts_or_whole_numbers_that_are_named_so() -> None:
    whole = pl.Series(range(100))
    assert "identifier-like" in suspicions("order_no", whole)
    assert "identifier-like" not in suspicions("income", whole * 137)
    assert "identifier-like" not in suspicions("code", whole.head(5).cast(pl.String))  # too few rows to say
    assert "identifier-like" in suspicions("anything", whole.cast(pl.String))


def test_many_levels_are_as_many_as_training_leaves_out() -> None:
    assert MANY_LEVELS == MOST_LEVELS


def test_a_customer_twice_counts_once(tmp_path: Path) -> None:
    twice = rows("customer_id country", *(("a", "DE"), ("a", "DE"), ("b", "FR")))
    opened = source(tmp_path, "duckdb", {"customers": twice})
    (country,) = profile_finding(
        opened.tables["customers"], LABELS.head(0), "", False, Settings.model_construct()
    ).columns
    assert country.known == 2
