"""What customers answer when asked: NPS and satisfaction, from answers with a score."""

import narwhals as nw

from features.facts.contacts import latest
from features.point_in_time import Frame
from features.windows import events, ratio, summed

YEAR = 365


def nps(answers: Frame, as_of: int) -> Frame:
    """Facts of `nps_responses`, one row a customer who answered: RULES §2 (D5)."""
    rows = _scored(answers)
    rows = rows.with_columns(
        balance=100.0 * ((nw.col("score") >= 9.0).cast(nw.Float64) - (nw.col("score") < 7.0).cast(nw.Float64))
    )
    totals = summed(rows, as_of, ["n", "balance"], windows=(YEAR,))
    return totals.select(
        "customer_id", ratio("balance_365d", "n_365d").alias("nps"), nw.col("last").alias("nps_last_at")
    )


def satisfaction(answers: Frame, as_of: int) -> Frame:
    """Facts of `satisfaction_surveys`, one row a customer who answered."""
    rows = _scored(answers)
    facts = summed(rows, as_of, ["n", "score"], windows=(YEAR,)).select(
        "customer_id",
        nw.col("last").alias("survey_last_at"),
        ratio("score_365d", "n_365d").alias("satisfaction_mean_365d"),
    )
    return facts.join(latest(rows, "score", "satisfaction_last"), on="customer_id", how="left")


def _scored(answers: Frame) -> Frame:
    return events(answers.filter(~nw.col("score").is_null()), "occurred_at", ["score"])
