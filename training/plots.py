"""The pictures of a training, each answering one question, as PNG files that need nothing to be looked at.

Altair and vl-convert take a second to import, so they are imported by the functions that draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.chart_style import INK, MODEL, QUIET, color_of, data, finish, label, save
from training.reports import BASE_RATE, ChurnReport, ChurnScore, ValueReport
from training.time_plot import auc_over_time, points_of_cutoffs

if TYPE_CHECKING:
    import altair as alt

    from training.chart_style import Chart

_SHOWN_FEATURES = 20


def save_plots(
    folder: Path,
    churn: ChurnReport,
    value: ValueReport | None = None,
    churn_importance: Mapping[str, float] | None = None,
    value_importance: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the plots there is something to show for into `folder`, made if absent, and return their paths.

    Importance is feature → gain, in any unit (shares of its total are shown).
    """
    charts: dict[str, Chart] = {}
    if churn.reliability:
        charts["reliability"] = reliability_chart(churn)
    if churn.model.gain:
        charts["gain"] = gain_chart(churn)
    if len(churn.by_cutoff) > 1:
        charts["cutoffs"] = cutoff_chart(churn)
    if value is not None and value.deciles:
        charts["value_deciles"] = decile_chart(value)
    for room, importance in {"churn": churn_importance, "value": value_importance}.items():
        if importance and sum(importance.values()) > 0:
            charts[f"{room}_importance"] = importance_chart(importance, f"What the {room} model looks at")
    return [save(chart, folder / f"{name}.png") for name, chart in charts.items()]


def reliability_chart(report: ChurnReport) -> Chart:
    """Do the probabilities come true? Observed churn over predicted probability, a point a tenth of the rows."""
    import altair as alt

    rows = [{"predicted": row.mean_predicted, "observed": row.observed, "rows": row.rows} for row in report.reliability]
    top = max(max(row.mean_predicted, row.observed) for row in report.reliability) * 1.1 or 1.0
    diagonal = data([{"predicted": end, "observed": end} for end in (0, top)])
    x = alt.X("predicted:Q", title="Predicted probability of churn", scale=alt.Scale(domain=[0, top])).axis(format="%")
    y = alt.Y("observed:Q", title="Customers who churned", scale=alt.Scale(domain=[0, top])).axis(format="%")
    layers = alt.layer(
        alt.Chart(diagonal).mark_line(color=QUIET, strokeDash=[5, 4]).encode(x, y),
        label({"predicted": top * 0.9, "observed": top * 0.9}, x, y, "as predicted", QUIET, "right", -12, -4),
        alt.Chart(data(rows)).mark_line(color=MODEL, strokeWidth=2).encode(x, y),
        alt.Chart(data(rows)).mark_point(color=MODEL, filled=True, size=70, opacity=1).encode(x, y),
    )
    error = report.model.calibration_error
    said = "unknown" if error is None else f"{100 * error:.1f} percentage points"
    where = "each point a tenth of the rows; above the line = risk understated"
    return finish(layers, f"Calibration: off by {said} on average", [where, _tested_on(report)])


def gain_chart(report: ChurnReport) -> Chart:
    """How much of the churn is in the first part of the list? One curve for the model and each baseline."""
    import altair as alt

    x = alt.X("taken:Q", title="Customers contacted, highest risk first").axis(format="%")
    y = alt.Y("held:Q", title="Share of churners among them").axis(format="%")
    chance = data([{"taken": end, "held": end} for end in (0, 1)])
    layers: list[alt.Chart] = [alt.Chart(chance).mark_line(color=QUIET, strokeDash=[5, 4]).encode(x, y)]
    scores = {"model": report.model, **report.baselines}
    scores.pop(BASE_RATE, None)  # one number for all is the line of chance
    for line, (name, score) in enumerate(scores.items()):
        if not score.gain:  # a NaN in it: nothing to draw
            continue
        color = color_of(line)
        points = [{"taken": i / (len(score.gain) - 1), "held": held} for i, held in enumerate(score.gain)]
        layers.append(alt.Chart(data(points)).mark_line(color=color, strokeWidth=2.5).encode(x, y))
        corner = {"taken": 1, "held": 0.03 + 0.06 * (len(scores) - line)}
        layers.append(label(corner, x, y, _with_auc(name, score), color, "right", -8, 0))
    layers.append(label({"taken": 1, "held": 0.03}, x, y, "by chance, AUC 0.500", QUIET, "right", -8, 0))
    lift = report.model.lift_top_decile
    said = "" if lift is None else f": {lift:.1f} times the average churn in the first tenth"
    return finish(alt.layer(*layers), f"Gain{said}", [_tested_on(report)])


