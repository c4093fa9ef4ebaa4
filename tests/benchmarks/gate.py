"""Does the gate keep its word? It refuses noise and leaks, and accepts what is known to be real.

Labels shuffled within each cut-off leave every feature as it is and nothing to learn: a model fitted on them must be
refused, with whatever seed. `make bench-gate` prints what the gate says of 20 shuffles of online_retail_2, of telco
with a column that knows the answer, of ravenstack with too few churners, and of three data sets as they are.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from features.build import build, steady
from features.engines import Source
from features.settings import Settings
from tests.benchmarks.quality import CASES, Case
from training.evaluate import churn_baselines, evaluate_churn
from training.evidence import bounds
from training.fit import fit, training_counts
from training.gate import Evidence, GateDecision, TooFewChurners, decide, require_churners
from training.judging import at_stake, days_since_event, split_of
from training.ladder import Rung, rung
from training.leaks import audit
from training.metrics import Floats
from training.pipeline import horizons_of
from training.reports import ChurnReport
from training.snapshots import Snapshots, fit_population, take
from training.targets import Targets, targets

SHUFFLES = 20
BY_NAME = {case.name: case for case in CASES}
NOT_KNOWN_THEN = ("churn_score", "cltv", "service_id", "status_id")
"""What the settings of `quality.py` leave out of telco, but for `satisfaction_score`."""


@dataclass(frozen=True)
class Subject:
    """A data set with its features built, ready to be fitted and judged again and again."""

    settings: Settings
    past: Source
    aims: Targets
    snapshots: Snapshots

    @classmethod
    def of(cls, case: Case) -> "Subject":
        """Build once. Raises TooFewChurners as `train` does."""
        source, as_of, settings = case.load()
        past = source.until(as_of)
        aims = targets(past, as_of, settings)
        require_churners(training_counts(aims.outcomes, aims.churn)[0], settings.gate.min_churners)
        fitted = fit_population(past, aims.churn.calibration, aims.definition, settings)
        return cls(settings, past, aims, take(past, aims, fitted, settings))

    def shuffled(self, seed: int) -> "Subject":
        """The same with `churned` dealt out anew among those at stake at each cut-off."""
        rng = np.random.default_rng(seed)
        rows = self.snapshots.rows
        churned, cutoffs = rows["churned"].to_numpy().copy(), rows["as_of"].to_numpy()
        for cutoff in np.unique(cutoffs):
            places = np.flatnonzero((cutoffs == cutoff) & rows["at_stake"].to_numpy())
            churned[places] = churned[rng.permutation(places)]
        dealt = rows.with_columns(pl.Series("churned", churned).fill_nan(None))
        return replace(self, snapshots=replace(self.snapshots, rows=dealt))

    def decision(self) -> GateDecision:
        """Fit, judge at the test cut-off and decide, by the functions that `train` calls."""
        dealt = at_stake(self.snapshots, self.aims.churn)
        p = self._probabilities(dealt.test)
        report = self._report(dealt.test, p)
        static = [f"profile_{name}" for name in self.snapshots.fitted.static]
        cutoffs = {self.aims.churn.calibration, self.aims.churn.test}
        rebuilt = {at: self._rebuilt(at) for at in sorted(cutoffs)}
        columns, rows = self.snapshots.columns, self.snapshots.rows
        leaks = audit(dealt.training, dealt.test, p, columns, rows, rebuilt, static)
        evidence = Evidence(report, int(dealt.training["churned"].sum()), leaks, None, report.by_cutoff)
        return decide(evidence, bounds(self.settings))

    def _probabilities(self, test: pl.DataFrame) -> Floats:
        horizons = horizons_of(self.aims, self.settings)
        fits = fit(self.snapshots, replace(self.aims, value=None), horizons, trees=self._rung().kind == "trees")
        return fits.churn.model(fits.design).probability(fits.design.matrix(test), threads=1)

    def _rung(self) -> Rung:
        training = at_stake(self.snapshots, self.aims.churn).training
        churners = int(training["churned"].sum())
        customers = training["customer_id"].n_unique()
        return rung(churners, training.height - churners, customers, self.settings.gate.min_churners)

    def _report(self, test: pl.DataFrame, p: Floats) -> ChurnReport:
        y, customers, cutoffs = (test[name].to_numpy() for name in ("churned", "customer_id", "as_of"))
        baselines = churn_baselines(days_since_event(test, self.aims.definition), None, float(y.mean()), test.height)
        return evaluate_churn(y, p, baselines, customers, *split_of(self.aims.churn), as_of=cutoffs)

    def _rebuilt(self, cutoff: int) -> pl.DataFrame:
        return steady(build(self.past.until(cutoff).tables, cutoff, self.snapshots.fitted))


def leaky_telco() -> Case:
    """telco with `satisfaction_score` left in."""
    case = BY_NAME["telco"]
    return replace(case, settings={**case.settings, "features": {"exclude": list(NOT_KNOWN_THEN)}})


def said(case: Case) -> str:
    """What the gate says of a case, in one line."""
    try:
        decision = Subject.of(case).decision()
    except TooFewChurners as refusal:
        return str(refusal).split(";")[0]
    return _line(decision)


def _line(decision: GateDecision) -> str:
    told = "accepted" if decision.passed else "refused: " + "; ".join(decision.refusals)
    return told + "".join(f" ({note})" for note in decision.notes)


def lines(shuffles: int = SHUFFLES) -> Iterator[str]:
    """The gate's words, line by line."""
    for name in ("online_retail_2", "social_network", "telco", "ravenstack"):
        yield f"{name}: {said(BY_NAME[name])}"
    yield f"telco with satisfaction_score: {said(leaky_telco())}"
    subject = Subject.of(BY_NAME["online_retail_2"])
    refused = 0
    for seed in range(shuffles):
        decision = subject.shuffled(seed).decision()
        refused += not decision.passed
        yield f"online_retail_2, labels shuffled with seed {seed}: {_line(decision)}"
    yield f"online_retail_2, labels shuffled within each cut-off: refused {refused} of {shuffles}"


if __name__ == "__main__":
    for line in lines(1 if "--small" in sys.argv else SHUFFLES):
        print(line, flush=True)
