"""The gate passes only what is known to be good enough."""

import pytest
from pydantic import ValidationError

from features.errors import RemoraError
from features.settings import Gate
from training.bootstrap import Interval
from training.evaluate import BASE_RATE, COMPOSITE, LATER_PERIOD, RECENCY, ChurnReport, ChurnScore
from training.gate import GateDecision, TooFewChurners, gate, require_churners

AUC = Interval(estimate=0.8, low=0.7, high=0.9)


def score(low=None, error=None):
    gap = None if low is None else Interval(estimate=low + 0.1, low=low, high=low + 0.2)
    return ChurnScore(
        roc_auc=AUC, difference=gap, calibration_error=error, average_precision=None, lift_top_decile=None
    )


def report(low=0.02, error=0.05, rule=RECENCY):
    baselines = {COMPOSITE: score(low=0.3), **({rule: score(low=low)} if rule else {})}
    return ChurnReport(
        split=LATER_PERIOD,
        rows=100,
        customers=100,
        churners=20,
        model=score(error=error),
        baselines=baselines,
        reliability=(),
    )


@pytest.mark.parametrize("rule", [RECENCY, BASE_RATE])
def test_passes_at_the_bounds(rule):
    assert gate(report(low=1e-6, error=0.1, rule=rule), 50, Gate()) == GateDecision(True, ())


@pytest.mark.parametrize(
    ("changed", "churners", "words"),
    [
        ({"low": 0.0}, 50, ["recency rule", "+0.0000", "above 0"]),
        ({"low": -0.0123}, 50, ["recency rule", "-0.0123"]),
        ({"low": None}, 50, ["recency rule", "unknown"]),
        ({"low": -0.0123, "rule": BASE_RATE}, 50, ["base rate", "-0.0123"]),
        ({"rule": None}, 50, ["no recency rule"]),
        ({}, 49, ["49", "at least 50", "min_churners"]),
        ({"error": 0.1001}, 50, ["0.1001", "at most 0.1"]),
        ({"error": None}, 50, ["calibration error", "unknown"]),
    ],
)
def test_refuses_with_the_number_and_the_bound(changed, churners, words):
    decision = gate(report(**changed), churners, Gate())
    assert not decision.passed
    (refusal,) = decision.refusals
    assert [word for word in words if word not in refusal] == []


def test_unknown_bounds_of_a_known_difference_refuse():
    scores = report()
    gap = Interval(estimate=0.1, low=None, high=None)
    rule = scores.baselines[RECENCY].model_copy(update={"difference": gap})
    assert not gate(scores.model_copy(update={"baselines": {RECENCY: rule}}), 50, Gate()).passed


def test_nan_refuses_even_where_it_slipped_past_validation():
    nan = float("nan")
    slipped = report().model_copy(update={"model": score().model_copy(update={"calibration_error": nan})})
    assert not gate(slipped, 50, Gate()).passed
    with pytest.raises(ValidationError):
        Interval(estimate=nan, low=nan, high=nan)


def test_all_refusals_come_at_once():
    assert len(gate(report(low=-1, error=0.5), 3, Gate()).refusals) == 3


def test_the_settings_decide():
    assert gate(report(error=0.2), 10, Gate(min_churners=10, max_calibration_error=0.2)).passed


def test_too_few_churners_stop_before_fitting():
    require_churners(50, 50)
    with pytest.raises(TooFewChurners, match=r"refused: 12 churners of the 50 needed") as raised:
        require_churners(12, 50)
    assert isinstance(raised.value, RemoraError)
    assert "rules alone" in raised.value.problems[0]
