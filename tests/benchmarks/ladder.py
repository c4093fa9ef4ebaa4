"""From how many churners on is a model better than the rules, and trees better than a logistic regression?

Customers of real data are drawn so that a given number of churners is left, with stayers in their natural share; the
models are fitted on them and judged on many others. Only windows that close before the final test begins are read.
`make bench-ladder` prints the table that `training.ladder` quotes; the same numbers every time.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from features.settings import Definition
from models.booster import Booster
from models.calibration import sigmoid
from models.design import Design
from tests.benchmarks.quality import CASES, Case
from training.churn_choice import fit_members
from training.judging import RECENCY_OF
from training.metrics import Floats, log_loss, roc_auc
from training.snapshots import fit_population, take
from training.targets import targets

EARLIER = {"online_retail_2": "2011-03-31", "social_network": "2020-05-01", "telco": "2019-10-01"}
"""Data set → the date that is "today": its test window closes before the final one begins (telco has but one)."""

CHURNERS = (5, 10, 20, 40, 80, 160, 320, 640, 1000)
SEEDS = 10
TAUGHT = 0.6
"""Where history has no later cut-off: the share of customers that may be drawn for training; the others test."""

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Pool:
    """Rows to draw training sets from and rows to test on, with what every model reads."""

    name: str
    rows: pl.DataFrame
    tests_at: int | None
    design: Design
    definition: Definition
    rule: str | None

    def split(self, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(training, test): a later cut-off, or other customers."""
        if self.tests_at is not None:
            return self.rows.filter(pl.col("as_of") < self.tests_at), self.rows.filter(pl.col("as_of") == self.tests_at)
        customers = self.rows["customer_id"].unique().sort()
        taught = pl.Series(rng.permutation(customers.to_numpy())[: int(TAUGHT * len(customers))])
        mine = pl.col("customer_id").is_in(taught.implode())
        return self.rows.filter(mine), self.rows.filter(~mine)


@dataclass(frozen=True)
class Trial:
    """One drawn training set: ROC AUC and log loss on the test rows by model; the rule says no probability."""

    rows: int
    auc: dict[str, float]
    loss: dict[str, float]


def pool(case: Case) -> Pool:
    """One training cut-off, the latest, and the test cut-off; where that is no later period, all rows."""
    source, as_of, settings = case.load()
    past = source.until(as_of)
    aims = targets(past, as_of, settings)
    fitted = fit_population(past, aims.churn.calibration, aims.definition, settings)
    snapshots = take(past, aims, fitted, settings)
    used = {aims.churn.calibration, aims.churn.test} if aims.churn.later_period else set(aims.churn.cutoffs)
    return Pool(
        name=case.name,
        rows=snapshots.rows.filter(pl.col("at_stake") & pl.col("as_of").is_in(used)).sort("as_of", "customer_id"),
        tests_at=aims.churn.test if aims.churn.later_period else None,
        design=Design(snapshots.columns),
        definition=aims.definition,
        rule=RECENCY_OF.get(aims.definition),
    )


def trial(pool: Pool, churners: int, seed: int) -> Trial | None:
    """Draw, fit, judge; None where there are not so many churners."""
    rng = np.random.default_rng(seed)
    training, test = pool.split(rng)
    drawn = _drawn(training["churned"].to_numpy(), churners, rng)
    if drawn is None:
        return None
    said = predicted(pool, training[drawn.tolist()], test)
    y = test["churned"].to_numpy()
    auc = {name: roc_auc(y, p) for name, p in said.items()}
    if pool.rule:
        auc["rule"] = roc_auc(y, test[pool.rule].fill_null(np.inf).to_numpy())
    return Trial(len(drawn), auc, {name: log_loss(y, p) for name, p in said.items()})


def predicted(pool: Pool, training: pl.DataFrame, test: pl.DataFrame) -> dict[str, Floats]:
    """What each model, fitted on `training` by the program's own code, says of `test`: shape (rows,)."""
    members, later = fit_members(training, pool.design, pool.definition, trees=True), pool.design.matrix(test)
    assert members.trees is not None
    linear = members.simple["linear"].predict_raw(later, pool.design.names)
    trees = Booster.from_text(members.trees).predict_raw(later, threads=1)
    raw = {"logistic": linear, "trees": trees, "both": (linear + trees) / 2}
    said = {name: sigmoid(odds) for name, odds in raw.items()}
    return {"base rate": np.full(len(later), float(training["churned"].to_numpy().mean())), **said}


def _drawn(y: Floats, churners: int, rng: np.random.Generator) -> Places | None:
    """Places of so many churners, and of stayers in their natural share."""
    left, stayed = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    if churners > len(left):
        return None
    beside = max(1, round(churners * len(stayed) / len(left)))
    return np.sort(np.concatenate([rng.choice(left, churners, replace=False), rng.choice(stayed, beside, False)]))


HEADINGS = (
    "data set", "churners", "rows", "rule: AUC", "logistic: AUC", "trees: AUC", "both: AUC", "base rate: log loss",
    "logistic: log loss", "trees: log loss", "both: log loss", "logistic above the rule", "both above logistic",
)  # fmt: skip
RANKED, PROBABLE = ("rule", "logistic", "trees", "both"), ("base rate", "logistic", "trees", "both")


def cells(name: str, churners: int, trials: Sequence[Trial]) -> tuple[str, ...]:
    """Means over the seeds, and in how many of them one is above the other in AUC."""
    auc = {model: np.array([each.auc.get(model, 0.5) for each in trials]) for model in RANKED}
    loss = {model: np.array([each.loss[model] for each in trials]) for model in PROBABLE}
    return (
        name, f"{churners:,}", f"{np.mean([each.rows for each in trials]):,.0f}",
        *(f"{values.mean():.3f}" for values in auc.values()),
        *(f"{values.mean():.4f}" for values in loss.values()),
        f"{np.sum(auc['logistic'] > auc['rule'])} of {len(trials)}",
        f"{np.sum(auc['both'] > auc['logistic'])} of {len(trials)}",
    )  # fmt: skip


def table(cases: Sequence[Case], churners: Sequence[int] = CHURNERS, seeds: int = SEEDS) -> Iterator[str]:
    """The table in Markdown, line by line."""
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + "---|" * len(HEADINGS)
    for case in cases:
        drawn_from = pool(replace(case, as_of=EARLIER[case.name]))
        for count in churners:
            trials = [each for seed in range(seeds) if (each := trial(drawn_from, count, seed))]
            if trials:
                yield "| " + " | ".join(cells(case.name, count, trials)) + " |"


if __name__ == "__main__":
    chosen = [case for case in CASES if case.name in EARLIER]
    small = "--small" in sys.argv
    for line in table(chosen[-1:] if small else chosen, CHURNERS[:2] if small else CHURNERS, 1 if small else SEEDS):
        print(line, flush=True)
