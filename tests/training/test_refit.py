"""Whether to fit again: asked of the past alone, by a rule that can be read."""

import numpy as np
import polars as pl
import pytest

from features.clock import DAY, moment
from models.churn import Vector
from models.mixture import Mixture
from tests.company import MLFLOW, Trained
from training.churn_choice import Recipe, Simple
from training.fit import roles
from training.pipeline import horizons_of
from training.refit import MOST_JUDGED, all_closed, as_served, decide, older, widened
from training.split import Plan, folds

pytestmark = pytest.mark.filterwarnings(MLFLOW)

WINDOW, EVERY = 60, 30
PLAN = Plan(test=400 * DAY, training=tuple(day * DAY for day in (190, 220, 250, 280, 310, 340)), later_period=True)
OLDER = tuple(day * DAY for day in (70, 100, 130, 160))
DAYS = pl.col("as_of") // DAY


def rows(rate_of: dict[int, float], customers: int = 300) -> pl.DataFrame:
    """Everyone at every cut-off; day → churn rate, 0.3 where it is not given."""
    ids = [f"C{number:03}" for number in range(customers)]
    rng, frames = np.random.default_rng(4), []
    for cutoff in (*OLDER, *PLAN.training, PLAN.test):
        churned = rng.random(customers) < rate_of.get(cutoff // DAY, 0.3)
        frames.append(
            pl.DataFrame(
                {"customer_id": ids, "as_of": cutoff, "fold": folds(ids), "churned": churned, "at_stake": True}
            )
        )
    return pl.concat(frames)


class Rate:
    """A procedure that says the churn rate of its calibration rows' latest cut-off, and notes what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = []

    def __call__(self, training: pl.DataFrame, aside: pl.DataFrame, judged: pl.DataFrame) -> Vector:
        self.shown.append((training, aside, judged))
        latest = training.filter(pl.col("as_of") == training["as_of"].max())
        return np.full(judged.height, latest["churned"].mean(), dtype=float)


RISING = dict(zip(range(70, 341, 30), np.linspace(0.05, 0.7, 10), strict=True))


def test_a_drift_that_goes_on_asks_for_a_refit() -> None:
    found = decide(rows(RISING), PLAN, WINDOW, Rate())
    assert found.refit
    assert found.why.startswith(
        "refitted: learning from newer closed windows too was better at 3 of 3 earlier cut-offs"
    )
    assert [each.cutoff for each in found.judged] == [f"{moment(c):%Y-%m-%d}" for c in PLAN.training[-MOST_JUDGED:]]


def test_a_season_that_turns_does_not() -> None:
    """Surely better on the whole, but not at every cut-off."""
    found = decide(rows(RISING | {340: 0.4}), PLAN, WINDOW, Rate())
    assert not found.refit
    assert found.gain is not None
    assert found.gain.low is not None
    assert found.gain.low > 0
    assert found.why.startswith("not refitted: ")
    assert [each.refit < each.kept for each in found.judged] == [True, True, False]


def test_nor_does_what_makes_no_difference() -> None:
    found = decide(rows({}), PLAN, WINDOW, lambda training, aside, judged: np.full(judged.height, 0.3))
    assert not found.refit
    assert found.gain is not None
    assert found.gain.estimate == pytest.approx(0, abs=1e-12)


def test_the_numbers_are_those_of_the_rates() -> None:
    all_rows = rows(RISING)
    found = decide(all_rows, PLAN, WINDOW, Rate())
    train = all_rows.filter(pl.col("fold") != 0)
    for day, each in zip((280, 310, 340), found.judged, strict=True):
        truth = train.filter(day == DAYS)["churned"].to_numpy()
        for back, loss in ((2 * WINDOW, each.kept), (WINDOW, each.refit)):
            said = train.filter(day - back == DAYS)["churned"].mean()
            assert loss == pytest.approx(-np.log(np.where(truth, said, 1 - said)).mean())  # type: ignore[operator]
        assert (each.rows, each.churners) == (len(truth), truth.sum())
    assert found.gain is not None
    pooled = [sum(getattr(e, side) * e.rows for e in found.judged) for side in ("kept", "refit")]
    assert found.gain.estimate == pytest.approx((pooled[0] - pooled[1]) / sum(e.rows for e in found.judged))


def test_what_each_learns_from_had_closed_and_nothing_of_the_test_is_shown() -> None:
    spy = Rate()
    found = decide(rows(RISING), PLAN, WINDOW, spy)
    turned = rows(RISING).with_columns(
        churned=pl.when(pl.col("as_of") == PLAN.test).then(~pl.col("churned")).otherwise("churned")
    )
    assert decide(turned, PLAN, WINDOW, Rate()) == found
    assert len(spy.shown) == 2 * MOST_JUDGED
    for place, (training, aside, judged) in enumerate(spy.shown):
        windows = 2 - place % 2
        at = judged["as_of"][0]
        assert judged["as_of"].n_unique() == 1
        assert training["as_of"].max() == at - windows * WINDOW * DAY
        assert aside["as_of"].max() <= at - windows * WINDOW * DAY  # type: ignore[operator]
        assert 0 not in {*training["fold"], *judged["fold"]}
        assert set(aside["fold"]) == {0}


def test_without_room_or_a_later_period_nothing_is_compared() -> None:
    recent = rows(RISING).filter(pl.col("as_of") > 250 * DAY)
    found = decide(recent, PLAN, WINDOW, Rate())
    assert (found.refit, found.gain, found.judged) == (False, None, ())
    assert "no room" in found.why
    short = Plan(PLAN.test, PLAN.training, later_period=False)
    assert "every closed window trains already" in decide(rows(RISING), short, WINDOW, Rate()).why


def test_one_cutoff_is_not_enough() -> None:
    found = decide(rows(RISING).filter(pl.col("as_of") >= 220 * DAY), PLAN, WINDOW, Rate())
    assert len(found.judged) == 1
    assert found.judged[0].refit < found.judged[0].kept
    assert not found.refit


def test_the_refit_learns_from_every_closed_window() -> None:
    wider = all_closed(PLAN, EVERY)
    assert [cutoff // DAY for cutoff in wider.training] == [190, 220, 250, 280, 310, 340, 370, 400]
    assert (wider.test, wider.calibration) == (PLAN.test, PLAN.test)
    assert all_closed(Plan(400 * DAY, (335 * DAY,), True), EVERY).training == (
        335 * DAY,
        340 * DAY,
        370 * DAY,
        400 * DAY,
    )


@pytest.mark.parametrize(("begins", "first"), [(-500, 10), (0, 70), (33, 100), (131, None)])
def test_older_cutoffs_go_as_far_back_as_the_first_comparison_needs(begins: int, first: int | None) -> None:
    """280 − 2 · 60 is the latest that `kept` may see at the first cut-off judged; six of them, as the plan has."""
    found = [cutoff // DAY for cutoff in older(PLAN, WINDOW, EVERY, begins * DAY)]
    assert found == ([] if first is None else list(range(first, 190, 30)))


def test_rows_of_older_cutoffs_have_the_same_columns(trained: Trained) -> None:
    found, wanted = trained.candidate, trained.as_of - 400 * DAY
    past = trained.source.until(trained.as_of)
    wider = widened(found.snapshots, past, found.targets, [wanted, found.targets.churn.test], trained.settings)
    assert wider.columns == found.snapshots.columns
    assert wider.rows.columns == found.snapshots.rows.columns
    assert wider.rows.filter(pl.col("as_of") != wanted).equals(found.snapshots.rows)
    added = wider.rows.filter(as_of=wanted, at_stake=True)
    assert added.height
    assert added["churned"].null_count() == 0
    assert (
        widened(found.snapshots, past, found.targets, found.targets.churn.training, trained.settings) is found.snapshots
    )


def test_the_procedure_is_that_of_training(trained: Trained) -> None:
    """On the rows of the training itself it gives the probabilities of the bundle that came of it."""
    found = trained.candidate
    aims, bundle = found.targets, found.bundle
    horizons = horizons_of(aims, trained.settings)
    rows = found.snapshots.rows.filter("at_stake")
    recipe = Recipe(
        kind=bundle.manifest.churn.mixture.kind,
        simple=simple_of(bundle.manifest.churn.mixture),
        trees_weight=bundle.manifest.churn.mixture.trees_weight,
        why="",
    )
    dealt = roles(rows, aims.churn)
    said = as_served(found.snapshots, aims, horizons, recipe)(dealt.training, dealt.calibration, dealt.test)
    np.testing.assert_allclose(said, bundle.predict(bundle.matrix(dealt.test)).churn_probability, rtol=1e-9)


def simple_of(mixture: Mixture) -> Simple | None:
    if mixture.linear is None:
        return None
    return "bg_nbd" if mixture.linear.columns == ("rhythm_no_purchase",) else "linear"
