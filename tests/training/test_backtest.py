"""A backtest sees only the past of each date, goes on where it stopped, and judges what has come true."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import brier_score_loss, roc_auc_score

from features.clock import DateError, micros
from features.engines import open_source
from features.settings import Churn, Gate, Settings, Snapshots, load_settings
from tests.company import MLFLOW, shop
from tests.literal import written
from training import backtest_dates
from training.backtest import BacktestError, backtest, dates_between, outlook_of, write_backtest
from training.backtest_kept import read, settings_key
from training.backtest_report import Backtest, backtest_notes, backtest_table
from training.evaluate import MODEL
from training.metrics import normalised_gini
from training.reports import BASE_RATE, BG_NBD, COMPOSITE, GAMMA_GAMMA, LOGISTIC, RECENCY, RUN_RATE

pytestmark = pytest.mark.filterwarnings(MLFLOW)

END = "2026-07-01"
TODAY = micros(dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
TOML = """
[churn]
definition = "no_purchase"
horizon_days = 30
active_within_days = 60
[snapshots]
every_days = 20
count = 1
[gate]
min_churners = 5
"""
SETTINGS = Settings.model_construct(
    churn=Churn(definition="no_purchase", horizon_days=30, active_within_days=60),
    snapshots=Snapshots(every_days=20, count=1),
    gate=Gate(min_churners=5),
)
FROM, TO, EVERY = "2025-12-18", "2026-06-16", "60d"
"""The first date has too little history, the last one's window is open: 2025-12-18, 02-16, 04-17, 06-16."""


@dataclass(frozen=True)
class Ran:
    data: Path
    out: Path
    found: Backtest
    trained: list[str]
    """The dates that were trained at, in the order in which they were."""
    after_interruption: list[str]
    """The files that an interrupted run left."""


def dates() -> list[int]:
    return dates_between(FROM, TO, EVERY, TODAY, SETTINGS)


def run(data: Path, out: Path, settings: Settings = SETTINGS, **told: Any) -> Backtest:
    return backtest(open_source(data, settings), TODAY, dates(), settings, out, **told)


