"""Little data, little model; and always a sentence that says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.ladder import rung

COUNT = st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("counts", "kind", "words"),
    [
        ((0, 400, 380), "rules", "0 churners of the 50 needed"),
        ((49, 400, 380), "rules", "49 churners of the 50 needed"),
        ((50, 400, 380), "logistic", "50 churners"),
        ((79, 4000, 3800), "logistic", "trees need 80"),
        ((80, 4000, 160), "trees", "80 churners of 160 customers"),
        ((80, 4000, 159), "logistic", "159 customers"),
        ((900, 30, 500), "rules", "30 customers who stayed of the 50 needed"),
        ((900, 60, 500), "logistic", "60 customers who stayed"),
        ((0, 0, 0), "rules", "0 churners"),
    ],
)
def test_the_rarer_outcome_and_the_customers_decide(counts, kind, words):
    step = rung(*counts)
    assert step.kind == kind
    assert words in step.why


def test_the_setting_moves_the_first_rung_but_one_class_never_trains():
    assert rung(12, 28, 40, needed=5).kind == "logistic"
    assert rung(0, 40, 40, needed=0).kind == "rules"
    assert rung(40, 0, 40, needed=0).kind == "rules"
    assert rung(90, 90, 180, needed=100).kind == "rules"


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_more_data_never_carries_less(churners, stayers, customers, more_churners, more_stayers, more_customers):
    order = ["rules", "logistic", "trees"]
    before = rung(churners, stayers, customers)
    after = rung(churners + more_churners, stayers + more_stayers, customers + more_customers)
    assert order.index(after.kind) >= order.index(before.kind)
    assert before.why
