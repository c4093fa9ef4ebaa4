"""The drift report on disk: JSON that stands alone, and on request Evidently's pictures (some 6 MB of HTML)."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from features.errors import RemoraError
from monitoring.columns import typed
from monitoring.drift import ColumnDrift, DriftReport, Sample
from monitoring.stattests import METHODS, Subject, evidently

CERTAIN, NEVER = 1.0, -1.0
"""Thresholds of p that make Evidently's page say what our report says, which also asks for a minimum effect."""


class ReportError(RemoraError):
    """The report cannot be written as asked."""


def write_report(report: DriftReport, folder: Path, html: bool = False) -> list[Path]:
    """Write `drift.json`, and with `html` `drift.html`, into `folder` (made if absent); return what was written.

    The page shows the sampled rows of every column whose values were compared, and for a column whose share of
    missing values drifted a second one, "NAME (missing)". No page is written where no column could be compared.
    Raises ReportError for a page of a report read back from JSON: the rows are not in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drift.html").unlink(missing_ok=True)  # a page of an earlier run must not stand beside this JSON
    written = [_replaced(folder / "drift.json", report.model_dump_json(indent=2) + "\n")]
    shown = [each for each in report.columns if each.values or (each.missing and each.missing.drifted)]
    if html and report.sample is None:
        raise ReportError("drift.html: this report was read from JSON, without its rows; run `remora monitor` again")
    if html and report.sample and shown:
        written.append(_replaced(folder / "drift.html", _page(shown, report.sample)))
    return written


def _replaced(path: Path, text: str) -> Path:
    """Write beside, then rename: a reader sees the old file or the new one, never half."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    return beside.replace(path)


def _page(columns: Sequence[ColumnDrift], sample: Sample) -> str:
    """Evidently's page; a column it cannot draw is left out, the JSON has it."""
    try:
        return _drawn(columns, sample)
    except Exception:  # Evidently loses the whole page over one column: find which
        return _drawn([each for each in columns if _can_be_drawn(each, sample)], sample)


def _can_be_drawn(column: ColumnDrift, sample: Sample) -> bool:
    try:
        _drawn([column], sample)
    except Exception:  # the question is whether it raises
        return False
    return True


def _drawn(columns: Sequence[ColumnDrift], sample: Sample) -> str:
    evidently()  # registers our test under the name the metrics below use
    with warnings.catch_warnings():  # plotting habits of Evidently, e.g. correlations of a constant column
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report

        panels = _panels(columns)
        definition = DataDefinition(
            numerical_columns=[each.name for each in panels if each.subject == "number"],
            categorical_columns=[each.name for each in panels if each.subject != "number"],
        )
        reference, current = (
            Dataset.from_pandas(_frame(panels, each).to_pandas(), data_definition=definition)
            for each in (sample.reference, sample.current)
        )
        return str(Report(_metrics(panels)).run(current, reference).get_html_str(as_iframe=False))


class _Panel(NamedTuple):
    """One picture: the values of a column, or its share of missing ones."""

    name: str
    column: ColumnDrift
    subject: Subject
    drifted: bool


def _panels(columns: Sequence[ColumnDrift]) -> list[_Panel]:
    values = [_Panel(_inert(each.column), each, each.kind, each.values.drifted) for each in columns if each.values]
    missing = [
        _Panel(f"{_inert(each.column)} (missing)", each, "missing", True)
        for each in columns
        if each.missing and each.missing.drifted
    ]
    return values + missing


def _metrics(panels: Sequence[_Panel]) -> list[Any]:
    from evidently.metrics import ValueDrift

    return [
        ValueDrift(column=each.name, method=METHODS[each.subject][0], threshold=CERTAIN if each.drifted else NEVER)
        for each in panels
    ]


def _frame(panels: Sequence[_Panel], frame: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({each.name: _shown(each, frame[each.column.column]) for each in panels})


def _shown(panel: _Panel, column: pl.Series) -> pl.Series:
    values = typed(column, panel.column.kind)
    if panel.subject == "missing":
        return values.is_null().replace_strict({True: "missing", False: "present"}, return_dtype=pl.String)
    return values if panel.subject == "number" else values.str.replace_all("<", "‹", literal=True)


def _inert(text: str) -> str:
    """Evidently puts names and categories into a script element as they are: `</script>` in one would end it."""
    return text.replace("<", "‹")
