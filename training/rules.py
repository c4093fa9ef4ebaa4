"""What the documented rules learn from the population, once."""

import polars as pl

from features.build import Fitted
from features.facts import fit_premium_price
from features.point_in_time import Tables
from features.settings import Settings
from models.rules.apply import FittedRules
from models.rules.fact_rows import with_facts
from models.rules.fitted import FittedComposite
from models.rules.pack import RulePack


def fit_rules(
    tables: Tables, wide: pl.DataFrame, as_of: int, pack: RulePack, settings: Settings, fitted: Fitted,
    composite: FittedComposite | None = None,
) -> FittedRules:  # fmt: skip
    """Learn from everyone in `wide` (features as of `as_of`); a `composite` fitted elsewhere is taken as it is."""
    premium = fit_premium_price(tables, as_of, pack.segments.need.premium_price_percentile.value)
    rows = with_facts(tables, wide, as_of, pack, fitted.core_features, premium)
    return FittedRules.fit(rows, pack, as_of, settings.company.currency, premium, fitted.core_features, composite)
