"""What commands print: each function gives the data for machines and what people see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from monitoring.findings import Readiness
from monitoring.pipeline import MonitorReport
from serving.scored import NO_MODEL
from serving.terminal import money
from training.candidate import Candidate
from training.printout import HEADLINES, churn_table, four_way_table, range_table, value_table
from training.registry import Version


def trained(candidate: Candidate, version: Version) -> tuple[Any, ...]:
    """A training: metrics next to the baselines, what was left out, and the gate's word."""
    data = {
        "version": version.number,
        "bundle": candidate.bundle.id,
        "churn": candidate.churn.model_dump(mode="json"),
        "value": candidate.value.model_dump(mode="json") if candidate.value else None,
        "gate": {"passed": version.passed, "refusals": version.refusals, "notes": candidate.decision.notes},
        "chosen": {"churn": candidate.fits.churn.recipe.model_dump(mode="json"), **candidate.chosen},
        "profit": candidate.profit.model_dump(mode="json") if candidate.profit else None,
        "training": {"rows": candidate.training_rows, "churners": candidate.training_churners},
        "left_out": dict(candidate.snapshots.left_out),
        "warnings": candidate.targets.warnings,
    }
    value = [value_table(candidate.value, HEADLINES), range_table(candidate.value)] if candidate.value else []
    churn = [churn_table(candidate.churn, HEADLINES), four_way_table(candidate.churn)]
    return data, *churn, *value, *_notes(candidate), _verdict(version)


def scored(
    rows: pl.DataFrame, file: Path | None, alerts: Mapping[str, int], note: str | None = None
) -> tuple[dict[str, Any], RenderableType]:
    """A scoring: how many customers, how many at stake and in each band, what is at risk; alerts by their state.

    `note`: what the rules have to say of the data.
    """
    staked = rows.filter("at_stake")
    bands = {
        str(band): count for band, count in staked["risk_band"].drop_nulls().value_counts().sort("risk_band").rows()
    }
    total = staked["value_at_risk"].cast(pl.Float64).sum()
    data: dict[str, Any] = {
        "customers": rows.height,
        "at_stake": staked.height,
        "risk_bands": bands,
        "value_at_risk": total,
        "model_version": rows["model_version"][0] if rows.height else None,
        "file": str(file) if file else None,
        "tiers": dict(rows["tier"].drop_nulls().value_counts().sort("tier").rows()),
        "alerts": {state: alerts.get(state, 0) for state in ("open", "held_back")},
        "note": note,
    }
    shown = ", ".join(f"{count:,} {band}" for band, count in bands.items())
    words = f"{rows.height:,} customers scored, {staked.height:,} at stake"
    words += f" ({shown}), {money(float(total))} at risk" if bands else ""
    words += " (rules only: no model promoted)" if data["model_version"] == NO_MODEL else ""
    words += f" → {file}" if file else ""
    words += f"\n{alerts.get('open', 0):,} alerts open, {alerts.get('held_back', 0):,} held back by the weekly limits"
    return data, Text(words + (f"\n{note}" if note else ""))


def checked(report: Readiness) -> tuple[dict[str, Any], RenderableType]:
    """What to correct and what to look at, in a line each; the whole report comes from `remora check`."""
    data = {"errors": list(report.errors), "warnings": list(report.warnings)}
    lines = [f"correct: {error}" for error in report.errors]
    return data, Text("\n".join([*lines, f"{len(report.warnings)} things to look at: see `remora check`"]))


def monitored(report: MonitorReport, files: Sequence[Path]) -> tuple[RenderableType, ...]:
    """Drift and realised accuracy in words, and where the reports lie."""
    drifted = [each for each in report.drift.columns if each.status == "drifted"]
    due = Text("Retraining is due: " + " ".join(report.reasons), style="bold red")
    verdict = due if report.retraining_due else Text("Retraining is not due.", style="green")
    lines = [Text(f"  • {each.column}: {each.text}") for each in drifted[:10]]
    where = Text("Reports: " + ", ".join(str(file) for file in files))
    return Group(Text(report.drift.text), *lines), Text(f"Realised accuracy: {report.realised.text}"), verdict, where


def _notes(candidate: Candidate) -> list[RenderableType]:
    warnings: list[RenderableType] = [Text(f"warning: {w}", style="yellow") for w in candidate.targets.warnings]
    columns = len(candidate.snapshots.columns)
    trained_on = f"{candidate.training_rows:,} rows with {candidate.training_churners:,} churners, {columns} features"
    left, recipe = candidate.snapshots.left_out, candidate.fits.churn.recipe
    served = Text(
        f"Served for churn: {recipe.kind} (trees {recipe.trees_weight:.0%}), {recipe.why}; {candidate.rung.why}"
    )
    notes = [Text(f"note: {note}", style="yellow") for note in candidate.decision.notes]
    return [
        *warnings,
        *notes,
        served,
        f"Trained on {trained_on}; {len(left)} features left out (named in the run's training.json).",
    ]


def _verdict(version: Version) -> RenderableType:
    if version.passed:
        return Text(f"Version {version.number} passed the gate. Next: remora promote", style="green")
    return Text("\n".join([f"Version {version.number} did not pass the gate:", *version.refusals]), style="red")
