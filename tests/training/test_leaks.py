"""Leaks are found, and what only looks like one is not."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from features.build import Fitted, build, build_many, steady
from features.clock import DAY, micros
from models.manifest import FeatureColumn
from tests.company import shop
from tests.literal import source
from training.feature_strength import strengths
from training.leaks import audit, changed, rises, too_good, too_strong
from training.metrics import roc_auc

T = micros(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
LATER = T + 90 * DAY


def people(n=2000, share=0.2, seed=0, as_of=T):
    """Rows of `n` customers at one cut-off, a `share` of them churned."""
    rng = np.random.default_rng(seed)
    churned = (rng.random(n) < share).astype(float)
    return pl.DataFrame({"customer_id": [f"c{i}" for i in range(n)], "as_of": as_of, "churned": churned})


def number(name):
    return FeatureColumn(name=name)


def alone(rows, values, name="x"):
    column = pl.Series(name, values, strict=False)
    kind = "category" if column.dtype == pl.String else "number"
    return strengths(rows.with_columns(column), [FeatureColumn(name=name, kind=kind)])[name].auc


def test_a_number_that_ranks_churners_is_worth_its_auc():
    rows = people()
    y, rng = rows["churned"].to_numpy(), np.random.default_rng(1)
    x = rng.normal(size=len(y)) + y
    assert alone(rows, x) == pytest.approx(roc_auc(y, x), abs=0.02)
    assert alone(rows, -x) == pytest.approx(roc_auc(y, x), abs=0.02)  # whichever way it points


def test_a_number_that_is_null_for_churners_or_says_so_in_its_middle_is_found():
    rows = people()
    y, rng = rows["churned"].to_numpy(), np.random.default_rng(1)
    x = rng.normal(size=len(y))
    assert alone(rows, [None if left else v for left, v in zip(y, x, strict=True)]) > 0.99
    assert alone(rows, [None if left else 0.0 for left in y]) > 0.99
    assert alone(rows, np.where(y == 1, 0.0, np.sign(x) * (1 + abs(x)))) > 0.95


def test_a_text_is_worth_the_churn_rate_of_its_levels_among_others():
    rows = people()
    y, rng = rows["churned"].to_numpy(), np.random.default_rng(1)
    assert alone(rows, np.where(y == 1, "closed", "open")) > 0.99
    assert abs(alone(rows, rng.choice(["a", "b", "c"], len(y))) - 0.5) < 0.05


def test_a_key_is_worth_nothing_though_it_names_every_churner():
    rows = people()
    assert alone(rows, rows["customer_id"].to_list()) == pytest.approx(0.5, abs=0.05)
    few = [f"k{i // 2}" for i in range(rows.height)]  # two customers a level
    assert alone(rows, few) < 0.6


def test_noise_on_few_churners_stays_below_the_bound():
    rows, rng = people(300, 0.05), np.random.default_rng(2)
    columns = {f"x{i}": rng.normal(size=300) for i in range(60)}
    found = strengths(rows.with_columns(**{k: pl.Series(v) for k, v in columns.items()}), [number(k) for k in columns])
    assert max(each.auc for each in found.values()) < 0.8


def test_the_finding_names_feature_number_and_bound():
    (finding,) = too_strong({"satisfaction": 0.953, "contract": 0.76}, 0.9)
    assert (finding.test, finding.feature, finding.found, finding.bound) == ("alone", "satisfaction", 0.953, 0.9)
    assert "satisfaction" in finding.why
    assert "0.953" in finding.why
    assert "at most 0.9" in finding.why


def test_an_unknown_strength_is_a_finding():
    assert too_strong({"x": None})
    one_class = people(share=0.0).with_columns(x=pl.lit(1.0))
    assert np.isnan(strengths(one_class, [number("x")])["x"].auc)


def test_a_score_too_good_to_be_true():
    y = np.array([1.0] * 20 + [0.0] * 80)
    perfect = np.linspace(1, 0, 100)
    (finding,) = too_good(y, perfect)
    assert (finding.test, finding.found) == ("score", 1.0)
    assert not too_good(y, np.roll(perfect, 10))
    assert not too_good(y[18:], perfect[18:])  # two churners: luck
    assert too_good(np.zeros(5), np.zeros(5))[0].found is None


@pytest.fixture(scope="module")
def bought(tmp_path_factory):
    """Features of a shop at T as used and as rebuilt from what was there at T, and the opened source."""
    opened = source(tmp_path_factory.mktemp("shop"), "polars", {"transactions": shop(customers=60, end="2026-08-01")})
    fitted = Fitted()
    (used,) = build_many(opened.tables, [T], fitted)
    rebuilt = steady(build(opened.until(T).tables, T, fitted))
    return steady(used).with_columns(as_of=pl.lit(T, pl.Int64)), rebuilt, opened


def test_features_of_the_past_do_not_change_when_the_future_goes(bought):
    used, rebuilt, _ = bought
    names = [name for name in rebuilt.columns if name != "customer_id"]
    assert changed(used, rebuilt, T, names) == ()


def test_a_feature_computed_with_later_rows_is_found(bought):
    used, rebuilt, opened = bought
    rows = opened.tables["transactions"].collect(backend="polars").to_native()
    month = rows.filter(pl.col("occurred_at") < T + 30 * DAY, pl.col("occurred_at") >= T - 60 * DAY)
    late = month.group_by("customer_id").agg(rfm_orders_count_90d=pl.len().cast(pl.Float64))
    leaky = used.drop("rfm_orders_count_90d").join(late, on="customer_id", how="left")
    (finding,) = changed(leaky, rebuilt, T, ["rfm_orders_count_90d", "rfm_recency_days"])
    assert (finding.test, finding.feature, finding.bound) == ("rebuilt", "rfm_orders_count_90d", 0.0)
    assert "2026-03-01" in finding.why


def test_a_feature_that_cannot_be_rebuilt_and_a_customer_who_is_not_known_then_are_found(bought):
    used, rebuilt, _ = bought
    assert changed(used, rebuilt.drop("rfm_amount_sum"), T, ["rfm_amount_sum"])
    assert changed(used, rebuilt.head(rebuilt.height - 1), T, ["rfm_amount_sum"])


def test_rounding_is_no_change():
    used = pl.DataFrame({"customer_id": ["a", "b", "c"], "as_of": T, "x": [1e6, 0.0, None]})
    near = used.with_columns(x=pl.Series([1e6 + 1e-3, 1e-3, None])).drop("as_of")
    assert changed(used, near, T, ["x"]) == ()
    assert changed(used, near.with_columns(x=pl.Series([1e6, 0.0, 0.0])), T, ["x"])[0].found == 1.0
    assert changed(used, near.with_columns(x=pl.Series([1e6 + 10, 0.0, None])), T, ["x"])[0].found == 1.0


def two_periods(n=3000, back=0.5, seed=0):
    """The same customers at two cut-offs; of those who churned at the first, a share `back` came back."""
    rng = np.random.default_rng(seed)
    hazard = rng.choice([0.15, 0.35], n)
    early = people(n).with_columns(churned=pl.Series((rng.random(n) < hazard).astype(float)), hazard=hazard)
    there = (early["churned"].to_numpy() == 0) | (rng.random(n) < back)
    late = early.filter(there).with_columns(as_of=pl.lit(LATER, pl.Int64))
    late = late.with_columns(churned=pl.Series((rng.random(late.height) < late["hazard"].to_numpy()).astype(float)))
    gone = {**dict.fromkeys(early["customer_id"], 1.0), **dict(zip(late["customer_id"], late["churned"], strict=True))}
    wrong = dict(zip(early["customer_id"], rng.random(n) < 0.2, strict=True))
    rows = pl.concat([early, late])
    ids = rows["customer_id"].to_list()
    return rows.with_columns(
        profile_status=pl.Series(["inactive" if gone[c] else "active" for c in ids]),
        profile_noisy=pl.Series([float(gone[c] != wrong[c]) for c in ids]),
        profile_contract=pl.col("hazard"),
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_static_column_written_after_churn_rises_and_one_that_was_always_true_does_not(seed):
    rows = two_periods(seed=seed)
    columns = [
        FeatureColumn(name="profile_status", kind="category"),
        number("profile_noisy"),
        number("profile_contract"),
    ]
    findings, notes = rises(rows, columns)
    assert {finding.feature for finding in findings} == {"profile_status", "profile_noisy"}
    assert notes == ()


def test_a_single_cut_off_says_what_it_cannot_test():
    findings, notes = rises(people().with_columns(profile_x=1.0), [number("profile_x")])
    assert findings == ()
    assert "profile_x" in notes[0]
    assert rises(people(), []) == ((), ())


def test_the_audit_gathers_all_and_trusts_what_it_is_told_to():
    rows = people().with_columns(notice=pl.col("churned"), x=pl.Series(np.random.default_rng(3).normal(size=2000)))
    columns, p = [number("notice"), number("x")], rows["x"].to_numpy()
    rebuilt = {T: rows.drop("as_of", "churned")}
    found = audit(rows, rows, p, columns, rows, rebuilt)
    assert [finding.feature for finding in found.findings] == ["notice"]
    assert list(found.alone) == ["notice", "x"]
    assert found.notes == ()
    assert audit(rows, rows, p, columns, rows, rebuilt, trusted=["notice"]).findings == ()
    assert audit(rows, rows, p, columns, rows, {}, trusted=["notice"]).notes != ()
