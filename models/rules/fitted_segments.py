"""What the segments learn from the population once: kept in the bundle, passed in, never refitted per batch."""

import polars as pl
from pydantic import BaseModel, ConfigDict

from models.rules.pack import RulePack
from models.rules.rows import column
from models.rules.schema.segments import ContributionRule
from models.rules.standing import amount, bought, first_with_data, loyal, tenure_days


class FittedSegments(BaseModel):
    """The fitted values of RULES §3.

    `value_column`, `sales_column`: where yearly value and yearly sales are read; None without data.
    `money_off`: the pack's amounts are in another currency; `value_high` and `value_backbone` are quantiles instead.
    `abc_cut`: the least yearly sales of class A. `spend_*`, `tenure_*`: worth 0 and 1 in the contribution score.
    `core_cut`, `potential_cut`: core from the first, potential below the second (0..1).
    `middling_low`, `middling_high`: middling spend so far. `growth_low`, `growth_high`: industry growth worth 0 and 1.
    `expanding_growth`: least growth of an expanding industry. `high_value_industries`: where high-value customers are.
    Any number is None where nobody has the data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rules_version: str
    value_column: str | None = None
    sales_column: str | None = None
    money_off: bool = False
    value_high: float | None = None
    value_backbone: float | None = None
    abc_cut: float | None = None
    spend_low: float | None = None
    spend_high: float | None = None
    tenure_low: float | None = None
    tenure_high: float | None = None
    core_cut: float | None = None
    potential_cut: float | None = None
    middling_low: float | None = None
    middling_high: float | None = None
    growth_low: float | None = None
    growth_high: float | None = None
    expanding_growth: float | None = None
    high_value_industries: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "FittedSegments":
        """The inverse of `to_dict`."""
        return cls.model_validate(values)


def fit_segments(rows: pl.DataFrame, pack: RulePack, currency: str | None, as_of: int) -> FittedSegments:
    """Learn cut-points from `rows` (one row per customer as of `as_of`: features and facts, perhaps `alerts`).

    Amounts in the pack count only where `currency` (ISO 4217) is the pack's; otherwise quantiles stand in (RULES).
    """
    value = pack.segments.value
    sales = first_with_data(rows, value.spend)
    fitted = FittedSegments(
        rules_version=pack.rules_version,
        value_column=sales if value.by == "spend" else first_with_data(rows, value.profit),
        sales_column=sales,
        money_off=currency != value.currency,
    )
    for learn in (_value_cuts, _abc_cut, _middling, _growth, _industries):
        fitted = fitted.model_copy(update=learn(rows, fitted, pack))
    return _with_contribution(rows, fitted, pack, as_of)


def middling_spend(rows: pl.DataFrame, fitted: FittedSegments) -> pl.Expr:
    """Boolean (D3): spend so far is middling among buyers, both ends included; null where unknown."""
    spend = column(rows, "spend_total")
    return (spend >= _number(fitted.middling_low)) & (spend <= _number(fitted.middling_high))


def contribution_score(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack, as_of: int) -> pl.Expr:
    """Yearly spend and tenure, each standardised to 0..1, at 25 : 15 (project default); 0..1."""
    rule = pack.segments.contribution
    whole = rule.spend_weight.value + rule.tenure_weight.value
    spend = scaled(amount(rows, fitted.sales_column), fitted.spend_low, fitted.spend_high)
    tenure = scaled(tenure_days(rows, as_of), fitted.tenure_low, fitted.tenure_high)
    return spend * (rule.spend_weight.value / whole) + tenure * (rule.tenure_weight.value / whole)


def scaled(value: pl.Expr, low: float | None, high: float | None) -> pl.Expr:
    """`value` from `low` to `high` as 0..1, clipped; 0.5 where the ends coincide, null where they are not known."""
    if low is None or high is None:
        return pl.lit(None, pl.Float64)
    if low >= high:
        return pl.when(value.is_not_null()).then(0.5)
    return ((value - low) * (1 / (high - low))).clip(0, 1)


def class_a_cut(sales: pl.Series, share: float) -> float | None:
    """The least sales of class A: the biggest buyers that together bring `share` percent of positive sales (D5).

    Returns and refunds (sales at or below 0) bring nothing, so they are not counted against the others.

    >>> class_a_cut(pl.Series([50.0, 30.0, 15.0, 5.0, -40.0]), 80)
    30.0
    """
    positive = sales.filter(sales > 0).sort(descending=True)
    if positive.is_empty():
        return None
    brought = positive.cum_sum()
    needed = float(brought[-1]) * share / 100 * (1 - 1e-12)  # 80 % of a sum of decimals, whatever its last digit
    return float(positive[int((brought < needed).sum())])


def _value_cuts(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack) -> dict[str, object]:
    rule = pack.segments.value
    if not fitted.money_off:
        return {"value_high": rule.high.value, "value_backbone": rule.backbone.value}
    values = _of_buyers(rows, amount(rows, fitted.value_column))
    values = values.filter(values > 0)
    return {
        "value_high": _percentile(values, rule.high_percentile.value),
        "value_backbone": _percentile(values, rule.backbone_percentile.value),
    }


def _abc_cut(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack) -> dict[str, object]:
    sales = rows.select(amount(rows, fitted.sales_column).alias("x"))["x"].drop_nulls()
    return {"abc_cut": class_a_cut(sales, pack.segments.abc.sales_share.value)}


def _middling(rows: pl.DataFrame, _: FittedSegments, pack: RulePack) -> dict[str, object]:
    spend = _of_buyers(rows, column(rows, "spend_total"))
    band = pack.segments.middling
    return {"middling_low": _percentile(spend, band.low), "middling_high": _percentile(spend, band.high)}


def _growth(rows: pl.DataFrame, _: FittedSegments, pack: RulePack) -> dict[str, object]:
    growth, rule = _values(rows, column(rows, "industry_growth_rate")), pack.segments.contribution
    return {
        "growth_low": _percentile(growth, rule.lower_percentile.value),
        "growth_high": _percentile(growth, rule.upper_percentile.value),
        "expanding_growth": _percentile(growth, pack.segments.abc.expanding_percentile.value),
    }


def _industries(rows: pl.DataFrame, fitted: FittedSegments, _: RulePack) -> dict[str, object]:
    high = amount(rows, fitted.value_column) >= _number(fitted.value_high)
    found = rows.filter(high).select(column(rows, "industry", pl.String).alias("x"))["x"]
    return {"high_value_industries": tuple(sorted(found.drop_nulls().unique()))}


def _with_contribution(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack, as_of: int) -> FittedSegments:
    rule, members = pack.segments.contribution, rows.filter(loyal(rows, pack, as_of))
    spend, tenure = (
        _values(members, amount(members, fitted.sales_column)),
        _values(members, tenure_days(members, as_of)),
    )
    fitted = fitted.model_copy(update=_ends("spend", spend, rule) | _ends("tenure", tenure, rule))
    score = _values(members, contribution_score(members, fitted, pack, as_of))
    cuts = {
        "core_cut": _percentile(score, 100 - rule.core_share.value),
        "potential_cut": _percentile(score, rule.potential_share.value),
    }
    return fitted.model_copy(update=cuts)


def _ends(name: str, values: pl.Series, rule: ContributionRule) -> dict[str, float | None]:
    percents = {"low": rule.lower_percentile.value, "high": rule.upper_percentile.value}
    return {f"{name}_{end}": _percentile(values, percent) for end, percent in percents.items()}


def _of_buyers(rows: pl.DataFrame, value: pl.Expr) -> pl.Series:
    return _values(rows.filter(bought(rows).fill_null(True)), value)


def _values(rows: pl.DataFrame, value: pl.Expr) -> pl.Series:
    """Known values, sorted: the order of the customers leaves no trace."""
    return rows.select(value.alias("x"))["x"].drop_nulls().drop_nans().sort()


def _percentile(values: pl.Series, percent: float) -> float | None:
    found = values.quantile(percent / 100, interpolation="linear")
    return None if found is None else float(found)


def _number(value: float | None) -> pl.Expr:
    return pl.lit(value, pl.Float64)
