"""Training as a whole: as of a date and nothing later, the same again, refused in time."""

import datetime as dt
import subprocess
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.clock import EPOCH, micros, start_of
from features.engines import open_source
from features.settings import Churn, Features, Gate, Settings, Snapshots, Value
from models.bundle import Bundle
from tests.company import AS_OF, MLFLOW, Trained, finished, program, quick, shop
from tests.literal import source, written
from tests.training.later import EARLIER, D, as_it_may_become, as_it_was
from training.candidate import Candidate
from training.evaluate import LATER_PERIOD, NOT_LATER
from training.gate import TooFewChurners
from training.judging import past_spend
from training.pipeline import train

pytestmark = pytest.mark.filterwarnings(MLFLOW)

MADE = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def trainings(company: Path, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Candidate]:
    """As of D: on the folder, on what it was on D, and on what it may become. A sixth of the features train."""
    folders = {"whole": company}
    for name, change in (("was", as_it_was), ("becomes", as_it_may_become)):
        folders[name] = tmp_path_factory.mktemp(name)
        tables = {file.stem: pl.read_parquet(file) for file in company.glob("*.parquet")}
        written(folders[name], {table: change(table, rows) for table, rows in tables.items()})
    names = [column.name for column in trained.candidate.snapshots.columns]
    spared = {"exclude": [name for place, name in enumerate(names) if place % 6]}
    settings = quick(company, snapshots={"count": 1}, gate={"min_churners": 2}, features=spared)
    as_of = micros(start_of(EARLIER, settings.company.zone))
    return {
        name: train(open_source(folder, settings), as_of, settings, MADE, tmp_path_factory.mktemp(f"trained-{name}"))
        for name, folder in folders.items()
    }


@pytest.mark.parametrize("other", ["was", "becomes"])
def test_nothing_after_the_date_is_read(trainings: dict[str, Candidate], other: str) -> None:
    whole, copy = trainings["whole"], trainings[other]
    for left, right in zip(sorted(whole.bundle.folder.iterdir()), sorted(copy.bundle.folder.iterdir()), strict=True):
        assert (left.name, left.read_bytes() == right.read_bytes()) == (right.name, True)
    assert copy.churn == whole.churn
    assert copy.value == whole.value
    assert_frame_equal(copy.snapshots.rows, whole.snapshots.rows)  # also the features that do not train
    assert copy.snapshots.left_out == whole.snapshots.left_out
    assert (copy.decision, copy.training_churners) == (whole.decision, whole.training_churners)


def test_training_again_gives_the_same_bundle(trainings: dict[str, Candidate], tmp_path: Path) -> None:
    """Whenever it is made, and though an engine's threads add up floats in an order of their own."""
    as_of = micros(dt.datetime.fromisoformat(AS_OF).replace(tzinfo=dt.UTC))
    opened = source(tmp_path, "duckdb", {"transactions": shop(120)})
    years = (MADE, MADE.replace(year=2027))
    first, second = (train(opened, as_of, SHORT, made, tmp_path / f"{made:%Y}") for made in years)
    assert first.bundle.id == second.bundle.id
    assert first.bundle.id.startswith(f"{AS_OF}.")
    assert first.bundle.manifest.created_at != second.bundle.manifest.created_at
    assert len({candidate.bundle.id for candidate in trainings.values()}) == 1


def test_without_asking_for_a_refit_the_same_model_is_judged_and_served(tmp_path: Path) -> None:
    as_of = micros(dt.datetime.fromisoformat(AS_OF).replace(tzinfo=dt.UTC))
    opened = source(tmp_path, "polars", {"transactions": shop(120)})
    asked, judged = (train(opened, as_of, SHORT, MADE, tmp_path / f"{r}", refit=r) for r in (True, False))
    assert (judged.churn, judged.value) == (asked.churn, asked.value)
    assert asked.refit is not None
    assert asked.refit.judged or "no room" in asked.refit.why
    assert judged.refit is not None
    assert judged.refit.why == "not refitted: it was not asked whether that would be better"
    mixtures = (bundle.manifest.churn.mixture for bundle in (judged.bundle, Bundle.load(tmp_path / "False" / "draft")))
    assert len({mixture.model_dump_json() for mixture in mixtures}) == 1


def test_the_copies_do_differ_after_the_date(company: Path) -> None:
    """Else the tests above compare nothing."""
    for table in ("transactions", "subscriptions", "usage_events", "tickets", "nps_responses", "interactions"):
        rows = pl.read_parquet(company / f"{table}.parquet")
        was, becomes = as_it_was(table, rows), as_it_may_become(table, rows)
        assert was.height < rows.height < becomes.height, table


def test_a_row_before_the_date_does_matter(trainings: dict[str, Candidate], trained: Trained) -> None:
    assert trainings["whole"].bundle.id != trained.candidate.bundle.id


