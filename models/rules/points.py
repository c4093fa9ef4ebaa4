"""The composite score taken apart: points to recompute it by hand, and departures from the tier's trait."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from models.rules.composite import weights_by_profile
from models.rules.fitted import FittedComposite
from models.rules.measure import standardised
from models.rules.pack import RulePack
from models.rules.profiles import by_profile
from models.rules.schema.composite import Tier
from models.rules.schema.entries import Interval, Label, Lang

POINT = pl.Struct(
    {
        "indicator": pl.String,
        "feature": pl.String,
        "value": pl.Float64,
        "filled": pl.Float64,
        "standardised": pl.Float64,
        "weight": pl.Float64,
        "points": pl.Float64,
    }
)
"""One indicator of one score. `value`: as measured, null where missing or removed; `filled`: the fitted mean that then
stands in its place; `standardised`: 0..1, high is good; `weight`: the most points; `points` = weight · standardised.
"""

SHOWN_DIGITS = 2


def points_of(scored: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> pl.Series:
    """List of POINT per row of `composite_score`'s result, in the pack's order, of the indicators that have data.

    The points of a row add up to its score; a row without a score has none.
    """
    known = scored["composite_score"].is_not_null()
    told = _told(scored.filter(known), fitted, pack)
    if len(told) == scored.height:
        return told.alias("points")
    nothing = pl.Series([[]], dtype=pl.List(POINT))
    place = pl.select(pl.when(known).then(known.cast(pl.UInt32).cum_sum()).otherwise(0)).to_series()
    return nothing.append(told).gather(place).alias("points")


def departures(scored: pl.DataFrame, pack: RulePack, lang: Lang = "en") -> pl.Series:
    """Sentences per row of `composite_score`'s result: the dimensions that depart from the tier's trait (D2)."""
    said = [
        _departs(key, tier, dimension, pack, lang).alias(f"{key}.{dimension}")
        for key, tier in pack.composite.tiers.items()
        for dimension in tier.expects
    ]
    if not said:
        return pl.Series("departures", [[]] * scored.height, pl.List(pl.String))
    return scored.select(departures=pl.concat_list(said).list.drop_nulls())["departures"]


def _told(rows: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> pl.Series:
    """`points_of` for rows with a score. One long column, cut into rows: lists of structs are slow to make."""
    weight = weights_by_profile(fitted, pack)
    names = list(weight[None])
    if not names or rows.is_empty():
        return pl.Series(dtype=pl.List(POINT))
    indicators = [(pack.composite.indicators[name], fitted.indicators[name], pl.col(f"value_{name}")) for name in names]
    most = ({profile: 100 * each[name] for profile, each in weight.items()} for name in names)
    numbers: dict[str, list[pl.Expr]] = {
        "value": [value for _, _, value in indicators],
        "filled": [pl.when(value.is_null()).then(fit.mean) for _, fit, value in indicators],
        "standardised": [standardised(value, fit, indicator) for indicator, fit, value in indicators],
        "weight": [by_profile(each) for each in most],
        "points": [pl.col(f"points_{name}") for name in names],
    }
    texts = {"indicator": names, "feature": [fit.feature for _, fit, _ in indicators]}
    turn = pl.Series(np.tile(np.arange(len(names)), rows.height))
    columns = {key: pl.Series(words).gather(turn) for key, words in texts.items()}
    columns |= {key: _interleaved(rows, expressions) for key, expressions in numbers.items()}
    long = pl.DataFrame(columns).select(field.name for field in POINT.fields).to_struct()
    return long.reshape((rows.height, len(names))).arr.to_list()


def _interleaved(rows: pl.DataFrame, expressions: Sequence[pl.Expr]) -> pl.Series:
    """First each expression's value of the first row, then of the second, …"""
    columns = {str(place): each.cast(pl.Float64) for place, each in enumerate(expressions)}
    matrix = rows.with_columns(**columns).select(*columns).to_numpy(order="c")
    return pl.Series(matrix.ravel(), nan_to_null=True)


def _departs(key: str, tier: Tier, dimension: str, pack: RulePack, lang: Lang) -> pl.Expr:
    """The sentence where a customer of `tier` lies outside what it expects of `dimension`, else null."""
    composite, expected = pack.composite, tier.expects[dimension]
    value = pl.col(f"dimension_{dimension}").round(9)
    label = composite.dimensions[dimension].label
    said = pl.lit(None, pl.String)
    for outside, bound, words in _sides(value, expected, composite.departs_low, composite.departs_high):
        expectation = words.text(lang).format(bound=f"{bound:g}")
        sentence = _filled(composite.departs.text(lang), {"what": label.text(lang), "expected": expectation}, value)
        said = pl.when(outside).then(sentence).otherwise(said)
    return pl.when(pl.col("tier") == key).then(said)


def _sides(value: pl.Expr, expected: Interval, below: Label, above: Label) -> list[tuple[pl.Expr, float, Label]]:
    low = [] if expected.low is None else [(value < expected.low, expected.low, below)]
    high = [] if expected.high is None else [(value >= expected.high, expected.high, above)]
    return [*low, *high]


def _filled(template: str, words: Mapping[str, str], value: pl.Expr) -> pl.Expr:
    """`template` with `words`, and each row's own `value`."""
    before, _, after = template.format(**words, value="\0").partition("\0")
    return pl.concat_str(pl.lit(before), value.round(SHOWN_DIGITS).cast(pl.String), pl.lit(after))
