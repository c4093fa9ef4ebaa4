"""Batch scoring: the output contract, once, whole, or not at all."""

import datetime as dt
import subprocess
import threading
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.clock import micros
from features.engines import open_source
from features.settings import Churn, Settings
from models.basis import basis_of
from models.bundle import Bundle
from models.prediction import SCHEMA
from models.rules import load_pack
from serving.errors import NoFolderError
from serving.score import ScoringError, people, run_score, score
from serving.scored import NO_MODEL
from serving.store import open_store
from tests.company import MLFLOW, Trained, program, quick
from tests.literal import T as NOW
from tests.literal import ago, rows, source, written

pytestmark = pytest.mark.filterwarnings(MLFLOW)

MADE = dt.datetime(2026, 7, 2, tzinfo=dt.UTC)
MODELLED = ["churn_probability", "risk_band", "value_at_risk"]


def silent(step: str) -> None:
    pass


@pytest.fixture(scope="module")
def scored(trained: Trained) -> pl.DataFrame:
    return score(
        trained.source.until(trained.as_of), trained.as_of, trained.candidate.bundle, trained.settings, MADE
    ).rows


def test_the_output_contract_to_the_letter(scored: pl.DataFrame, trained: Trained) -> None:
    assert list(scored.schema.items()) == list(pl.Schema(SCHEMA).items())
    assert scored["customer_id"].is_unique().all()
    assert scored["customer_id"].is_sorted()
    assert scored["as_of"].unique().to_list() == [trained.date]
    assert scored["scored_at"].unique().to_list() == [MADE]
    assert scored["model_version"].unique().to_list() == [trained.candidate.bundle.id]
    assert scored["rules_version"].unique().to_list() == [load_pack().rules_version]
    assert set(scored["churn_horizon_days"]) == set(scored["value_horizon_days"]) == {90}
    for name in ("segments", "alerts", "reasons", "at_stake", "basis"):
        assert scored[name].null_count() == 0


def test_everyone_known_before_the_date_has_a_row(scored: pl.DataFrame, trained: Trained) -> None:
    known = {
        str(customer)
        for file in trained.folder.glob("*.parquet")
        for customer in pl.read_parquet(file)["customer_id"].drop_nulls()
        if file.stem != "customers"
    }
    assert known <= set(scored["customer_id"])


def test_who_is_at_stake_is_what_the_definition_says(scored: pl.DataFrame, trained: Trained) -> None:
    runs = pl.read_parquet(trained.folder / "subscriptions.parquet")
    end = dt.datetime(2026, 7, 1)
    running = runs.filter((pl.col("started_at") <= end) & (pl.col("ended_at").is_null() | (pl.col("ended_at") > end)))
    assert set(scored.filter("at_stake")["customer_id"]) == set(running["customer_id"])
    assert 0 < scored["at_stake"].sum() < scored.height


def test_not_at_stake_means_no_churn_and_the_rules_speak(scored: pl.DataFrame) -> None:
    gone = scored.filter(~pl.col("at_stake"))
    for name in MODELLED:
        assert gone[name].null_count() == gone.height
    assert gone["composite_score"].null_count() < gone.height
    assert gone["basis"].unique().to_list() == ["rules: not at stake (no subscription runs)"]
    assert gone["expected_value"].null_count() == 0
    told = gone.filter(pl.col("composite_score").is_not_null())
    assert told["reasons"].list.len().min() > 0
    assert told.filter(pl.col("tier").is_not_null())["playbook"].null_count() == 0


def test_at_stake_has_all_the_models_say(scored: pl.DataFrame, trained: Trained) -> None:
    staked = scored.filter("at_stake")
    for name in [*MODELLED, "expected_value", "value_low", "value_high", "value_if_retained"]:
        assert staked[name].null_count() == 0, name
    assert staked["churn_probability"].is_between(0, 1).all()
    assert (staked["value_at_risk"] == staked["churn_probability"] * staked["value_if_retained"]).all()
    assert (staked["value_low"] <= staked["value_high"]).all()
    assert staked["reasons"].list.len().is_between(1, 3).all()
    assert staked["basis"].unique().to_list() == [basis_of(trained.candidate.bundle.manifest.churn.mixture)]
    assert staked["churn_probability"].n_unique() > 50  # a constant would pass all of the above


