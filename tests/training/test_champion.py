"""The candidate against the champion, on rows that neither has learnt from."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from features.clock import DAY, micros
from tests.small_bundle import AS_OF, customers, write_small_bundle
from training.bootstrap import paired_interval
from training.champion import compare, on_unseen
from training.metrics import roc_auc

QUESTION = ("no_purchase", 90)
TRAINED = micros(AS_OF)
LATER = TRAINED + 30 * DAY


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    return write_small_bundle(tmp_path_factory.mktemp("champion") / "bundle")


@pytest.fixture(scope="module")
def test_rows(champion):
    """A thousand rows after the champion's date; who left follows what it says."""
    frame = customers()
    said = champion.predict(champion.matrix(frame)).churn_probability
    left = (np.random.default_rng(5).random(frame.height) < said).astype(float)
    place = pl.int_range(pl.len())
    return frame.with_columns(
        customer_id=pl.format("C{}", place), as_of=pl.lit(LATER, pl.Int64), fold=place % 5, churned=pl.Series(left)
    )


@pytest.fixture(scope="module")
def said(champion, test_rows):
    return champion.predict(champion.matrix(test_rows)).churn_probability


def noisy(p, size, seed=0):
    return np.clip(p + np.random.default_rng(seed).normal(0, size, len(p)), 0, 1)


def test_no_champion_is_no_comparison(test_rows, said):
    assert compare(None, test_rows, said, QUESTION) is None


def test_the_champion_is_as_good_as_itself(champion, test_rows, said):
    found = compare(champion.folder, test_rows, said, QUESTION)
    assert (found.champion, found.rows, found.note) == (champion.id, 1000, "")
    assert (found.difference.estimate, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)


def test_the_difference_is_the_paired_one_of_candidate_and_champion(champion, test_rows, said):
    worse = noisy(said, 0.5)
    found = compare(champion.folder, test_rows, worse, QUESTION)
    y = test_rows["churned"].to_numpy()
    assert found.difference.estimate == pytest.approx(roc_auc(y, worse) - roc_auc(y, said))
    assert found.difference == paired_interval(roc_auc, y, worse, said, test_rows["customer_id"].to_numpy())
    assert found.difference.high < 0


def test_a_champion_that_may_have_learnt_the_answers_is_compared_on_customers_no_model_learns_from(
    champion, test_rows, said
):
    before = test_rows.with_columns(as_of=pl.lit(TRAINED - 30 * DAY, pl.Int64))
    found = compare(champion.folder, before, noisy(said, 0.1), QUESTION)
    aside = before.filter(pl.col("fold") == 0)
    fair = compare(champion.folder, aside, noisy(said, 0.1)[::5], QUESTION)
    assert found.rows == aside.height == 200
    assert found.difference == fair.difference
    assert [word for word in ("2011-06-30", "2011-05-31", "no model learns from") if word not in found.note] == []


@pytest.mark.parametrize(("days", "rows"), [(30, 1000), (29, 200)])
def test_what_it_learnt_from_is_better_known_than_its_date(days, rows, tmp_path, test_rows, said):
    folder = write_small_bundle(tmp_path / "bundle", learnt_until=TRAINED - days * DAY).folder
    before = test_rows.with_columns(as_of=pl.lit(TRAINED - 30 * DAY, pl.Int64))
    assert compare(folder, before, said, QUESTION).rows == rows


@pytest.mark.parametrize(
    ("question", "changed", "words"),
    [
        (("no_purchase", 60), {}, ["over 90 days", "over 60 days"]),
        (("cancelled", 90), {}, ["no_purchase", "cancelled"]),
        (QUESTION, {"drop": "rfm_recency_days"}, ["rfm_recency_days"]),
    ],
)
def test_what_cannot_be_compared_is_unknown_and_says_why(champion, test_rows, said, question, changed, words):
    rows = test_rows.drop(changed["drop"]) if changed else test_rows
    found = compare(champion.folder, rows, said, question)
    assert found.difference.low is None
    assert [word for word in words if word not in found.note] == []


def test_a_bundle_that_is_not_there_is_unknown(tmp_path, test_rows, said):
    found = compare(tmp_path / "gone", test_rows, said, QUESTION)
    assert (found.champion, found.difference.low) == ("gone", None)


def test_nobody_set_aside_is_unknown(test_rows, said):
    none = test_rows.filter(pl.col("fold") > 0)
    found = on_unseen("c", none, said[:800], said[:800], LATER + 1)
    assert (found.rows, found.difference.low) == (0, None)
    assert f"{dt.date(2011, 7, 30)}" in found.note
