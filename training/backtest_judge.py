"""What came of a backtest's predictions, once their windows have closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from features.at_stake import TABLE_OF
from features.clock import DAY, moment
from features.engines import Source
from features.settings import Definition, Settings, ValueSource
from training.backtest_dates import CHURN, VALUE
from training.backtest_kept import Kept
from training.backtest_report import DateResult, Pooled, Status
from training.baselines import PROBABILITIES
from training.censoring import stopped
from training.evaluate import MODEL, churn_scores, value_scores
from training.labels import churned, realised_value
from training.metrics import Floats
from training.reports import ChurnScore, ValueScore


@dataclass(frozen=True)
class Outlook:
    """`source` ends at `today` (microseconds); a churn window takes `window_days`, grace included."""

    source: Source
    today: int
    definition: Definition
    window_days: int
    value_source: ValueSource | None


@dataclass(frozen=True)
class JudgedDate:
    """`rows`: the kept predictions with `churned` and, once its horizon has closed, `value`; empty until judged."""

    result: DateResult
    rows: pl.DataFrame


def judge_date(date: int, kept: Kept, outlook: Outlook, settings: Settings) -> JudgedDate:
    """The scores of one date against what came true, or why that cannot be said."""
    closes = date + outlook.window_days * DAY
    status, why = _status(closes, kept, outlook, settings)
    rows = _with_outcomes(date, kept, outlook, settings) if status == "judged" else pl.DataFrame()
    notes = (_refusal(kept), why, "" if status != "judged" else _value_note(date, outlook, settings))
    result = DateResult(
        as_of=moment(date).astimezone(settings.company.zone).date(),
        status=status,
        closes=moment(closes).astimezone(settings.company.zone).date(),
        note="; ".join(filter(None, notes)),
        trained=kept.facts.trained,
        training_rows=kept.facts.training_rows,
        training_churners=kept.facts.training_churners,
        rows=kept.rows.height,
        churners=int(rows["churned"].sum()) if status == "judged" else None,
        churn=judge_churn(rows),
        value=judge_value(rows),
    )
    return JudgedDate(result, rows)


def judge_pooled(dates: Sequence[JudgedDate]) -> Pooled | None:
    """The dates on which a model was judged, as one; None where there is none."""
    judged = [each.rows for each in dates if each.result.status == "judged" and each.result.trained]
    if not judged:
        return None
    rows, valued = _common(judged), [each for each in judged if "value" in each.columns]
    return Pooled(
        dates=len(judged),
        rows=rows.height,
        customers=rows["customer_id"].n_unique(),
        churners=int(rows["churned"].sum()),
        churn=judge_churn(rows),
        value_dates=len(valued),
        value=judge_value(_common(valued)) if valued else {},
    )


def judge_churn(rows: pl.DataFrame) -> dict[str, ChurnScore]:
    """Every churn score of `rows`, which hold `churned`; {} before. The curves of gain are left out."""
    scores = _scores(rows, CHURN)
    if "churned" not in rows.columns or not scores:
        return {}
    customers, known = rows["customer_id"].to_numpy(), {MODEL, *PROBABILITIES}
    judged = churn_scores(rows["churned"].to_numpy(), scores, customers, known, _reference(scores))
    return {name: score.model_copy(update={"gain": ()}) for name, score in judged.items()}


def judge_value(rows: pl.DataFrame) -> dict[str, ValueScore]:
    """Every value score of `rows`, once they hold `value`; {} before."""
    scores = _scores(rows, VALUE)
    if "value" not in rows.columns or not scores:
        return {}
    return value_scores(rows["value"].to_numpy(), scores, rows["customer_id"].to_numpy(), _reference(scores))


def _status(closes: int, kept: Kept, outlook: Outlook, settings: Settings) -> tuple[Status, str]:
    if closes > outlook.today:
        return "open", f"open until {moment(closes).astimezone(settings.company.zone):%Y-%m-%d}"
    if kept.rows.is_empty():
        return "not judged", "nobody was at stake"
    table = TABLE_OF[outlook.definition]
    why = stopped(outlook.source.tables[table], table, closes)
    return ("not judged", why) if why else ("judged", "")


def _with_outcomes(date: int, kept: Kept, outlook: Outlook, settings: Settings) -> pl.DataFrame:
    """The kept rows with what came of each, by all that is readable today."""
    outcomes = churned(outlook.source.tables, date, outlook.definition, settings.churn)
    rows = kept.rows.join(outcomes, on="customer_id", how="inner", validate="1:1")
    if outlook.value_source is None or not _value_closed(date, outlook, settings):
        return rows
    money, horizon = settings.value, settings.value_horizon_days
    worth = realised_value(
        outlook.source.tables, date, outlook.value_source, horizon, money.measure, money.annual_discount_rate
    )
    return rows.join(worth, on="customer_id", how="left").with_columns(pl.col("value").fill_null(0.0))


def _value_closed(date: int, outlook: Outlook, settings: Settings) -> bool:
    return date + settings.value_horizon_days * DAY <= outlook.today


def _value_note(date: int, outlook: Outlook, settings: Settings) -> str:
    if outlook.value_source is None or _value_closed(date, outlook, settings):
        return ""
    closes = moment(date + settings.value_horizon_days * DAY).astimezone(settings.company.zone)
    return f"value open until {closes:%Y-%m-%d}"


def _refusal(kept: Kept) -> str:
    return "" if kept.facts.trained else f"rules only: {kept.facts.refusal}"


def _scores(rows: pl.DataFrame, target: str) -> Mapping[str, Floats]:
    return {name.removeprefix(target): rows[name].to_numpy() for name in rows.columns if name.startswith(target)}


def _reference(scores: Mapping[str, Floats]) -> str | None:
    return MODEL if MODEL in scores else None


def _common(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, with the columns that every frame has."""
    names = [name for name in frames[0].columns if all(name in frame.columns for frame in frames)]
    return pl.concat([frame.select(names) for frame in frames])
