"""Who bought A bought B next (D5): rules in order of time, how sure they are, and whom each applies to now.

For customer c let f(c, X) be the first purchase of X, and w the window. Of the ordered pair A → B:

    buyers      customers whose window after A is over: f(c, A) + w ≤ as_of; later buyers are no failures
    support     those of them who bought B for the first time inside it: f(c, A) < f(c, B) < f(c, A) + w
    confidence  support / buyers, with its Wilson interval: "of those who bought A, p % bought B within 3 months"
    at_risk     buyers who did not have B when they bought A: f(c, B) > f(c, A), or never
    uptake      support / at_risk: what an offer to a customer without B can expect
    expected    Σ over at_risk of the base rate r(B, month of f(c, A)); lift = support / expected

r(B, m) is the base rate that respects exposure: of the customers' orders in calendar month m whose window is over and
that come before the customer's first B, the share whose window holds that first B. So lift compares buyers of A with
customers who bought anything at the same time of year, and neither the season nor a product that was not on sale yet
looks like a preference. p_value is P(X ≥ support), X ~ Binomial(at_risk, expected / at_risk): one-sided, and cautious,
because the sum of unequal chances varies less. q_value corrects it (Benjamini and Hochberg 1995) for all pairs with
enough at_risk, whether or not their support is told.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binom, false_discovery_control

from features.clock import DAY
from models.rules.pack import Lang, RulePack
from models.rules.proportions import wilson
from models.rules.schema.curves import CrossSell
from training.pair_counts import counted_pairs

RULES = {
    "antecedent": pl.String, "consequent": pl.String, "buyers": pl.Int64, "at_risk": pl.Int64, "support": pl.Int64,
    "expected": pl.Float64, "confidence": pl.Float64, "low": pl.Float64, "high": pl.Float64, "uptake": pl.Float64,
    "lift": pl.Float64, "p_value": pl.Float64, "q_value": pl.Float64, "significant": pl.Boolean,
}  # fmt: skip


def bought(transactions: pl.DataFrame | None, subscriptions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Purchases of named products: customer_id, product, t (Int64 microseconds), one row per purchase.

    The contract's tables as known before the cut-off. Lines of one order happen at its first line; negative lines
    (returns) are no purchases; a subscription is bought when it starts.
    """
    frames = []
    if transactions is not None and "product" in transactions.columns:
        at = pl.col("occurred_at")
        if "order_id" in transactions.columns:
            whole = at.min().over("customer_id", "order_id")
            at = pl.when(pl.col("order_id").is_null()).then(at).otherwise(whole)
        frames.append(transactions.filter(pl.col("amount") >= 0).select("customer_id", "product", t=at))
    if subscriptions is not None and "product" in subscriptions.columns:
        frames.append(subscriptions.select("customer_id", "product", t=pl.col("started_at")))
    schema = {"customer_id": pl.String, "product": pl.String, "t": pl.Int64}
    return pl.concat([pl.DataFrame(schema=schema), *frames]).filter(
        pl.col("customer_id").is_not_null(), pl.col("product").str.strip_chars() != "", pl.col("t").is_not_null()
    )


