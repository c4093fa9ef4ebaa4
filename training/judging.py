"""What a bundle is worth on the rows that tested it, next to every baseline, and its recipe at earlier cut-offs."""

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from features.clock import MONTH_DAYS, moment
from features.point_in_time import Tables
from features.settings import Definition, Settings
from models.bundle import Bundle
from models.calibration import sigmoid
from models.rules import FittedComposite, RulePack, composite_score
from training.baselines import churn_baselines, last_year_spend, value_baselines
from training.churn_choice import Members
from training.evaluate import LATER_PERIOD, NOT_LATER, ChurnReport, Split, ValueReport, evaluate_churn, evaluate_value
from training.fit import Roles, roles
from training.judged_rows import ChurnRows, ValueRows
from training.metrics import Floats
from training.profit import ProfitReport, profit_report
from training.reports import Slice
from training.slices import four_way, thinned
from training.snapshots import Snapshots
from training.split import Plan
from training.targets import Targets

RECENCY_OF: dict[Definition, str] = {
    "no_purchase": "rfm_recency_days",
    "inactive": "usage_recency_days",
    "cancelled": "subscription_recency_days",
}
"""Definition → days since the latest event of its own table; `labelled` has no events."""

SPEND: dict[str, tuple[tuple[str, float], ...]] = {
    "transactions": tuple((f"rfm_amount_sum_{days}d", float(days)) for days in (365, 180, 90, 30)),
    "subscriptions": (("subscription_amount", MONTH_DAYS),),
}
"""Value source → past spend and the days it covers, the longest window first: what the run rate continues."""


def at_stake(snapshots: Snapshots, plan: Plan) -> Roles:
    """Those at stake by what they are for."""
    return roles(snapshots.rows.filter(pl.col("at_stake")), plan)


def judge_churn(
    bundle: Bundle, snapshots: Snapshots, aims: Targets, members: Members, composite: FittedComposite, pack: RulePack,
    zone: dt.tzinfo,
) -> ChurnReport:  # fmt: skip
    """The bundle's churn probabilities on the test rows, next to every baseline, and in four slices.

    `members`: what was fitted on the bundle's training rows; its simple ones are baselines.
    """
    rows = churn_rows(bundle, snapshots, aims, members, composite, pack)
    return churn_report(rows, *split_of(aims.churn), zone, _slices(bundle, snapshots, aims))


def churn_rows(
    bundle: Bundle, snapshots: Snapshots, aims: Targets, members: Members, composite: FittedComposite, pack: RulePack
) -> ChurnRows:
    """What the bundle and every baseline say of each test row at stake, and what came of it."""
    test = at_stake(snapshots, aims.churn).test
    score = composite_score(test, composite, pack)["composite_score"].cast(pl.Float64).to_numpy()
    matrix, names = bundle.matrix(test), bundle.design.names
    simple = {name: sigmoid(linear.predict_raw(matrix, names)) for name, linear in members.simple.items()}
    base_rate, days = bundle.manifest.churn.base_rate, days_since_event(test, aims.definition)
    baselines = churn_baselines(days, score, base_rate, test.height, simple.get("linear"), simple.get("bg_nbd"))
    y, p = test["churned"].cast(pl.Float64).to_numpy(), bundle.churn.probability(matrix)
    return ChurnRows(y, p, baselines, test["customer_id"].to_numpy(), test["as_of"].to_numpy())


def churn_report(
    rows: ChurnRows, split: Split, why: str, zone: dt.tzinfo = dt.UTC, four_way: Sequence[Slice] = ()
) -> ChurnReport:
    """The report on `rows`, of one run or of several."""
    return evaluate_churn(
        rows.y, rows.p, rows.baselines, rows.customers, split, why, as_of=rows.as_of, zone=zone, four_way=four_way
    )


def judge_value(
    bundle: Bundle, snapshots: Snapshots, aims: Targets, tables: Tables, settings: Settings
) -> ValueReport | None:
    """The bundle's expected value on the test rows at stake, next to every baseline; None without value data."""
    rows = value_rows(bundle, snapshots, aims, tables, settings)
    if rows is None or aims.value is None:
        return None
    return value_report(rows, *split_of(aims.value), settings.company.currency or "")


