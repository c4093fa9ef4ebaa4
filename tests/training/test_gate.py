"""Nothing passes the gate that is not known to be good, and every refusal names its number and its bound."""

import dataclasses
import datetime as dt

import pytest
from pydantic import ValidationError

from features.errors import RemoraError
from training.bootstrap import Interval
from training.champion import Comparison
from training.fairness import Group
from training.gate import Bounds, Evidence, GateDecision, TooFewChurners, decide, require_both, require_churners
from training.leaks import LeakAudit, too_strong
from training.reports import (
    BASE_RATE,
    COMPOSITE,
    LATER_PERIOD,
    NOT_LATER,
    RECENCY,
    ChurnReport,
    ChurnScore,
    CutoffScore,
)

UNKNOWN = Interval(estimate=None, low=None, high=None)
AUC = Interval(estimate=0.8, low=0.75, high=0.85)


def around(low, width=0.2):
    return UNKNOWN if low is None else Interval(estimate=low + width / 2, low=low, high=low + width)


def score(low=None, error=None, auc=AUC):
    return ChurnScore(
        roc_auc=auc, difference=around(low), calibration_error=error, average_precision=None, lift_top_decile=None
    )


def report(low=0.02, error=0.05, rule=RECENCY, auc=AUC, churners=20, split=LATER_PERIOD):
    baselines = {COMPOSITE: score(low=0.3), **({rule: score(low=low)} if rule else {})}
    model = score(error=error, auc=auc)
    return ChurnReport(
        split=split, split_reason="no room", rows=100, customers=100, churners=churners, model=model,
        baselines=baselines, reliability=(),
    )  # fmt: skip


def cutoff(month=1, low=0.01, rule=RECENCY):
    return CutoffScore(
        as_of=dt.date(2026, month, 1), rows=100, churners=20, roc_auc=AUC, calibration_error=UNKNOWN, baselines={},
        differences={rule: around(low)},
    )  # fmt: skip


def good(**changed):
    """Evidence against which nothing speaks, but for what is `changed`."""
    whole = {
        "report": report(), "training_churners": 50, "leaks": LeakAudit(findings=()), "champion": None,
        "stability": (cutoff(1), cutoff(2)),
    }  # fmt: skip
    return Evidence(**(whole | changed))


def champion(low, note="", rows=500):
    return Comparison(champion="2026-01-01.ab", difference=around(low, 0.02), rows=rows, note=note)


def test_what_nothing_speaks_against_passes_without_a_word():
    assert decide(good(), Bounds()) == GateDecision(True, (), ())


@pytest.mark.parametrize(
    "changed",
    [
        {"report": report(low=1e-6, error=0.1)},
        {
            "report": report(low=1e-6, rule=BASE_RATE),
            "stability": (cutoff(1, rule=BASE_RATE), cutoff(2, rule=BASE_RATE)),
        },
        {"champion": champion(-0.0199)},
        {"report": report(churners=10)},
        {"report": report(churners=90)},
    ],
)
def test_passes_at_the_bounds(changed):
    assert decide(good(**changed), Bounds()) == GateDecision(True, (), ())