def cross_sell(purchases: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """The rules A → B with enough buyers and support (RULES above), the significant ones first, then by `low`.

    `purchases`: see `bought`, all before `as_of` (microseconds). significant: q_value at or below the pack's rate and
    lift above 1. Takes Σ over customers of (products bought)² steps; memory does not grow with the pairs.
    """
    rules = pack.cross_sell
    window = int(rules.window_days.value * DAY)
    least = int(rules.minimum_buyers.value), int(rules.minimum_support.value)
    pairs, tested = counted_pairs(purchases.filter(pl.col("t") < as_of), window, as_of, *least)
    return _judged(pairs, tested, rules)


def offers(purchases: pl.DataFrame, found: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """Who to offer it to now: customers who bought A in the last 90 days (the pack's window) and never B.

    `found`: of `cross_sell`; only significant rules count. Columns: customer_id, consequent (what to offer),
    antecedent, bought_at (the last purchase of A), uptake, lift, q_value; a product is offered once, by its best rule;
    at most `offers_per_customer`, the highest uptake first.
    """
    window = int(pack.cross_sell.window_days.value * DAY)
    kept = found.filter("significant").select("antecedent", "consequent", "uptake", "lift", "q_value")
    owned = purchases.select("customer_id", consequent="product").unique()
    recent = (
        purchases.filter(pl.col("t") >= as_of - window, pl.col("t") < as_of)
        .group_by("customer_id", antecedent="product")
        .agg(bought_at=pl.col("t").max())
    )
    best = ["customer_id", pl.col("uptake"), pl.col("lift"), "consequent", "antecedent"]
    ranked = (
        recent.lazy()
        .join(kept.lazy(), on="antecedent")
        .join(owned.lazy(), on=["customer_id", "consequent"], how="anti")
        .sort(best, descending=[False, True, True, False, False])
        .unique(["customer_id", "consequent"], keep="first", maintain_order=True)
        .group_by("customer_id", maintain_order=True)
        .head(int(pack.cross_sell.offers_per_customer.value))
    )
    columns = ("customer_id", "consequent", "antecedent", "bought_at", "uptake", "lift", "q_value")
    return ranked.select(columns).collect()


def rule_texts(found: pl.DataFrame, pack: RulePack, lang: Lang = "en") -> list[str]:
    """Each rule of `cross_sell` as a sentence."""
    sentence, days = pack.cross_sell.rule.text(lang), f"{pack.cross_sell.window_days.value:g}"
    return [
        sentence.format(
            a=row["antecedent"], b=row["consequent"], share=f"{row['confidence']:.0%}", days=days,
            support=row["support"], low=f"{row['low']:.0%}", high=f"{row['high']:.0%}", lift=f"{row['lift']:.1f}",
        )
        for row in found.iter_rows(named=True)
    ]  # fmt: skip


def offer_texts(offered: pl.DataFrame, pack: RulePack, lang: Lang = "en") -> list[str]:
    """Each row of `offers` as a sentence."""
    sentence, days = pack.cross_sell.offer.text(lang), f"{pack.cross_sell.window_days.value:g}"
    return [
        sentence.format(a=row["antecedent"], b=row["consequent"], share=f"{row['uptake']:.0%}", days=days)
        for row in offered.iter_rows(named=True)
    ]


def _judged(pairs: pl.DataFrame, tested: int, rules: CrossSell) -> pl.DataFrame:
    """The counted pairs with their shares, intervals and corrected p-values; `tested` pairs share the correction."""
    support, at_risk, expected = (pairs[name].to_numpy() for name in ("support", "at_risk", "expected"))
    chance = np.divide(expected, at_risk, out=np.zeros(len(pairs)), where=at_risk > 0)
    p = binom.sf(support - 1, at_risk, np.minimum(chance, 1.0))
    low, high = wilson(support, pairs["buyers"].to_numpy(), rules.level.value)
    q = corrected(p, tested)
    shares = pairs.with_columns(
        confidence=pl.col("support") / pl.col("buyers"), uptake=pl.col("support") / pl.col("at_risk"),
        lift=pl.col("support") / pl.col("expected"), low=pl.Series(low), high=pl.Series(high),
        p_value=pl.Series(p), q_value=pl.Series(q),
    )  # fmt: skip
    sure = (pl.col("q_value") <= rules.false_discovery_rate.value) & (pl.col("lift") > 1)
    told = shares.with_columns(significant=sure).select(*RULES).cast(RULES)  # type: ignore[arg-type]
    order = ["significant", "low", "antecedent", "consequent"]
    return told.sort(order, descending=[True, True, False, False])


def corrected(p: npt.NDArray[np.float64], tested: int) -> npt.NDArray[np.float64]:
    """Benjamini-Hochberg q-values of `p`, where the others of `tested` p-values are 1: they only lengthen the list."""
    return np.minimum(1.0, false_discovery_control(p) * tested / len(p)) if len(p) else p