def value_rows(
    bundle: Bundle, snapshots: Snapshots, aims: Targets, tables: Tables, settings: Settings
) -> ValueRows | None:
    """What the bundle and every baseline expect of each test row at stake, and what it brought; None without value."""
    if aims.value is None or aims.value_source is None:
        return None
    rows = snapshots.rows.filter(pl.col("value").is_not_null() & pl.col("at_stake"))
    test = roles(rows, aims.value).test
    matrix = bundle.matrix(test)
    predicted = bundle.predict(matrix)
    worth, low, high = predicted.expected_value, predicted.value_low, predicted.value_high
    assert worth is not None
    assert low is not None
    assert high is not None
    baselines = {}
    if aims.value_source != "labels":
        value, horizon = settings.value, settings.value_horizon_days
        before = last_year_spend(tables, test, aims.value_source, horizon, value.measure, value.annual_discount_rate)
        rhythm = bundle.design.column(matrix, "rhythm_value") if aims.value_source == "transactions" else None
        spend = past_spend(test, aims.value_source)
        baselines = value_baselines(*spend, horizon, before, None if rhythm is None else np.nan_to_num(rhythm))
    known = (test[name].to_numpy() for name in ("customer_id", "as_of"))
    return ValueRows(test["value"].to_numpy(), worth, baselines, low, high, *known)


def value_report(rows: ValueRows, split: Split, why: str, unit: str = "") -> ValueReport:
    """The report on `rows`, of one run or of several, in money of `unit`."""
    return evaluate_value(
        rows.actual, rows.predicted, rows.baselines, rows.customers, split, why, unit, low=rows.low, high=rows.high
    )


def judge_profit(bundle: Bundle, snapshots: Snapshots, aims: Targets, settings: Settings) -> ProfitReport | None:
    """What acting by these probabilities would have earned on the test rows; None where an action has no price."""
    test = at_stake(snapshots, aims.churn).test
    told = bundle.predict(bundle.matrix(test))
    return profit_report(
        test["churned"].to_numpy(), told.churn_probability, told.value_if_retained, test["customer_id"].to_numpy(),
        settings.action, *split_of(aims.churn), unit=settings.company.currency or "",
    )  # fmt: skip


def days_since_event(rows: pl.DataFrame, definition: Definition) -> Floats | None:
    """What the recency rule reads, shape (rows,); None where the definition has no events."""
    return rows[RECENCY_OF[definition]].to_numpy() if definition in RECENCY_OF else None


def past_spend(rows: pl.DataFrame, source: str) -> tuple[Floats, float]:
    """Spend over the longest window that is known, and its days; both sources are scaled and added up."""
    names = ("transactions", "subscriptions") if source == "both" else (source,)
    found = [_longest(rows, SPEND[name]) for name in names]
    days = found[0][1]
    return np.sum([spend * days / window for spend, window in found], axis=0), days


def split_of(plan: Plan) -> tuple[Split, str]:
    """Whether the test lies in a later period, in words."""
    test = f"{moment(plan.test):%Y-%m-%d}"
    if plan.later_period:
        return LATER_PERIOD, f"tested on everyone at {test}, after an embargo of one window"
    return NOT_LATER, f"history has no room for an embargo: tested on the fifth of customers set aside, at {test}"


def _slices(bundle: Bundle, snapshots: Snapshots, aims: Targets) -> tuple[Slice, ...]:
    rows = thinned(snapshots.rows.filter(pl.col("at_stake") & pl.col("as_of").is_in(aims.churn.cutoffs)))
    told = bundle.predict(bundle.matrix(rows))
    return four_way(rows.with_columns(**dict(_known(told.churn_probability, told.expected_value))), aims.churn)


def _known(p: Floats, worth: Floats | None) -> Iterator[tuple[str, pl.Series]]:
    yield "churn_probability", pl.Series(p)
    if worth is not None:
        yield "expected_value", pl.Series(worth)


def _longest(rows: pl.DataFrame, windows: tuple[tuple[str, float], ...]) -> tuple[Floats, float]:
    name, days = next((w for w in windows if rows[w[0]].is_not_null().any()), windows[-1])
    return rows[name].fill_null(0.0).to_numpy(), days
