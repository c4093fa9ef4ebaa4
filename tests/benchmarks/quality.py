"""The table of model quality on real data: `make bench-quality` prints it, a test recomputes it.

Each row trains exactly as `remora train` does, with the settings shown here, and is judged on rows that no model saw.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.clock import micros, now, start_of
from features.engines import Source, open_source
from features.settings import Settings, load_settings
from training.bootstrap import Interval
from training.evaluate import NOT_LATER, ChurnReport, ValueReport, churn_baselines, evaluate_churn
from training.fit import fit, roles
from training.gate import TooFewChurners
from training.pipeline import horizons_of, train
from training.snapshots import fit_population, take
from training.split import FOLDS
from training.targets import targets

DATA = Path(os.environ.get("REMORA_DATA", Path(__file__).parents[3] / "shared" / "data"))


@dataclass(frozen=True)
class Case:
    """One data set: its settings, the date that is "today", and how it is tested."""

    name: str
    as_of: str
    settings: dict[str, Any]
    cross_validated: bool = False

    def load(self) -> tuple[Source, int, Settings]:
        """The source, the date in microseconds, the settings."""
        settings = load_settings(Path(__file__).with_name("quality.toml"), **self.settings)
        return open_source(DATA / self.name, settings), micros(start_of(self.as_of, settings.company.zone)), settings


CASES = (
    Case("online_retail_2", "2011-06-30", {"churn": {"definition": "no_purchase", "horizon_days": 90}}),
    Case(
        "social_network",
        "2020-06-01",
        {
            "churn": {"definition": "cancelled", "horizon_days": 31, "grace_days": 0},
            "tables": {"subscriptions": {"ended_at_is_term": True}},
        },
    ),
    Case(
        "telco",
        "2019-10-01",
        {
            "churn": {"definition": "labelled"},
            "features": {"exclude": ["satisfaction_score", "churn_score", "cltv", "service_id", "status_id"]},
        },
        cross_validated=True,
    ),
    Case("ravenstack", "2025-01-01", {"churn": {"definition": "cancelled", "horizon_days": 60}}),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: reports, or why it was refused."""

    case: Case
    churn: ChurnReport | None = None
    value: ValueReport | None = None
    refused: str = ""


def run(case: Case) -> Outcome:
    """Train and judge one case."""
    source, as_of, settings = case.load()
    if case.cross_validated:
        return Outcome(case, cross_validate(source, as_of, settings))
    try:
        candidate = train(source, as_of, settings, now())
    except TooFewChurners as refusal:
        return Outcome(case, refused=str(refusal).split(" to train")[0])
    return Outcome(case, candidate.churn, candidate.value)


def cross_validate(source: Source, as_of: int, settings: Settings) -> ChurnReport:
    """One snapshot has no later period: each fifth of customers is predicted by a model that never saw it."""
    past = source.until(as_of)
    aims = targets(past, as_of, settings)
    snapshots = take(past, aims, fit_population(past, aims.churn.calibration, aims.definition, settings), settings)
    parts = []
    for turn in range(FOLDS):
        rows = snapshots.rows.with_columns(fold=(pl.col("fold") + turn) % FOLDS)
        turned = replace(snapshots, rows=rows)
        fits = fit(turned, replace(aims, value=None), horizons_of(aims, settings))
        test = roles(rows, aims.churn).test
        probability = fits.churn.model(fits.design).probability(fits.design.matrix(test))
        parts.append(test.select("customer_id", "churned").with_columns(p=probability))
    tested = pl.concat(parts)
    y, p = tested["churned"].to_numpy(), tested["p"].to_numpy()
    baselines = churn_baselines(None, None, float(np.mean(y)), len(y))
    return evaluate_churn(y, p, baselines, tested["customer_id"].to_numpy(), NOT_LATER, "cross-validation by customer")


HEADINGS = (
    "data set, as of", "churners / rows", "ROC AUC (90 %)", "recency rule", "composite score",
    "model − recency (90 %)", "value: Gini (90 %)", "run rate",
)  # fmt: skip


def cells(outcome: Outcome) -> tuple[str, ...]:
    """One row of the table."""
    first = f"{outcome.case.name}, {outcome.case.as_of}"
    if outcome.churn is None:
        return (first, outcome.refused, *("—",) * 6)
    churn, value = outcome.churn, outcome.value
    rule = churn.baselines[churn.rule or ""]
    composite = churn.baselines.get("composite score")
    note = " ¹" if outcome.case.cross_validated else ""
    return (
        first + note,
        f"{churn.churners:,} / {churn.rows:,}",
        shown(churn.model.roc_auc),
        f"{rule.roc_auc.estimate:.3f}" + (" ²" if churn.rule == "base rate" else ""),
        f"{composite.roc_auc.estimate:.3f}" if composite else "—",
        shown(rule.difference, "+") if rule.difference else "—",
        shown(value.model.normalised_gini) if value else "—",
        f"{value.baselines['run rate'].normalised_gini.estimate:.3f}" if value else "—",
    )


def shown(interval: Interval, sign: str = "") -> str:
    """0.774 (0.762–0.786)."""
    return f"{interval.estimate:{sign}.3f} ({interval.low:{sign}.3f} – {interval.high:{sign}.3f})"


def table(outcomes: Iterator[Outcome]) -> Iterator[str]:
    """The table in Markdown, line by line."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + "---|" * len(HEADINGS)
    for outcome in outcomes:
        yield "| " + " | ".join(cells(outcome)) + " |"


if __name__ == "__main__":
    for line in table(run(case) for case in CASES):
        print(line, flush=True)
