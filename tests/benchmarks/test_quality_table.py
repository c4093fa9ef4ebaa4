"""What the tables of quality say of intervals."""

import pytest

from tests.benchmarks.quality_table import shown, verdict
from training.bootstrap import Interval


def gap(low: float | None, high: float | None) -> Interval:
    return Interval(estimate=0.0, low=low, high=high)


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ({"a": gap(0.01, 0.02), "b": gap(0.1, 0.2)}, "better"),
        ({"a": gap(0.01, 0.02), "b": gap(-0.1, 0.2)}, "not worse"),
        ({"a": gap(0.0, 0.0)}, "not worse"),
        ({"a": gap(0.01, 0.02), "b": gap(-0.2, -0.1), "c": gap(-0.2, -0.1)}, "**worse** than b and c"),
        ({"a": gap(0.01, 0.02), "b": gap(None, None)}, "not worse"),
    ],
)
def test_the_verdict_is_over_every_baseline(gaps: dict[str, Interval], said: str) -> None:
    assert verdict(gaps) == said


def test_of_a_loss_the_lower_is_the_better() -> None:
    assert verdict({"a": gap(-0.2, -0.1)}, lower_is_better=True) == "better"
    assert verdict({"a": gap(0.1, 0.2)}, lower_is_better=True) == "**worse** than a"


def test_numbers_are_shown_with_a_minus_and_what_is_not_known() -> None:
    assert shown(Interval(estimate=-0.0041, low=-0.0066, high=0.0012), "+") == "−0.004 (−0.007 – +0.001)"
    assert shown(Interval(estimate=0.5, low=None, high=None), digits=2) == "0.50 (unknown – unknown)"
    assert shown(None) == "—"
