"""The health score (D5: RFM and NPS; the formula is a project default): 0 to 100, high is good."""

from collections.abc import Sequence
from functools import reduce

import polars as pl

from models.rules.fitted_health import FittedHealth
from models.rules.pack import Lang, RulePack
from models.rules.rows import column, days_since

QUINTILES = (0.2, 0.4, 0.6, 0.8)
FREQUENCY, MONETARY = "orders_365d", "spend_365d"


def fit_health(rows: pl.DataFrame, pack: RulePack, as_of: int) -> FittedHealth:
    """Learn the quintile edges from the customers of `rows` (facts as of `as_of`) who have ordered."""
    measures = {
        "recency": _recency(rows, as_of),
        "frequency": column(rows, FREQUENCY),
        "monetary": column(rows, MONETARY),
    }
    buyers = rows.filter(column(rows, "order_last_at", pl.Int64).is_not_null())
    edges = {name: _edges(buyers.select(x=value)["x"]) for name, value in measures.items()}
    return FittedHealth(rules_version=pack.rules_version, **edges)


def health(rows: pl.DataFrame, fitted: FittedHealth, pack: RulePack, as_of: int) -> pl.DataFrame:
    """One row per row of `rows`: customer_id, health_score (0..100; null without purchases) and health_basis.

    health = 100·(0.7·(mean(R, F, M) − 1)/4 + 0.3·(NPS + 100)/200); without NPS answers 100·(mean(R, F, M) − 1)/4.
    health_basis is "rfm_and_nps", "rfm" or "no_purchases" (see `health_basis_label`).
    """
    rfm = (_rfm_mean(rows, fitted, as_of) - 1) * 0.25
    nps = (column(rows, "nps").fill_nan(None) + 100) * 0.005
    both = pack.health.rfm_share.value * rfm + pack.health.nps_share.value * nps
    basis = pl.when(rfm.is_null()).then(pl.lit("no_purchases")).when(nps.is_null()).then(pl.lit("rfm"))
    return rows.select(
        "customer_id",
        health_score=(100 * pl.coalesce(both, rfm)).round(9).clip(0, 100),
        health_basis=basis.otherwise(pl.lit("rfm_and_nps")),
    )


def health_basis_label(basis: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a health_basis."""
    labels = {name: getattr(pack.health.basis, name) for name in type(pack.health.basis).model_fields}
    return str(labels[basis].text(lang))


def quintile(value: pl.Expr, edges: Sequence[float]) -> pl.Expr:
    """1..5: one more than the edges that `value` exceeds, so that ties at the bottom stay there; null without edges.

    >>> pl.select(quintile(pl.lit(3.0), (1, 1, 3, 9))).item()
    3
    """
    if not edges:
        return pl.lit(None, pl.Int32)
    return reduce(lambda count, edge: count + (value > edge).cast(pl.Int32), edges, pl.lit(1, pl.Int32))


def _rfm_mean(rows: pl.DataFrame, fitted: FittedHealth, as_of: int) -> pl.Expr:
    """mean(R, F, M), 1..5; R is turned round: who ordered lately has 5."""
    recency = 6 - quintile(_recency(rows, as_of), fitted.recency)
    frequency = quintile(column(rows, FREQUENCY), fitted.frequency)
    monetary = quintile(column(rows, MONETARY).fill_nan(None), fitted.monetary)
    mean = (recency + frequency + monetary).cast(pl.Float64) * (1 / 3)
    return pl.when(column(rows, "order_last_at", pl.Int64).is_not_null()).then(mean)


def _recency(rows: pl.DataFrame, as_of: int) -> pl.Expr:
    return days_since(rows, "order_last_at", as_of)


def _edges(values: pl.Series) -> tuple[float, ...]:
    known = values.drop_nulls().drop_nans()
    found = [known.quantile(share, interpolation="linear") for share in QUINTILES]
    return tuple(edge for edge in found if edge is not None)
