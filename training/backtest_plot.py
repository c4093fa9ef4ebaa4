"""The plot of a backtest: ROC AUC over time, model and baselines, above the churn rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.backtest_report import Backtest
from training.time_plot import TimePoint, auc_over_time

if TYPE_CHECKING:
    from training.chart_style import Chart


def backtest_chart(found: Backtest) -> Chart:
    """Every judged date; a score without a value there is not drawn there."""
    points = [
        TimePoint(each.as_of, {name: score.roc_auc for name, score in each.churn.items()}, each.churners / each.rows)
        for each in found.judged
        if each.churners is not None
    ]
    where = f"{found.definition} within {found.window_days} days; each date trained only on its past"
    return auc_over_time(points, f"Backtest: {len(points)} dates", [where])
