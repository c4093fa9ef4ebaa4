"""How far down the list does acting pay? Expected and realised profit over the share of accounts acted on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.bootstrap import Interval
from training.chart_style import INK, MODEL, OTHERS, data, finish, label, save
from training.profit import ProfitPoint, ProfitReport

if TYPE_CHECKING:
    from training.chart_style import Chart

EXPECTED, REALISED = OTHERS[0], MODEL


def save_profit_plot(folder: Path, report: ProfitReport) -> Path:
    """Write `profit.png` into `folder`, made if absent, and return its path."""
    return save(profit_chart(report), folder / "profit.png")


def profit_chart(report: ProfitReport) -> Chart:
    """Expected and realised profit (its interval as a band), and the share the model would act on."""
    import altair as alt

    rows = [_row(point) for point in report.curve]
    x = alt.X("share:Q", title="Accounts acted on, highest expected profit first").axis(format="%")
    y = alt.Y("expected:Q", title=f"Total profit{f', {report.unit}' if report.unit else ''}").axis(format="~s")
    realised = alt.Y("realised:Q")
    layers = alt.layer(
        alt.Chart(data([row for row in rows if "low" in row]))
        .mark_area(color=REALISED, opacity=0.15)
        .encode(x, alt.Y("low:Q"), alt.Y2("high:Q")),
        alt.Chart(data([{"expected": 0}])).mark_rule(color=INK, strokeWidth=1).encode(y),
        alt.Chart(data(rows)).mark_line(color=EXPECTED, strokeWidth=2, strokeDash=[5, 4]).encode(x, y),
        alt.Chart(data(rows)).mark_line(color=REALISED, strokeWidth=2.5).encode(x, realised),
        alt.Chart(data([_row(report.best)])).mark_point(color=EXPECTED, filled=True, size=90, opacity=1).encode(x, y),
        label(_row(report.best), x, y, "worth acting up to here", EXPECTED, "left", 8, -12),
        label(rows[-10], x, y, "expected", EXPECTED, "left", 6, -14),
        label(rows[-10], x, realised, "realised", REALISED, "left", 6, 20),
    )
    return finish(layers, _finding(report), [_terms(report), _tested_on(report)])


def _row(point: ProfitPoint) -> dict[str, float]:
    seen = point.realised
    row = {"share": point.share, "expected": point.expected}
    if seen.estimate is not None:
        row["realised"] = seen.estimate
    if seen.low is not None and seen.high is not None:
        row |= {"low": seen.low, "high": seen.high}
    return row


def _finding(report: ProfitReport) -> str:
    best = report.best
    if not best.accounts:
        return "Profit: no account is worth acting on at this cost"
    return f"Profit: acting on {best.share:.0%} of accounts would have earned {_money(best.realised, report.unit)}"


def _money(seen: Interval, unit: str) -> str:
    if seen.estimate is None:
        return "an unknown sum"
    said = f"{seen.estimate:,.0f}{f' {unit}' if unit else ''}"
    return said if seen.low is None else f"{said} ({seen.low:,.0f} to {seen.high:,.0f})"


def _terms(report: ProfitReport) -> str:
    value = "each account's value if retained" if report.value_saved is None else f"{report.value_saved:,.2f}"
    terms = f"acting costs {report.cost:,.2f}, keeps {report.success_rate:.0%} of churners, each kept is worth {value}"
    return terms if report.threshold is None else f"{terms}; pays above a risk of {report.threshold:.1%}"


def _tested_on(report: ProfitReport) -> str:
    return f"{report.rows:,} test rows, {report.customers:,} customers; split: {report.split}"
