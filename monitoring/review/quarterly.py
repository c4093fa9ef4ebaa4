"""The quarterly check (D2): does the composite score still separate who stays from who leaves, and the model beside it.

Its functions take rows of customer_id, as_of, composite_score (0..100), tier, churn_probability (0..1) and left (0 or
1, null while open); `points` (as in the output contract) makes a proposal for weights possible. Where the rows come
from, stored scores or a replay, does not matter.
"""

from itertools import pairwise, zip_longest

import polars as pl

from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import Share, at_moment, day, joined, numbered, percent, said, share_of, tier_name
from monitoring.review.history import latest
from monitoring.review.movement import order
from monitoring.review.proposal import DRAWS, Proposal, propose
from training.bootstrap import Interval, Metric, percentile_interval, replicates
from training.evaluate import Report
from training.metrics import Floats, Values, lift_at, roc_auc


class Separation(Report):
    """How well one score tells leavers. `lift`: their rate in the riskiest share, over that of all."""

    auc: Interval
    lift: Interval


class SideBySide(Report):
    """Score and model on the very same rows; differences are model − score, from the same draws of customers."""

    rows: int
    customers: int
    left: int
    score: Separation
    model: Separation
    auc_difference: Interval
    lift_difference: Interval
    text: Label


class TierStay(Report):
    """Who stayed of a tier, each customer once (the last date); `not_better_than`: the next tier, if that stays too."""

    tier: str
    stayed: Share
    not_better_than: str | None = None


class QuarterlyReview(Report):
    """`score` is judged on every row with a score, `beside` only where the model spoke too; None where it cannot be.

    `warnings` names every tier that does not stay better than the next.
    """

    rules_version: str
    dates: tuple[str, ...]
    rows: int
    customers: int
    left: int
    text: Label
    score: Separation | None = None
    beside: SideBySide | None = None
    tiers: tuple[TierStay, ...] = ()
    warnings: tuple[Label, ...] = ()
    proposal: Proposal


def quarterly(
    history: pl.DataFrame, outcomes: pl.DataFrame, pack: RulePack, *, window_days: float | None = None,
    draws: int = DRAWS,
) -> QuarterlyReview:  # fmt: skip
    """`check` of stored scores: `history` as the store's, `outcomes` as of `monitoring.pipeline.outcomes`.

    `window_days`: from a date until its outcome is known; default: the longest churn horizon in `history`.
    """
    if window_days is None and "churn_horizon_days" in history.columns and history.height:
        window_days = float(history["churn_horizon_days"].cast(pl.Float64).fill_null(0.0).to_numpy().max())
    return check(with_outcomes(history, outcomes), pack, window_days=window_days or 0.0, draws=draws)