def test_a_candidate_knows_what_it_is(trained: Trained) -> None:
    found, manifest = trained.candidate, trained.candidate.bundle.manifest
    assert manifest.as_of == trained.date
    assert manifest.churn.definition == found.targets.definition == "cancelled"
    assert (manifest.churn.horizon_days, manifest.churn.grace_days) == (90, 14)
    assert manifest.features == found.snapshots.columns
    assert manifest.metrics["roc_auc"]["estimate"] == found.churn.model.roc_auc.estimate
    assert manifest.metrics["importance"]["churn"] == found.importance["churn"]
    assert found.churn.split == LATER_PERIOD
    assert {"recency rule", "base rate", "composite score"} < set(found.churn.baselines)
    assert found.value is not None
    assert "run rate" in found.value.baselines
    assert found.bundle.manifest.churn.mixture.why == found.fits.churn.recipe.why
    assert (found.bundle.folder / "card.md").read_text(encoding="utf-8").startswith("# Churn and value as of")
    assert manifest.metrics["learnt_until"] <= found.as_of
    found.bundle.check_golden()


def test_the_reference_holds_those_at_stake_on_the_day_of_training(trained: Trained) -> None:
    from features.at_stake import at_stake

    reference = trained.candidate.bundle.reference()
    stake = at_stake(trained.source.tables, trained.as_of, "cancelled", trained.settings.churn)
    assert reference.height == stake.height
    assert reference.columns == list(trained.candidate.bundle.manifest.names)


def test_run_rate_is_the_longest_window_that_is_known() -> None:
    rows = pl.DataFrame(
        {
            "rfm_amount_sum_365d": [None, None],
            "rfm_amount_sum_180d": [180.0, None],
            "rfm_amount_sum_90d": [50.0, 50.0],
            "subscription_amount": [30.4375, 0.0],
        },
        schema_overrides={"rfm_amount_sum_365d": pl.Float64},
    )
    spend, days = past_spend(rows, "transactions")
    assert (spend.tolist(), days) == ([180.0, 0.0], 180.0)
    both, days = past_spend(rows, "both")
    assert both.tolist() == pytest.approx([180.0 + 180.0, 0.0])


SHORT = Settings.model_construct(
    churn=Churn(horizon_days=60), value=Value(), snapshots=Snapshots(every_days=30, count=2), gate=Gate(min_churners=1),
    features=Features(),
)  # fmt: skip


def test_a_short_history_is_not_tested_on_a_later_period(tmp_path: Path) -> None:
    opened = source(tmp_path, "polars", {"transactions": shop(200, days=170)})
    as_of = micros(D.replace(year=2026, month=7, tzinfo=dt.UTC))
    found = train(opened, as_of, SHORT, MADE, tmp_path / "made")
    assert found.churn.split == NOT_LATER == "not tested on a later period"
    assert "fifth of customers set aside" in found.churn.split_reason
    assert found.churn.rows < 60
    assert found.value is not None
    assert found.value.split == NOT_LATER


FEW = """
import sys, datetime as dt
from pathlib import Path
from features.clock import micros
from features.engines import open_source
from features.settings import Churn, Settings, Snapshots
from training.gate import TooFewChurners
from training.pipeline import train
settings = Settings.model_construct(churn=Churn(horizon_days=60), snapshots=Snapshots(every_days=30, count=2))
as_of = dt.datetime.fromisoformat(sys.argv[2]).replace(tzinfo=dt.UTC)
try:
    train(open_source(Path(sys.argv[1]), settings), micros(as_of), settings, as_of, Path(sys.argv[1]) / "made")
except TooFewChurners as error:
    print(error)
print(sorted({"lightgbm", "sklearn", "mlflow"} & set(sys.modules)), (Path(sys.argv[1]) / "made").exists())
"""


def test_too_few_churners_are_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    written(tmp_path, {"transactions": shop(60)})
    with program(FEW, tmp_path, AS_OF, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        code, out, err = finished(child)
    assert (code, err) == (0, "")
    message, loaded = out.splitlines()
    assert message.startswith("refused: ")
    assert " churners of the 50 needed to train; bring more history" in message
    assert loaded == "[] False"


def test_the_churners_that_are_counted_are_those_that_would_train(tmp_path: Path) -> None:
    opened = source(tmp_path, "polars", {"transactions": shop(60)})
    wanted = SHORT.model_copy(update={"gate": Gate(min_churners=1000)})
    as_of = micros(dt.datetime.fromisoformat(AS_OF).replace(tzinfo=dt.UTC))
    with pytest.raises(TooFewChurners, match=r"refused: (\d+) churners of the 1,000 needed") as caught:
        train(opened, as_of, wanted, MADE, tmp_path / "made")
    counted = int(str(caught.value).split()[1])
    found = train(opened, as_of, SHORT, MADE, tmp_path / "made")
    assert found.training_churners == counted


def test_with_the_bound_lowered_one_class_is_still_a_sentence(tmp_path: Path) -> None:
    """[gate] min_churners = 0 is a setting; what follows from it is a mistake to be told, not a bug."""
    from features.errors import RemoraError

    as_of = micros(dt.datetime.fromisoformat(AS_OF).replace(tzinfo=dt.UTC))
    weekly = pl.DataFrame(
        [(f"W{n}", (EPOCH + dt.timedelta(microseconds=as_of)).replace(tzinfo=None) - dt.timedelta(days=day), 5.0)
         for n in range(30) for day in range(1, 400, 7)],
        schema=["customer_id", "occurred_at", "amount"], orient="row",
    )  # fmt: skip
    opened = source(tmp_path, "polars", {"transactions": weekly})
    wanted = SHORT.model_copy(update={"gate": Gate(min_churners=0)})
    with pytest.raises(RemoraError, match=r"churn"):
        train(opened, as_of, wanted, MADE, tmp_path / "made")
