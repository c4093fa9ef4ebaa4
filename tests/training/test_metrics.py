"""Every metric against another way to compute it: scikit-learn, scipy, or counting pairs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from training import metrics as m

LEVELS = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0]  # few levels: many ties
cases = st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from(LEVELS)), min_size=1, max_size=40)
both_classes = cases.filter(lambda rows: len({y for y, _ in rows}) == 2)
counted = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(LEVELS), st.integers(0, 3)), min_size=2, max_size=30
)
WEIGHTED = [
    m.roc_auc, m.average_precision, m.brier_score, m.log_loss, m.calibration_error, m.lift_at,
    m.normalised_gini, m.spearman, m.mae, m.total_ratio,
]  # fmt: skip


def columns(rows):
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


@given(both_classes)
def test_auc_counts_pairs(rows):
    pairs = list(product([p for y, p in rows if y], [p for y, p in rows if not y]))
    expected = sum((high > low) + (high == low) / 2 for high, low in pairs) / len(pairs)
    y, p = columns(rows)
    assert m.roc_auc(y, p) == pytest.approx(expected)
    assert m.roc_auc(y, p) == pytest.approx(sk.roc_auc_score(y, p))


@given(both_classes)
def test_probability_metrics_agree_with_scikit_learn(rows):
    y, p = columns(rows)
    assert m.average_precision(y, p) == pytest.approx(sk.average_precision_score(y, p))
    assert m.brier_score(y, p) == pytest.approx(sk.brier_score_loss(y, p))
    assert m.log_loss(y, p) == pytest.approx(sk.log_loss(y, p, labels=[0, 1]), abs=1e-12)


@settings(max_examples=30)
@given(counted)
@pytest.mark.parametrize("metric", WEIGHTED)
def test_weights_are_repeated_rows(metric, rows):
    y, p, w = columns(rows)
    repeated = metric(np.repeat(y, w.astype(int)), np.repeat(p, w.astype(int)))
    assert metric(y, p, weights=w) == pytest.approx(repeated, nan_ok=True)


@settings(max_examples=30)
@given(cases, st.randoms())
@pytest.mark.parametrize("metric", WEIGHTED)
def test_order_of_rows_does_not_matter(metric, rows, random):
    shuffled = random.sample(rows, len(rows))
    assert metric(*columns(shuffled)) == pytest.approx(metric(*columns(rows)), nan_ok=True)


@pytest.mark.parametrize("metric", WEIGHTED)
def test_nan_makes_a_metric_unknown(metric):
    assert np.isnan(metric([0, 1, 1], [0.1, np.nan, 0.9]))
    assert np.isnan(metric([0, np.nan, 1], [0.1, 0.5, 0.9]))
    assert np.isnan(metric([], []))
    assert np.isnan(metric([0, 1], [0.1, 0.9], weights=[0, 0]))


@pytest.mark.parametrize("metric", WEIGHTED)
def test_columns_of_different_length_are_a_bug(metric):
    with pytest.raises(ValueError, match="one length"):
        metric([0, 1, 1], [0.5])


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_auc(y):
    assert np.isnan(m.roc_auc(y, [0.1, 0.2, 0.3]))


@pytest.mark.parametrize("metric", [m.average_precision, m.lift_at])
def test_no_churner_no_precision(metric):
    assert np.isnan(metric([0, 0], [0.1, 0.2]))


@pytest.mark.parametrize("metric", [m.brier_score, m.log_loss, m.calibration_error])
@pytest.mark.parametrize("outside", [-0.1, 1.1, np.inf])
def test_what_is_no_probability_has_no_probability_metric(metric, outside):
    assert np.isnan(metric([0, 1], [0.5, outside]))


def test_log_loss_of_a_certain_mistake_is_finite():
    assert m.log_loss([1], [0.0]) == pytest.approx(sk.log_loss([1], [0.0], labels=[0, 1]))


def test_missing_recency_ranks_as_infinite():
    assert m.roc_auc([0, 1, 1], [5.0, np.inf, np.inf]) == 1.0


def test_calibration_error_without_ties_is_the_mean_over_equal_slices():
    rng = np.random.default_rng(1)
    p = np.sort(rng.random(200))
    y = rng.random(200) < p**2
    slices = [abs(p[i : i + 20].mean() - y[i : i + 20].mean()) for i in range(0, 200, 20)]
    assert m.calibration_error(y, p) == pytest.approx(np.mean(slices))
    assert [row.rows for row in m.reliability_table(y, p)] == [20] * 10


def test_calibration_error_keeps_ties_in_one_bin():
    # split by row order, the zeros and ones of one probability would look like two miscalibrated bins
    y, p = [0] * 10 + [1] * 10, [0.5] * 20
    assert m.calibration_error(y, p) == 0
    assert m.reliability_table(y, p) == [m.ReliabilityRow(rows=20, mean_predicted=0.5, observed=0.5)]


@given(cases)
def test_reliability_table_is_what_calibration_error_averages(rows):
    y, p = columns(rows)
    table = m.reliability_table(y, p)
    expected = sum(row.rows * abs(row.mean_predicted - row.observed) for row in table) / len(rows)
    assert m.calibration_error(y, p) == pytest.approx(expected)


def test_lift_is_the_rate_in_the_top_tenth_over_the_rate():
    y = np.array([1, 1, 0] + [0] * 25 + [1] * 2)
    p = np.linspace(1, 0, 30)
    assert m.lift_at(y, p) == pytest.approx((2 / 3) / (4 / 30))


def test_lift_of_ties_is_the_expectation_over_their_order():
    assert m.lift_at([1, 0, 0, 0], [0.5] * 4, share=0.25) == pytest.approx(1)
    # two places; the first is a churner, one churner among three compete for the other
    assert m.lift_at([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.5], share=0.5) == pytest.approx((1 + 1 / 3) / 2 / 0.5)


@given(both_classes)
def test_area_under_the_gain_curve_gives_the_auc(rows):
    y, p = columns(rows)
    area = np.trapezoid(m.gain_curve(y, p)[1], m.gain_curve(y, p)[0])
    assert area == pytest.approx(y.mean() / 2 + (1 - y.mean()) * m.roc_auc(y, p))


amounts = st.integers(-50, 500).map(float)
valued = st.lists(st.tuples(amounts, st.integers(0, 6).map(float)), min_size=2, max_size=30)


@given(valued.filter(lambda rows: sum(a for a, _ in rows) > 0 and len({a for a, _ in rows}) > 1))
def test_gini_is_the_ratio_of_areas(rows):
    actual, predicted = columns(rows)
    own, best = (np.trapezoid(*reversed(m.gain_curve(actual, by))) - 0.5 for by in (predicted, actual))
    assert m.normalised_gini(actual, predicted) == pytest.approx(own / best)


@given(valued.filter(lambda rows: all(len(set(c)) > 1 for c in zip(*rows, strict=True))))
def test_spearman_agrees_with_scipy(rows):
    actual, predicted = columns(rows)
    assert m.spearman(actual, predicted) == pytest.approx(stats.spearmanr(actual, predicted).statistic)


def test_gini_of_the_truth_of_its_reverse_and_of_a_constant():
    actual = np.array([0.0, 0, 5, 20, 300])
    assert m.normalised_gini(actual, actual**2) == pytest.approx(1)
    assert m.normalised_gini(actual, -actual) == pytest.approx(-1)
    assert m.normalised_gini(actual, np.ones(5)) == 0
    assert np.isnan(m.normalised_gini(np.ones(5), actual))


def test_totals_and_errors():
    assert m.total_ratio([10, 30], [10, 10]) == 0.5
    assert m.mae([10, 30], [10, 10]) == 10
    assert np.isnan(m.total_ratio([-10, 5], [1, 1]))


def test_deciles_start_with_the_highest_and_add_up():
    predicted = np.arange(100.0)
    table = m.decile_table(2 * predicted, predicted)
    assert table[0] == m.DecileRow(1, 10, mean_predicted=94.5, mean_actual=189, total_predicted=945, total_actual=1890)
    assert [row.decile for row in table] == list(range(1, 11))
    assert sum(row.total_predicted for row in table) == predicted.sum()


def test_equal_predictions_share_a_decile():
    table = m.decile_table([1.0] * 30, [0.0] * 15 + [5.0] * 15)
    assert [(row.rows, row.mean_predicted) for row in table] == [(15, 5.0), (15, 0.0)]
