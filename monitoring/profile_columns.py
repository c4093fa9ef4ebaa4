"""Which columns of `customers` a model may learn from, and which are keys, labels in disguise, or pictures of today."""

import narwhals as nw
import numpy as np
import polars as pl

from features.point_in_time import Frame
from features.profile import extras
from features.settings import Settings
from features.suspects import Mark, suspicions
from monitoring.findings import ColumnFinding, ProfileFinding, Use
from training.metrics import roc_auc
from training.snapshots import MOST_LEVELS
from training.split import folds

FEW_OF_A_KIND = 10
"""With fewer churners (or stayers) than this an AUC is chance."""

LEAKS: tuple[Mark, ...] = ("identifier-like", "label-like", "high-cardinality", "as of today")
"""Marks of columns that may not train even where the labels date the profile."""


def profile_finding(
    customers: Frame, labels: pl.DataFrame, labels_of: str, dated: bool, settings: Settings
) -> ProfileFinding:
    """Judge every descriptive column of `customers` against `labels` (customer_id, churned; may be empty).

    `labels_of` says in words which cut-off they are of, or why there are none.
    `dated`: the definition is `labelled`, so columns describe the label's own date and train unless excluded;
    otherwise they describe today and train only where declared.
    """
    names = extras({"customers": customers})
    rows: pl.DataFrame = customers.select("customer_id", *names).collect(backend="polars").to_native()
    rows = rows.unique("customer_id", keep="first", maintain_order=True)
    churned = rows.select("customer_id").join(labels, on="customer_id", how="left", maintain_order="left")["churned"]
    enough = min((churned == 1.0).sum(), (churned == 0.0).sum()) >= FEW_OF_A_KIND
    found = [_judged(rows, name, churned if enough else None, dated, settings) for name in names]
    return ProfileFinding(
        columns=tuple(found),
        static=tuple(each.column for each in found if each.use in ("propose", "declared")),
        exclude=tuple(each.column for each in found if dated and each.use in ("leave out", "excluded")),
        auc_note=_note(labels, labels_of, enough),
    )


def single_auc(values: pl.Series, churned: pl.Series, customers: pl.Series) -> float | None:
    """How well one column tells churners (1.0) from stayers (0.0), 0.5 to 1; null labels are left out.

    A category stands for the churn rate of its level among other customers, so that a level of its own for every
    customer tells nothing; a number counts as a number and, with few distinct values, as a category too.
    """
    known = churned.is_not_null()
    values, y, ids = values.filter(known), churned.filter(known), customers.filter(known)
    scores = [values.is_null().cast(pl.Float64)]
    if values.dtype.is_numeric():
        scores.append(values.cast(pl.Float64).fill_null(values.cast(pl.Float64).median()))
    if not values.dtype.is_numeric() or values.n_unique() <= MOST_LEVELS:
        scores.append(_rate_elsewhere(values.cast(pl.String), y, ids))
    found = [auc for score in scores if np.isfinite(auc := roc_auc(y.to_numpy(), score.to_numpy()))]
    return max((max(auc, 1.0 - auc) for auc in found), default=None)


def _note(labels: pl.DataFrame, labels_of: str, enough: bool) -> str:
    """Which labels the AUC rests on, or why there is none."""
    if enough:
        return f"AUC of each column alone against who churned at {labels_of}"
    return f"no AUC: {labels_of}" if labels.is_empty() else f"no AUC: too few churners or stayers at {labels_of}"


def _rate_elsewhere(levels: pl.Series, churned: pl.Series, customers: pl.Series) -> pl.Series:
    """For each row the churn rate of its level among the customers of the other half."""
    half = pl.Series(folds(customers)) % 2
    rows = pl.DataFrame({"level": levels.fill_null("(missing)"), "y": churned, "half": half, "other": 1 - half})
    rates = rows.group_by("level", other="half").agg(rate=pl.col("y").mean())
    joined = rows.join(rates, on=["level", "other"], how="left", maintain_order="left")
    return joined["rate"].fill_null(churned.mean())


def _judged(rows: pl.DataFrame, name: str, churned: pl.Series | None, dated: bool, settings: Settings) -> ColumnFinding:
    values = rows[name]
    known = values.drop_nulls()
    auc = None if churned is None else single_auc(values, churned, rows["customer_id"])
    reasons = suspicions(name, values, auc)
    if dated:
        reasons.pop("may change", None)
    return ColumnFinding(
        column=name,
        known=known.len(),
        distinct=known.n_unique(),
        auc=auc,
        marks=tuple(reasons),
        why="; ".join(reasons.values()),
        use=_use(name, reasons, dated, settings),
    )


def _use(name: str, marks: dict[Mark, str], dated: bool, settings: Settings) -> Use:
    if name in settings.features.exclude:
        return "excluded"
    if dated:
        return "leave out" if set(marks) & set(LEAKS) else "used by the labels' date"
    if name in settings.profile.static:
        return "declared"
    return "leave out" if marks else "propose"


def declared_leaks(profile: ProfileFinding) -> list[str]:
    """A warning for each declared column that should not train."""
    return [f"[profile] static names {each.column}, which looks {' and '.join(each.marks)}: {each.why}"
            for each in profile.columns if each.use == "declared" and set(each.marks) & set(LEAKS)]  # fmt: skip


def missing_columns(customers: Frame, settings: Settings) -> list[str]:
    """A warning for each declared column that `customers` does not have."""
    present = customers.collect_schema().names()
    return [f"[profile] static names {name}, which customers does not have" for name in settings.profile.static
            if name not in present]  # fmt: skip


def currencies(transactions: Frame) -> tuple[str, ...]:
    """The currencies that amounts are in, sorted; empty where no column tells."""
    if "currency" not in transactions.collect_schema().names():
        return ()
    found = transactions.filter(~nw.col("currency").is_null()).select("currency").unique().collect(backend="polars")
    return tuple(sorted(found["currency"].to_list()))
