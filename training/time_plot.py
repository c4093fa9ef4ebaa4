"""How good the scores are from date to date, above the churn rate they meet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bootstrap import Interval
from training.chart_style import MODEL, QUIET, WIDTH, color_of, data, label, styled
from training.reports import BASE_RATE, CutoffScore

if TYPE_CHECKING:
    import altair as alt

    from training.chart_style import Chart, Panel

_HEIGHT, _RATE_HEIGHT, _LABELS = 300, 90, 0.065
_Lines = dict[str, list[tuple[dt.date, float]]]
_NAMES_BESIDE = 170
"""Room for the names right of the lines, in points."""


@dataclass(frozen=True)
class TimePoint:
    """One date: ROC AUC of each score (the model's under "model", where there is one), and the share that churned."""

    as_of: dt.date
    auc: Mapping[str, Interval]
    churn_rate: float


def points_of_cutoffs(cutoffs: Sequence[CutoffScore]) -> list[TimePoint]:
    """The test cut-offs of a report."""
    return [TimePoint(c.as_of, {"model": c.roc_auc, **c.baselines}, c.churners / c.rows) for c in cutoffs]


def auc_over_time(points: Sequence[TimePoint], title: str, subtitle: list[str]) -> Chart:
    """A line a score, a band for the model's 90 % interval, and the churn rate below on the same dates."""
    import altair as alt

    x = alt.X("as_of:T", title=None).axis(format="%Y-%m-%d", values=[_day(p.as_of) for p in points], labelAngle=-40)
    panels: Chart = alt.vconcat(_scores(points, x), _rates(points, x), spacing=18).resolve_scale(x="shared")
    return styled(panels, title, [*subtitle, "band: 90 % interval of the model"])


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Places for labels as near to their values as keeps them `gap` apart, in the order given.

    >>> spread([0.5, 0.5, 0.9], 0.1)
    [0.5, 0.6, 0.9]
    """
    placed: dict[int, float] = {}
    last = float("-inf")
    for index in sorted(range(len(values)), key=lambda i: values[i]):
        last = max(values[index], last + gap)
        placed[index] = round(last, 9)
    return [placed[index] for index in range(len(values))]


def _scores(points: Sequence[TimePoint], x: alt.X) -> Panel:
    import altair as alt

    lines = _lines(points)
    y = alt.Y("auc:Q", title="ROC AUC", scale=alt.Scale(zero=False))
    band = [
        {"as_of": _day(p.as_of), "low": p.auc["model"].low, "high": p.auc["model"].high}
        for p in points
        if "model" in p.auc and p.auc["model"].low is not None
    ]
    shade = alt.Chart(data(band)).mark_area(color=MODEL, opacity=0.13)
    layers = [shade.encode(x, alt.Y("low:Q", scale=alt.Scale(zero=False), title="ROC AUC"), y2="high:Q")]
    for line, ((name, known), place) in enumerate(zip(lines.items(), _places(lines), strict=True)):
        color = color_of(line)
        rows = data([{"as_of": _day(date), "auc": auc} for date, auc in known])
        drawn = alt.Chart(rows).mark_line(color=color, strokeWidth=2.5, point=alt.OverlayMarkDef(color=color))
        beside = {"as_of": _day(points[-1].as_of), "auc": place}
        layers += [drawn.encode(x, y), label(beside, x, y, f"{name} {known[-1][1]:.3f}", color, "left", 10, 0)]
    panel: Panel = alt.layer(*layers).properties(width=WIDTH - _NAMES_BESIDE, height=_HEIGHT)
    return panel


def _rates(points: Sequence[TimePoint], x: alt.X) -> Panel:
    import altair as alt

    rows = data([{"as_of": _day(p.as_of), "rate": p.churn_rate} for p in points])
    y = alt.Y("rate:Q", title="Churned", scale=alt.Scale(zero=True)).axis(format="%", tickCount=3)
    drawn = alt.Chart(rows).mark_line(color=QUIET, strokeWidth=2.5, point=alt.OverlayMarkDef(color=QUIET))
    panel: Panel = alt.layer(drawn.encode(x, y)).properties(width=WIDTH - _NAMES_BESIDE, height=_RATE_HEIGHT)
    return panel


def _lines(points: Sequence[TimePoint]) -> _Lines:
    """Score → its known dates and values, the model first; the base rate is 0.5 everywhere and left out."""
    names = [name for point in points for name in point.auc if name != BASE_RATE]
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != "model")
    lines = {name: [(p.as_of, p.auc[name].estimate) for p in points if name in p.auc] for name in ordered}
    known = {name: [(date, auc) for date, auc in line if auc is not None] for name, line in lines.items()}
    return {name: line for name, line in known.items() if line}


def _places(lines: _Lines) -> list[float]:
    """Where the name of each line stands: beside its last point, or above its neighbour's name."""
    values = [auc for line in lines.values() for _, auc in line] or [0.0]
    return spread([line[-1][1] for line in lines.values()], _LABELS * ((max(values) - min(values)) or 0.1))


def _day(date: dt.date) -> str:
    """A date as Vega reads it: with a time, else it is taken for UTC and shown a day early in the west."""
    return f"{date:%Y-%m-%d}T00:00:00"
