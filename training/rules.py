"""What the documented rules learn from the population, once, and the rows that they read."""

import polars as pl

from features.build import Fitted
from features.facts import facts, fit_premium_price
from features.point_in_time import Tables
from features.settings import Settings
from features.usage import popular_features
from models.rules.apply import FittedRules, Rules
from models.rules.conditions import feedback_patterns
from models.rules.fitted import FittedComposite
from models.rules.pack import RulePack


def core_features(tables: Tables, as_of: int, pack: RulePack) -> tuple[str, ...]:
    """The parts of the product whose use is depth: those that the pack names, else the popular ones.

    `tables` hold what was known before `as_of`.
    """
    return pack.composite.core_features or popular_features(tables, as_of)


def fit_rules(
    tables: Tables, wide: pl.DataFrame, as_of: int, pack: RulePack, settings: Settings, fitted: Fitted,
    composite: FittedComposite | None = None,
) -> FittedRules:  # fmt: skip
    """Learn from everyone in `wide` (features as of `as_of`); a `composite` fitted elsewhere is taken as it is."""
    premium = fit_premium_price(tables, as_of, pack.segments.need.premium_price_percentile.value)
    rows = with_facts(tables, wide, as_of, pack, fitted.core_features, premium)
    return FittedRules.fit(rows, pack, as_of, settings.company.currency, premium, fitted.core_features, composite)


def rule_rows(tables: Tables, wide: pl.DataFrame, as_of: int, rules: Rules) -> pl.DataFrame:
    """`wide` (features by customer) with the facts that the rules ask for beside them, as of `as_of`."""
    return with_facts(tables, wide, as_of, rules.pack, rules.fitted.core_features, rules.fitted.premium_price)


def with_facts(
    tables: Tables, wide: pl.DataFrame, as_of: int, pack: RulePack, core: tuple[str, ...], premium: float | None
) -> pl.DataFrame:
    """`wide` with `features.facts.FACTS`."""
    patterns = feedback_patterns(pack)
    found = facts(tables, as_of, core_features=core, premium_price=premium, patterns=patterns)
    return wide.join(found, on="customer_id", how="left", maintain_order="left")