def test_risk_bands_are_cut_at_once_and_twice_the_base_odds(scored: pl.DataFrame, trained: Trained) -> None:
    rate = trained.candidate.bundle.manifest.churn.base_rate
    twice = 2 * rate / (1 + rate)  # o / (1 + o) with o = 2 · rate / (1 − rate)
    for probability, band in scored.filter("at_stake").select("churn_probability", "risk_band").iter_rows():
        assert band == ("high" if probability >= twice else "medium" if probability >= rate else "low")


def test_reasons_explain_the_churn_model_in_words(scored: pl.DataFrame, trained: Trained) -> None:
    names = set(trained.candidate.bundle.design.names)
    for told in scored.filter("at_stake")["reasons"]:
        sizes = [reason["size"] for reason in told]
        assert sizes == sorted(sizes, reverse=True)
        assert 0 < sum(sizes) <= 1
        for reason in told:
            assert reason["feature"] in names
            assert reason["direction"] in ("raises", "lowers")
            assert reason["text"].endswith(f"({reason['direction']} the risk)")


def test_rows_belong_to_their_customers(scored: pl.DataFrame, trained: Trained) -> None:
    """Each prediction is the bundle's on that customer's own features, in whatever order they stand."""
    from features.build import Fitted, build

    bundle = trained.candidate.bundle
    fitted = bundle.manifest.fitted
    wide = build(trained.source.until(trained.as_of).tables, trained.as_of,
                 Fitted.kept(fitted))  # fmt: skip
    mixed = wide.sample(fraction=1, shuffle=True, seed=2).select(sorted(wide.columns, reverse=True))
    predicted = bundle.predict(bundle.matrix(mixed))
    said = {"churn": predicted.churn_probability, "kept": predicted.value_if_retained}
    own = mixed.select("customer_id", **{name: pl.Series(array) for name, array in said.items()})
    both = scored.join(own, on="customer_id")
    assert both.height == scored.height
    staked = both.filter("at_stake")
    assert (staked["churn_probability"] - staked["churn"]).abs().max() < 1e-6  # type: ignore[operator]
    assert ((both["value_if_retained"] - both["kept"]).abs() / both["kept"]).max() < 1e-5  # type: ignore[operator]


def test_one_customer_alone_is_scored_as_among_all(scored: pl.DataFrame, trained: Trained, tmp_path: Path) -> None:
    """The whole row: nothing that is said of a customer depends on whose rows are there besides."""
    newest = (
        pl.read_parquet(trained.folder / "subscriptions.parquet").sort("started_at")["customer_id"].drop_nulls()[-1]
    )
    for customer in {scored.filter("at_stake")["customer_id"][0], scored.filter(~pl.col("at_stake"))[0, 0], newest}:
        for file in trained.folder.glob("*.parquet"):
            (tmp_path / customer).mkdir(exist_ok=True)
            rows_ = pl.read_parquet(file)
            rows_.filter(pl.col("customer_id") == customer).write_parquet(tmp_path / customer / file.name)
        source_ = open_source(tmp_path / customer, trained.settings).until(trained.as_of)
        alone = score(source_, trained.as_of, trained.candidate.bundle, trained.settings, MADE).rows
        assert_frame_equal(alone, scored.filter(customer_id=customer), rel_tol=1e-9)


def test_scoring_twice_gives_the_same_rows_once(trained: Trained, tmp_path: Path) -> None:
    file, bundle = tmp_path / "scores.parquet", trained.candidate.bundle
    with open_store(tmp_path / "store.db") as store:
        first = run_score(trained.source, trained.date, bundle, trained.settings, store, file, False, silent)
        kept = store.history(trained.date + dt.timedelta(days=1))
        assert_frame_equal(pl.read_parquet(file), first)
        second = run_score(trained.source, trained.date, bundle, trained.settings, store, file, False, silent)
        again = store.history(trained.date + dt.timedelta(days=1))
    when = "scored_at"
    assert_frame_equal(first.drop(when), second.drop(when), rel_tol=1e-6)
    assert kept.height == again.height == first.height
    assert_frame_equal(kept.drop(when), again.drop(when), rel_tol=1e-6)
    assert kept[when].max() < again[when].min()  # type: ignore[operator]