def files(out: Path) -> list[str]:
    return sorted(file.name for file in out.rglob("*.parquet"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run that is interrupted as its third date begins, and the one that takes it up."""
    data, out = tmp_path_factory.mktemp("shop"), tmp_path_factory.mktemp("backtest")
    sales = shop(120, days=200, end=END)
    written(data, {"transactions": sales.with_columns(recorded_at=pl.col("occurred_at"))})
    trained: list[str] = []
    train = backtest_dates.train

    def noted(past: Any, as_of: int, *rest: Any) -> Any:
        found = train(past, as_of, *rest)
        trained.append(f"{dt.datetime.fromtimestamp(as_of / 1e6, dt.UTC):%Y-%m-%d}")
        return found

    def interrupt(step: str) -> None:
        if "(3 of 4)" in step:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest_dates, "train", noted)
        with pytest.raises(KeyboardInterrupt):
            run(data, out, progress=interrupt)
        left = files(out)
        found = run(data, out)
        assert run(data, out) == found
    return Ran(data, out, found, trained, left)


def kept(ran: Ran, date: str) -> pl.DataFrame:
    return read(file_of(ran, date)).rows


def file_of(ran: Ran, date: str) -> Path:
    (file,) = (ran.out / ran.found.key).glob(f"{date}.*.parquet")
    return file


def outcomes(ran: Ran, date: str, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with who bought nothing in the 30 days from `date`, and what was spent, read off the sales."""
    start = dt.datetime.fromisoformat(date)
    sales = pl.read_parquet(ran.data / "transactions.parquet")
    inside = sales.filter(pl.col("occurred_at").is_between(start, start + dt.timedelta(days=30), closed="left"))
    spent = inside.group_by("customer_id").agg(spent=pl.col("amount").sum())
    return rows.join(spent, on="customer_id", how="left").with_columns(
        pl.col("spent").fill_null(0.0), left=pl.col("spent").is_null().cast(pl.Float64)
    )


def test_an_interrupted_run_is_taken_up_and_nothing_is_trained_twice(ran: Ran) -> None:
    assert [name[:10] for name in ran.after_interruption] == ["2025-12-18", "2026-02-16"]
    all_four = files(ran.out / ran.found.key)
    assert [name[:10] for name in all_four] == ["2025-12-18", "2026-02-16", "2026-04-17", "2026-06-16"]
    assert ran.trained == ["2026-02-16", "2026-04-17", "2026-06-16"]
    assert set(ran.after_interruption) < set(all_four)


def test_every_date_says_where_it_stands(ran: Ran) -> None:
    first, *_, last = ran.found.dates
    assert [each.status for each in ran.found.dates] == ["judged", "judged", "judged", "open"]
    assert [each.trained for each in ran.found.dates] == [False, True, True, True]
    assert first.note.startswith("rules only: ")
    assert set(first.churn) == {RECENCY, COMPOSITE}
    assert (last.note, last.churners, last.churn, last.value) == ("open until 2026-07-16", None, {}, {})
    assert kept(ran, "2026-06-16").height == last.rows > 0  # predicted all the same
    notes = list(backtest_notes(ran.found))
    assert notes[-2].endswith("open until 2026-07-16")
    assert notes[-1].startswith("pooled over 2 of 4 dates: ")


@pytest.mark.parametrize(("number", "date"), [(1, "2026-02-16"), (2, "2026-04-17")])
def test_numbers_are_those_of_the_kept_predictions_against_the_sales(ran: Ran, number: int, date: str) -> None:
    result, rows = ran.found.dates[number], outcomes(ran, date, kept(ran, date))
    assert set(result.churn) == {MODEL, RECENCY, BASE_RATE, COMPOSITE, LOGISTIC, BG_NBD}
    assert set(result.value) == {MODEL, RUN_RATE, GAMMA_GAMMA}
    assert (result.rows, result.churners) == (rows.height, rows["left"].sum())
    p = rows[f"churn: {MODEL}"].to_numpy()
    assert result.churn[MODEL].roc_auc.estimate == pytest.approx(roc_auc_score(rows["left"], p))
    assert result.churn[MODEL].brier_score == pytest.approx(brier_score_loss(rows["left"], p))
    auc = {name: roc_auc_score(rows["left"], rows[f"churn: {name}"]) for name in (MODEL, RECENCY, COMPOSITE)}
    assert result.churn[BG_NBD].brier_score is not None  # a probability
    for name in (RECENCY, COMPOSITE):
        gap = result.churn[name].differences["roc_auc"]
        assert gap.estimate == pytest.approx(auc[MODEL] - auc[name])
        assert gap.low is not None
    expected = rows[f"value: {MODEL}"].to_numpy()
    assert result.value[MODEL].normalised_gini.estimate == pytest.approx(normalised_gini(rows["spent"], expected))
    assert result.value[RUN_RATE].total_ratio == pytest.approx(rows[f"value: {RUN_RATE}"].sum() / rows["spent"].sum())


def test_everyone_at_stake_is_predicted_and_nobody_else(ran: Ran) -> None:
    start = dt.datetime(2026, 4, 17)
    sales = pl.read_parquet(ran.data / "transactions.parquet")
    active = sales.filter(pl.col("occurred_at").is_between(start - dt.timedelta(days=60), start, closed="left"))
    rows = kept(ran, "2026-04-17")
    assert rows["customer_id"].to_list() == sorted(active["customer_id"].unique())
    days = active.group_by("customer_id").agg(pl.col("occurred_at").max()).sort("customer_id")
    since = (start - days["occurred_at"]).dt.total_microseconds() / 86_400_000_000
    assert rows[f"churn: {RECENCY}"].to_numpy() == pytest.approx(since.to_numpy())


def test_the_pool_holds_every_judged_date_with_a_model(ran: Ran) -> None:
    parts = [outcomes(ran, date, kept(ran, date)) for date in ("2026-02-16", "2026-04-17")]
    rows, pooled = pl.concat(parts, how="diagonal"), ran.found.pooled
    assert pooled is not None
    assert (pooled.dates, pooled.rows, pooled.churners) == (2, rows.height, rows["left"].sum())
    assert pooled.customers == rows["customer_id"].n_unique() < rows.height
    auc = roc_auc_score(rows["left"], rows[f"churn: {MODEL}"])
    assert pooled.churn[MODEL].roc_auc.estimate == pytest.approx(auc)
    assert pooled.value[RUN_RATE].difference is not None


def test_nothing_after_a_date_can_change_its_prediction(ran: Ran, tmp_path: Path) -> None:
    """Sales after the date are turned upside down, given to others, or gone; and new ones of old days are told late."""
    date = dt.datetime(2026, 4, 17)
    sales = pl.read_parquet(ran.data / "transactions.parquet")
    before, after = sales.filter(pl.col("occurred_at") < date), sales.filter(pl.col("occurred_at") >= date)
    wild = after.with_columns(pl.col("amount") * 1000, customer_id=pl.col("customer_id").reverse())[::3]
    late = before[::5].with_columns(recorded_at=pl.lit(date + dt.timedelta(days=1)), amount=pl.lit(1e6))
    changed = pl.concat([wild, late, before.reverse()])
    (tmp_path / "data").mkdir()
    source = open_source(written(tmp_path / "data", {"transactions": changed}), SETTINGS)
    (result,) = backtest(source, TODAY, dates()[2:3], SETTINGS, tmp_path / "out").dates
    (file,) = (tmp_path / "out").rglob("*.parquet")
    assert file.name == file_of(ran, "2026-04-17").name  # what was known has the same fingerprint
    assert_frame_equal(read(file).rows, kept(ran, "2026-04-17"), check_exact=True)
    assert result.churners != ran.found.dates[2].churners  # what came true is another matter


def test_a_changed_setting_starts_anew_and_too_few_churners_leave_the_rules(ran: Ran) -> None:
    strict = SETTINGS.model_copy(update={"gate": Gate(min_churners=10_000)})
    assert settings_key(strict) != settings_key(SETTINGS)
    found = run(ran.data, ran.out, strict)
    assert found.key != ran.found.key
    assert not any(each.trained for each in found.dates)
    assert found.pooled is None
    assert "of the 10,000 needed to train" in found.dates[1].note
    rules = found.dates[1].churn
    assert rules[RECENCY].roc_auc == ran.found.dates[1].churn[RECENCY].roc_auc
    assert rules[RECENCY].differences == {}


def test_where_things_lie_changes_no_key(tmp_path: Path) -> None:
    file = tmp_path / "remora.toml"
    file.write_text(TOML)
    loaded = load_settings(file, home=tmp_path / "elsewhere")
    assert settings_key(loaded) == settings_key(SETTINGS)


def test_json_table_and_plot(ran: Ran, tmp_path: Path) -> None:
    written_files = write_backtest(ran.found, tmp_path / "new")
    assert [file.name for file in written_files] == ["backtest.json", "backtest.png"]
    assert Backtest.model_validate_json(written_files[0].read_text()) == ran.found
    assert written_files[1].read_bytes().startswith(b"\x89PNG")
    names = [len({*each.churn, *each.value}) or 1 for each in (*ran.found.dates, ran.found.pooled) if each]
    assert names == [3, 8, 8, 1, 8]
    assert backtest_table(ran.found).row_count == sum(names) + len(names)  # a heading each


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("2026-03-01", "2026-02-01", "30d"), "swap them"),
        (("2026-02-01", "2026-03-01", "1 month"), "for example 30d"),
        (("2026-02-01", "2026-03-01", "0d"), "for example 30d"),
        (("2026-02-01", "2026-07-02", "30d"), "choose 2026-07-01 or earlier"),
    ],
)
def test_dates_that_make_no_sense(given: tuple[str, str, str], words: str) -> None:
    with pytest.raises(BacktestError, match=words):
        dates_between(*given, TODAY, SETTINGS)


