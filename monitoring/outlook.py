"""Whether history holds enough to learn from: definitions, cut-offs, churners, horizons."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from features.at_stake import TABLE_OF, definition_of
from features.build import beginnings
from features.clock import DAY, micros, moment
from features.engines import Source
from features.errors import RemoraError
from features.point_in_time import Tables
from features.settings import Definition, Settings
from monitoring.findings import CutoffFinding, Outlook, Part
from training.fit import training_counts
from training.gate import TooFewChurners, require_churners
from training.labels import churned
from training.split import Plan
from training.targets import Targets, churn_plan, targets

Outcomes = Mapping[int, pl.DataFrame]


@dataclass(frozen=True)
class Prospect:
    """The outlook, and the outcomes it rests on (cut-off → customer_id, churned)."""

    outlook: Outlook
    outcomes: Outcomes

    @property
    def latest(self) -> tuple[pl.DataFrame, str]:
        """customer_id, churned at the latest cut-off where some left and some stayed, and its date in words.

        No rows where there is no such cut-off.
        """
        mixed = [each for each in self.outlook.cutoffs if each.part != "left out" and 0 < each.churners < each.at_stake]
        if not mixed:
            return pl.DataFrame(schema={"customer_id": pl.String, "churned": pl.Float64}), "no cut-off has churners"
        return self.outcomes[micros(mixed[-1].as_of)], f"{mixed[-1].as_of:%Y-%m-%d}"


def prospect(source: Source, as_of: int, settings: Settings) -> Prospect:
    """What a training run at `as_of` would find; nothing later is read, nothing is fitted, nothing raises."""
    past = source.until(as_of)
    possible = tuple(name for name, table in TABLE_OF.items() if table in past.tables)
    try:
        definition = definition_of(past.tables, settings.churn)
        intended = churn_plan(past.tables, as_of, definition, settings)
    except RemoraError as error:
        return Prospect(Outlook(possible=possible, definition=settings.churn.definition, obstacles=error.problems), {})
    aims, obstacles = _aims(past, as_of, settings)
    outcomes = aims.outcomes if aims else _outcomes(past.tables, intended, definition, settings)
    churners = training_counts(outcomes, aims.churn)[0] if aims else None
    outlook = Outlook(
        possible=possible,
        definition=definition,
        horizon_days=settings.churn.horizon_days,
        history_days=_history(past.tables, as_of, definition),
        value_source=aims.value_source if aims else None,
        value_horizon_days=settings.value_horizon_days,
        later_period=intended.later_period,
        cutoffs=tuple(_cutoff(cutoff, outcomes[cutoff], _part(cutoff, intended, aims)) for cutoff in intended.cutoffs),
        training_churners=churners,
        needed_churners=settings.gate.min_churners,
        warnings=aims.warnings if aims else (),
        obstacles=obstacles or _too_few(churners or 0, settings.gate.min_churners),
    )
    return Prospect(outlook, outcomes)


def value_question(tables: Tables, settings: Settings) -> str | None:
    """What to ask where invoices and subscriptions would count twice."""
    if settings.value.source is not None or not {"transactions", "subscriptions"} <= set(tables):
        return None
    return ('Do transactions hold the invoices of the subscriptions? If so set [value] source = "transactions" (or '
            '"subscriptions"); if they are sold besides, "both".')  # fmt: skip


def _aims(past: Source, as_of: int, settings: Settings) -> tuple[Targets | None, tuple[str, ...]]:
    """What a training run would aim at, or why it would refuse."""
    try:
        return targets(past, as_of, settings), ()
    except RemoraError as error:
        return None, error.problems


def _outcomes(tables: Tables, intended: Plan, definition: Definition, settings: Settings) -> dict[int, pl.DataFrame]:
    return {cutoff: churned(tables, cutoff, definition, settings.churn) for cutoff in intended.cutoffs}


def _history(tables: Tables, as_of: int, definition: Definition) -> int | None:
    """Days from the first row of the definition's table to `as_of`; None where labels bring the dates."""
    first = beginnings(tables).get(TABLE_OF[definition])
    return None if first is None or definition == "labelled" else (as_of - first) // DAY


def _part(cutoff: int, intended: Plan, aims: Targets | None) -> Part:
    kept = aims.churn if aims else intended
    if cutoff not in kept.cutoffs:
        return "left out"
    if cutoff == kept.test:
        return "test" if kept.later_period else "training and test"
    return "calibration" if kept.later_period and cutoff == kept.calibration else "training"


def _cutoff(cutoff: int, outcome: pl.DataFrame, part: Part) -> CutoffFinding:
    churners = int(outcome["churned"].sum())
    return CutoffFinding(as_of=moment(cutoff), at_stake=outcome.height, churners=churners, part=part)


def _too_few(churners: int, needed: int) -> tuple[str, ...]:
    try:
        require_churners(churners, needed)
    except TooFewChurners as error:
        return error.problems
    return ()
