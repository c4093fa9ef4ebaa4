"""What customers say when asked, on every engine."""

from features.nps import nps
from tests.features.conftest import Opened
from tests.literal import T, ago, by_customer, rows

HEADER = "customer_id occurred_at score"
ANSWERS = rows(
    HEADER,
    ("falling", ago(300), 10.0),
    ("falling", ago(200), 9.0),
    ("falling", ago(100), 7.0),
    ("falling", ago(10), 2.0),
    ("long_ago", ago(366), 9.0),
    ("neutral", ago(5), 8.0),
)


def test_without_answers_there_is_no_family(seen: Opened) -> None:
    assert nps(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T) is None


def test_nps_of_a_customer(seen: Opened) -> None:
    found = by_customer(nps(seen(nps_responses=ANSWERS), T))
    assert found["nps_score_last"] == {"falling": 2, "long_ago": 9, "neutral": 8}
    assert found["nps_silence_days"] == {"falling": 10, "long_ago": 366, "neutral": 5}
    assert found["nps_answers_count_365d"] == {"falling": 4, "long_ago": 0, "neutral": 1}
    assert found["nps_score_mean_365d"] == {"falling": 7, "long_ago": None, "neutral": 8}
    # two promoters less one detractor, of four
    assert found["nps_score_365d"] == {"falling": 25, "long_ago": None, "neutral": 0}
    # (7 + 2) / 2 against (10 + 9) / 2
    assert found["nps_score_trend_180d"] == {"falling": -5, "long_ago": None, "neutral": None}


def test_promoters_and_detractors(seen: Opened) -> None:
    expected = {"10": 100, "9": 100, "8": 0, "7": 0, "6": -100, "0": -100}
    answers = rows(HEADER, *((score, ago(1), float(score)) for score in expected))
    assert by_customer(nps(seen(nps_responses=answers), T))["nps_score_365d"] == expected


def test_the_lowest_of_answers_at_the_same_time_is_the_last(seen: Opened) -> None:
    together = rows(HEADER, ("a", ago(1), 4.0), ("a", ago(1), 9.0), ("a", ago(2), 0.0))
    assert by_customer(nps(seen(nps_responses=together), T))["nps_score_last"] == {"a": 4}


def test_an_answer_without_a_score_is_none(seen: Opened) -> None:
    found = by_customer(nps(seen(nps_responses=rows(HEADER, ("a", ago(5), 3.0), ("a", ago(1), None))), T))
    assert found["nps_score_last"] == {"a": 3}
    assert found["nps_silence_days"] == {"a": 5}
    assert found["nps_answers_count_365d"] == {"a": 1}


def test_satisfaction_stands_beside_nps(seen: Opened) -> None:
    surveys = rows(HEADER, ("falling", ago(20), 5.0), ("falling", ago(3), 2.0), ("asked_else", ago(400), 1.0))
    found = by_customer(nps(seen(nps_responses=ANSWERS, satisfaction_surveys=surveys), T))
    nobody = {"long_ago": None, "neutral": None}
    assert found["nps_satisfaction_last"] == {"falling": 2, "asked_else": 1} | nobody
    assert found["nps_satisfaction_mean_365d"] == {"falling": 3.5, "asked_else": None} | nobody
    assert found["nps_score_last"] == {"falling": 2, "long_ago": 9, "neutral": 8, "asked_else": None}


def test_satisfaction_alone(seen: Opened) -> None:
    found = by_customer(nps(seen(satisfaction_surveys=rows(HEADER, ("a", ago(20), 5.0))), T))
    assert found == {"nps_satisfaction_last": {"a": 5}, "nps_satisfaction_mean_365d": {"a": 5}}
