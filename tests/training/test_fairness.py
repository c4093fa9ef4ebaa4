"""A group for which the model is much worse is found, and bad luck of a small one is not."""

import numpy as np
import polars as pl
import pytest

from training.fairness import groups, judge_groups
from training.metrics import roc_auc

RNG = np.random.default_rng(0)
N = 2000
REGION = np.array(["north", "south"])[(np.arange(N) % 2)]
P = RNG.uniform(0.05, 0.6, N)
Y = (RNG.random(N) < P).astype(float)
ROWS = pl.DataFrame(
    {"customer_id": [f"c{i}" for i in range(N)], "profile_region": REGION, "age": RNG.uniform(18, 80, N)}
)
DRAWS = 200


def found(p=P, columns=("region",), rows=ROWS, y=Y, **sizes):
    return groups(rows, columns, y, p, draws=DRAWS, **sizes)


def of(level, all_of_them):
    return next(group for group in all_of_them if group.level == level)


def test_a_fair_model_passes():
    judged = found()
    assert judge_groups(judged, ["region"]).refusals == ()
    north = of("north", judged)
    inside = REGION == "north"
    assert (north.rows, north.churners) == (1000, int(Y[inside].sum()))
    assert north.roc_auc == pytest.approx(roc_auc(Y[inside], P[inside]))
    assert north.excess == pytest.approx(P[inside].mean() - Y[inside].mean())
    assert north.auc_gap.estimate == pytest.approx(roc_auc(Y[inside], P[inside]) - roc_auc(Y[~inside], P[~inside]))
    assert north.auc_gap.low < north.auc_gap.estimate < north.auc_gap.high


def test_a_region_ranked_at_random_is_refused_with_its_number():
    noise = np.where(REGION == "south", RNG.permutation(P), P)
    (refusal,) = judge_groups(found(noise), ["region"]).refusals
    assert [word for word in ("region = south", "ROC AUC", "at least -0.1", "max_auc_gap") if word not in refusal] == []


def test_a_region_whose_risk_is_overstated_is_refused():
    over = np.where(REGION == "south", P + 0.25, P)
    refusals = judge_groups(found(over), ["region"]).refusals
    assert len(refusals) == 2  # the one is as far off the other as the other is off the one
    assert all("mean probability" in refusal and "at most 0.1" in refusal for refusal in refusals)
    assert judge_groups(found(over), ["region"], max_calibration_gap=0.3).refusals == ()


def test_a_small_group_is_not_known_and_does_not_refuse():
    few = ROWS.with_columns(profile_region=pl.Series(["isle"] * 30 + REGION[30:].tolist()))
    noise = np.where(few["profile_region"] == "isle", 1 - P, P)
    verdict = judge_groups(found(noise, rows=few), ["region"])
    assert verdict.refusals == ()
    (note,) = verdict.notes
    assert "isle" in note
    assert "30 rows" in note
    assert "not known" in note


def test_too_few_churners_make_a_group_unknown():
    y = np.where(REGION == "south", 0.0, Y)
    assert {group.level: group.auc_gap is None for group in found(y=y)} == {"north": True, "south": True}


def test_a_column_that_is_not_there_refuses():
    (refusal,) = judge_groups(found(columns=("region", "gender")), ["region", "gender"]).refusals
    assert "'gender'" in refusal
    assert judge_groups((), []).refusals == ()


def test_numbers_are_cut_at_their_quartiles_and_nulls_are_a_group():
    rows = ROWS.with_columns(pl.when(pl.int_range(pl.len()) >= 200).then("age").alias("age"))
    judged = found(columns=("age",), rows=rows)
    assert sorted(group.rows for group in judged) == [200, 450, 450, 450, 450]
    assert of("unknown", judged).rows == 200
