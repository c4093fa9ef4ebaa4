"""What the record keeps of a training: parameters, metrics, and files for people and machines."""

import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from features import catalog
from features.clock import moment
from features.settings import Settings
from training.candidate import Candidate
from training.card import card
from training.evaluate import flat_metrics
from training.plots import save_plots
from training.profit_plot import save_profit_plot
from training.repeat import PROVENANCE, Provenance


def parameters(candidate: Candidate, settings: Settings, made: Provenance) -> dict[str, Any]:
    """Name → what a run was made with, for the record's table of runs."""
    aims = candidate.targets
    sections = settings.model_dump(mode="json", include={"churn", "value", "snapshots", "profile", "features", "gate"})
    flat = {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    return flat | {
        "churn.definition": aims.definition,
        "value.source": aims.value_source,
        "as_of": _day(candidate.as_of, settings),
        "cutoffs.training": ", ".join(_day(cutoff, settings) for cutoff in aims.churn.training),
        "cutoffs.test": _day(aims.churn.test, settings),
        "split": candidate.churn.split,
        "features.count": len(candidate.snapshots.columns),
        "git.commit": made.commit,
        "git.changed": made.changed,
        "seed": made.seed,
        **{f"tuned.{name}": value for name, value in made.tuned.items()},
    }


def _day(cutoff: int, settings: Settings) -> str:
    return f"{moment(cutoff).astimezone(settings.company.zone):%Y-%m-%d}"


def metrics(candidate: Candidate) -> dict[str, float]:
    """Every known number by a dotted name."""
    found = {f"churn.{name}": number for name, number in flat_metrics(candidate.churn).items()}
    if candidate.value:
        found |= {f"value.{name}": number for name, number in flat_metrics(candidate.value).items()}
    if tuning := candidate.tuning:
        found |= {"tuning.default": tuning.default, "tuning.best": tuning.best, "tuning.seconds": tuning.seconds}
    counts = {"training.rows": candidate.training_rows, "training.churners": candidate.training_churners}
    return found | {name: float(number) for name, number in counts.items()}


def write_artifacts(folder: Path, candidate: Candidate, settings: Settings, made: Provenance) -> None:
    """The bundle, the reports, plots and the model card of a run, below `folder`."""
    shutil.copytree(candidate.bundle.folder, folder / "bundle")
    _plots(folder / "plots", candidate)
    for name, report in _reports(candidate, made).items():
        if report is not None:
            (folder / name).write_text(report.model_dump_json(indent=2), encoding="utf-8")
    (folder / "training.json").write_text(json.dumps(_notes(candidate, made), indent=2), encoding="utf-8")
    created_at, groups = candidate.bundle.manifest.created_at, candidate.evidence.groups
    told = card(candidate, settings, created_at, made, candidate.chosen, groups)
    (folder / "card.md").write_text(told, encoding="utf-8")
    catalog.table([column.name for column in candidate.snapshots.columns]).write_csv(folder / "features.csv")


def _plots(folder: Path, candidate: Candidate) -> None:
    said = candidate.importance
    save_plots(folder, candidate.churn, candidate.value, said.get("churn"), said.get("value"))
    if candidate.profit:
        save_profit_plot(folder, candidate.profit)


def _reports(candidate: Candidate, made: Provenance) -> dict[str, BaseModel | None]:
    return {
        "churn.json": candidate.churn,
        "value.json": candidate.value,
        "profit.json": candidate.profit,
        "curve.json": candidate.curve,
        "refit.json": candidate.refit,
        "tuning.json": candidate.tuning,
        "leaks.json": candidate.evidence.leaks,
        "champion.json": candidate.evidence.champion,
        "recipe.json": candidate.fits.churn.recipe,
        PROVENANCE: made,
    }


def _notes(candidate: Candidate, made: Provenance) -> dict[str, Any]:
    decision, value = candidate.decision, candidate.fits.value
    return {
        "data": made.data,
        "left_out": dict(candidate.snapshots.left_out),
        "warnings": list(candidate.targets.warnings),
        "chosen": candidate.chosen,
        "calibrations": [each.model_dump() for each in candidate.fits.churn.calibrations],
        "value_candidates": [each.model_dump() for each in value.compared] if value else [],
        "earlier_cutoffs": [each.model_dump(mode="json") for each in candidate.evidence.stability],
        "groups": [each.model_dump() for each in candidate.evidence.groups],
        "gate": {"passed": decision.passed, "refusals": list(decision.refusals), "notes": list(decision.notes)},
    }
