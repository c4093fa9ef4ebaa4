"""Where composite score and model disagree, with the reasons of both (D2)."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from models.basis import is_modelled
from models.explain import reason_text
from models.prediction import TIME, Points, Reason
from models.rules.pack import RulePack
from models.rules.reasons import rule_reason_text
from models.rules.schema.entries import Lang
from monitoring.review.history import latest

COLUMNS: dict[str, Any] = {
    "customer_id": pl.String, "as_of": TIME, "composite_score": pl.Float64, "tier": pl.String,
    "churn_probability": pl.Float64, "risk_band": pl.String, "score_rank": pl.Float64, "model_rank": pl.Float64,
    "difference": pl.Float64, "conflict": pl.String, "score_reasons": pl.List(pl.String),
    "model_reasons": pl.List(pl.String),
}  # fmt: skip
"""What `disagreements` returns: the ranks are percentile ranks of risk, 0 (safest) to 1; difference = model − score."""


def disagreements(rows: pl.DataFrame, pack: RulePack, limit: int = 20, lang: Lang = "en") -> pl.DataFrame:
    """COLUMNS of the customers on whom score and model differ most, at most `limit`; empty where they agree.

    `rows` of the output contract: customer_id, as_of, composite_score, tier, churn_probability, and where known
    risk_band, points, reasons with basis. The last date counts, of customers at stake with both score and probability.
    First come the pack's conflicts (`conflict` is the key: a high tier with a high risk, a low one with a low risk),
    then those whose ranks lie farthest apart, down to the pack's least difference.
    """
    ranked = _ranked(_both(rows)).with_columns(conflict=_conflict(pack))
    least = pack.review.disagreement.minimum_difference.value
    apart = ranked.filter(pl.col("conflict").is_not_null() | (pl.col("difference").abs() >= least))
    first = apart.sort(
        pl.col("conflict").is_null(), pl.col("difference").abs(), pl.col("customer_id"), descending=[False, True, False]
    ).head(limit)
    told = [_reasons(row, pack, lang) for row in first.select("points", "reasons", "basis").iter_rows()]
    lists = {"score_reasons": [rules for rules, _ in told], "model_reasons": [model for _, model in told]}
    with_reasons = first.with_columns(pl.Series(name, texts, pl.List(pl.String)) for name, texts in lists.items())
    return with_reasons.with_columns(pl.from_epoch("as_of", "us").dt.replace_time_zone("UTC")).select(
        pl.col(name).cast(kind) for name, kind in COLUMNS.items()
    )


_OPTIONAL = {"risk_band": pl.String, "basis": pl.String, "points": pl.Null, "reasons": pl.Null}


def _both(rows: pl.DataFrame) -> pl.DataFrame:
    """Customers at stake of the last date with a score and a probability; optional columns null where absent."""
    there = rows.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in _OPTIONAL.items() if name not in rows.columns
    )
    numbers = pl.col("composite_score", "churn_probability").cast(pl.Float64).fill_nan(None)
    now = latest(there.with_columns(numbers)).filter(pl.col("as_of") == pl.col("as_of").max())
    now = now.filter("at_stake") if "at_stake" in now.columns else now
    return now.drop_nulls(["composite_score", "churn_probability"])


def _ranked(rows: pl.DataFrame) -> pl.DataFrame:
    def percentile(risk: pl.Expr) -> pl.Expr:
        return (risk.rank("average") - 0.5) / pl.len()

    ranks = {
        "score_rank": percentile(-pl.col("composite_score")),
        "model_rank": percentile(pl.col("churn_probability")),
    }
    return rows.with_columns(**ranks).with_columns(difference=pl.col("model_rank") - pl.col("score_rank"))


def _conflict(pack: RulePack) -> pl.Expr:
    found = pl.lit(None, pl.String)
    for name, rule in pack.review.disagreement.conflicts.items():
        meant = pl.col("tier").is_in(list(rule.tiers)) & pl.col("risk_band").is_in(list(rule.bands))
        found = pl.when(meant).then(pl.lit(name)).otherwise(found)
    return found


def _reasons(row: tuple[Any, ...], pack: RulePack, lang: Lang) -> tuple[list[str], list[str]]:
    """What the score says, from the points; what the model says, where the row's own reasons are the model's."""
    points, reasons, basis = row
    parts = [Points.model_construct(**part) for part in points or []]  # they were checked on their way in
    rules = [rule_reason_text(reason, parts, pack, lang) for reason in _by_points(parts)]
    model = [reason_text(Reason(**each), lang) for each in reasons or []] if is_modelled(basis or "") else []
    most = int(pack.review.disagreement.reasons.value)
    return rules[:most], model[:most]


def _by_points(parts: Sequence[Points]) -> list[Reason]:
    """As `models.rules.rule_reasons`: points lost below half, else points won, the most first; the unknown is none."""
    known = [(part, part.points < part.weight / 2) for part in parts if part.value is not None]
    sized = [(part.weight - part.points if lost else part.points, part, lost) for part, lost in known]
    total = sum(size for size, *_ in sized) or 1.0
    return [
        Reason(feature=part.feature, direction="raises" if lost else "lowers", size=size / total, text="")
        for size, part, lost in sorted(sized, key=lambda each: -each[0])
        if size > 0
    ]
