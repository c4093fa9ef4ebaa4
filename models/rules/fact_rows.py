"""The rows that the documented rules read: a customer's features with the facts beside them."""

import polars as pl

from features.build import steady
from features.facts import facts
from features.point_in_time import Tables
from features.usage import popular_features
from models.rules.apply import Rules
from models.rules.conditions import feedback_patterns
from models.rules.pack import RulePack


def core_features(tables: Tables, as_of: int, pack: RulePack) -> tuple[str, ...]:
    """The parts of the product whose use is depth: those that the pack names, else the popular ones.

    `tables` hold what was known before `as_of`.
    """
    return pack.composite.core_features or popular_features(tables, as_of)


def rule_rows(tables: Tables, wide: pl.DataFrame, as_of: int, rules: Rules) -> pl.DataFrame:
    """`wide` (features by customer) with the facts that the rules ask for beside them, as of `as_of`."""
    return with_facts(tables, wide, as_of, rules.pack, rules.fitted.core_features, rules.fitted.premium_price)


def with_facts(
    tables: Tables, wide: pl.DataFrame, as_of: int, pack: RulePack, core: tuple[str, ...], premium: float | None
) -> pl.DataFrame:
    """`wide` with `features.facts.FACTS`, numbers as steady as those of features."""
    patterns = feedback_patterns(pack)
    found = facts(tables, as_of, core_features=core, premium_price=premium, patterns=patterns)
    return wide.join(steady(found), on="customer_id", how="left", maintain_order="left")
