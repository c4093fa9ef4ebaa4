"""Score against outcome: `make bench-score` prints the composite score and the model side by side.

Both are fitted at the training cut-offs, as `remora train` does, and judged on the later test period that neither saw.
The weights proposed are learnt from the training cut-offs and tested on the same test period.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console

from features.clock import micros, now, start_of
from features.demo import END, simulate
from features.engines import Source, open_source
from features.settings import Settings, load_settings
from models.explain import reasons
from models.prediction import REASON
from models.rules import DEFAULT_PACK, FittedComposite, RulePack, composite_score, load_pack
from models.rules.points import points_of
from models.rules.tiers import risk_band
from monitoring.review import QuarterlyReview, check, disagreement_table, disagreements, quarterly_tables
from tests.benchmarks.quality import CASES
from training.pipeline import Candidate, train

COMPANY = {"customers": 2000, "months": 30}


@dataclass(frozen=True)
class Judged:
    """One data set: the check, the rows of the test period, and the pack."""

    name: str
    review: QuarterlyReview
    rows: pl.DataFrame
    pack: RulePack


def run(name: str, source: Source, as_of: int, settings: Settings, folder: Path) -> Judged:
    """Train on what `source` knows at `as_of`, and judge both scores on the test period."""
    candidate, pack = train(source, as_of, settings, now(), folder), load_pack(DEFAULT_PACK)
    plan = candidate.targets.churn
    if not plan.later_period:
        raise ValueError(f"{name}: no later period to judge on")
    test, earlier = (scored(candidate, pack, cutoffs) for cutoffs in ((plan.test,), plan.training))
    return Judged(name, check(test, pack, earlier=earlier), test, pack)


def scored(candidate: Candidate, pack: RulePack, cutoffs: tuple[int, ...]) -> pl.DataFrame:
    """Rows at stake of `cutoffs` as `monitoring.review` takes them."""
    bundle = candidate.bundle
    fitted = FittedComposite.from_dict(bundle.manifest.fitted["composite"])
    features = candidate.snapshots.rows.filter(pl.col("at_stake") & pl.col("as_of").is_in(cutoffs))
    rules = composite_score(features, fitted, pack)
    told = bundle.predict(bundle.matrix(features)).churn_probability
    rows = features.select("customer_id", "as_of", left="churned", churn_probability=pl.Series(told)).with_columns(
        rules.select("composite_score", "tier"), points=points_of(rules, fitted, pack)
    )
    band = risk_band(pl.col("churn_probability"), bundle.manifest.churn.base_rate, pack)
    why = [[each.model_dump() for each in row] for row in reasons(bundle, bundle.matrix(features))]
    return rows.with_columns(pl.Series("reasons", why, pl.List(REASON)), risk_band=band, basis=pl.lit("model"))


def online_retail(folder: Path) -> Judged:
    """A shop's real transactions."""
    case = next(case for case in CASES if case.name == "online_retail_2")
    return run(case.name, *case.load(), folder)


def simulated(folder: Path) -> Judged:
    """The demo company, with every table of the contract."""
    simulate(folder / "data", **COMPANY)
    settings = load_settings(folder / "data" / "remora.toml", home=folder / "home")
    source = open_source(folder / "data", settings)
    as_of = micros(start_of(END, settings.company.zone))
    return run(f"simulated company, {COMPANY['customers']:,} customers", source, as_of, settings, folder)


def judged() -> Iterator[Judged]:
    """Each data set in turn."""
    for case in (online_retail, simulated):
        with tempfile.TemporaryDirectory() as folder:
            yield case(Path(folder))


if __name__ == "__main__":
    console = Console(width=140)
    for each in judged():
        console.rule(each.name)
        for part in quarterly_tables(each.review, each.pack):
            console.print(part)
        for part in disagreement_table(disagreements(each.rows, each.pack, limit=5), each.pack):
            console.print(part)
