"""The table of model quality, recomputed: the bounds it must keep, and that README shows what the code computes."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.benchmarks.quality import CASES, DATA, Outcome, cells, run
from tests.real_data import real_data

README = Path(__file__).parents[2] / "README.md"


@cache
def outcome(name: str) -> Outcome:
    real_data(name)
    return run(next(case for case in CASES if case.name == name))


def above_recency(found: Outcome) -> None:
    assert found.churn
    assert found.churn.baselines["recency rule"].difference.low > 0


def online_retail(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.76
    above_recency(found)
    assert found.value.model.normalised_gini.estimate >= 0.78


def social_network(found: Outcome) -> None:
    assert found.churn.model.roc_auc.estimate >= 0.68
    above_recency(found)


def telco(found: Outcome) -> None:
    assert 0.89 <= found.churn.model.roc_auc.estimate <= 0.93
    assert found.churn.split == "not tested on a later period"


def ravenstack(found: Outcome) -> None:
    assert found.churn is None
    assert "0 churners of the 50 needed" in found.refused


BOUNDS: dict[str, Callable[[Outcome], None]] = {
    "online_retail_2": online_retail,
    "social_network": social_network,
    "telco": telco,
    "ravenstack": ravenstack,
}


@pytest.mark.xdist_group("quality")
@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_hold(name: str) -> None:
    BOUNDS[name](outcome(name))


@pytest.mark.xdist_group("quality")
@pytest.mark.parametrize("name", BOUNDS)
def test_readme_shows_the_row(name: str) -> None:
    assert "| " + " | ".join(cells(outcome(name))) + " |" in README.read_text(encoding="utf-8")


def test_every_case_has_bounds() -> None:
    assert {case.name for case in CASES} == set(BOUNDS)
    assert DATA.name == "data"
