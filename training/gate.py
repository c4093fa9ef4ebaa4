"""The gate: which candidates may be promoted. What is not known refuses."""

from dataclasses import dataclass

from features.errors import RemoraError
from features.settings import Gate
from training.evaluate import ChurnReport


class TooFewChurners(RemoraError):
    """There is not enough to learn from, so nothing was fitted."""


@dataclass(frozen=True)
class GateDecision:
    """`refusals` is empty exactly when the candidate passed; each names its number and its bound."""

    passed: bool
    refusals: tuple[str, ...]


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


def gate(report: ChurnReport, training_churners: int, settings: Gate) -> GateDecision:
    """Promote only what beats the recency rule for sure, learnt from enough churners, and is calibrated."""
    checks = (
        _beats_the_rule(report),
        _enough_churners(training_churners, settings.min_churners),
        _calibrated(report.model.calibration_error, settings.max_calibration_error),
    )
    refusals = tuple(refusal for refusal in checks if refusal)
    return GateDecision(passed=not refusals, refusals=refusals)


def _beats_the_rule(report: ChurnReport) -> str | None:
    if report.rule is None:
        return "the report has no recency rule to compare with; evaluate the model with its baselines"
    gap = report.baselines[report.rule].difference
    low = None if gap is None else gap.low
    if low is not None and low > 0:
        return None
    found = "unknown" if low is None else f"{low:+.4f}"
    return f"ROC AUC over the {report.rule}: lower bound of the paired 90 % interval is {found}, must be above 0"


def _enough_churners(churners: int, needed: int) -> str | None:
    if churners >= needed:
        return None
    return f"churners in training: {churners:,}, must be at least {needed:,} ([gate] min_churners)"


def _calibrated(error: float | None, bound: float) -> str | None:
    if error is not None and error <= bound:
        return None
    found = "unknown" if error is None else f"{error:.4f}"
    return f"calibration error is {found}, must be at most {bound:g} ([gate] max_calibration_error)"
