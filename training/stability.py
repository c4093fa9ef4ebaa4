"""Does the model hold from one test cut-off to the next? A mean over cut-offs can hide one on which it failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.reports import CutoffScore

MAX_AUC_SPREAD = 0.1
"""How far two cut-offs' ROC AUC may surely lie apart ([gate] max_auc_spread).

Sure means beyond both intervals: with 30 churners a cut-off AUC is known to ± 0.08, and noise must not refuse. In
online_retail_2 the AUC of one recipe moves by 0.03 over the seasons.
"""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `refusals` forbid, `notes` only tell. Each names its number and its bound."""

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def judge_stability(cutoffs: Sequence[CutoffScore], rule: str, max_auc_spread: float = MAX_AUC_SPREAD) -> Verdict:
    """Refuse where the model is surely worse than the `rule` at any cut-off, or where its AUC surely moves too far.

    A cut-off with too few churners for an interval is noted; that none can be judged refuses.
    """
    known = [row for row in cutoffs if _high(row, rule) is not None]
    if not known:
        return Verdict((f"stability: no test cut-off could be compared with the {rule} by itself",))
    notes = [
        f"stability: {row.as_of}: {row.churners:,} churners in {row.rows:,} rows, not enough to judge it alone"
        for row in cutoffs
        if row not in known
    ]
    if len(known) == 1:
        notes.append(f"stability: judged at one test cut-off only ({known[0].as_of})")
    return Verdict((*_worse_than_the_rule(known, rule), *_moves(known, max_auc_spread)), tuple(notes))


def _worse_than_the_rule(known: Sequence[CutoffScore], rule: str) -> list[str]:
    return [
        f"ROC AUC over the {rule} at {row.as_of}: upper bound of the paired 90 % interval is {high:+.4f}, must be at "
        "least 0"
        for row in known
        if (high := _high(row, rule)) is not None and not high >= 0
    ]


def _moves(known: Sequence[CutoffScore], bound: float) -> list[str]:
    """The distance that the intervals of the best and the worst cut-off leave between them."""
    lows = [(row.roc_auc.low, row.as_of) for row in known if row.roc_auc.low is not None]
    highs = [(row.roc_auc.high, row.as_of) for row in known if row.roc_auc.high is not None]
    if len(lows) < len(known) or len(highs) < len(known):
        return ["stability: the ROC AUC at a test cut-off is unknown"]
    (low, best), (high, worst) = max(lows), min(highs)
    if low - high <= bound:
        return []
    return [
        f"stability: ROC AUC is at most {high:.3f} at {worst} and at least {low:.3f} at {best}: surely "
        f"{low - high:.3f} apart, must be at most {bound:g} ([gate] max_auc_spread)"
    ]


def _high(row: CutoffScore, rule: str) -> float | None:
    """Upper bound of model − rule in ROC AUC."""
    return row.differences[rule].high if rule in row.differences else None
