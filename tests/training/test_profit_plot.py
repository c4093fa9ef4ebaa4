"""The profit curve as a picture."""

import json

import numpy as np
import pytest

from features.settings import Action
from training.profit import profit_report
from training.profit_plot import profit_chart, save_profit_plot
from training.reports import LATER_PERIOD

RNG = np.random.default_rng(0)
P = RNG.beta(1, 4, 200)
CHURNED = (RNG.random(200) < P).astype(float)


def report(cost, value_saved=100):
    action = Action(cost=cost, success_rate=0.5, value_saved=value_saved)
    return profit_report(CHURNED, P, np.full(200, 80.0), np.arange(200), action, LATER_PERIOD, unit="EUR", draws=20)


def titles(chart):
    title = json.loads(chart.to_json())["title"]
    return title["text"], title["subtitle"]


def test_it_is_a_png(tmp_path):
    file = save_profit_plot(tmp_path / "plots", report(8))
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_title_says_what_was_earned_and_on_how_many():
    found = report(8)
    text, (terms, where) = titles(profit_chart(found))
    seen = found.best.realised
    assert f"{found.best.share:.0%} of accounts would have earned {seen.estimate:,.0f} EUR ({seen.low:,.0f} to" in text
    assert "costs 8.00" in terms
    assert "above a risk of 16.0%" in terms
    assert "200 test rows" in where
    assert "later period" in where


@pytest.mark.parametrize(("cost", "said"), [(8, "of accounts"), (1000, "no account is worth")])
def test_it_says_when_nobody_is_worth_it(cost, said):
    assert said in titles(profit_chart(report(cost)))[0]


def test_own_values_have_no_threshold():
    terms = titles(profit_chart(report(8, None)))[1][0]
    assert "value if retained" in terms
    assert "risk" not in terms


def test_every_point_of_the_curve_is_drawn():
    found = report(8)
    spec = json.loads(profit_chart(found).to_json())
    drawn = max(spec["datasets"].values(), key=len)
    assert [(row["share"], row["expected"], row["realised"]) for row in drawn] == [
        (point.share, point.expected, point.realised.estimate) for point in found.curve
    ]


def test_unknown_bounds_leave_the_band_out():
    found = report(8)
    bare = found.best.realised.model_copy(update={"low": None, "high": None})
    curve = tuple(point.model_copy(update={"realised": bare}) for point in found.curve)
    flat = found.model_copy(update={"curve": curve, "best": curve[1]})
    assert "(" not in titles(profit_chart(flat))[0]
