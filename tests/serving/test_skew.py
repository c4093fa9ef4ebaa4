"""Zero skew: a customer is told the same in batch and through both endpoints, to 1e-9.

With REMORA_FAULTS=full 10 000 simulated customers are asked for, else 400.
"""

import datetime as dt
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.asof import default_as_of
from features.clock import start_of
from features.demo import END, simulate
from features.engines import Source, open_source
from features.profile import is_personal
from features.settings import Definition, Profile, Settings, load_settings
from models.bundle import Bundle
from models.prediction import SCHEMA
from serving.predicting import Predictor
from serving.schemas import PredictRequest, parse
from serving.schemas_score import ScoreRequest, ScoreResponse
from serving.score import score
from serving.scored import Scored
from serving.scoring_few import FewScorer
from tests.company import MLFLOW, Trained
from tests.real_data import real_data, real_settings
from tests.serving.skewed import DEFINITIONS, Learnt, Raw

pytestmark = pytest.mark.filterwarnings(MLFLOW)

MADE = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
SIMULATED = 10_000 if os.environ.get("REMORA_FAULTS") == "full" else 400
REAL = 300
"""Customers of each real data set."""


@dataclass(frozen=True)
class Company:
    source: Source
    raw: Raw
    learnt: Learnt


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Tables of many customers; of the use of the product one day a month, for speed."""
    folder = tmp_path_factory.mktemp("skew")
    simulate(folder, customers=SIMULATED, months=15)
    use = folder / "usage_events.parquet"
    pl.read_parquet(use).filter(pl.col("occurred_at").dt.day() == 3).write_parquet(use)
    settings = load_settings(folder / "remora.toml")
    return opened(open_source(folder, settings), start_of(END, settings.company.zone), settings)


def opened(source: Source, date: dt.datetime, settings: Settings) -> Company:
    return Company(source, Raw(source, settings), Learnt(source, date, settings))


def batch(company: Company, bundle: Bundle) -> Scored:
    learnt = company.learnt
    return score(learnt.past, learnt.as_of, bundle, learnt.settings, MADE)


def few(company: Company, bundle: Bundle, customers: list[str], at_once: int = 100) -> Iterator[dict[str, object]]:
    """Rows of the output contract, out of raw rows that went through JSON."""
    learnt = company.learnt
    scorer = FewScorer(Predictor(bundle, learnt.settings.action), learnt.settings)
    for tables in company.raw.requests(customers, at_once):
        body = json.dumps({"tables": tables, "as_of": learnt.date.isoformat()}).encode()
        told = scorer.answer(parse(ScoreRequest, body), MADE)
        ScoreResponse.model_validate(told)
        assert (told["customers_unknown"], told["tables_missing"]) == ([], [])
        yield from told["predictions"]


def assert_same(rows: Iterator[dict[str, object]], wanted: pl.DataFrame) -> None:
    """All columns: numbers to 1e-9, everything else to the letter."""
    found = pl.DataFrame(list(rows), schema=SCHEMA).sort("customer_id")
    assert_frame_equal(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def assert_predicted(company: Company, bundle: Bundle, scored: Scored) -> None:
    """`POST /v1/predict` on the features of those at stake says what was scored."""
    predictor, rows = Predictor(bundle, company.learnt.settings.action), scored.rows.filter("at_stake")
    composite = predictor.composite
    assert composite
    extra = {indicator.feature for indicator in composite.indicators.values()}
    names = [name for name in scored.wide.columns if name in extra | {*bundle.manifest.names}]
    given = rows.select("customer_id").join(scored.wide, on="customer_id", maintain_order="left")
    said = []
    for part in given.iter_slices(1_000):
        asked = [
            {"customer_id": row["customer_id"], "features": {name: row[name] for name in names}}
            for row in part.iter_rows(named=True)
        ]
        body = json.dumps({"customers": asked, "include": ["composite"]}, allow_nan=False).encode()
        said += predictor.answer(parse(PredictRequest, body), MADE)["predictions"]
    shared = [name for name in said[0] if name in SCHEMA and name not in ("reasons", "playbook")]
    found = pl.DataFrame([{name: row[name] for name in shared} for row in said],
                         schema={name: SCHEMA[name] for name in shared})  # fmt: skip
    assert {"churn_probability", "value_at_risk", "composite_score", "tier", "risk_band", "basis"} < {*shared}
    assert_frame_equal(found, rows.select(shared), rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_the_same_through_all_three_doors(simulated: Company, definition: Definition, tmp_path: Path) -> None:
    bundle = simulated.learnt.bundle(tmp_path / "bundle", definition)
    scored = batch(simulated, bundle)
    at_stake = scored.rows["at_stake"].sum()
    assert 0 < at_stake <= scored.rows.height
    assert (at_stake == scored.rows.height) == (definition == "labelled")
    assert scored.rows["churn_probability"].n_unique() > at_stake / 2  # the trees tell nearly everyone apart
    assert_same(few(simulated, bundle, scored.rows["customer_id"].to_list()), scored.rows)
    assert_predicted(simulated, bundle, scored)


def test_the_same_alone(simulated: Company, tmp_path: Path) -> None:
    """One customer a request: nothing is learnt from the others of a request."""
    bundle = simulated.learnt.bundle(tmp_path / "bundle", "cancelled")
    scored = batch(simulated, bundle).rows
    some = scored.gather_every(scored.height // 25)
    assert_same(few(simulated, bundle, some["customer_id"].to_list(), at_once=1), some)


def test_the_same_for_a_trained_bundle(trained: Trained) -> None:
    """Blends, calibration, curve and rhythm of a real training."""
    company = opened(trained.source, trained.date, trained.settings)
    scored = batch(company, trained.candidate.bundle)
    assert_same(few(company, trained.candidate.bundle, scored.rows["customer_id"].to_list()), scored.rows)
    assert_predicted(company, trained.candidate.bundle, scored)


@pytest.mark.parametrize("name", ["online_retail_2", "saas_crm", "ravenstack", "telco"])
def test_the_same_on_real_data(name: str, tmp_path: Path) -> None:
    told = real_settings(name)
    folder = real_data(name)
    source = open_source(folder, told)
    known = source.tables["customers"].collect_schema().names() if "customers" in source.tables else []
    static = tuple(name for name in known if name != "customer_id" and not is_personal(name))
    settings = told.model_copy(update={"profile": Profile(static=static)})
    company = opened(source, default_as_of(source, settings, MADE), settings)
    assert told.churn.definition
    bundle = company.learnt.bundle(tmp_path / "bundle", told.churn.definition)
    scored = batch(company, bundle)
    some = scored.rows.gather_every(max(scored.rows.height // REAL, 1))
    assert_same(few(company, bundle, some["customer_id"].to_list()), some)
    assert_predicted(company, bundle, scored)