def _with_auc(name: str, score: ChurnScore) -> str:
    auc = score.roc_auc.estimate
    return name if auc is None else f"{name}, AUC {auc:.3f}"


def cutoff_chart(report: ChurnReport) -> Chart:
    """Is it stable? ROC AUC at each test cut-off, and the churn rate there."""
    points = points_of_cutoffs(report.by_cutoff)
    return auc_over_time(points, "Churn at each test cut-off", [_tested_on(report)])


def decile_chart(report: ValueReport) -> Chart:
    """Is the money where the model says? Actual (bars) and predicted (points) mean value by decile."""
    import altair as alt

    rows = [{"decile": r.decile, "actual": r.mean_actual, "predicted": r.mean_predicted} for r in report.deciles]
    unit = f", {report.unit}" if report.unit else ""
    x = alt.X("decile:O", title="Decile of predicted value (1 = highest)").axis(labelAngle=0)
    title = f"Mean value per customer over the horizon{unit}"
    actual = alt.Y("actual:Q", title=title).axis(format="~s")
    predicted = alt.Y("predicted:Q", title=title)
    first = rows[0]
    layers = alt.layer(
        alt.Chart(data(rows)).mark_bar(color="#b8d4e0", width=alt.RelativeBandSize(0.8)).encode(x, actual),
        alt.Chart(data(rows)).mark_line(color=MODEL, strokeWidth=1, strokeDash=[3, 3]).encode(x, predicted),
        alt.Chart(data(rows)).mark_point(color=MODEL, filled=True, size=80, opacity=1).encode(x, predicted),
        label(first, x, predicted, "predicted", MODEL, "left", 28, 0),
        label({**first, "actual": first["actual"] / 2}, x, actual, "actual", "#4a7a90", "center", 0, 0),
    )
    ratio = report.model.total_ratio
    said = "" if ratio is None else f": predicted total is {ratio:.0%} of the actual"
    return finish(layers, f"Value by decile{said}", [_tested_on(report)])


def importance_chart(importance: Mapping[str, float], title: str) -> Chart:
    """What does the model use? Share of the total gain of the first twenty features."""
    import altair as alt

    total = sum(importance.values())
    ranked = sorted(importance.items(), key=lambda item: (-item[1], item[0]))
    rows = data([{"feature": name, "share": gain / total} for name, gain in ranked[:_SHOWN_FEATURES]])
    y = alt.Y("feature:N", sort=None, title=None).axis(labelLimit=320, ticks=False, domain=False)
    x = alt.X("share:Q", title="Share of the total gain").axis(format="%")
    layers = alt.layer(
        alt.Chart(rows).mark_bar(color=MODEL, height=alt.RelativeBandSize(0.75)).encode(x, y),
        alt.Chart(rows).mark_text(align="left", dx=5, color=INK).encode(x, y, text=alt.Text("share:Q", format=".1%")),
    )
    shown = min(len(ranked), _SHOWN_FEATURES)
    return finish(layers, title, [f"the first {shown} of {len(ranked)} features, by gain"], height=22 * shown)


def _tested_on(report: ChurnReport | ValueReport) -> str:
    counted = f"{report.rows:,} test rows, {report.customers:,} customers"
    return f"{counted}; split: {report.split}"
