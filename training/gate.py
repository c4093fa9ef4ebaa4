"""The gate: which candidates may be promoted. What is not known refuses.

A candidate passes when it is surely better than chance and than the recency rule, surely not worse than the champion
by more than a margin (`training.champion` says why a margin), learnt from enough churners, calibrated, at no test
cut-off surely worse than the rule (`training.stability`), free of leaks (`training.leaks`) and not much worse for any
group of customers (`training.fairness`). What history is too short to test is not refused but noted, next to the
decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from features.errors import RemoraError
from training.champion import CHAMPION_MARGIN, Comparison
from training.fairness import MAX_AUC_GAP, MAX_CALIBRATION_GAP, Group, judge_groups
from training.leaks import LeakAudit
from training.reports import NOT_LATER, ChurnReport, CutoffScore
from training.stability import MAX_AUC_SPREAD, judge_stability

BEYOND_CHANCE, ONE_IN_TWENTY = 3.09, 1.645
"""Standard errors above chance that are asked for (1 noise in 1,000), and those of a 90 % interval's lower bound.

The gate is asked again at every retraining: with one chance in twenty, noise would pass in the second year. Of 20
shuffles of online_retail_2's labels 3 were surely above the recency rule by its 90 % interval, none above this bound.
"""


FEWEST_TESTED = 10
"""Churners, and stayers, on the test rows: the bootstrap of fewer draws the same few again and calls it sure."""


class TooFewChurners(RemoraError):
    """There is not enough to learn from, so nothing was fitted."""


@dataclass(frozen=True)
class GateDecision:
    """`refusals` is empty exactly when the candidate passed; each names its number and its bound.

    `notes` say what could not be tested.
    """

    passed: bool
    refusals: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that is known about a candidate.

    `leaks`: None is "not audited". `champion`: None is "there is none". `stability`: test cut-offs one by one.
    `groups`: every level of `[fairness] columns`.
    """

    report: ChurnReport
    training_churners: int
    leaks: LeakAudit | None
    champion: Comparison | None
    stability: tuple[CutoffScore, ...]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Bounds:
    """What `[gate]` and `[fairness]` set; `fair_to` are the columns of the latter."""

    min_churners: int = 50
    max_calibration_error: float = 0.1
    champion_margin: float = CHAMPION_MARGIN
    max_auc_spread: float = MAX_AUC_SPREAD
    fair_to: tuple[str, ...] = ()
    max_auc_gap: float = MAX_AUC_GAP
    max_calibration_gap: float = MAX_CALIBRATION_GAP


def require_both(churners: int, stayers: int) -> None:
    """Raise TooFewChurners before fitting where training has only one class."""
    if min(churners, stayers) == 0:
        raise TooFewChurners(
            f"refused: {churners:,} churners and {stayers:,} who stayed in training: with one class there is nothing "
            "to tell apart; check the [churn] definition, or score by the rules alone, which need no model"
        )


def require_churners(churners: int, needed: int) -> None:
    """Raise TooFewChurners before fitting where training has fewer than `needed` churners."""
    if churners < needed:
        raise TooFewChurners(
            f"refused: {churners:,} churners of the {needed:,} needed to train; bring more history, use a longer "
            "[churn] horizon_days or more [snapshots] count, or score by the rules alone, which need no model "
            "(lowering [gate] min_churners makes a model whose numbers mean little)"
        )


def decide(evidence: Evidence, bounds: Bounds) -> GateDecision:
    """Every refusal and every note that `evidence` gives reason for, all at once."""
    report, rule = evidence.report, evidence.report.rule
    stability = judge_stability(evidence.stability, rule or "recency rule", bounds.max_auc_spread)
    groups = judge_groups(evidence.groups, bounds.fair_to, bounds.max_auc_gap, bounds.max_calibration_gap)
    refusals = (
        *_enough_to_judge(report),
        *_beats_chance(report),
        *_beats_the_rule(report),
        *_not_worse_than(evidence.champion, bounds.champion_margin),
        *_enough_churners(evidence.training_churners, bounds.min_churners),
        *_calibrated(report.model.calibration_error, bounds.max_calibration_error),
        *stability.refusals,
        *_without_leaks(evidence.leaks),
        *groups.refusals,
    )
    notes = (*_period(report), *_compared(evidence.champion), *stability.notes, *_untested(evidence), *groups.notes)
    return GateDecision(passed=not refusals, refusals=refusals, notes=notes)


def _enough_to_judge(report: ChurnReport) -> Iterator[str]:
    fewer = min(report.churners, report.rows - report.churners)
    if fewer < FEWEST_TESTED:
        yield f"test rows of the rarer outcome (left or stayed): {fewer:,}, must be at least {FEWEST_TESTED}"


def _beats_chance(report: ChurnReport) -> Iterator[str]:
    found, low = report.model.roc_auc, None
    if found.estimate is not None and found.low is not None:
        low = found.estimate - (found.estimate - found.low) * BEYOND_CHANCE / ONE_IN_TWENTY
    if not (low is not None and low > 0.5):
        shown = "unknown" if low is None else f"{low:.4f}"
        yield f"ROC AUC: lower bound at one error in 1,000 is {shown}, must be above 0.5 (chance)"


def _beats_the_rule(report: ChurnReport) -> Iterator[str]:
    if report.rule is None:
        yield "the report has no recency rule to compare with; evaluate the model with its baselines"
        return
    gap = report.baselines[report.rule].difference
    low = None if gap is None else gap.low
    if not (low is not None and low > 0):
        found = f"lower bound of the paired 90 % interval is {_signed(low)}"
        yield f"ROC AUC over the {report.rule}: {found}, must be above 0"


def _not_worse_than(champion: Comparison | None, margin: float) -> Iterator[str]:
    if champion is None:
        return
    low = champion.difference.low
    if not (low is not None and low > -margin):
        yield (
            f"ROC AUC over the champion {champion.champion}: lower bound of the paired 90 % interval is {_signed(low)} "
            f"on {champion.rows:,} rows, must be above {-margin:g} ([gate] champion_margin)"
            + (f"; {champion.note}" if champion.note else "")
        )


def _enough_churners(churners: int, needed: int) -> Iterator[str]:
    if churners < needed:
        yield f"churners in training: {churners:,}, must be at least {needed:,} ([gate] min_churners)"


def _calibrated(error: float | None, bound: float) -> Iterator[str]:
    if not (error is not None and error <= bound):
        found = "unknown" if error is None else f"{error:.4f}"
        yield f"calibration error is {found}, must be at most {bound:g} ([gate] max_calibration_error)"


def _without_leaks(leaks: LeakAudit | None) -> Iterator[str]:
    if leaks is None:
        yield "leaks: the features were not audited"
        return
    for finding in leaks.findings:
        yield f"leak: {finding.why}"


def _period(report: ChurnReport) -> Iterator[str]:
    if report.split == NOT_LATER:
        yield f"{NOT_LATER}: {report.split_reason}".removesuffix(": ")


def _compared(champion: Comparison | None) -> Iterator[str]:
    if champion is not None and champion.note:
        yield f"champion {champion.champion}: {champion.note}"


def _untested(evidence: Evidence) -> Iterator[str]:
    for note in evidence.leaks.notes if evidence.leaks else ():
        yield f"leaks: {note}"


def _signed(number: float | None) -> str:
    return "unknown" if number is None else f"{number:+.4f}"
