"""What customers say when asked: NPS answers and satisfaction surveys."""

import narwhals as nw

from features.point_in_time import Frame, Tables
from features.windows import days_since, events, ratio, summed

YEAR, HALF = 365, 180


def nps(tables: Tables, as_of: int) -> Frame | None:
    """Features of the family, one row a customer who answered anything; None without either table.

    NPS of a customer = 100 · (share of 9–10 − share of 0–6) over its own answers of the last 365 days (D5).
    """
    parts = [
        build(tables[name], as_of)
        for name, build in (("nps_responses", _recommendation), ("satisfaction_surveys", _satisfaction))
        if name in tables
    ]
    if len(parts) < 2:
        return parts[0] if parts else None
    everyone = nw.concat([part.select("customer_id") for part in parts]).unique()
    return everyone.join(parts[0], on="customer_id", how="left").join(parts[1], on="customer_id", how="left")


def _recommendation(answers: Frame, as_of: int) -> Frame:
    rows = _scored(answers).with_columns(
        promoter=(nw.col("score") >= 9.0).cast(nw.Float64), detractor=(nw.col("score") < 7.0).cast(nw.Float64)
    )
    sums = ["n", "score", "promoter", "detractor"]
    totals = summed(rows, as_of, sums, before=("n", "score"), windows=(HALF, YEAR))
    score = nw.col("promoter_365d") - nw.col("detractor_365d")
    return totals.join(_last(rows), on="customer_id", how="left").select(
        "customer_id",
        nw.col("score_last").alias("nps_score_last"),
        ratio("score_365d", "n_365d").alias("nps_score_mean_365d"),
        nw.when(nw.col("n_365d") > 0.0).then(100.0 * score / nw.col("n_365d")).alias("nps_score_365d"),
        nw.col("n_365d").alias("nps_answers_count_365d"),
        (ratio("score_180d", "n_180d") - ratio("score_180d_before", "n_180d_before")).alias("nps_score_trend_180d"),
        days_since("last", as_of).alias("nps_silence_days"),
    )


def _satisfaction(answers: Frame, as_of: int) -> Frame:
    rows = _scored(answers)
    totals = summed(rows, as_of, ["n", "score"], windows=(YEAR,))
    return totals.join(_last(rows), on="customer_id", how="left").select(
        "customer_id",
        nw.col("score_last").alias("nps_satisfaction_last"),
        ratio("score_365d", "n_365d").alias("nps_satisfaction_mean_365d"),
    )


def _scored(answers: Frame) -> Frame:
    return events(answers.filter(~nw.col("score").is_null()), "occurred_at", ["score"])


def _last(rows: Frame) -> Frame:
    """The latest score; the lowest where several answers came at once."""
    latest = rows.group_by("customer_id").agg(nw.col("t").max().alias("latest"))
    at_latest = rows.join(latest, on="customer_id", how="left").filter(nw.col("t") == nw.col("latest"))
    return at_latest.group_by("customer_id").agg(nw.col("score").min().alias("score_last"))
