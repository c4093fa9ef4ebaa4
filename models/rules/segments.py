"""Segments of RULES §3: each scheme reads one customer's row and the fitted values, and is null where unknown."""

import polars as pl

from models.rules.fitted_segments import FittedSegments, contribution_score, scaled
from models.rules.pack import Lang, RulePack
from models.rules.rows import column, days_since
from models.rules.schema.segments import AbcRule
from models.rules.standing import (
    amount,
    bought,
    days_since_first_purchase,
    days_since_purchase,
    loyal,
    no_order_for,
    tenure_days,
)

SCHEMES = (
    "value", "contribution", "abc", "behaviour", "need", "lifecycle", "stage", "cooperation", "opportunity",
)  # fmt: skip
"""In the order of the columns `segment_<scheme>`."""


def segments(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack, as_of: int) -> pl.DataFrame:
    """The segments of each row of `rows` (customer_id, features, facts; `alerts` if known) as of `as_of`.

    Returns, in the order of `rows`: customer_id; segment_<scheme> (String, null where unknown or in none) for each of
    SCHEMES; segment_abc_flagged (Boolean: in C because it fits neither B nor C); loyal (Boolean); segments
    (List[String] of "scheme:segment"); abc_value_axis and abc_potential_axis (0..1); then the metrics that decide, one
    Float64 column `metric_<key>` for each of the pack's `segments.metrics`.
    """
    known = rows.with_columns(
        **{f"metric_{name}": expr.cast(pl.Float64) for name, expr in _metrics(rows, fitted, pack, as_of).items()},
        loyal=loyal(rows, pack, as_of),
    )
    known = known.with_columns(segment_need=_need(pack), segment_lifecycle=_lifecycle(known, pack, as_of))
    known = known.with_columns(
        segment_value=_value(fitted),
        segment_contribution=_contribution(fitted),
        segment_behaviour=_behaviour(known, pack, as_of),
        segment_stage=_stage(pack),
        segment_cooperation=_cooperation(known, pack, as_of),
        segment_opportunity=_opportunity(known, fitted, pack),
        **_abc(known, fitted, pack.segments.abc),
        **_axes(known, fitted, pack),
    )
    columns = [f"segment_{scheme}" for scheme in SCHEMES]
    metrics = [f"metric_{name}" for name in pack.segments.metrics]
    return _with_list(known, columns).select(
        "customer_id", *columns, "segment_abc_flagged", "loyal", "segments",
        "abc_value_axis", "abc_potential_axis", *metrics,
    )  # fmt: skip


