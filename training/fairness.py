"""Is the model much worse for some customers than for the others? By the levels of `[fairness] columns`.

Two differences between a level and all other rows, each with its 90 % interval: ROC AUC, and how far the mean
probability lies above the churn rate. Only a difference that is *surely* beyond its bound refuses: a model with one
level twice as noisy is no worse. A level too small to be judged is noted as not known and does not refuse, because
every company has some and no training could mend it; a column that the rows do not have refuses, because then
nothing was looked at.

Known limit: where a level is itself the strongest predictor (telco's contract), ranking *within* it is harder for
every model; such a column says more about the data than about the model.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from training.bootstrap import DRAWS, SEED, Interval, known, percentile_interval, weight_blocks
from training.metrics import Floats, Values, roc_auc
from training.stability import Verdict

MIN_ROWS, MIN_CHURNERS = 100, 20
"""A level is judged from so many rows on, of which so many churned and so many stayed (`[fairness]`, same names)."""
MAX_AUC_GAP, MAX_CALIBRATION_GAP = 0.1, 0.1
"""How far a level may surely be below the others in AUC, and off them in mean probability − churn rate."""
MOST_LEVELS = 20
"""Numbers with more values than this are cut at their quartiles."""

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Measure = Callable[[Floats, Floats, Floats], float]


class Group(BaseModel):
    """One level of one column on the test rows. `auc_gap` is this − others, `excess_gap` that of mean p − churn rate.

    None where the level, or what remains, is too small: not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str
    level: str
    rows: int
    churners: int
    roc_auc: FiniteFloat | None = None
    excess: FiniteFloat | None = None
    auc_gap: Interval | None = None
    excess_gap: Interval | None = None