REFUSED = [
    ({"report": report(low=0.0)}, ["recency rule", "+0.0000", "above 0"]),
    ({"report": report(low=-0.0123)}, ["recency rule", "-0.0123"]),
    ({"report": report(low=None)}, ["recency rule", "unknown"]),
    ({"report": report(error=0.1001)}, ["0.1001", "at most 0.1", "max_calibration_error"]),
    ({"report": report(error=None)}, ["calibration error", "unknown"]),
    ({"report": report(auc=Interval(estimate=0.6, low=0.54, high=0.66))}, ["0.4873", "above 0.5", "1,000"]),
    ({"report": report(auc=UNKNOWN)}, ["ROC AUC", "unknown"]),
    ({"report": report(churners=9)}, ["9", "at least 10"]),
    ({"report": report(churners=91)}, ["9", "at least 10"]),
    ({"training_churners": 49}, ["49", "at least 50", "min_churners"]),
    (
        {"champion": champion(-0.02)},
        ["champion 2026-01-01.ab", "-0.0200", "500 rows", "above -0.02", "champion_margin"],
    ),
    (
        {"champion": Comparison(champion="old", difference=UNKNOWN, rows=0, note="of schema 1")},
        ["unknown", "of schema 1"],
    ),
    ({"leaks": None}, ["not audited"]),
    ({"leaks": LeakAudit(findings=too_strong({"score": 0.95}))}, ["leak: score", "0.950", "at most 0.9"]),
    ({"stability": ()}, ["stability", "no test cut-off"]),
    ({"stability": (cutoff(1), cutoff(2, low=-0.3))}, ["2026-02-01", "-0.1000", "at least 0"]),
    ({"stability": (cutoff(1, low=None),)}, ["stability"]),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_refuses_with_the_number_and_the_bound(changed, words):
    decision = decide(good(**changed), Bounds())
    assert not decision.passed
    (refusal,) = decision.refusals
    assert [word for word in words if word not in refusal] == []


def test_a_report_without_a_rule_refuses():
    assert any("no recency rule" in each for each in decide(good(report=report(rule=None)), Bounds()).refusals)


def test_a_group_much_worse_off_and_a_column_not_found_refuse():
    worse = Group(column="region", level="south", rows=500, churners=90, auc_gap=around(-0.4), excess_gap=around(-0.1))
    refusals = decide(good(groups=(worse,)), Bounds(fair_to=("region", "sex"))).refusals
    assert ["region" in refusals[1], "'sex'" in refusals[0], len(refusals)] == [True, True, 2]


def test_unknown_bounds_of_a_known_difference_refuse():
    gap = Interval(estimate=0.1, low=None, high=None)
    rule = report().baselines[RECENCY].model_copy(update={"difference": gap})
    assert not decide(good(report=report().model_copy(update={"baselines": {RECENCY: rule}})), Bounds()).passed
    assert not decide(good(champion=Comparison(champion="c", difference=gap, rows=9)), Bounds()).passed


def test_nan_refuses_even_where_it_slipped_past_validation():
    nan = float("nan")
    slipped = Interval(estimate=0.1, low=0.1, high=0.1).model_copy(update={"low": nan, "high": nan})
    error = report().model_copy(update={"model": score().model_copy(update={"calibration_error": nan})})
    auc = report().model_copy(update={"model": score(error=0.05).model_copy(update={"roc_auc": slipped})})
    group = Group(column="a", level="b", rows=500, churners=90, auc_gap=slipped, excess_gap=around(-0.1))
    at = cutoff(1).model_copy(update={"differences": {RECENCY: slipped}})
    for changed in (
        {"report": error}, {"report": auc}, {"stability": (at, cutoff(2))}, {"groups": (group,)},
        {"champion": champion(0.0).model_copy(update={"difference": slipped})},
    ):  # fmt: skip
        assert not decide(good(**changed), Bounds()).passed, changed
    with pytest.raises(ValidationError):
        Interval(estimate=nan, low=nan, high=nan)


def test_all_refusals_come_at_once():
    everything = {}
    for changed, _ in (REFUSED[1], REFUSED[9], REFUSED[10], REFUSED[12], REFUSED[14]):
        everything |= changed
    assert len(decide(good(**everything), Bounds()).refusals) == 5


def test_what_could_not_be_tested_is_said():
    evidence = good(
        report=report(split=NOT_LATER), stability=(cutoff(1),), leaks=LeakAudit(findings=(), notes=("one cut-off",)),
        champion=champion(0.0, note="on the customers that no model learns from"),
        groups=(Group(column="region", level="isle", rows=3, churners=1),),
    )  # fmt: skip
    decision = decide(evidence, Bounds(fair_to=("region",)))
    assert decision.passed
    told = " | ".join(decision.notes)
    wanted = [f"{NOT_LATER}: no room", "no model learns from", "one test cut-off only", "one cut-off", "isle"]
    assert [word for word in wanted if word not in told] == []


def test_the_bounds_decide():
    evidence = good(report=report(error=0.2), training_churners=10, champion=champion(-0.04))
    assert not decide(evidence, Bounds()).passed
    assert decide(evidence, Bounds(min_churners=10, max_calibration_error=0.2, champion_margin=0.05)).passed
    strict = dataclasses.replace(Bounds(), champion_margin=0.0)  # surely better
    assert not decide(good(champion=champion(0.0)), strict).passed
    assert decide(good(champion=champion(0.001)), strict).passed


def test_too_few_churners_stop_before_fitting():
    require_churners(50, 50)
    require_both(1, 1)
    with pytest.raises(TooFewChurners, match=r"refused: 12 churners of the 50 needed") as raised:
        require_churners(12, 50)
    assert isinstance(raised.value, RemoraError)
    assert "rules alone" in raised.value.problems[0]
    with pytest.raises(TooFewChurners, match="one class"):
        require_both(60, 0)
