"""Reports: the same rows for all scores, honest about what is unknown, and the same after JSON."""

import datetime as dt
import json
import re
from io import StringIO
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import brier_score_loss, roc_auc_score

from features.clock import DAY
from training import printout
from training.bootstrap import Interval, interval, paired_interval
from training.evaluate import (
    BASE_RATE,
    COMPOSITE,
    LATER_PERIOD,
    NOT_LATER,
    RECENCY,
    RUN_RATE,
    ChurnReport,
    ValueReport,
    churn_baselines,
    evaluate_churn,
    evaluate_value,
    flat_metrics,
    value_baselines,
)
from training.metrics import brier_score, calibration_error, lift_at, mae, normalised_gini, roc_auc, total_ratio
from training.reports import BG_NBD, GAMMA_GAMMA, LAST_YEAR, LOGISTIC, Slice

N, DRAWS = 400, 60
CUTOFFS = np.repeat([14_975 * DAY, 15_006 * DAY], N // 2)
AUC = Interval(estimate=0.7, low=0.6, high=0.8)


def churn_case():
    rng = np.random.default_rng(0)
    risk = rng.beta(1, 6, N)
    y = (rng.random(N) < risk).astype(float)
    days = np.where(rng.random(N) < 0.1, np.nan, 200 * risk + rng.exponential(60, N))
    composite = 60 - 80 * risk + rng.normal(0, 20, N)
    return y, risk, days, composite, np.arange(N) % 250


def churn_report(**changed):
    y, p, days, composite, customers = churn_case()
    given = {"y": y, "p": p, "baselines": churn_baselines(days, composite, 0.15, N), "customers": customers}
    return evaluate_churn(**{**given, "split": LATER_PERIOD, "draws": DRAWS, **changed})


def value_case():
    rng = np.random.default_rng(0)
    predicted = rng.lognormal(4, 1, N)
    return np.where(rng.random(N) < 0.5, 0, predicted * rng.lognormal(0, 1, N)), predicted, rng


def value_report(**changed):
    actual, predicted, rng = value_case()
    baselines = value_baselines(4 * predicted * rng.lognormal(0, 2, N), 365, 90)
    given = {"actual": actual, "predicted": predicted, "baselines": baselines, "customers": np.arange(N) % 250}
    return evaluate_value(**{**given, "split": NOT_LATER, "unit": "GBP", "draws": DRAWS, **changed})


def shown(table, width=80):
    Console(file=(out := StringIO()), width=width).print(table)
    return out.getvalue()


def words_of(text, start):
    """The cells, parted by two spaces or more, of the first line that begins so."""
    line = next(line.strip() for line in text.splitlines() if line.strip().startswith(start))
    return [cell for cell in re.split(r" {2,}", line.removeprefix(start).strip()) if cell]


def test_churn_numbers_are_the_metrics_of_the_same_rows():
    y, p, days, composite, customers = churn_case()
    report = churn_report()
    risky_days = np.where(np.isnan(days), 1e9, days)
    assert (report.rows, report.customers, report.churners) == (N, 250, y.sum())
    assert report.model.roc_auc.model_dump() == pytest.approx(
        interval(roc_auc, y, p, customers, draws=DRAWS).model_dump()
    )
    assert report.model.brier_score == pytest.approx(brier_score_loss(y, p))
    assert report.model.calibration_error == calibration_error(y, p)
    assert report.baselines[RECENCY].roc_auc.estimate == pytest.approx(roc_auc_score(y, risky_days))
    assert report.baselines[COMPOSITE].roc_auc.estimate == pytest.approx(roc_auc_score(y, -composite))
    assert report.baselines[RECENCY].lift_top_decile == lift_at(y, risky_days)


def test_every_metric_has_its_interval_and_its_paired_difference():
    y, p, days, composite, customers = churn_case()
    other = np.clip(p + 0.05, 0, 1)
    report = churn_report(baselines=churn_baselines(days, composite, 0.15, N, logistic=other, bg_nbd=p))
    names = {
        "roc_auc",
        "average_precision",
        "lift_top_decile",
        "brier_score",
        "log_loss",
        "calibration_error",
        "total_ratio",
    }
    assert set(report.model.intervals) == set(report.baselines[LOGISTIC].differences) == names
    assert set(report.baselines[RECENCY].intervals) == {"roc_auc", "average_precision", "lift_top_decile"}
    for metric in (brier_score, calibration_error, total_ratio):
        again = paired_interval(metric, y, p, other, customers, draws=DRAWS)
        found = report.baselines[LOGISTIC].differences[metric.__name__]
        assert found.model_dump() == pytest.approx(again.model_dump())
    assert report.baselines[BG_NBD].differences["log_loss"] == Interval(estimate=0, low=0, high=0)
    assert report.model.intervals["brier_score"].estimate == report.model.brier_score


def test_cutoffs_are_judged_one_by_one_and_pooled_with_their_customers():
    y, p, days, _, customers = churn_case()
    report, pooled = churn_report(as_of=CUTOFFS), churn_report()
    assert report.model == pooled.model
    assert [each.as_of for each in report.by_cutoff] == [dt.date(2011, 1, 1), dt.date(2011, 2, 1)]
    first, at = report.by_cutoff[0], slice(0, N // 2)
    recency = np.where(np.isnan(days), np.inf, days)
    assert (first.rows, first.churners) == (N // 2, y[at].sum())
    again = paired_interval(roc_auc, y[at], p[at], recency[at], customers[at], draws=DRAWS)
    assert first.differences[RECENCY].model_dump() == pytest.approx(again.model_dump())
    assert first.calibration_error.estimate == calibration_error(y[at], p[at])
    assert first.baselines[COMPOSITE].estimate == pytest.approx(roc_auc(y[at], -churn_case()[3][at]))


def test_a_cutoff_is_dated_in_the_company_s_zone():
    midnight = np.full(N, 14_975 * DAY - 3_600_000_000)  # in Berlin
    (only,) = churn_report(as_of=midnight, zone=ZoneInfo("Europe/Berlin")).by_cutoff
    assert only.as_of == dt.date(2011, 1, 1)


def test_difference_is_model_minus_baseline_on_the_same_draws():
    y, p, _, composite, customers = churn_case()
    found = churn_report().baselines[COMPOSITE].difference
    again = paired_interval(roc_auc, y, p, 100 - composite, customers, draws=DRAWS)
    assert found.model_dump() == pytest.approx(again.model_dump())
    assert churn_report().model.difference is None


def test_probability_metrics_only_for_probabilities():
    report = churn_report()
    assert {name for name, score in report.baselines.items() if score.brier_score is not None} == {BASE_RATE}
    _, p, *_ = churn_case()
    judged = churn_report(baselines={"last model": p}, probabilities=["last model"]).baselines["last model"]
    assert judged.brier_score == report.model.brier_score
    undeclared = churn_report(baselines={"a score from 0 to 1": p}).baselines["a score from 0 to 1"]
    assert (undeclared.brier_score, undeclared.calibration_error) == (None, None)


def test_without_events_the_base_rate_is_the_rule_to_beat():
    y, *_ = churn_case()
    report = churn_report(baselines=churn_baselines(None, None, 0.15, N))
    rate = report.baselines[BASE_RATE]
    assert report.rule == BASE_RATE
    assert rate.roc_auc.estimate == 0.5
    assert rate.lift_top_decile == pytest.approx(1)
    assert rate.calibration_error == pytest.approx(abs(y.mean() - 0.15))
    assert churn_report().rule == RECENCY
    assert churn_report(baselines={}).rule is None


def test_who_has_no_event_is_riskiest_and_who_has_no_score_is_median():
    scores = churn_baselines([3, np.nan, 400], [10, np.nan, 90], 0.1, 3)
    assert scores[RECENCY].argmax() == 1
    assert scores[COMPOSITE].tolist() == [90, 50, 10]


def test_a_composite_score_nobody_has_is_no_baseline():
    assert set(churn_baselines([3, 4], [np.nan, np.nan], 0.1, 2)) == {RECENCY, BASE_RATE}


def test_run_rate_scales_spend_to_the_horizon():
    assert value_baselines([365.0, np.nan], 365, 90)[RUN_RATE].tolist() == [90, 0]


def test_simple_models_stand_beside_the_run_rate():
    found = value_baselines([365.0, 0.0], 365, 90, last_year=[10, 0], gamma_gamma=[80, 5])
    assert {name: score.tolist() for name, score in found.items()} == {
        RUN_RATE: [90, 0],
        LAST_YEAR: [10, 0],
        GAMMA_GAMMA: [80, 5],
    }


@pytest.mark.parametrize("report", [churn_report(), value_report(), churn_report(y=np.zeros(N))])
def test_reports_survive_json(report):
    text = report.model_dump_json()
    assert type(report).model_validate_json(text) == report
    json.loads(text, parse_constant=pytest.fail)  # NaN or Infinity would be no JSON


def test_one_class_is_unknown_not_a_number():
    report = churn_report(y=np.zeros(N))
    assert report.model.roc_auc.estimate is None
    assert report.baselines[RECENCY].difference.low is None
    assert report.model.gain == ()
    assert words_of(shown(printout.churn_table(report)), "model") == ["—", "—"]


def test_a_report_of_no_rows_is_unknown():
    report = churn_report(y=[], p=[], customers=[], baselines=churn_baselines([], [], 0.1, 0))
    assert (report.rows, report.model.calibration_error, report.reliability) == (0, None, ())


def test_labels_with_gaps_are_a_bug():
    with pytest.raises(ValueError, match="labels"):
        churn_report(y=np.full(N, np.nan))


def test_value_numbers_and_paired_interval():
    report = value_report()
    actual, predicted, _ = value_case()
    assert report.model.normalised_gini.estimate == normalised_gini(actual, predicted)
    assert report.model.mae == mae(actual, predicted)
    assert report.model.total_ratio == pytest.approx(predicted.sum() / actual.sum())
    assert report.model.normalised_gini.low < report.model.normalised_gini.estimate < report.model.normalised_gini.high
    gap = report.baselines[RUN_RATE].difference
    own = report.model.normalised_gini.estimate - report.baselines[RUN_RATE].normalised_gini.estimate
    assert gap.estimate == pytest.approx(own)
    assert sum(row.rows for row in report.deciles) == N


def test_flat_metrics_are_finite_numbers_by_name():
    flat = flat_metrics(churn_report())
    assert flat["model.roc_auc.low"] < flat["model.roc_auc.estimate"] < flat["model.roc_auc.high"]
    assert "baselines.recency_rule.difference.low" in flat
    assert "baselines.recency_rule.brier_score" not in flat
    assert np.isfinite(list(flat.values())).all()
    assert not [name for name in flat if "level" in name or " " in name]


def test_churn_table_shows_every_metric_of_every_score_in_eighty_columns():
    report = churn_report(split=NOT_LATER, split_reason="one snapshot")
    text = shown(printout.churn_table(report))
    auc, rule = report.model.roc_auc, report.baselines[RECENCY]
    assert max(map(len, text.splitlines())) <= 80
    assert words_of(text, "model") == [f"{auc.estimate:.3f}", f"{auc.low:.3f} to {auc.high:.3f}"]
    gap = rule.difference
    assert words_of(text, RECENCY) == [
        *(f"{rule.roc_auc.estimate:.3f}", f"{rule.roc_auc.low:.3f} to {rule.roc_auc.high:.3f}"),
        *(f"{gap.estimate:+.3f}", f"{gap.low:+.3f} to {gap.high:+.3f}"),
    ]
    brier = text[text.index("Brier") : text.index("log loss")]
    assert (RECENCY in brier, BASE_RATE in brier) == (False, True)
    assert "not tested on a later period" in " ".join(text.split())
    assert "(one snapshot)" in text


def test_cutoff_and_four_way_tables():
    slices = (
        Slice(
            name="new customers, later period", rows=40, customers=40, churners=10, roc_auc=AUC, calibration_error=AUC
        ),
    )
    report = churn_report(as_of=CUTOFFS, four_way=slices)
    text = shown(printout.cutoff_table(report), width=120)
    first, gap = report.by_cutoff[0], report.by_cutoff[0].differences[RECENCY]
    assert words_of(text, "2011-01-01")[:3] == ["200", f"{first.churners / 200:.3f}", f"{first.roc_auc.estimate:.3f}"]
    assert f"{gap.low:+.3f} to {gap.high:+.3f}" in words_of(text, "2011-01-01")
    assert words_of(shown(printout.four_way_table(report)), "new customers, later period")[:2] == ["40", "0.700"]


def test_the_value_table_names_the_unit():
    report = value_report()
    text = shown(printout.value_table(report))
    assert words_of(text[text.index("mean error, GBP") :], "model")[0] == f"{report.model.mae:,.2f}"


def test_the_range_of_value_is_judged_where_it_is_given():
    actual, predicted, _ = value_case()
    low, high = 0.3 * predicted, 3 * predicted
    report = value_report(low=low, high=high)
    inside = (actual >= low) & (actual <= high)
    assert report.covered.estimate == pytest.approx(inside.mean())
    assert report.covered.low < inside.mean() < report.covered.high
    top = np.argsort(-predicted)[: N // 10]
    assert report.coverage[0].coverage == pytest.approx(inside[top].mean())
    assert report.coverage_aim == pytest.approx(0.9)  # half bring nothing, in every tenth
    assert ValueReport.model_validate_json(report.model_dump_json()) == report
    assert flat_metrics(report)["covered.estimate"] == report.covered.estimate


def test_without_a_range_nothing_is_said_of_it():
    report = value_report()
    assert (report.covered, report.coverage, report.coverage_aim) == (None, (), None)


def test_the_range_by_decile():
    _, predicted, _ = value_case()
    report = value_report(low=0.3 * predicted, high=3 * predicted)
    text, first = shown(printout.range_table(report), width=120), report.coverage[0]
    assert f"{report.covered.low:.3f} to {report.covered.high:.3f}, aim 0.900" in text
    assert words_of(text, "1  ")[:3] == ["40", f"{first.coverage:.3f}", f"{first.aim:.3f}"]
    assert words_of(text, "1  ")[-1] == f"{first.mean_width:,.2f}"


def test_reports_refuse_what_they_do_not_know():
    for kind, report in [(ChurnReport, churn_report()), (ValueReport, value_report())]:
        with pytest.raises(ValueError, match="extra"):
            kind.model_validate({**report.model_dump(), "accuracy": 1})