def groups(
    rows: pl.DataFrame,
    columns: Sequence[str],
    y: Values,
    p: Values,
    min_rows: int = MIN_ROWS,
    min_churners: int = MIN_CHURNERS,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[Group, ...]:
    """Every level of `columns` in `rows` (customer_id and the columns); `y`, `p` of shape (rows,).

    A column is found by its own name or with `profile_` before it; one that is not there gives no group.
    """
    actual, said, customers = np.asarray(y, float), np.asarray(p, float), rows["customer_id"].to_numpy()
    cells = [(column, level, mask) for column in columns for level, mask in _levels(rows, column)]
    counted = [_counted(column, level, mask, actual, said) for column, level, mask in cells]
    enough = [i for i, (_, _, mask) in enumerate(cells) if _enough(mask, actual, min_rows, min_churners)]
    masks = [cells[i][2] for i in enough]
    gaps = _gaps(masks, actual, said, customers, draws, seed) if masks else []
    judged = {i: {"auc_gap": auc, "excess_gap": excess} for i, (auc, excess) in zip(enough, gaps, strict=True)}
    return tuple(group.model_copy(update=judged.get(i, {})) for i, group in enumerate(counted))


def judge_groups(
    found: Sequence[Group],
    columns: Sequence[str],
    max_auc_gap: float = MAX_AUC_GAP,
    max_calibration_gap: float = MAX_CALIBRATION_GAP,
) -> Verdict:
    """Refuse levels that are surely much worse than the others, and columns that were not found."""
    absent = [column for column in columns if column not in {group.column for group in found}]
    missing = [
        f"fairness: no column {column!r} on the test rows; mend [fairness] columns, or declare it in [profile] static"
        for column in absent
    ]
    worse = [refusal for group in found for refusal in _refusals(group, max_auc_gap, max_calibration_gap)]
    notes = [
        f"fairness: {g.column} = {g.level}: {g.rows:,} rows, {g.churners:,} churners: too few, not known"
        for g in found
        if g.auc_gap is None
    ]
    return Verdict((*missing, *worse), tuple(notes))


def _refusals(group: Group, max_auc_gap: float, max_calibration_gap: float) -> Iterator[str]:
    if group.auc_gap is None or group.excess_gap is None:
        return
    place, auc, excess = f"fairness: {group.column} = {group.level}", group.auc_gap, group.excess_gap
    if auc.high is None or excess.low is None or excess.high is None:
        yield f"{place}: its intervals are unknown"
        return
    if not auc.high >= -max_auc_gap:
        yield (
            f"{place}: ROC AUC below that of the others: upper bound of the difference is {auc.high:+.4f}, must be at "
            f"least {-max_auc_gap:g} ([fairness] max_auc_gap)"
        )
    sure = max(excess.low, -excess.high)
    if not sure <= max_calibration_gap:
        yield (
            f"{place}: mean probability − churn rate differs from that of the others by at least {sure:.4f}, must be "
            f"at most {max_calibration_gap:g} ([fairness] max_calibration_gap)"
        )


def _levels(rows: pl.DataFrame, column: str) -> Iterator[tuple[str, Mask]]:
    """Levels with the rows that have them; null is a level of its own."""
    name = column if column in rows.columns else f"profile_{column}"
    if name not in rows.columns:
        return
    values = rows[name]
    if values.dtype.is_numeric() and values.drop_nulls().n_unique() > MOST_LEVELS:
        values = _quartiles(values)
    text = values.cast(pl.String).fill_null("unknown")
    for level in text.unique().sort():
        yield level, (text == level).to_numpy()


def _quartiles(values: pl.Series) -> pl.Series:
    """The quartile of each number, in words."""
    numbers = values.cast(pl.Float64).fill_nan(None).to_numpy()
    cuts = np.quantile(numbers[~np.isnan(numbers)], (0.25, 0.5, 0.75))
    names = [f"up to {cuts[0]:g}", f"up to {cuts[1]:g}", f"up to {cuts[2]:g}", f"above {cuts[2]:g}"]
    places = np.searchsorted(cuts, numbers).tolist()
    return pl.Series([None if np.isnan(x) else names[place] for x, place in zip(numbers, places, strict=True)])


def _counted(column: str, level: str, mask: Mask, y: Floats, p: Floats) -> Group:
    inside = y[mask]
    return Group(
        column=column, level=level, rows=len(inside), churners=int(inside.sum()),
        roc_auc=known(roc_auc(inside, p[mask])), excess=known(float(p[mask].mean() - inside.mean())),
    )  # fmt: skip


def _enough(mask: Mask, y: Floats, min_rows: int, min_churners: int) -> bool:
    """Whether both the level and all others have enough rows of either class."""
    return all(
        part.sum() >= min_rows and min(y[part].sum(), (1 - y[part]).sum()) >= min_churners for part in (mask, ~mask)
    )


def _gaps(
    masks: Sequence[Mask], y: Floats, p: Floats, customers: npt.NDArray[np.str_], draws: int, seed: int
) -> list[tuple[Interval, Interval]]:
    """Of each mask the intervals of AUC and of excess, inside − outside, all from the same draws of customers."""
    parts = [(np.flatnonzero(mask), np.flatnonzero(~mask)) for mask in masks]
    measures: tuple[Measure, ...] = (_auc, _excess)
    ones = np.ones(len(y))

    def gap(part: tuple[Places, Places], measure: Measure, w: Floats) -> float:
        inside, outside = (measure(y[rows], p[rows], w[rows]) for rows in part)
        return inside - outside

    drawn = [
        [[gap(part, measure, w) for measure in measures] for part in parts]
        for block in weight_blocks(customers, draws, seed)
        for w in block
    ]
    table = np.array(drawn)
    auc, excess = (
        [percentile_interval(gap(part, measure, ones), table[:, i, m]) for i, part in enumerate(parts)]
        for m, measure in enumerate(measures)
    )
    return list(zip(auc, excess, strict=True))


def _auc(y: Floats, p: Floats, w: Floats) -> float:
    return roc_auc(y, p, w)


def _excess(y: Floats, p: Floats, w: Floats) -> float:
    """Mean probability − churn rate."""
    return float(w @ (p - y) / w.sum()) if w.sum() else np.nan
