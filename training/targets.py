"""From settings, tables and a date to what is predicted: definition, value source, cut-offs, outcomes at stake."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from features.at_stake import TABLE_OF, definition_of
from features.build import beginnings
from features.clock import DAY
from features.engines import Source
from features.point_in_time import Tables
from features.settings import Definition, Settings, ValueSource
from training.censoring import believable, stopped
from training.labels import churned, labelled_cutoffs, value_source_of, window_days
from training.split import Plan, labelled_plan, plan


@dataclass(frozen=True)
class Targets:
    """What is predicted from which tables.

    `outcomes`: cut-off → customer_id, churned of everyone at stake. `value` has cut-offs of its own where its horizon
    is longer than the churn window; None without value data.
    """

    definition: Definition
    churn: Plan
    outcomes: Mapping[int, pl.DataFrame]
    value_source: ValueSource | None = None
    value: Plan | None = None
    warnings: tuple[str, ...] = ()

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Every cut-off of either target, oldest first."""
        return tuple(sorted({*self.churn.cutoffs, *(self.value.cutoffs if self.value else ())}))

    def churners(self) -> int:
        """Churners over the training cut-offs, customers set aside included."""
        return sum(int(self.outcomes[cutoff]["churned"].sum()) for cutoff in self.churn.training)


def targets(source: Source, as_of: int, settings: Settings) -> Targets:
    """Targets of a run at `as_of`, from a source that ends there; labels of windows not to be believed are left out.

    Raises SplitError, LabelError: history too short, tables and definition do not fit.
    """
    definition = definition_of(source.tables, settings.churn)
    churn = churn_plan(source.tables, as_of, definition, settings)
    outcomes = {c: churned(source.tables, c, definition, settings.churn) for c in churn.cutoffs}
    rates = {cutoff: float(outcome["churned"].mean() or 0.0) for cutoff, outcome in outcomes.items()}  # type: ignore[arg-type]
    churn, warnings = believable(churn, rates, _stopped(source, churn, definition, settings))
    value_source = value_source_of(source.tables, settings.value)
    value = _value_plan(source.tables, as_of, churn, definition, value_source, settings)
    found = Targets(definition, churn, outcomes, value_source, value, tuple(warnings))
    missing = {c: churned(source.tables, c, definition, settings.churn) for c in found.cutoffs if c not in outcomes}
    return replace(found, outcomes=outcomes | missing)


def churn_plan(tables: Tables, as_of: int, definition: Definition, settings: Settings) -> Plan:
    """The cut-offs that settings and history ask for, whether or not their labels can be believed."""
    if definition == "labelled":
        return labelled_plan(labelled_cutoffs(tables), settings.churn.horizon_days)
    begins = beginnings({name: tables[name] for name in (TABLE_OF[definition],)})
    snapshots, window = settings.snapshots, window_days(definition, settings.churn)
    return plan(as_of, window, snapshots.every_days, snapshots.count, begins.get(TABLE_OF[definition], as_of))


def _value_plan(
    tables: Tables, as_of: int, churn: Plan, definition: Definition, source: ValueSource | None, settings: Settings
) -> Plan | None:
    """The churn model's cut-offs where value is known there too, else cut-offs that the value horizon allows."""
    horizon = settings.value_horizon_days
    if source is None:
        return None
    if source == "labels" or churn.test + horizon * DAY <= as_of:
        return churn
    if definition == "labelled":
        closed = [cutoff for cutoff in labelled_cutoffs(tables) if cutoff + horizon * DAY <= as_of]
        return labelled_plan(closed, horizon) if closed else None
    begins = beginnings({name: tables[name] for name in ("transactions", "subscriptions") if name in tables})
    snapshots = settings.snapshots
    return plan(as_of, horizon, snapshots.every_days, snapshots.count, min(begins.values())) if begins else None


def _stopped(source: Source, churn: Plan, definition: Definition, settings: Settings) -> dict[int, str | None]:
    if definition == "labelled":
        return {}
    table, window = TABLE_OF[definition], window_days(definition, settings.churn) * DAY
    return {cutoff: stopped(source.tables[table], table, cutoff + window) for cutoff in churn.cutoffs}
