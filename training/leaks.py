"""Does a feature know the answer? Four tests that a leak has to pass, each with its number and its bound.

alone     one feature by itself tells churners apart too well (ROC AUC of its churn rate by level, out of fold)
score     the model is too good to be true on the test rows
rebuilt   a value changes when the rows from the cut-off on are taken away: it was computed with the future
rises     a column that describes *today* tells the latest cut-off's churners apart much better than the earliest's:
          it was written in view of what happened in between (customers who left and came back, or left later, blur
          it at earlier cut-offs; what was true all along tells them apart alike)

Why these bounds. On data known to be clean the strongest feature alone reaches 0.77 (telco, contract), 0.74
(social_network) and 0.72 (online_retail_2), and the best honest model 0.91 (telco); on telco `satisfaction_score`
alone reaches 0.95, `churn_score` 0.94, and the model 0.99 with either. 0.9 and 0.98 stand between.
`rises`, tried on online_retail_2 from 2010-08 to 2011-04: a flag "gone today" goes from 0.66 to 0.99, the same with a
quarter of it wrong from 0.57 to 0.73, the day last seen from 0.84 to 0.99; what was true at the first order (amount,
weekday, lines, month) never by a sure 0.05, nor does any of the data sets' own features.
What no test here sees: a weak leak in a single snapshot; a total of today (0.81 to 0.85 there at every cut-off); and
rows entered later under an earlier date without a `recorded_at`. `remora check` suspects such columns by name.
`[gate] trusted_features` names what is known to precede the cut-off, such as a notice to cancel.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import moment
from models.manifest import FeatureColumn
from training.bootstrap import known
from training.feature_strength import strengths
from training.metrics import Values, roc_auc

MAX_FEATURE_AUC, MAX_AUC, MAX_RISE = 0.9, 0.98, 0.05
"""Bounds of `alone`, `score` and `rises`; the first two are settings of `[gate]`."""

ROUNDING = 1e-6
"""Of a value, or of the column's median where that is more: sums that cancel out keep no more digits."""
ENOUGH_CHURNERS = 10
"""Below so many churners an AUC near 1 may be luck, and the rise of one says nothing."""


class Finding(BaseModel):
    """A test that a feature (or the score: None) did not pass; `found` is None where it could not be computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    test: Literal["alone", "score", "rebuilt", "rises"]
    feature: str | None
    found: FiniteFloat | None
    bound: FiniteFloat
    why: str


class LeakAudit(BaseModel):
    """`findings` is empty exactly when nothing was found; `alone` is each feature's AUC by itself, strongest first.

    `notes` say what could not be tested.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    findings: tuple[Finding, ...]
    alone: dict[str, FiniteFloat | None] = {}
    notes: tuple[str, ...] = ()


def audit(
    training: pl.DataFrame,
    test: pl.DataFrame,
    p: Values,
    columns: Sequence[FeatureColumn],
    used: pl.DataFrame,
    rebuilt: Mapping[int, pl.DataFrame],
    static: Collection[str] = (),
    trusted: Collection[str] = (),
    max_feature_auc: float = MAX_FEATURE_AUC,
    max_auc: float = MAX_AUC,
) -> LeakAudit:
    """All four tests. `training`, `test`: rows at stake with customer_id, as_of, churned and the features.

    `p`: predictions of `test`, shape (rows,). `used`: rows of everyone (customer_id, as_of, features); `rebuilt`:
    cut-off → features built from tables that end there. `static`: features that describe today. `trusted`: features
    that `alone` and `rises` leave out.
    """
    doubted = [column for column in columns if column.name not in trusted]
    found = {name: known(strength.auc) for name, strength in strengths(training, doubted).items()}
    each = dict(sorted(found.items(), key=lambda item: -(item[1] or 0.0)))
    rising, notes = rises(pl.concat([training, test]), [column for column in doubted if column.name in static])
    findings = [
        *too_strong(each, max_feature_auc),
        *too_good(test["churned"].to_numpy(), p, max_auc),
        *(one for at, frame in rebuilt.items() for one in changed(used, frame, at, [c.name for c in columns])),
        *rising,
    ]
    if not rebuilt:
        notes = (*notes, "no cut-off was rebuilt without the rows after it")
    return LeakAudit(findings=tuple(findings), alone=each, notes=notes)