def with_outcomes(history: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """`history` (at stake, of each customer and date the latest scored), as_of as Int64 microseconds, with `left`.

    `outcomes`: customer_id, as_of, churned (0 or 1, null while open), unique by both. Open rows are left out.
    """
    rows = latest(history)
    rows = rows.filter("at_stake") if "at_stake" in rows.columns else rows
    came = outcomes.select("customer_id", at_moment(), left=pl.col("churned").cast(pl.Float64))
    return rows.join(came, on=["customer_id", "as_of"], validate="1:1").drop_nulls("left")


def check(
    rows: pl.DataFrame, pack: RulePack, *, earlier: pl.DataFrame | None = None, window_days: float = 0.0,
    draws: int = DRAWS,
) -> QuarterlyReview:  # fmt: skip
    """Judge the composite score of `rows`, see above; one row per customer and date.

    `earlier`: rows of earlier dates with points, only to learn weights from; without it the dates of `rows` serve that
    lie at least `window_days` before the last one. A null score, or null outcome, leaves a row out.
    """
    closed = _closed(rows)
    scored = closed.filter(pl.col("composite_score").is_not_null())
    dates = scored["as_of"].unique().sort().to_list()
    score = _separation(scored, _risk(scored), pack, draws) if _both_classes(scored) else None
    tiers = _tiers(scored, pack)
    warnings = _out_of_order(tiers, pack)
    beside = _beside(scored, pack, draws)
    return QuarterlyReview(
        rules_version=pack.rules_version,
        dates=tuple(map(day, dates)),
        rows=scored.height,
        customers=scored["customer_id"].n_unique(),
        left=int(scored["left"].sum()),
        text=_summary(scored, score, beside, tiers, warnings, pack),
        score=score,
        beside=beside,
        tiers=tiers,
        warnings=warnings,
        proposal=propose(scored, None if earlier is None else _closed(earlier), pack, window_days, draws),
    )


def _closed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose outcome is known, in an order that does not depend on theirs; times and numbers in one type each."""
    numbers = pl.col("composite_score", "churn_probability", "left").cast(pl.Float64).fill_nan(None)
    return rows.with_columns(numbers, at_moment()).drop_nulls("left").sort("as_of", "customer_id")


def _risk(rows: pl.DataFrame) -> Floats:
    """High for who is likely to leave: the score turned round."""
    return 100.0 - rows["composite_score"].to_numpy()


def _both_classes(rows: pl.DataFrame) -> bool:
    return rows["left"].n_unique() == 2


def _lift(pack: RulePack) -> Metric:
    def lift(y: Values, p: Values, /, *, weights: Values | None = None) -> float:
        return lift_at(y, p, pack.review.score.lowest_share.value, weights)

    return lift


def _separation(rows: pl.DataFrame, risk: Floats, pack: RulePack, draws: int) -> Separation:
    (auc, _), (lift, _) = (_intervals(metric, rows, [risk], pack, draws) for metric in (roc_auc, _lift(pack)))
    return Separation(auc=auc[0], lift=lift[0])


def _intervals(
    metric: Metric, rows: pl.DataFrame, risks: list[Floats], pack: RulePack, draws: int
) -> tuple[list[Interval], Interval]:
    """The interval of each score, and of last − first, all from the same draws of customers."""
    y, level = rows["left"].to_numpy(), pack.review.level.value
    drawn = replicates(metric, y, risks, rows["customer_id"].to_numpy(), draws)
    estimates = [metric(y, risk) for risk in risks]
    own = [percentile_interval(estimate, drawn[:, n], level) for n, estimate in enumerate(estimates)]
    return own, percentile_interval(estimates[-1] - estimates[0], drawn[:, -1] - drawn[:, 0], level)


def _beside(scored: pl.DataFrame, pack: RulePack, draws: int) -> SideBySide | None:
    rows = scored.filter(pl.col("churn_probability").is_not_null())
    if not _both_classes(rows):
        return None
    risks = [_risk(rows), rows["churn_probability"].to_numpy()]
    auc, auc_gap = _intervals(roc_auc, rows, risks, pack, draws)
    lift, lift_gap = _intervals(_lift(pack), rows, risks, pack, draws)
    return SideBySide(
        rows=rows.height,
        customers=rows["customer_id"].n_unique(),
        left=int(rows["left"].sum()),
        score=Separation(auc=auc[0], lift=lift[0]),
        model=Separation(auc=auc[1], lift=lift[1]),
        auc_difference=auc_gap,
        lift_difference=lift_gap,
        text=_compared(auc_gap, rows.height, pack),
    )


def _tiers(scored: pl.DataFrame, pack: RulePack) -> tuple[TierStay, ...]:
    """Highest first, tiers with customers only. Of each customer the last date: rows must not depend on each other."""
    rows = scored.unique("customer_id", keep="last", maintain_order=True)
    counts = {
        tier: (int(stayed), int(of))
        for tier, stayed, of in rows.group_by("tier").agg((1 - pl.col("left")).sum(), of=pl.len()).iter_rows()
    }
    filled = [tier for tier in order(pack) if tier in counts]
    stays = [TierStay(tier=tier, stayed=share_of(*counts[tier], pack.review.level.value)) for tier in filled]
    return tuple(_flagged(stay, below) for stay, below in zip_longest(stays, stays[1:]))


def _flagged(stay: TierStay, below: TierStay | None) -> TierStay:
    if below is None or (stay.stayed.share or 0.0) > (below.stayed.share or 0.0):
        return stay
    return stay.model_copy(update={"not_better_than": below.tier})


def _out_of_order(tiers: tuple[TierStay, ...], pack: RulePack) -> tuple[Label, ...]:
    return tuple(
        said(
            pack.review.score.tier_not_better,
            tier=tier_name(stay.tier, pack), share=percent(stay.stayed.share),
            next=tier_name(below.tier, pack), next_share=percent(below.stayed.share),
        )
        for stay, below in pairwise(tiers)
        if stay.not_better_than
    )  # fmt: skip


def _summary(
    scored: pl.DataFrame, score: Separation | None, beside: SideBySide | None, tiers: tuple[TierStay, ...],
    warnings: tuple[Label, ...], pack: RulePack,
) -> Label:  # fmt: skip
    rule = pack.review.score
    if score is None:
        return said(rule.one_class if scored.height else rule.no_rows)
    in_order = [rule.tiers_in_order] if len(tiers) > 1 else []
    return joined([
        _verdict(score.auc, scored.height, pack), beside.text if beside else rule.no_model, *(warnings or in_order)
    ])  # fmt: skip


def _verdict(auc: Interval, rows: int, pack: RulePack) -> Label:
    rule = pack.review.score
    sentence = rule.does_not
    if auc.low is not None and auc.low > 0.5:
        sentence = rule.separates
    elif auc.high is not None and auc.high < 0.5:
        sentence = rule.reversed
    return numbered(sentence, auc, rows)


def _compared(gap: Interval, rows: int, pack: RulePack) -> Label:
    rule = pack.review.score
    sentence = rule.no_difference
    if gap.low is not None and gap.low > 0:
        sentence = rule.model_better
    elif gap.high is not None and gap.high < 0:
        sentence = rule.score_better
    return numbered(sentence, gap, rows, "+")
