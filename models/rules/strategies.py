"""The strategy table of D3 and the company's goals (D2, D3): what is to be reached, by whom, and how far it is."""

import datetime as dt
from collections.abc import Iterator

import polars as pl

from models.rules.pack import Lang, RulePack
from models.rules.schema.segments import Formula, Goal, Strategies, Strategy
from models.rules.strategy_metrics import FORMULAS, Members, Period, Result

_SCHEMA = {
    "strategy": pl.String,
    "metric": pl.String,
    "customers": pl.Int64,
    "done": pl.Int64,
    "value": pl.Float64,
    "target": pl.Float64,
    "text": pl.String,
}


def progress(
    at_start: pl.DataFrame,
    orders: pl.DataFrame,
    subscriptions: pl.DataFrame | None,
    as_of: int,
    start: int,
    pack: RulePack,
    *,
    before: pl.DataFrame | None = None,
    contacts: pl.DataFrame | None = None,
    surveys: pl.DataFrame | None = None,
    grace_days: float = 14,
    lang: Lang = "en",
) -> pl.DataFrame:
    """How far each goal of the strategy table is, from `start` to `as_of` (half-open, Int64 microseconds).

    `at_start`: customer_id and the segment columns at `start`; `before`: the same one period earlier (for the goals of
    retention and churn). `orders`: customer_id, t, net, one row a purchase, of all time. The other frames: see
    `strategy_metrics.Period`; a metric without its frame has no value.

    Returns one row a strategy and metric, in the pack's order: strategy, metric (keys), customers (subscriptions due,
    for renewal), done (how many did it), value and target (shares, changes as shares, or the metric's unit), text.
    """
    period = Period(start, as_of, orders, subscriptions, contacts, surveys, grace_days)
    found = []
    for name, strategy in _all(pack.strategies):
        members = Members(
            _customers(at_start, strategy), None if before is None else _customers(before, strategy)
        )  # fmt: skip
        for goal in strategy.goals:
            result = FORMULAS[goal.metric](members, period, pack.strategies)
            target = goal.target.value if goal.target else None
            found.append((name, goal.metric, *result, target, _text(goal, result, pack.strategies, lang)))
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def members(at_start: pl.DataFrame, strategy: str, pack: RulePack) -> pl.DataFrame:
    """The customers of `at_start` (customer_id and segment columns) in a row of the table: one column, customer_id."""
    return _customers(at_start, dict(_all(pack.strategies))[strategy])


def strategy_due(strategy: str, start: dt.date, pack: RulePack) -> dt.date | None:
    """The day on which the results of a period that begins on `start` are due; None for an ongoing one or none given.

    The end of a quarter or month is its last day.
    """
    due = dict(_all(pack.strategies))[strategy].due
    if due.rule == "days" and due.days is not None:
        return start + dt.timedelta(days=due.days.value)
    if due.rule == "month_end":
        return _month_end(start.year, start.month)
    if due.rule == "quarter_end":
        return _month_end(start.year, (start.month + 2) // 3 * 3)
    return None


def strategy_table(pack: RulePack, lang: Lang = "en") -> pl.DataFrame:
    """D3's table as a person reads it: strategy (key), segment, traits, relation, goal, measures, owner, due, metrics
    (joined), document; the company's goals come last."""
    rows = [
        {
            "strategy": name,
            "segment": row.label.text(lang),
            "traits": row.traits.text(lang) if row.traits else None,
            "relation": row.relation.text(lang) if row.relation else None,
            "goal": row.goal.text(lang),
            "measures": row.measures.text(lang) if row.measures else None,
            "owner": row.owner.text(lang) if row.owner else None,
            "due": row.due.label.text(lang),
            "metrics": ", ".join(metric_label(goal.metric, pack, lang) for goal in row.goals),
            "document": row.source,
        }
        for name, row in _all(pack.strategies)
    ]
    return pl.DataFrame(rows, schema_overrides={"traits": pl.String, "relation": pl.String})


def metric_label(metric: Formula, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a metric."""
    return pack.strategies.metrics[metric].label.text(lang)


def _all(table: Strategies) -> Iterator[tuple[str, Strategy]]:
    yield from table.rows.items()
    yield from table.company.items()


def _customers(at_start: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    inside, outside = _any(at_start, strategy.segments), _any(at_start, strategy.unless)
    return at_start.filter(inside & ~outside).select("customer_id").unique()


def _any(at_start: pl.DataFrame, keys: tuple[str, ...]) -> pl.Expr:
    """Boolean, never null: in any of the segments `keys`."""
    pairs = [key.split(":", 1) for key in keys]
    hits = [pl.col(f"segment_{scheme}") == name for scheme, name in pairs if f"segment_{scheme}" in at_start.columns]
    return pl.any_horizontal(pl.lit(False), *(hit.fill_null(False) for hit in hits))


def _text(goal: Goal, result: Result, table: Strategies, lang: Lang) -> str:
    metric = table.metrics[goal.metric]
    label = metric.label.text(lang)
    if result.value is None:
        return table.no_data.text(lang).format(metric=label)
    words = table.with_target if goal.target else table.without_target
    target = shown(goal.target.value, metric.shown_as, lang) if goal.target else ""
    return words.text(lang).format(metric=label, value=shown(result.value, metric.shown_as, lang), target=target)


def shown(value: float, kind: str, lang: Lang) -> str:
    """A metric's value in words.

    >>> shown(0.62, "percent", "en"), shown(-0.15, "change", "zh"), shown(4.5, "number", "en")
    ('62 %', '−15%', '4.5')
    """
    if kind in ("percent", "change"):
        sign = "" if kind == "percent" else "+" if value > 0 else ""
        number = f"{sign}{_rounded(value * 100, 0)}".replace("-", "−")
        return f"{number}%" if lang == "zh" else f"{number} %"
    return _rounded(value, 1 if kind == "number" else 0)


def _rounded(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # + 0.0: no "-0"


def _month_end(year: int, month: int) -> dt.date:
    return dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
