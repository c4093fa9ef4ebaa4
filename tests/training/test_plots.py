"""Plots: PNG files of a decent size, drawn without a network, only of what is there."""

import json
import socket
import struct

import numpy as np
import pytest

from features.clock import DAY
from training.evaluate import (
    BASE_RATE,
    LATER_PERIOD,
    NOT_LATER,
    churn_baselines,
    evaluate_churn,
    evaluate_value,
    value_baselines,
)
from training.plots import cutoff_chart, decile_chart, gain_chart, importance_chart, reliability_chart, save_plots

N = 300


@pytest.fixture(scope="module")
def churn():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 6, N)
    baselines = churn_baselines(rng.random(N) * 300, rng.random(N) * 100, 0.1, N)
    as_of = np.repeat([14_975 * DAY, 15_006 * DAY], N // 2)
    return evaluate_churn(rng.random(N) < p, p, baselines, np.arange(N), LATER_PERIOD, draws=10, as_of=as_of)


@pytest.fixture(scope="module")
def value():
    rng = np.random.default_rng(0)
    v = rng.lognormal(4, 1, N)
    return evaluate_value(v, v * 2, value_baselines(v, 365, 90), np.arange(N), NOT_LATER, unit="EUR", draws=10)


def values_of(chart):
    """The data rows of a chart, layer by layer; Altair names equal data once and may hoist it."""
    spec = json.loads(chart.to_json())
    return [spec["datasets"][layer.get("data", spec.get("data"))["name"]] for layer in spec["layer"]]


def texts_of(chart):
    spec = json.loads(chart.to_json())
    marks = [layer["mark"].get("text") for layer in spec["layer"]]
    return [spec["title"]["text"], *spec["title"]["subtitle"], *filter(None, marks)]


def test_saves_all_plots_as_png_without_a_network(churn, value, tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a plot opened a connection"))
    files = save_plots(tmp_path / "plots", churn, value, {"rfm_recency": 3.0, "nps_last": 1.0}, {"rfm_recency": 1.0})
    names = ["reliability", "gain", "cutoffs", "value_deciles", "churn_importance", "value_importance"]
    assert files == [tmp_path / "plots" / f"{name}.png" for name in names]
    for file in files:
        head = file.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, _ = struct.unpack(">II", head[16:24])
        assert width > 1000


def test_what_is_not_there_is_not_drawn(churn, tmp_path):
    unknown = churn.model_copy(
        update={
            "reliability": (),
            "by_cutoff": churn.by_cutoff[:1],
            "model": churn.model.model_copy(update={"gain": ()}),
        },
    )
    assert save_plots(tmp_path / "none", unknown, None, {"a": 0.0}, {}) == []


def test_reliability_draws_the_bins_and_says_the_error(churn):
    rows = values_of(reliability_chart(churn))[-1]
    assert [row["observed"] for row in rows] == [row.observed for row in churn.reliability]
    assert f"{100 * churn.model.calibration_error:.1f} percentage points" in texts_of(reliability_chart(churn))[0]


def test_gain_names_every_curve_with_its_auc(churn):
    texts = texts_of(gain_chart(churn))
    for name, score in {"model": churn.model, **churn.baselines}.items():
        drawn = f"{name}, AUC {score.roc_auc.estimate:.3f}" in texts
        assert drawn == (name != BASE_RATE)  # which is the line of chance
    curve = values_of(gain_chart(churn))[1]
    assert (curve[0], curve[-1]) == ({"taken": 0, "held": 0}, {"taken": 1, "held": 1})
    assert curve[5]["held"] / curve[5]["taken"] == pytest.approx(churn.model.lift_top_decile)


def test_a_score_without_a_curve_is_left_out_of_the_gain_plot(churn):
    name = next(iter(churn.baselines))
    flat = churn.baselines[name].model_copy(update={"gain": ()})
    texts = texts_of(gain_chart(churn.model_copy(update={"baselines": {name: flat}})))
    assert not [text for text in texts if text.startswith(name)]


def test_deciles_name_unit_total_and_split(value):
    chart = decile_chart(value)
    assert values_of(chart)[0][0]["predicted"] == value.deciles[0].mean_predicted
    assert "200% of the actual" in texts_of(chart)[0]
    assert "not tested on a later period" in texts_of(chart)[1]
    assert "EUR" in chart.to_json()


def test_importance_shows_shares_of_the_total_highest_first():
    chart = importance_chart({f"f{i:02}": float(i) for i in range(30)}, "title")
    rows = values_of(chart)[0]
    assert len(rows) == 20
    assert rows[0] == {"feature": "f29", "share": pytest.approx(29 / sum(range(30)))}
    assert "first 20 of 30" in texts_of(chart)[1]


def test_cutoffs_are_drawn_with_the_churn_rate_below(churn):
    spec = json.loads(cutoff_chart(churn).to_json())
    above, below = (
        [spec["datasets"][layer["data"]["name"]] for layer in panel["layer"] if "data" in layer]
        or [spec["datasets"][panel["data"]["name"]]]
        for panel in spec["vconcat"]
    )
    dates = ["2011-01-01T00:00:00", "2011-02-01T00:00:00"]
    assert above[0] == [
        {"as_of": date, "low": each.roc_auc.low, "high": each.roc_auc.high}
        for date, each in zip(dates, churn.by_cutoff, strict=True)
    ]
    assert above[1] == [
        {"as_of": date, "auc": each.roc_auc.estimate} for date, each in zip(dates, churn.by_cutoff, strict=True)
    ]
    assert [row["rate"] for row in below[0]] == [each.churners / 150 for each in churn.by_cutoff]