def test_the_store_ranks_what_was_scored(trained: Trained, scored: pl.DataFrame, tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        store.save_customers(people(trained.source))
        store.save(scored)
        ranked = store.at_risk(limit=5).accounts
        assert store.count_at_risk() == scored["at_stake"].sum()
    wanted = scored.filter("at_stake").sort("value_at_risk", descending=True).head(5)
    assert [account.prediction.customer_id for account in ranked] == wanted["customer_id"].to_list()
    assert all(account.name for account in ranked)


def test_the_file_is_never_seen_half(trained: Trained, tmp_path: Path) -> None:
    """A reader that looks all the time finds the old file or the new one."""
    from serving.score import write_scores

    file = tmp_path / "scores.parquet"
    small, large = (pl.DataFrame({"n": range(size)}) for size in (10, 2_000_000))
    write_scores(small, file)
    seen, done = set(), threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(pl.read_parquet(BytesIO(file.read_bytes())).height)

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(10):
        write_scores(large, file)
        write_scores(small, file)
    done.set()
    reader.join()
    assert seen <= {10, 2_000_000}
    assert [each.name for each in tmp_path.iterdir()] == ["scores.parquet"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_scored(trained: Trained, tmp_path: Path) -> None:
    file, bundle = tmp_path / "no" / "scores.parquet", trained.candidate.bundle
    with open_store(tmp_path / "store.db") as store:
        with pytest.raises(NoFolderError, match=r"there is no folder .*no; make it, or name another"):
            run_score(trained.source, trained.date, bundle, trained.settings, store, file, False, silent)
        assert store.history(trained.date + dt.timedelta(days=1)).height == 0


def test_the_past_of_a_model_needs_backfill_and_is_marked(trained: Trained, tmp_path: Path) -> None:
    earlier, bundle = trained.date - dt.timedelta(days=30), trained.candidate.bundle
    with open_store(tmp_path / "store.db") as store:
        with pytest.raises(ScoringError, match=r"--as-of 2026-06-01 lies before the model's training date 2026-07-01"):
            run_score(trained.source, earlier, bundle, trained.settings, store, None, False, silent)
        assert store.count_at_risk() == 0
        rows_ = run_score(trained.source, earlier, bundle, trained.settings, store, None, True, silent)
        assert rows_["as_of"].unique().to_list() == [earlier]
        assert store.history(trained.date).height == 0  # left out of realised accuracy
        assert all(account.backfill for account in store.at_risk(limit=3).accounts)


def test_a_day_after_training_backfill_marks_nothing(trained: Trained, tmp_path: Path) -> None:
    later = trained.date + dt.timedelta(days=1)
    with open_store(tmp_path / "store.db") as store:
        run_score(trained.source, later, trained.candidate.bundle, trained.settings, store, None, True, silent)
        assert not any(account.backfill for account in store.at_risk(limit=3).accounts)


def test_what_the_model_saw_is_kept(trained: Trained, tmp_path: Path) -> None:
    """From the kept features alone follows what was said; a backfill keeps none."""
    settings, bundle = quick(trained.folder, home=tmp_path), trained.candidate.bundle
    with open_store(tmp_path / "store.db") as store:
        said = run_score(trained.source, trained.date, bundle, settings, store, None, False, silent)
        earlier = trained.date - dt.timedelta(days=30)
        run_score(trained.source, earlier, bundle, settings, store, None, True, silent)
    (file,) = (tmp_path / "scorings").iterdir()
    kept = pl.read_parquet(file)
    assert kept["customer_id"].to_list() == said["customer_id"].to_list()
    again = said.with_columns(again=pl.Series(bundle.predict(bundle.matrix(kept)).churn_probability))
    staked = again.filter("at_stake")
    assert (staked["again"] - staked["churn_probability"]).abs().max() < 1e-12  # type: ignore[operator]


def test_scores_are_not_lost_where_features_cannot_be_kept(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "scorings").write_text("in the way")
    settings, file = quick(trained.folder, home=tmp_path), tmp_path / "scores.parquet"
    with open_store(tmp_path / "store.db") as store:
        said = run_score(trained.source, trained.date, trained.candidate.bundle, settings, store, file, False, silent)
        assert store.history(trained.date + dt.timedelta(days=1)).height == said.height
    assert_frame_equal(pl.read_parquet(file), said)


KILLED = """
import sys, time
import sqlalchemy as sa
from sqlalchemy.engine import Engine
where = sys.argv[1]

@sa.event.listens_for(Engine, "after_cursor_execute")
def stop(connection, cursor, statement, *_):
    if where == "in the store" and statement.startswith("INSERT INTO remora_scores"):
        print("now", flush=True)
        time.sleep(600)

import polars
whole = polars.DataFrame.write_parquet
def half(frame, file, **options):
    whole(frame, file, **options)
    if where == "in the file":
        with open(file, "r+b") as opened:
            opened.truncate(1000)
        print("now", flush=True)
        time.sleep(600)
polars.DataFrame.write_parquet = half

sys.argv = ["remora", "score", *sys.argv[2:]]
from serving.cli import main
main()
"""


@pytest.mark.parametrize("where", ["in the store", "in the file"])
def test_killed_half_way_the_old_state_stays_and_a_rerun_repairs(
    trained: Trained, home_copy: Path, tmp_path: Path, where: str
) -> None:
    file, bundle = tmp_path / "scores.parquet", trained.candidate.bundle
    settings = quick(trained.folder, home=home_copy)
    tomorrow = trained.date + dt.timedelta(days=1)
    with open_store(home_copy / "remora.db") as store:
        run_score(trained.source, trained.date, bundle, settings, store, file, False, silent)
        old, old_file = store.history(tomorrow), file.read_bytes()
    told = {"REMORA_HOME": str(home_copy)}
    arguments = (where, trained.folder, "--as-of", "2026-07-01", "--out", file)
    with program(KILLED, *arguments, env=told, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n", child.communicate()[1]
        child.kill()
    assert child.returncode == -9
    assert file.read_bytes() == old_file
    with open_store(home_copy / "remora.db") as store:
        now = store.history(tomorrow)
        assert_frame_equal(now.drop("scored_at"), old.drop("scored_at"), rel_tol=1e-6)
        assert (now["scored_at"] > old["scored_at"]).all() == (where == "in the file")  # the store commits first
        assert now["scored_at"].n_unique() == 1
        rows_ = run_score(trained.source, trained.date, bundle, settings, store, file, False, silent)
        assert_frame_equal(pl.read_parquet(file), rows_)
        assert store.history(tomorrow)["scored_at"].unique().to_list() == rows_["scored_at"].unique().to_list()


def rules_only(tmp_path: Path, **flags: Settings) -> tuple[Path, Settings]:
    """A company without a model, like ravenstack: parallel subscriptions that nobody cancels."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    running = rows(
        "customer_id started_at ended_at monthly_amount",
        *((f"C{n}", ago(300 - n), None, 10.0 * n) for n in range(40) for _ in range(3)),
    )
    scores = rows("customer_id occurred_at score", *((f"C{n}", ago(n + 1), float(n % 11)) for n in range(40)))
    uses = ((f"C{n}", ago(day), "x") for n in range(40) for day in range(1, n))
    used = rows("customer_id occurred_at feature", *uses)
    written(folder, {"subscriptions": running, "nps_responses": scores, "usage_events": used})
    churn = Churn(definition="cancelled", horizon_days=60)
    return folder, Settings.model_construct(home=tmp_path / "home", churn=churn)


def test_without_a_bundle_the_rules_speak(tmp_path: Path) -> None:
    folder, settings = rules_only(tmp_path)
    found = score(open_source(folder, settings), NOW, None, settings, MADE).rows
    assert list(found.schema.items()) == list(pl.Schema(SCHEMA).items())
    assert found.height == 40
    assert found["at_stake"].all()
    assert found["composite_score"].null_count() == 0
    assert found["composite_score"].n_unique() > 10
    assert found["reasons"].list.len().min() > 0
    assert found["model_version"].unique().to_list() == [NO_MODEL]
    assert found["basis"].unique().to_list() == ["rules: no model has been promoted"]
    for name in (*MODELLED, "expected_value", "value_low", "value_high", "value_if_retained"):
        assert found[name].null_count() == 40, name


def test_the_bounds_of_the_first_scoring_are_kept(tmp_path: Path) -> None:
    """So that scores compare: of later populations, the same customer has the same score."""
    folder, settings = rules_only(tmp_path)
    first = score(open_source(folder, settings), NOW, None, settings, MADE).rows
    kept = list((settings.home / "rules").iterdir())
    assert [file.name for file in kept] == [f"{load_pack().rules_version}.json"]
    text = kept[0].read_text()
    few = [f"C{n}" for n in range(20, 30)]
    smaller = {file.stem: pl.read_parquet(file).filter(pl.col("customer_id").is_in(few)) for file in folder.iterdir()}
    (tmp_path / "few").mkdir()
    second = score(open_source(written(tmp_path / "few", smaller), settings), NOW, None, settings, MADE).rows
    assert kept[0].read_text() == text
    wanted = first.filter(pl.col("customer_id").is_in(few)).select("customer_id", "composite_score")
    assert_frame_equal(second.select("customer_id", "composite_score"), wanted)
    fresh = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    other = score(open_source(tmp_path / "few", settings), NOW, None, fresh, MADE).rows
    assert not other["composite_score"].equals(second["composite_score"])


def test_the_bounds_of_a_bundle_come_with_it(trained: Trained, scored: pl.DataFrame, tmp_path: Path) -> None:
    settings = trained.settings.model_copy(update={"home": tmp_path})
    half = {
        file.stem: pl.read_parquet(file).filter(pl.col("customer_id").hash(1) % 2 == 0)
        for file in trained.folder.glob("*.parquet")
    }
    (tmp_path / "half").mkdir()
    opened = open_source(written(tmp_path / "half", half), settings)
    found = score(opened.until(trained.as_of), trained.as_of, trained.candidate.bundle, settings, MADE).rows
    assert not (tmp_path / "rules").exists()
    both = found.join(scored, on="customer_id", suffix="_all")
    assert both.height > 50
    for name in ("composite_score", "churn_probability", "value_at_risk"):
        assert (both[name].fill_null(-1) - both[f"{name}_all"].fill_null(-1)).abs().max() < 1e-2, name  # type: ignore[operator]


def test_without_a_definition_nobody_is_at_stake(tmp_path: Path) -> None:
    folder, settings = rules_only(tmp_path)
    unset = settings.model_copy(update={"churn": Churn()})
    assert not score(open_source(folder, settings), NOW, None, unset, MADE).rows["at_stake"].any()


def test_with_labels_of_ones_own_everyone_is_at_stake(tmp_path: Path) -> None:
    labels = rows("customer_id as_of churned", *((f"L{n}", ago(30), False) for n in range(5)))
    people_ = [{"customer_id": f"L{n}"} for n in range(6)]
    opened = source(tmp_path, "polars", {"labels": labels, "customers": people_})
    settings = Settings.model_construct(home=tmp_path / "home", churn=Churn(definition="labelled"))
    assert score(opened, NOW, None, settings, MADE).rows.filter("at_stake").height == 6


def test_nothing_after_the_date_is_read(trained: Trained, tmp_path: Path) -> None:
    """Scoring at a date on today's folder is scoring on the folder of that date."""
    date = trained.date - dt.timedelta(days=20)
    cut, day = {}, date.replace(tzinfo=None)
    for file in trained.folder.glob("*.parquet"):
        frame = pl.read_parquet(file)
        dates = [name for name in ("occurred_at", "started_at", "recorded_at") if name in frame.columns]
        known = pl.all_horizontal(pl.lit(True), *(pl.col(n).is_null() | (pl.col(n) < day) for n in dates))
        cut[file.stem] = frame.filter(known)
    (tmp_path / "cut").mkdir()
    opened = open_source(written(tmp_path / "cut", cut), trained.settings)
    bundle = trained.candidate.bundle
    frames = []
    for each in (trained.source, opened):
        with open_store(tmp_path / f"{len(frames)}.db") as store:
            frames.append(run_score(each, date, bundle, trained.settings, store, None, True, silent))
    assert_frame_equal(*(frame.drop("scored_at") for frame in frames), rel_tol=1e-6)


def test_the_bundle_is_the_promoted_one(trained: Trained) -> None:
    from serving.champion import promoted
    from serving.home import Home

    found = promoted(Home(trained.home))
    assert isinstance(found, Bundle)
    assert found.id == trained.candidate.bundle.id
    assert micros(found.manifest.as_of) == trained.as_of