def segment_label(key: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for "scheme:segment". Raises KeyError for a key that the pack does not have."""
    scheme, _, segment = key.partition(":")
    return pack.segments.schemes[scheme].segments[segment].label.text(lang)


def scheme_label(scheme: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a scheme."""
    return pack.segments.schemes[scheme].label.text(lang)


def _with_list(known: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """`segments`, put together once for each combination that occurs: lists of text for everyone take seconds."""
    combinations = known.select(columns).unique()
    keys = pl.concat_list(pl.lit(f"{name.removeprefix('segment_')}:") + pl.col(name) for name in columns)
    listed = combinations.with_columns(segments=keys.list.drop_nulls())
    rest = known.drop("segments", strict=False)
    return rest.join(listed, on=columns, how="left", nulls_equal=True, maintain_order="left")


def _metrics(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack, as_of: int) -> dict[str, pl.Expr]:
    """The numbers that decide, by their key in the pack."""
    orders = column(rows, "orders_365d")
    return {
        "yearly_value": amount(rows, fitted.value_column),
        "yearly_sales": amount(rows, fitted.sales_column),
        "contribution": contribution_score(rows, fitted, pack, as_of),
        "contacts_a_month": column(rows, "interactions_90d") * (1 / 3),  # months of 30 days
        "contacts": column(rows, "interactions_total"),
        "discount_share": column(rows, "discount_share_365d").fill_nan(None),
        "premium_share": column(rows, "premium_share_365d").fill_nan(None),
        "tickets_per_order": pl.when(orders > 0).then(column(rows, "tickets_365d") / orders),
        "orders": column(rows, "orders_365d"),
        "tenure_days": tenure_days(rows, as_of),
        "days_since_first_purchase": days_since_first_purchase(rows, as_of),
        "days_since_purchase": days_since_purchase(rows, as_of),
        "enquiries": column(rows, "enquiries_total"),
    }


def _of_buyers(rows_bought: pl.Expr, segment: pl.Expr) -> pl.Expr:
    """Value and class divide those who bought: a prospect has neither (D3 and D5 count prospects apart)."""
    return pl.when(rows_bought.fill_null(True)).then(segment)


def _value(fitted: FittedSegments) -> pl.Expr:
    """D3: high, backbone, low by yearly spend or profit."""
    value = pl.col("metric_yearly_value")
    if fitted.value_high is None or fitted.value_backbone is None:
        return _nothing()
    high, backbone = value >= fitted.value_high, value >= fitted.value_backbone
    found = pl.when(high).then(pl.lit("high")).when(backbone).then(pl.lit("backbone")).otherwise(pl.lit("low"))
    buyer = pl.col("segment_lifecycle").is_null() | (pl.col("segment_lifecycle") != "prospect")
    return _of_buyers(buyer, pl.when(value.is_not_null()).then(found))


def _contribution(fitted: FittedSegments) -> pl.Expr:
    """D1: core, important, potential among loyal customers."""
    score = pl.col("metric_contribution")
    if fitted.core_cut is None or fitted.potential_cut is None:
        return _nothing()
    core, potential = score >= fitted.core_cut, score < fitted.potential_cut
    found = pl.when(core).then(pl.lit("core")).when(potential).then(pl.lit("potential")).otherwise(pl.lit("important"))
    return pl.when(pl.col("loyal") & score.is_not_null()).then(found)


def _abc(rows: pl.DataFrame, fitted: FittedSegments, rule: AbcRule) -> dict[str, pl.Expr]:
    """D5: the class, and whether C is only where it ended up."""
    sales = pl.col("metric_yearly_sales")
    in_a = sales >= fitted.abc_cut if fitted.abc_cut is not None else pl.lit(False)
    in_b = _growing(rows, rule) & _expanding(rows, fitted)
    rare = (pl.col("metric_orders") <= rule.rare_orders.value).fill_null(False)
    standard = ~pl.col("segment_need").is_in(["quality", "service"]).fill_null(False)
    buyer = bought(rows).fill_null(True) & sales.is_not_null()
    found = pl.when(in_a).then(pl.lit("A")).when(in_b).then(pl.lit("B")).otherwise(pl.lit("C"))
    flagged = ~in_a & ~in_b.fill_null(False) & ~(rare & standard)
    return {
        "segment_abc": pl.when(buyer).then(found),
        "segment_abc_flagged": pl.when(buyer).then(flagged),
    }


def _growing(rows: pl.DataFrame, rule: AbcRule) -> pl.Expr:
    """Spend of the last 90 days is up on the 90 before by the pack's share (project default)."""
    now, before = column(rows, "spend_90d"), column(rows, "spend_90d_before")
    return (now > 0) & (now >= before * (1 + rule.growth.value))


def _expanding(rows: pl.DataFrame, fitted: FittedSegments) -> pl.Expr:
    """The industry grows, and at least as fast as the fitted bound."""
    if fitted.expanding_growth is None:
        return pl.lit(None, pl.Boolean)
    growth = column(rows, "industry_growth_rate").fill_nan(None)
    return (growth > 0) & (growth >= fitted.expanding_growth)


def _axes(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack) -> dict[str, pl.Expr]:
    """D5: value (past sales, repurchase rate) and potential (industry position, growth), means of what is known."""
    total = column(rows, "orders_total")
    sales = scaled(amount(rows, fitted.sales_column), 0.0, fitted.abc_cut)
    again = pl.when(total > 0).then((total - 1) / total)  # the share of own orders that were repeats
    growth = scaled(column(rows, "industry_growth_rate").fill_nan(None), fitted.growth_low, fitted.growth_high)
    return {
        "abc_value_axis": pl.mean_horizontal(sales, again),
        "abc_potential_axis": pl.mean_horizontal(_position(rows, pack.segments.abc), growth),
    }


def _position(rows: pl.DataFrame, rule: AbcRule) -> pl.Expr:
    """What the standing in the industry is worth, 0..1; null for words that the pack does not know."""
    worth = {word.lower(): position.worth for position in rule.positions.values() for word in position.words}
    words = column(rows, "industry_position", pl.String).str.strip_chars().str.to_lowercase()
    return words.replace_strict(worth, default=None, return_dtype=pl.Float64)


def _need(pack: RulePack) -> pl.Expr:
    """D3: the need that stands out most, as a multiple of its threshold; null below all of them."""
    rule = pack.segments.need
    least = {
        "price": ("discount_share", rule.discount_share.value),
        "quality": ("premium_share", rule.premium_share.value),
        "service": ("tickets_per_order", rule.tickets_per_order.value),
    }
    times = {
        key: pl.when(pl.col(f"metric_{metric}") >= bound).then(pl.col(f"metric_{metric}") * (1 / bound))
        for key, (metric, bound) in least.items()
    }
    most = pl.max_horizontal(times.values())
    return pl.coalesce(pl.when(value == most).then(pl.lit(key)) for key, value in times.items())


def _lifecycle(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """D3: prospect, at risk of loss, new, mature."""
    rule, buyer = pack.segments.lifecycle, bought(rows)
    new = pl.col("metric_days_since_first_purchase") < rule.new_days.value
    return (
        pl.when(~buyer).then(pl.lit("prospect"))
        .when(no_order_for(rows, rule.at_risk_days.value, as_of)).then(pl.lit("at_risk"))
        .when(new).then(pl.lit("new"))
        .when(buyer).then(pl.lit("mature"))
    )  # fmt: skip


def _behaviour(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """D3: dormant beats active, for our own calls to a dormant customer are contacts too."""
    rule, contacts = pack.segments.behaviour, pl.col("metric_contacts_a_month")
    dormant = _dormant(rows, rule.dormant_days.value, as_of).fill_null(False)
    seen = (contacts > 0) | bought(rows).fill_null(False) | column(rows, "usage_last_at", pl.Int64).is_not_null()
    return (
        pl.when(dormant).then(pl.lit("dormant"))
        .when(contacts >= rule.frequent_per_month.value).then(pl.lit("frequent"))
        .when(contacts.is_not_null() & seen).then(pl.lit("occasional"))
    )  # fmt: skip


def _dormant(rows: pl.DataFrame, days: float, as_of: int) -> pl.Expr:
    """No order and no use for `days`, with an order or a use before. Without one of the tables the other decides."""
    used = days_since(rows, "usage_last_at", as_of)
    no_use = pl.lit(True) if "usage_last_at" not in rows.columns else (used >= days).fill_null(True)
    if not {"order_last_at", "subscription_first_at"} & set(rows.columns):
        return used >= days
    return no_order_for(rows, days, as_of) & no_use


def _stage(pack: RulePack) -> pl.Expr:
    """D1: how far the relationship has come (cut-offs: project default)."""
    rule, contacts, phase = pack.segments.stage, pl.col("metric_contacts"), pl.col("segment_lifecycle")
    prospect = (
        pl.when(contacts >= rule.building.value).then(pl.lit("relationship_building"))
        .when(contacts >= rule.contacted.value).then(pl.lit("first_contact"))
        .when(contacts.is_not_null()).then(pl.lit("lead_identification"))
    )  # fmt: skip
    return (
        pl.when(pl.col("loyal")).then(pl.lit("loyal"))
        .when(phase == "prospect").then(prospect)
        .when(phase != "at_risk").then(pl.lit("deep_cooperation"))
    )  # fmt: skip


def _cooperation(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """D5: trust building until the first order is done, consolidation, growing together once loyal."""
    days, again = pl.col("metric_days_since_first_purchase"), column(rows, "orders_total") >= 2
    first = (days < pack.segments.cooperation.first_order_days.value) & ~again.fill_null(False)
    return (
        pl.when(pl.col("loyal")).then(pl.lit("growing_together"))
        .when(first).then(pl.lit("trust_building"))
        .when(days.is_not_null()).then(pl.lit("consolidation"))
    )  # fmt: skip


def _opportunity(rows: pl.DataFrame, fitted: FittedSegments, pack: RulePack) -> pl.Expr:
    """D3: a prospect with several enquiries, in an industry of high-value customers where those are known."""
    several = pl.col("metric_enquiries") >= pack.segments.opportunity.enquiries.value
    industries = list(fitted.high_value_industries)
    fits = column(rows, "industry", pl.String).is_in(industries) if industries else pl.lit(True)
    return pl.when((pl.col("segment_lifecycle") == "prospect") & several & fits).then(pl.lit("potential"))


def _nothing() -> pl.Expr:
    return pl.lit(None, pl.String)
