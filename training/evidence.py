"""What the gate asks for: gathered from a candidate's rows, its bundle, the tables and the champion."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from features.build import build, steady
from features.engines import Source
from features.settings import Settings
from models.bundle import Bundle
from training.baselines import churn_baselines
from training.calibration import slice_rows
from training.champion import Comparison, compare
from training.evaluate import MODEL, by_cutoff
from training.fairness import groups
from training.gate import Bounds, Evidence
from training.inner import inner_plan, training_rows
from training.judging import at_stake, days_since_event
from training.leaks import LeakAudit, audit
from training.metrics import Floats
from training.refit import Procedure
from training.reports import ChurnReport, CutoffScore
from training.snapshots import Snapshots
from training.split import Plan
from training.targets import Targets

EARLIER = 3
"""Training cut-offs at which the recipe is judged again, the latest ones."""


def gather(
    report: ChurnReport, bundle: Bundle, past: Source, snapshots: Snapshots, aims: Targets, settings: Settings,
    earlier: tuple[CutoffScore, ...], champion: Path | None,
) -> Evidence:  # fmt: skip
    """Everything the gate decides by. `champion` is the folder of the bundle in service, None where there is none."""
    dealt = at_stake(snapshots, aims.churn)
    p = bundle.churn.probability(bundle.matrix(dealt.test))
    fairness = settings.fairness
    found = groups(
        dealt.test, fairness.columns, dealt.test["churned"].to_numpy(), p, fairness.min_rows, fairness.min_churners
    )
    return Evidence(
        report=report,
        training_churners=int(dealt.training["churned"].sum()),
        leaks=_audited(past, snapshots, aims, settings, p),
        champion=_compared(champion, dealt.test, p, aims, settings),
        stability=(*earlier, *report.by_cutoff),
        groups=found,
    )


def bounds(settings: Settings) -> Bounds:
    """What `[gate]` and `[fairness]` ask for."""
    gate, fairness = settings.gate, settings.fairness
    return Bounds(
        gate.min_churners, gate.max_calibration_error, gate.champion_margin, gate.max_auc_spread, fairness.columns,
        fairness.max_auc_gap, fairness.max_calibration_gap,
    )  # fmt: skip


def earlier_cutoffs(
    snapshots: Snapshots, aims: Targets, window_days: int, procedure: Procedure, settings: Settings
) -> tuple[CutoffScore, ...]:
    """The recipe at the latest training cut-offs, each time fitted on what had closed before; oldest first.

    `procedure` is what training does: fit, calibrate, predict. Customers set aside are not judged: at the cut-offs
    after these they calibrate.
    """
    judged = list(_judged(snapshots, aims.churn, window_days, procedure))
    if not judged:
        return ()
    rows = pl.concat(judged)
    days, rate = days_since_event(rows, aims.definition), float(np.mean(rows["churned"].to_numpy()))
    scores = {MODEL: rows["p"].to_numpy(), **churn_baselines(days, None, rate, rows.height)}
    return by_cutoff(
        rows["churned"].to_numpy(), scores, rows["customer_id"].to_numpy(), rows["as_of"].to_numpy(),
        settings.company.zone,
    )  # fmt: skip


def _judged(snapshots: Snapshots, plan: Plan, window_days: int, procedure: Procedure) -> Iterator[pl.DataFrame]:
    rows = snapshots.rows.filter(pl.col("at_stake"))
    for place in range(max(0, len(plan.training) - EARLIER), len(plan.training)):
        inner = inner_plan(replace(plan, training=plan.training[: place + 1]), window_days)
        if inner is None:
            continue
        fitted, aside = training_rows(rows, inner), slice_rows(rows, inner)
        judged = rows.filter((pl.col("as_of") == inner.test) & (pl.col("fold") != 0))
        if fitted["churned"].n_unique() == 2 and judged.height:
            yield judged.with_columns(p=procedure(fitted, aside, judged))


def _audited(past: Source, snapshots: Snapshots, aims: Targets, settings: Settings, p: Floats) -> LeakAudit:
    """The leak audit, with the features built again at the test cut-off from tables that end there."""
    dealt, at, gate = at_stake(snapshots, aims.churn), aims.churn.test, settings.gate
    rebuilt = {at: steady(build(past.until(at).tables, at, snapshots.fitted))}
    static = [f"profile_{name}" for name in snapshots.fitted.static]
    return audit(
        dealt.training, dealt.test, p, snapshots.columns, snapshots.rows, rebuilt, static, gate.trusted_features,
        gate.max_feature_auc, gate.max_auc,
    )  # fmt: skip


def _compared(
    champion: Path | None, test: pl.DataFrame, p: Floats, aims: Targets, settings: Settings
) -> Comparison | None:
    return compare(champion, test, p, (aims.definition, settings.churn.horizon_days))
