"""What a backtest says, and its table: date by date and pooled, the model and everything it rivals."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Literal

from rich import box
from rich.table import Table

from training.bootstrap import Interval
from training.evaluate import MODEL
from training.printout import UNKNOWN, number, span
from training.reports import ChurnScore, Report, ValueScore

Status = Literal["judged", "open", "not judged"]


class DateResult(Report):
    """One date. `churn` and `value`: score → how good it turned out; differences are model − score, paired.

    `note` says why there is no model (then the rules spoke alone), until when a window is open, or why outcomes are
    not to be believed. `churners` is None until the churn window has closed; `value` is empty until its own has.
    """

    as_of: dt.date
    status: Status
    closes: dt.date
    note: str = ""
    trained: bool
    training_rows: int
    training_churners: int
    rows: int
    churners: int | None = None
    churn: dict[str, ChurnScore]
    value: dict[str, ValueScore]


class Pooled(Report):
    """All dates on which a model was judged, a customer's rows kept together; only scores that each date has."""

    dates: int
    rows: int
    customers: int
    churners: int
    churn: dict[str, ChurnScore]
    value_dates: int
    value: dict[str, ValueScore]


class Backtest(Report):
    """`key` names the folder of the predictions; `data_end` is the date up to which outcomes were read."""

    definition: str
    window_days: int
    value_horizon_days: int | None
    data_end: dt.date
    key: str
    dates: tuple[DateResult, ...]
    pooled: Pooled | None

    @property
    def judged(self) -> list[DateResult]:
        """The dates whose outcomes are known."""
        return [each for each in self.dates if each.status == "judged"]


HEADINGS = (
    "ROC AUC", "model − it, 90 %", "avg. precision", "lift 10 %", "Brier", "calibration error",
    "value: Gini", "model − it, 90 %", "pred. / actual",
)  # fmt: skip


def backtest_table(found: Backtest) -> Table:
    """A section a date, a row a score; the last section pools the dates. Every other interval is in the JSON."""
    table = Table(
        title=f"Backtest: {found.definition} within {found.window_days} days, data up to {found.data_end}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("date", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=heading.startswith("model −"))
    for each in found.dates:
        _section(table, str(each.as_of), each.churn, each.value)
    if found.pooled:
        _section(table, "pooled", found.pooled.churn, found.pooled.value)
    return table


def backtest_notes(found: Backtest) -> Iterator[str]:
    """One line a date: who was at stake, what was learnt from, what is still open or could not be done."""
    for each in found.dates:
        told = f"{each.as_of}: {each.rows:,} at stake"
        told += "" if each.churners is None else f", {each.churners:,} churned"
        learnt = f", trained on {each.training_churners:,} churners in {each.training_rows:,} rows"
        told += learnt if each.trained else ""
        yield "; ".join(filter(None, [told, each.note]))
    if found.pooled:
        pooled = found.pooled
        which = f"pooled over {pooled.dates} of {len(found.dates)} dates"
        yield f"{which}: {pooled.rows:,} rows of {pooled.customers:,} customers, {pooled.churners:,} churned"


def _section(table: Table, heading: str, churn: Mapping[str, ChurnScore], value: Mapping[str, ValueScore]) -> None:
    table.add_section()
    table.add_row(f"[bold]{heading}")
    names = sorted(dict.fromkeys([*churn, *value]), key=lambda name: name != MODEL)
    for name in names:
        table.add_row(f" {name}", *_churn_cells(churn.get(name)), *_value_cells(value.get(name)))
    if not names:
        table.add_row(f" {UNKNOWN}")


def _churn_cells(score: ChurnScore | None) -> list[str]:
    if score is None:
        return [""] * 6
    cells = [*_pair(score.roc_auc, score.difference), number(score.average_precision, 3)]
    cells.append(number(score.lift_top_decile, 2))
    return [*cells, number(score.brier_score, 4), number(score.calibration_error, 3)]


def _value_cells(score: ValueScore | None) -> list[str]:
    if score is None:
        return [""] * 3
    return [*_pair(score.normalised_gini, score.difference), number(score.total_ratio, 2)]


def _pair(own: Interval, gap: Interval | None) -> tuple[str, str]:
    return number(own.estimate, 3), span(gap, 3, "+")