def test_a_date_that_is_none() -> None:
    with pytest.raises(DateError, match="YYYY-MM-DD"):
        dates_between("soon", "2026-03-01", "30d", TODAY, SETTINGS)


def test_dates_stand_at_midnight_of_the_company(ran: Ran) -> None:
    berlin = SETTINGS.model_copy(update={"company": SETTINGS.company.model_copy(update={"timezone": "Europe/Berlin"})})
    found = dates_between("2026-03-01", "2026-03-31", "30d", TODAY, berlin)
    told = [dt.datetime.fromtimestamp(date / 1e6, dt.UTC).isoformat() for date in found]
    assert told == ["2026-02-28T23:00:00+00:00", "2026-03-30T22:00:00+00:00"]  # summer time in between


def test_no_closed_window_is_said_before_anything_is_trained(ran: Ran, tmp_path: Path) -> None:
    source = open_source(ran.data, SETTINGS)
    late = dates_between("2026-06-05", "2026-06-25", "10d", TODAY, SETTINGS)
    with pytest.raises(BacktestError, match="set --from to 2026-06-01 or earlier"):
        backtest(source, TODAY, late, SETTINGS, tmp_path)
    assert not list(tmp_path.iterdir())


def test_labels_of_ones_own_cannot_be_backtested(tmp_path: Path) -> None:
    labels = pl.DataFrame({"customer_id": ["a"], "as_of": [dt.datetime(2026, 1, 1)], "churned": [True]})
    source = open_source(written(tmp_path, {"labels": labels}), SETTINGS)
    with pytest.raises(BacktestError, match="labels bring their own dates"):
        outlook_of(source, TODAY, SETTINGS.model_copy(update={"churn": Churn(definition="labelled")}))
