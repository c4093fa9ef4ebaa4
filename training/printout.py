"""Evaluation reports as tables for the terminal: metric by metric, the model first, what it has to beat below it."""

from collections.abc import Collection, Iterator, Mapping

from rich import box
from rich.table import Table

from training.bootstrap import LEVEL, Interval
from training.reports import ChurnReport, ChurnScore, ValueReport, ValueScore

UNKNOWN = "—"
_INTERVAL = f"{LEVEL:.0%} interval".replace("%", " %")
_HEADINGS = [_INTERVAL, "model − it", _INTERVAL]
_MODEL = "model"

CHURN_ROWS = {
    "roc_auc": ("ROC AUC", 3),
    "average_precision": ("average precision", 3),
    "lift_top_decile": ("lift, top 10 %", 2),
    "brier_score": ("Brier score", 4),
    "log_loss": ("log loss", 4),
    "calibration_error": ("calibration error", 3),
    "total_ratio": ("predicted / actual", 2),
}
"""Metric → its name for people, and decimals."""

VALUE_ROWS = {
    "normalised_gini": ("normalised Gini", 3),
    "spearman": ("Spearman", 3),
    "mae": ("mean error{unit}", 2),
    "total_ratio": ("predicted / actual", 2),
}


HEADLINES = ("roc_auc", "calibration_error", "normalised_gini", "total_ratio")
"""What a terminal has room for; the card and the record hold all."""


def churn_table(report: ChurnReport, metrics: Collection[str] = tuple(CHURN_ROWS)) -> Table:
    """A section a metric, a row a score: the number, its interval, and how far the model is above it for sure."""
    title = f"Churn: {report.churners:,} churners among {report.rows:,} rows of {report.customers:,} customers"
    table = _table(title, _tested_on(report), ["metric", "", *_HEADINGS])
    return _filled(table, {_MODEL: report.model, **report.baselines}, _named(CHURN_ROWS, metrics), "")


def value_table(report: ValueReport, metrics: Collection[str] = tuple(VALUE_ROWS)) -> Table:
    """A section a metric, a row a prediction: the number, its interval, and how far the model is above it for sure."""
    title = f"Value: {report.rows:,} rows of {report.customers:,} customers"
    table = _table(title, _tested_on(report), ["metric", "", *_HEADINGS])
    return _filled(table, {_MODEL: report.model, **report.baselines}, _named(VALUE_ROWS, metrics), _unit(report))


def range_table(report: ValueReport) -> Table:
    """Does the range hold? The share of realised values inside, by tenth of predicted value, the highest first.

    The aim is what a perfect range would hold: 80 %, and 90 % or more where many bring nothing.
    """
    unit = _unit(report)
    held = f"in all {span(report.covered, 3)}, aim {number(report.coverage_aim, 3)}"
    headings = ["decile", "rows", "inside", "aim", "above", "brought nothing", f"mean width{unit}"]
    table = _table(f"Value inside its 80 % range, {held}", _tested_on(report), headings)
    for row in report.coverage:
        shares = (number(share, 3) for share in (row.coverage, row.aim, row.above, row.zeros))
        table.add_row(str(row.decile), f"{row.rows:,}", *shares, f"{row.mean_width:,.2f}")
    return table


def cutoff_table(report: ChurnReport) -> Table:
    """Is it stable? Each test cut-off by itself, next to the rule that the gate compares with."""
    rule = report.rule or "no rule"
    headings = ["cut-off", "rows", "churned", "ROC AUC", _INTERVAL, rule, f"above the {rule}", "calibration error"]
    table = _table("Churn by test cut-off", _tested_on(report), headings)
    for each in report.by_cutoff:
        against, gap = each.baselines.get(rule), each.differences.get(rule)
        table.add_row(
            f"{each.as_of}",
            f"{each.rows:,}",
            number(each.churners / each.rows, 3),
            *_cells(each.roc_auc, 3),
            number(against.estimate if against else None, 3),
            span(gap, 3, "+"),
            number(each.calibration_error.estimate, 3),
        )
    return table


def four_way_table(report: ChurnReport) -> Table:
    """Where is it good? Customers and periods that the model has seen, and those that it has not."""
    headings = ["customers, period", "rows", "AUC", _INTERVAL, "off by", "Gini"]
    table = _table("Seen and unseen customers and periods", _tested_on(report), headings)
    for each in report.four_way:
        gini = each.normalised_gini.estimate if each.normalised_gini else None
        error = number(each.calibration_error.estimate, 3)
        table.add_row(each.name, f"{each.rows:,}", *_cells(each.roc_auc, 3), error, number(gini, 3))
    return table


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A number in `digits` decimals; a dash for the unknown."""
    return UNKNOWN if value is None else f"{value:{sign},.{digits}f}"


def span(interval: Interval | None, digits: int, sign: str = "") -> str:
    """`0.752 to 0.809`; a dash for the unknown, nothing where there is nothing to say."""
    if interval is None:
        return ""
    if interval.low is None:
        return UNKNOWN
    return f"{number(interval.low, digits, sign)} to {number(interval.high, digits, sign)}"


def _named(rows: Mapping[str, tuple[str, int]], metrics: Collection[str]) -> dict[str, tuple[str, int]]:
    return {metric: words for metric, words in rows.items() if metric in metrics}


def _filled(
    table: Table,
    scores: Mapping[str, ChurnScore] | Mapping[str, ValueScore],
    metrics: Mapping[str, tuple[str, int]],
    unit: str,
) -> Table:
    for metric, (name, digits) in metrics.items():
        table.add_section()
        table.add_row(f"[bold]{name.format(unit=unit)}")
        for row in _rows(scores, metric, digits):
            table.add_row(*row)
    return table


def _rows(
    scores: Mapping[str, ChurnScore] | Mapping[str, ValueScore], metric: str, digits: int
) -> Iterator[tuple[str, ...]]:
    """One row for each score that has the metric; the model's own has no difference."""
    for name, score in scores.items():
        if metric in score.intervals:
            gap = score.differences.get(metric)
            above = number(gap.estimate, digits, "+") if gap else ""
            yield f" {name}", *_cells(score.intervals[metric], digits), above, span(gap, digits, "+")


def _cells(interval: Interval, digits: int) -> tuple[str, str]:
    return number(interval.estimate, digits), span(interval, digits)


def _table(title: str, caption: str, headings: list[str]) -> Table:
    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=heading == _INTERVAL)
    return table


def _tested_on(report: ChurnReport | ValueReport) -> str:
    """How the test rows were set apart, said with every table so no number travels without it."""
    where = f"Test rows: {report.split}"
    return f"{where} ({report.split_reason})" if report.split_reason else where


def _unit(report: ValueReport) -> str:
    return f", {report.unit}" if report.unit else ""
