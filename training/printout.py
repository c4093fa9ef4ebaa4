"""Evaluation reports as tables for the terminal: the model first, what it has to beat below it."""

from rich.table import Table

from training.bootstrap import LEVEL, Interval
from training.evaluate import ChurnReport, ChurnScore, ValueReport, ValueScore

UNKNOWN = "—"
_INTERVAL = f"  {LEVEL:.0%} interval".replace("%", " %")
_SCORE_ROWS = [_INTERVAL, "model is above by", _INTERVAL]
CHURN_ROWS = [
    "ROC AUC",
    *_SCORE_ROWS,
    "average precision",
    "lift, top 10 %",
    "Brier score",
    "log loss",
    "calibration error",
    "predicted / actual",
]
VALUE_ROWS = ["normalised Gini", *_SCORE_ROWS, "Spearman", "mean error{unit}", "predicted / actual"]


def churn_table(report: ChurnReport) -> Table:
    """A column a score, a row a metric; the interval of a number stands below it."""
    title = f"Churn: {report.churners:,} churners among {report.rows:,} rows of {report.customers:,} customers"
    scores = {"model": report.model, **report.baselines}
    table = _table(title, _tested_on(report), ["metric", *scores])
    for line in zip(CHURN_ROWS, *map(_churn_cells, scores.values()), strict=True):
        table.add_row(*line)
    return table


def value_table(report: ValueReport) -> Table:
    """A column a prediction, a row a metric; the interval of a number stands below it."""
    title = f"Value: {report.rows:,} rows of {report.customers:,} customers"
    scores = {"model": report.model, **report.baselines}
    table = _table(title, _tested_on(report), ["metric", *scores])
    names = [name.format(unit=_unit(report)) for name in VALUE_ROWS]
    for line in zip(names, *map(_value_cells, scores.values()), strict=True):
        table.add_row(*line)
    return table


def decile_table(report: ValueReport) -> Table:
    """Predicted and actual value by tenth of predicted value, the highest first."""
    unit = _unit(report)
    headings = ["decile", "rows", f"mean predicted{unit}", f"mean actual{unit}", "predicted / actual"]
    table = _table("Value by decile of prediction (1 = highest)", _tested_on(report), headings)
    for row in report.deciles:
        ratio = row.total_predicted / row.total_actual if row.total_actual > 0 else None
        cells = (f"{row.rows:,}", f"{row.mean_predicted:,.2f}", f"{row.mean_actual:,.2f}", _number(ratio, 2))
        table.add_row(str(row.decile), *cells)
    return table


def _table(title: str, caption: str, headings: list[str]) -> Table:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    return table


def _tested_on(report: ChurnReport | ValueReport) -> str:
    """How the test rows were set apart, said with every table so no number travels without it."""
    where = f"Test rows: {report.split}"
    return f"{where} ({report.split_reason})" if report.split_reason else where


def _unit(report: ValueReport) -> str:
    return f", {report.unit}" if report.unit else ""


def _churn_cells(score: ChurnScore) -> list[str]:
    cells = [*_interval_cells(score.roc_auc), *_interval_cells(score.difference, sign="+")]
    cells += [_number(score.average_precision, 3), _number(score.lift_top_decile, 2)]
    cells += [_number(score.brier_score, 4), _number(score.log_loss, 4)]
    return [*cells, _number(score.calibration_error, 3), _number(score.total_ratio, 2)]


def _value_cells(score: ValueScore) -> list[str]:
    cells = [*_interval_cells(score.normalised_gini), *_interval_cells(score.difference, sign="+")]
    return [*cells, _number(score.spearman, 3), _number(score.mae, 2), _number(score.total_ratio, 2)]


def _interval_cells(interval: Interval | None, sign: str = "") -> tuple[str, str]:
    """`0.781` and `0.752 to 0.809`; both empty where there is nothing to compare."""
    if interval is None:
        return "", ""
    low, high = _number(interval.low, 3, sign), _number(interval.high, 3, sign)
    return _number(interval.estimate, 3, sign), f"{low} to {high}"


def _number(number: float | None, digits: int, sign: str = "") -> str:
    return UNKNOWN if number is None else f"{number:{sign},.{digits}f}"
