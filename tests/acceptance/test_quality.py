"""The tables of model quality, recomputed: the bounds they must keep, and that README shows what the code computes.

README shows saas_crm and the simulated company tested at several dates; here, for time, at the latest one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.benchmarks.quality import CASES, DATA, DEMO, Outcome, run
from tests.benchmarks.quality_table import lines, title_lines
from tests.real_data import real_data
from training.bootstrap import Interval
from training.reports import BASE_RATE, LOGISTIC, NOT_LATER, RECENCY, RUN_RATE

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BY_NAME = {case.name: case for case in CASES}


@cache
def outcome(name: str) -> Outcome:
    """The case at its latest date; the refit, which nothing here judges, is left out for time."""
    if name != DEMO:
        real_data(name)
    return run(replace(BY_NAME[name], earlier=(), refit=False))


def online_retail(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.77
    assert found.value.model.normalised_gini.estimate >= 0.79
    assert found.value.baselines[RUN_RATE].difference.low > 0
    assert found.churn.model.calibration_error <= 0.08  # the churn rate moves from 0.55 to 0.62


def social_network(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.74
    assert found.value.baselines[RUN_RATE].difference.low > 0
    assert found.churn.model.calibration_error <= 0.03


def saas_crm(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.66
    assert found.churn.baselines[LOGISTIC].difference.low > 0
    assert found.churn.model.calibration_error <= 0.03
    assert found.value.model.normalised_gini.estimate >= 0.95


def telco(found: Outcome) -> None:
    assert 0.89 <= found.churn.model.roc_auc.estimate <= 0.93
    assert found.churn.split == NOT_LATER
    assert found.churn.baselines[LOGISTIC].difference.low > 0
    assert found.churn.model.calibration_error <= 0.03


def cdnow_sample(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.72
    assert found.value.model.normalised_gini.estimate >= 0.59
    assert found.churn.model.calibration_error <= 0.08  # the churn rate moves from 0.84 to 0.72


def ravenstack(found: Outcome) -> None:
    assert found.churn is None
    assert "0 churners of the 50 needed" in found.refused


def simulated_company(found: Outcome) -> None:
    assert found.value.baselines[RUN_RATE].difference.low > 0
    assert found.churn.model.calibration_error <= 0.03
    assert found.attained.share.estimate >= 0.7
    assert found.attained.distance < 0.75 * found.attained.base_distance


BOUNDS: dict[str, Callable[[Outcome], None]] = {
    "online_retail_2": online_retail,
    "social_network": social_network,
    "saas_crm": saas_crm,
    "telco": telco,
    "cdnow_sample": cdnow_sample,
    "ravenstack": ravenstack,
    DEMO: simulated_company,
}
JUDGED = [name for name in BOUNDS if name != "ravenstack"]
WHOLE = [name for name in BOUNDS if not BY_NAME[name].earlier]


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_hold(name: str) -> None:
    BOUNDS[name](outcome(name))


@pytest.mark.parametrize("name", JUDGED)
def test_no_baseline_surely_ranks_those_who_leave_better(name: str) -> None:
    differences = {key: score.difference for key, score in outcome(name).churn.baselines.items() if key != BASE_RATE}
    assert surely_above(differences) == set()
    assert name == "telco" or differences[RECENCY].low > 0


@pytest.mark.parametrize("name", JUDGED)
def test_no_baseline_surely_ranks_value_better(name: str) -> None:
    report = outcome(name).value
    differences = {key: score.difference for key, score in report.baselines.items()} if report else {}
    assert surely_above(differences) == set()


@pytest.mark.parametrize("name", JUDGED)
def test_probabilities_surely_say_more_than_the_base_rate(name: str) -> None:
    assert outcome(name).churn.baselines[BASE_RATE].differences["brier_score"].high < 0


@pytest.mark.parametrize("name", JUDGED)
def test_the_range_of_value_holds_what_it_says(name: str) -> None:
    report = outcome(name).value
    if report:
        assert abs(report.covered.estimate - report.coverage_aim) <= 0.08


@pytest.mark.parametrize("name", WHOLE)
def test_readme_shows_the_rows(name: str) -> None:
    found = lines(outcome(name))
    assert found
    assert [line for line in found if line not in README] == []


def test_readme_shows_the_tables() -> None:
    assert [line for line in title_lines() if line not in README] == []
    assert [name for name in BOUNDS if f"\n| {name}, {BY_NAME[name].as_of}" not in README] == []


def test_every_case_has_bounds() -> None:
    assert set(BY_NAME) == set(BOUNDS)
    assert DATA.name == "data"


def surely_above(differences: dict[str, Interval | None]) -> set[str]:
    """The baselines that what is served is surely worse than: served − baseline lies below zero."""
    return {name for name, gap in differences.items() if gap and gap.high is not None and gap.high < 0}
