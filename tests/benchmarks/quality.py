"""The tables of model quality: `make bench-quality` prints them, a test recomputes them.

Each case trains exactly as `remora train` does, with the settings shown here, and is judged on rows that no model saw.
Small data sets are trained at several dates, each time on the past of that date alone, and their test rows are judged
as one, customers drawn together. `--json FILE` writes every score of every baseline, with all differences.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from features.clock import micros, now, start_of
from features.demo import simulate
from features.engines import Source, open_source
from features.settings import Settings, load_settings
from models.bundle import Bundle
from models.calibration import sigmoid
from models.rules import load_pack
from models.rules.apply import FittedRules
from models.value_model import ValueMixture
from tests.benchmarks.attainable import Attained, attained
from training.candidate import Candidate
from training.churn_choice import Recipe
from training.evaluate import NOT_LATER, ChurnReport, ValueReport, churn_baselines
from training.fit import fit, roles
from training.gate import TooFewChurners
from training.judged_rows import ChurnRows, ValueRows, pooled_churn, pooled_value
from training.judging import churn_report, churn_rows, split_of, value_report, value_rows
from training.pipeline import horizons_of, train
from training.snapshots import fit_population, take
from training.split import FOLDS
from training.targets import targets

DATA = Path(os.environ.get("REMORA_DATA", Path(__file__).parents[3] / "shared" / "data"))
OWN = Path(__file__).with_name("quality.toml")
DEMO = "simulated company"
PREPAID = {"subscriptions": {"ended_at_is_term": True}}


@dataclass(frozen=True)
class Case:
    """One data set: its settings, the date that is "today", `earlier` such dates, and how it is tested.

    Without `refit` it is not found out which model would be served on newer rows; the one that is judged is the same.
    """

    name: str
    as_of: str
    settings: dict[str, Any]
    cross_validated: bool = False
    earlier: tuple[str, ...] = ()
    refit: bool = True

    @property
    def dates(self) -> tuple[str, ...]:
        """Every date to train at, the latest first."""
        return (self.as_of, *self.earlier)

    def load(self) -> tuple[Source, int, Settings]:
        """The source, the latest date in microseconds, the settings."""
        settings = load_settings(OWN, **self.settings)
        return open_source(DATA / self.name, settings), date_of(self.as_of, settings), settings


CASES = (
    Case("online_retail_2", "2011-06-30", {"churn": {"definition": "no_purchase", "horizon_days": 90}}),
    Case(
        "social_network",
        "2020-06-01",
        {"churn": {"definition": "cancelled", "horizon_days": 31, "grace_days": 0}, "tables": PREPAID},
    ),
    Case(
        "saas_crm",
        "2023-04-01",
        {"churn": {"definition": "cancelled", "horizon_days": 60, "grace_days": 0}, "tables": PREPAID},
        earlier=("2023-03-02", "2023-01-31", "2023-01-01"),
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
    Case("cdnow_sample", "1998-06-30", {"churn": {"definition": "no_purchase", "horizon_days": 90}}),
    Case("ravenstack", "2025-01-01", {"churn": {"definition": "cancelled", "horizon_days": 60}}),
    # tested at 2026-03-01, 2025-12-01 and 2025-09-01: the first of a month, where the true risks are known
    Case(DEMO, "2026-06-13", {}, earlier=("2026-03-15", "2025-12-14")),
)


@dataclass(frozen=True)
class Served:
    """What one training serves, and the churn rate that it learnt from; `refit`: on newer rows than those judged."""

    recipe: Recipe
    value: str | None
    base_rate: float
    refit: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a case: reports and what each training serves, or why it was refused."""

    case: Case
    churn: ChurnReport | None = None
    value: ValueReport | None = None
    served: tuple[Served, ...] = ()
    attained: Attained | None = None
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        churn, value = (each and each.model_dump(mode="json") for each in (self.churn, self.value))
        served = [
            {"churn": each.recipe.model_dump(), "value": each.value, "base_rate": each.base_rate, "refit": each.refit}
            for each in self.served
        ]
        known = self.attained and self.attained.model_dump()
        return {
            "name": self.case.name, "as_of": self.case.dates, "refused": self.refused, "served": served,
            "churn": churn, "value": value, "attained": known,
        }  # fmt: skip


@dataclass(frozen=True)
class Tested:
    """One training and its test rows."""

    candidate: Candidate
    churn: ChurnRows
    value: ValueRows | None


def run(case: Case) -> Outcome:
    """Train and judge one case."""
    if case.cross_validated:
        return cross_validate(case)
    try:
        if case.name == DEMO:
            return _simulated(case)
        source, _, settings = case.load()
        return _outcome(case, _tested(case, source, settings))
    except TooFewChurners as refusal:
        return Outcome(case, refused=str(refusal).split(" to train")[0])


