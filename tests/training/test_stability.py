"""One test cut-off after the other: a good mean hides no bad month."""

import datetime as dt

import pytest

from training.bootstrap import Interval
from training.reports import RECENCY, CutoffScore
from training.stability import judge_stability

NOTHING = Interval(estimate=None, low=None, high=None)


def at(month, auc=(0.7, 0.9), gap=(-0.01, 0.1), churners=60):
    """A cut-off with the bounds of its ROC AUC and of model − rule."""
    between = NOTHING if gap is None else Interval(estimate=sum(gap) / 2, low=gap[0], high=gap[1])
    return CutoffScore(
        as_of=dt.date(2026, month, 1),
        rows=900,
        churners=churners,
        roc_auc=NOTHING if auc is None else Interval(estimate=sum(auc) / 2, low=auc[0], high=auc[1]),
        calibration_error=NOTHING,
        baselines={},
        differences={RECENCY: between},
    )


def test_steady_cut_offs_pass():
    verdict = judge_stability([at(1), at(2), at(3)], RECENCY, 0.1)
    assert (verdict.refusals, verdict.notes) == ((), ())


@pytest.mark.parametrize("high", [-0.0001, -0.2])
def test_one_cut_off_surely_worse_than_the_rule_refuses_however_good_the_others(high):
    (refusal,) = judge_stability([at(1, gap=(0.1, 0.2)), at(2, gap=(-0.3, high)), at(3)], RECENCY, 0.1).refusals
    assert "2026-02-01" in refusal
    assert f"{high:+.4f}" in refusal
    assert "at least 0" in refusal


def test_perhaps_worse_is_not_surely_worse():
    assert judge_stability([at(1, gap=(-0.3, 0.0))], RECENCY, 0.1).refusals == ()


def test_an_auc_that_surely_moves_more_than_the_bound_refuses():
    (refusal,) = judge_stability([at(1, auc=(0.85, 0.95)), at(2, auc=(0.6, 0.7))], RECENCY, 0.1).refusals
    assert [
        word for word in ("0.700", "2026-02-01", "0.850", "2026-01-01", "0.150", "at most 0.1") if word not in refusal
    ] == []
    assert judge_stability([at(1, auc=(0.85, 0.95)), at(2, auc=(0.6, 0.76))], RECENCY, 0.1).refusals == ()
    assert judge_stability([at(1, auc=(0.85, 0.95)), at(2, auc=(0.6, 0.7))], RECENCY, 0.2).refusals == ()


def test_a_cut_off_that_cannot_be_judged_is_noted_and_none_that_can_refuses():
    verdict = judge_stability([at(1), at(2), at(3, auc=None, gap=None, churners=1)], RECENCY, 0.1)
    assert verdict.refusals == ()
    assert "2026-03-01" in verdict.notes[0]
    assert "1 churners" in verdict.notes[0]
    assert judge_stability([at(3, auc=None, gap=None, churners=1)], RECENCY, 0.1).refusals
    assert judge_stability([], RECENCY, 0.1).refusals
    assert judge_stability([at(1)], "base rate", 0.1).refusals  # compared with another rule


def test_one_cut_off_says_so():
    (note,) = judge_stability([at(1)], RECENCY, 0.1).notes
    assert "one test cut-off only" in note


def test_an_unknown_auc_refuses():
    assert "unknown" in judge_stability([at(1), at(2, auc=None)], RECENCY, 0.1).refusals[0]
