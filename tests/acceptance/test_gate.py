"""The gate on real data: it refuses shuffled labels, leaks and too little, and accepts what is real.

`make bench-gate` does the same with 20 shuffles.
"""

from functools import cache

import polars as pl
import pytest

from tests.benchmarks.gate import BY_NAME, Subject, leaky_telco
from tests.real_data import real_data
from training.gate import TooFewChurners
from training.reports import NOT_LATER


@cache
def subject(name: str) -> Subject:
    real_data(name)
    return Subject.of(BY_NAME[name])


@pytest.mark.parametrize("seed", range(3))
def test_labels_shuffled_within_each_cut_off_are_refused(seed: int) -> None:
    decision = subject("online_retail_2").shuffled(seed).decision()
    assert any("chance" in refusal for refusal in decision.refusals)


def test_shuffling_keeps_everything_but_who_left() -> None:
    plain, dealt = subject("online_retail_2"), subject("online_retail_2").shuffled(0)
    before, after = plain.snapshots.rows, dealt.snapshots.rows
    assert before.drop("churned").equals(after.drop("churned"))
    assert not before["churned"].equals(after["churned"])
    rates = [rows.group_by("as_of").agg(pl.col("churned").sum()).sort("as_of") for rows in (before, after)]
    assert rates[0].equals(rates[1])


@pytest.mark.parametrize("name", ["online_retail_2", "social_network", "telco"])
def test_what_is_real_is_accepted(name: str) -> None:
    decision = subject(name).decision()
    assert decision.refusals == ()
    assert any(NOT_LATER in note for note in decision.notes) == (name == "telco")


def test_telco_with_a_column_that_knows_the_answer_is_refused_by_name() -> None:
    real_data("telco")
    refusals = Subject.of(leaky_telco()).decision().refusals
    assert any("profile_satisfaction_score" in refusal and "at most 0.9" in refusal for refusal in refusals)
    assert any("too good to be true" in refusal for refusal in refusals)


def test_ravenstack_is_refused_before_anything_is_built() -> None:
    real_data("ravenstack")
    with pytest.raises(TooFewChurners, match="0 churners of the 50 needed"):
        Subject.of(BY_NAME["ravenstack"])