def date_of(day: str, settings: Settings) -> int:
    """The beginning of `day` in microseconds."""
    return micros(start_of(day, settings.company.zone))


def _simulated(case: Case) -> Outcome:
    """The company of `remora demo`, whose true risks are known."""
    with TemporaryDirectory(prefix="remora-") as place:
        company = simulate(Path(place) / "company")
        settings = load_settings(company.folder / "remora.toml", **case.settings)
        tested = _tested(case, open_source(company.folder, settings), settings)
    return replace(_outcome(case, tested), attained=attained(pooled_churn([each.churn for each in tested]), company))


def _tested(case: Case, source: Source, settings: Settings) -> list[Tested]:
    with TemporaryDirectory(prefix="remora-") as place:
        return [_trained(case, source, date_of(day, settings), settings, Path(place) / day) for day in case.dates]


def _trained(case: Case, source: Source, as_of: int, settings: Settings, place: Path) -> Tested:
    """One training, and its rows as the model says of them that was judged: before a refit, if there is one."""
    candidate = train(source, as_of, settings, now(), place, refit=case.refit)
    judged, pack = Bundle.load(place / "draft"), load_pack(settings.rules.pack)
    snapshots, aims = candidate.snapshots, candidate.targets
    composite = FittedRules.model_validate(judged.manifest.fitted).composite
    churn = churn_rows(judged, snapshots, aims, candidate.fits.churn.members, composite, pack)
    return Tested(candidate, churn, value_rows(judged, snapshots, aims, source.until(as_of).tables, settings))


def _outcome(case: Case, tested: Sequence[Tested]) -> Outcome:
    """Reports on the rows of all trainings; of a single one, its own."""
    served, first = tuple(_served(each.candidate) for each in tested), tested[0].candidate
    if len(tested) == 1:
        return Outcome(case, first.churn, first.value, served)
    split, _ = split_of(first.targets.churn)
    why = f"tested on {len(tested)} later periods, each after an embargo of one window"
    worth = [each.value for each in tested if each.value is not None]
    value = value_report(pooled_value(worth), split, why) if worth else None
    return Outcome(case, churn_report(pooled_churn([each.churn for each in tested]), split, why), value, served)


def _kind(mixture: ValueMixture) -> str:
    """The kind of a value model; of a blend also what it is blended of."""
    return f"blend of {mixture.column}" if mixture.kind == "blend" else mixture.kind


def _served(candidate: Candidate) -> Served:
    fits = candidate.fits
    value, refit = _kind(fits.value.mixture) if fits.value else None, bool(candidate.refit and candidate.refit.refit)
    return Served(fits.churn.recipe, value, fits.churn.base_rate, refit)


def cross_validate(case: Case) -> Outcome:
    """One snapshot has no later period: each fifth of customers is predicted by a model that never saw it."""
    source, as_of, settings = case.load()
    past = source.until(as_of)
    aims = replace(targets(past, as_of, settings), value=None)
    snapshots = take(past, aims, fit_population(past, aims.churn.calibration, aims.definition, settings), settings)
    parts, served = [], []
    for turn in range(FOLDS):
        rows = snapshots.rows.with_columns(fold=(pl.col("fold") + turn) % FOLDS)
        fits = fit(replace(snapshots, rows=rows), aims, horizons_of(aims, settings))
        test, churn = roles(rows, aims.churn).test, fits.churn
        matrix = fits.design.matrix(test)
        logistic = sigmoid(churn.members.simple["linear"].predict_raw(matrix, fits.design.names))
        baselines = churn_baselines(None, None, churn.base_rate, test.height, logistic)
        probability, y = churn.model(fits.design).probability(matrix), test["churned"].cast(pl.Float64).to_numpy()
        known = (test[name].to_numpy() for name in ("customer_id", "as_of"))
        parts.append(ChurnRows(y, np.asarray(probability), baselines, *known))
        served.append(Served(churn.recipe, None, churn.base_rate))
    report = churn_report(pooled_churn(parts), NOT_LATER, "cross-validation by customer")
    return Outcome(case, report, served=tuple(served))


def main() -> None:
    """Print the tables; with `--json` write everything into a file too."""
    from tests.benchmarks.quality_table import sections

    parser = argparse.ArgumentParser(description="The tables of model quality.")
    parser.add_argument("--json", type=Path, help="write every score of every baseline into this file")
    parser.add_argument("names", nargs="*", help="data sets; without any all are judged")
    asked = parser.parse_args()
    outcomes = [run(case) for case in CASES if not asked.names or case.name in asked.names]
    print("\n".join(_lines(sections(outcomes))))
    if asked.json:
        asked.json.write_text(json.dumps([each.as_json() for each in outcomes], indent=2) + "\n", encoding="utf-8")


def _lines(tables: Iterator[Sequence[str]]) -> Iterator[str]:
    for table in tables:
        yield from (*table, "")


if __name__ == "__main__":
    main()