def too_strong(each: Mapping[str, float | None], bound: float = MAX_FEATURE_AUC) -> tuple[Finding, ...]:
    """A finding for each feature whose AUC alone is above `bound`, or unknown."""
    return tuple(
        Finding(
            test="alone", feature=name, found=auc, bound=bound,
            why=f"{name} alone tells churners apart with a ROC AUC of {_shown(auc)}, must be at most {bound:g}; leave "
            "it out ([features] exclude), or, where it is known before the cut-off, name it in [gate] trusted_features",
        )
        for name, auc in each.items()
        if auc is None or auc > bound
    )  # fmt: skip


def too_good(y: Values, p: Values, bound: float = MAX_AUC) -> tuple[Finding, ...]:
    """A finding where the AUC of `p` is above `bound` with at least ten churners, or unknown."""
    auc, churners = known(roc_auc(y, p)), int(np.sum(y))
    if auc is not None and (auc <= bound or churners < ENOUGH_CHURNERS):
        return ()
    why = (
        f"the model's ROC AUC of {_shown(auc)} is too good to be true, must be at most {bound:g} ([gate] max_auc); "
        "look for features that know the answer, together if not alone"
    )
    return (Finding(test="score", feature=None, found=auc, bound=bound, why=why),)


def changed(used: pl.DataFrame, rebuilt: pl.DataFrame, as_of: int, names: Sequence[str]) -> tuple[Finding, ...]:
    """A finding for each feature whose `used` value at `as_of` differs from the `rebuilt` one for any customer.

    `rebuilt`: the features as of `as_of` from tables without any row from then on (`source.until(as_of)`).
    """
    then = used.filter(pl.col("as_of") == as_of).select("customer_id", *names)
    there = [name for name in names if name in rebuilt.columns]
    both = then.join(rebuilt.select("customer_id", *there), on="customer_id", how="left", suffix=" rebuilt")
    counts = {name: int(_differs(both, name).sum()) if name in there else then.height for name in names}
    return tuple(
        Finding(
            test="rebuilt", feature=name, found=float(count), bound=0.0,
            why=f"{name} at {moment(as_of):%Y-%m-%d} differs for {count:,} of {then.height:,} customers once the rows "
            "from then on are taken away, must be 0: it is computed with the future",
        )
        for name, count in counts.items()
        if count
    )  # fmt: skip


def rises(
    rows: pl.DataFrame, columns: Sequence[FeatureColumn], bound: float = MAX_RISE
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Findings for columns of today whose AUC at the latest cut-off is surely more than `bound` above the earliest's.

    Second: a note where there is nothing to compare with.
    """
    enough = rows.group_by("as_of").agg(least=pl.min_horizontal(pl.col("churned").sum(), (1 - pl.col("churned")).sum()))
    cutoffs = enough.filter(pl.col("least") >= ENOUGH_CHURNERS)["as_of"].sort()
    if len(cutoffs) < 2:
        return (), _no_earlier([column.name for column in columns])
    first, last = (rows.filter(pl.col("as_of") == cutoff) for cutoff in (cutoffs[0], cutoffs[-1]))
    early, late = strengths(first, columns), strengths(last, columns)
    sure = {name: late[name].surely_above(early[name]) for name in late}
    return tuple(
        Finding(
            test="rises", feature=name, found=rise, bound=bound,
            why=f"{name} describes today and tells the latest cut-off's churners apart with a ROC AUC of "
            f"{late[name].auc:.3f}, the earliest's with {early[name].auc:.3f}: surely {rise:+.3f} more, must be at "
            f"most {bound:+g}; it may have been written after they left: leave it out ([profile] static), or name it "
            "in [gate] trusted_features",
        )
        for name, rise in sure.items()
        if rise > bound
    ), ()  # fmt: skip


def _no_earlier(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (f"no second cut-off with {ENOUGH_CHURNERS} churners shows what told of them earlier: {shown}",)


def _differs(both: pl.DataFrame, name: str) -> pl.Series:
    """Whether the two values of each row differ by more than rounding; null equals null."""
    one, other = both[name], both[f"{name} rebuilt"]
    if one.dtype == pl.String:
        return one.ne_missing(other)
    a, b = one.to_numpy(), other.to_numpy()
    sizes = np.abs(a[np.isfinite(a) & (a != 0)])
    rounding = ROUNDING * np.fmax(np.abs(a), np.median(sizes) if len(sizes) else 1.0)
    return pl.Series((np.isnan(a) != np.isnan(b)) | (np.abs(a - b) > rounding))


def _shown(auc: float | None) -> str:
    return "unknown" if auc is None else f"{auc:.3f}"
