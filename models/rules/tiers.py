"""Tiers of the composite score (D2), what to do with each, and bands of risk: half-open steps of a ladder."""

from collections.abc import Mapping
from math import inf

import polars as pl

from models.rules.pack import Lang, RulePack


def ladder(value: pl.Expr, steps: Mapping[str, float]) -> pl.Expr:
    """The name of the highest step whose start is at or below `value`; null for null.

    >>> pl.select(ladder(pl.lit(89.5), {"low": -inf, "high": 90.0})).item()
    'low'
    """
    name = pl.lit(None, pl.String)
    for step, start in sorted(steps.items(), key=lambda item: item[1]):
        name = pl.when(value >= start).then(pl.lit(step)).otherwise(name)
    return name


def tier_of(score: pl.Expr, pack: RulePack) -> pl.Expr:
    """The key of the tier of an unrounded composite score (D2)."""
    tiers = pack.composite.tiers.items()
    return ladder(score, {name: -inf if tier.score.low is None else tier.score.low for name, tier in tiers})


def risk_band(probability: pl.Expr, base_rate: float, pack: RulePack) -> pl.Expr:
    """The band of a churn probability (0..1), given the churn rate in training; null for null (project default)."""
    return ladder(probability, band_starts(base_rate, pack))


def band_starts(base_rate: float, pack: RulePack) -> dict[str, float]:
    """Band → the probability from which it holds, given the churn rate in training (0..1).

    A multiple of the odds, o = k · base / (1 − base), p = o / (1 + o): for a rare event that is k times the rate, and
    where half of all customers leave every band can still be reached.
    """
    odds = {name: band.times_base_odds.value * base_rate / (1 - base_rate) for name, band in pack.risk_bands.items()}
    return {name: round(each / (1 + each), 12) for name, each in odds.items()}


def tier_label(tier: str | None, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a tier's key; for None, "not enough known"."""
    label = pack.composite.tiers[tier].label if tier else pack.composite.unknown
    return label.text(lang)


def tier_playbook(tier: str | None, pack: RulePack, lang: Lang = "en") -> str | None:
    """What to do with customers of a tier, who does it and how often (D2); None without a tier."""
    if tier is None:
        return None
    entry = pack.composite.tiers[tier]
    strategy, owner, cadence = (part.text(lang) for part in (entry.strategy, entry.owner, entry.cadence))
    return f"{strategy}（{owner}，{cadence}）" if lang == "zh" else f"{strategy} ({owner}, {cadence})"
