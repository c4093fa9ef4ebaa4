"""Which calibration is fitted, and which is kept."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import logistic
from sklearn.isotonic import IsotonicRegression

from features.clock import DAY
from models.calibration import Calibration, calibrate
from training.calibration import (
    FITS,
    NEGLIGIBLE,
    cross_validated,
    customer_folds,
    fit_beta,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    slice_rows,
)
from training.split import Plan, folds


def drawn(rows, truth, seed=0, centre=-1.0, spread=2.0):
    """Raw log-odds, outcomes drawn with the log-odds `truth(raw)`, and one customer a row."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(centre, spread, rows)
    churned = (rng.random(rows) < logistic.cdf(truth(raw))).astype(float)
    return raw, churned, np.array([f"C{i:05d}" for i in range(rows)])


def nats(p, churned):
    return -np.log(np.where(churned == 1, p, 1 - p))


@pytest.mark.parametrize(("centre", "slope", "intercept"), [(0, 3, -1), (-2, 0.5, 0), (-6, 0.3, 0.5), (2, 0.5, -2)])
def test_platt_stands_where_the_gradient_of_the_likelihood_is_zero(centre, slope, intercept):
    raw, churned, _ = drawn(400, lambda z: slope * z + intercept, centre=centre)
    excess = calibrate(raw, fit_platt(raw, churned)) - churned
    assert [excess.mean(), (excess * raw).mean()] == pytest.approx([0, 0], abs=1e-6)


def test_beta_stands_where_the_gradient_of_the_likelihood_is_zero():
    raw, churned, _ = drawn(2000, lambda z: np.where(z < 0, 0.4, 2.0) * z)
    found = fit_beta(raw, churned)
    excess = calibrate(raw, found) - churned
    s = logistic.cdf(raw)
    gradient = [excess.mean(), (excess * np.log(s)).mean(), (excess * np.log(1 - s)).mean()]
    assert gradient == pytest.approx([0, 0, 0], abs=1e-5)
    assert found.slope_low < 0.7 < 1.5 < found.slope_high


def test_beta_on_rare_churn_finds_what_was_planted():
    """All raw probabilities below 0.05: −ln(1 − s) varies a thousandth as much as ln s."""
    raw, churned, _ = drawn(40_000, lambda z: 0.6 * z - 0.5, centre=-5, spread=0.8)
    p = calibrate(raw, fit_beta(raw, churned))
    assert p == pytest.approx(logistic.cdf(0.6 * raw - 0.5), rel=0.3)
    assert p.sum() == pytest.approx(churned.sum(), rel=1e-4)


@pytest.mark.parametrize("fit", [fit_platt, fit_beta])
def test_a_score_that_points_the_wrong_way_is_not_turned_round(fit):
    raw, churned, _ = drawn(500, lambda z: -z)
    found = fit(raw, churned)
    assert (np.diff(calibrate(np.sort(raw), found)) >= -1e-14).all()
    assert calibrate(raw, found).mean() == pytest.approx(churned.mean(), abs=1e-5)


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
@pytest.mark.parametrize("spread", [0.01, 1.0, 20.0])
def test_perfect_separation_gives_finite_numbers(method, spread):
    raw = np.concatenate([np.linspace(-2 * spread, -spread, 30), np.linspace(spread, 2 * spread, 30)])
    p = calibrate(raw, FITS[method](raw, (raw > 0).astype(float)))
    assert ((p > 0) & (p < 1)).all()
    assert (np.diff(p) >= -1e-14).all()


def test_isotonic_agrees_with_scikit_learn_between_its_ends():
    raw, churned, _ = drawn(1500, lambda z: z)
    raw = raw.round(2)  # ties
    s = logistic.cdf(raw)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(s, churned)
    expected = theirs.predict(s)
    inside = (expected > 0.02) & (expected < 0.98)
    assert inside.sum() > 1000
    assert calibrate(raw, fit_isotonic(raw, churned))[inside] == pytest.approx(expected[inside], abs=1e-9)


def test_isotonic_by_hand():
    """Steps: 3 rows without a churner, 4 with two, 2 with nothing else."""
    s = np.array([0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.8, 0.9])
    churned = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1.0])
    found = fit_isotonic(np.log(s / (1 - s)), churned)
    assert found.raw == pytest.approx((0.1, 0.3, 0.4, 0.55, 0.8, 0.9))
    assert found.probability == pytest.approx((1 / 5, 1 / 5, 1 / 2, 1 / 2, 3 / 4, 3 / 4))


def test_isotonic_ends_do_not_pass_their_neighbours():
    """One stayer first, then nine rows of which one churned: 1/3 would stand above 1/9."""
    s = np.linspace(0.1, 0.9, 11)
    churned = np.array([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1.0])
    found = fit_isotonic(np.log(s / (1 - s)), churned)
    assert found.probability == pytest.approx((1 / 9, 1 / 9, 1 / 9, 2 / 3))


def test_too_few_churners_fit_only_the_level():
    raw = np.linspace(-3, 0, 200)
    churned = np.zeros(200)
    churned[5::10] = 1
    churned[5] = 0
    customers = np.arange(200)
    found, compared = fit_calibration(raw, churned, customers)
    assert (found.method, found.slope, compared) == ("platt", 1.0, ())
    assert calibrate(raw, found).mean() == pytest.approx(churned.mean(), abs=1e-9)
    churned[195:197] = 1  # the twentieth
    found, compared = fit_calibration(raw, churned, customers)
    assert [row.method for row in compared] == ["none", "platt", "beta", "isotonic"]


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_leaves_the_scores_alone(label):
    assert fit_calibration(np.linspace(-1, 1, 50), np.full(50, label), np.arange(50)) == (Calibration(), ())


def test_no_rows_leave_the_scores_alone():
    assert fit_calibration(np.array([]), np.array([]), np.array([])) == (Calibration(), ())


def test_scores_far_from_the_truth_come_to_the_right_level():
    raw = np.array([-500.0, -400.0, -450.0] * 5)
    churned = np.tile([0.0, 1.0, 0.0], 5)
    assert calibrate(raw + 500, fit_calibration(raw + 500, churned, np.arange(15))[0]).mean() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("truth", "kept"),
    [
        (lambda z: z, {"none", "platt"}),
        (lambda z: 0.4 * z - 1, {"platt"}),
        (lambda z: 0.2 * np.log(logistic.cdf(z)) - 3 * np.log(logistic.sf(z)) - 2, {"beta"}),
        (lambda z: np.where(z < -1, -4.0, np.where(z < 1, -1.0, 2.0)), {"isotonic"}),
    ],
    ids=["right", "too sure", "bent", "steps"],
)
def test_the_method_that_is_needed_is_kept(truth, kept):
    raw, churned, customers = drawn(6000, truth)
    found, compared = fit_calibration(raw, churned, customers)
    assert found.method in kept
    assert [row.method for row in compared if row.kept] == [found.method]
    assert found == FITS[found.method](*(column[np.lexsort((churned, raw, customers))] for column in (raw, churned)))


def test_the_table_says_what_cross_validation_said():
    raw, churned, customers = drawn(900, lambda z: 0.5 * z)
    compared = {row.method: row for row in fit_calibration(raw, churned, customers, seed=3)[1]}
    order = np.argsort(customers)
    fold = customer_folds(customers[order], churned[order], 3)
    losses = np.empty(900)
    for each in range(5):  # the same by hand
        held = fold == each
        fitted = fit_platt(raw[order][~held], churned[order][~held])
        losses[held] = nats(calibrate(raw[order][held], fitted), churned[order][held])
    assert compared["platt"].log_loss == pytest.approx(losses.mean())
    none = nats(logistic.cdf(raw[order]), churned[order])
    assert compared["none"].log_loss == pytest.approx(none.mean())
    best = min((row for row in compared.values() if row.log_loss is not None), key=lambda row: row.log_loss)
    assert best.method == "platt"
    gap = none - losses
    assert compared["none"].behind == pytest.approx(gap.mean())
    assert compared["none"].standard_error == pytest.approx(gap.std() / np.sqrt(900))
    assert "1,000 rows" in compared["isotonic"].why_not


def test_a_customer_seen_thrice_counts_once():
    """The same rows three times over: the loss is the same, and so is its standard error."""
    raw, churned, customers = drawn(400, lambda z: 0.5 * z)
    once = fit_calibration(raw, churned, customers)[1]
    thrice = fit_calibration(*(np.tile(column, 3) for column in (raw, churned, customers)))[1]
    for one, three in zip(once[:3], thrice[:3], strict=True):
        assert three.log_loss == pytest.approx(one.log_loss, abs=1e-7)
        assert three.standard_error == pytest.approx(one.standard_error, abs=1e-7)


def test_folds_hold_customers_together_and_churners_apart():
    customers = np.repeat([f"C{i:03d}" for i in range(100)], 3)
    churned = np.repeat([1.0] * 20 + [0.0] * 80, 3)
    fold = customer_folds(customers, churned, 0)
    assert all(len(set(fold[customers == each])) == 1 for each in customers)
    assert [int(churned[fold == each].sum()) for each in range(5)] == [12] * 5
    assert (customer_folds(customers, churned, 1) != fold).any()


def test_none_is_judged_as_it_is():
    raw, churned, customers = drawn(100, lambda z: z)
    assert cross_validated(raw, churned, customers, "none") == pytest.approx(nats(logistic.cdf(raw), churned))


def test_the_order_of_rows_does_not_matter():
    raw, churned, customers = drawn(1500, lambda z: 0.5 * z)
    order = np.random.default_rng(1).permutation(1500)
    assert fit_calibration(raw[order], churned[order], customers[order]) == fit_calibration(raw, churned, customers)


def test_a_gain_of_no_consequence_buys_no_parameter():
    """A bend so slight that it is certain on many rows, and still worth less than a thousandth of a nat."""
    raw, churned, customers = drawn(15_000, lambda z: np.where(z < 0, 0.8, 0.55) * z, spread=1.5)
    found, compared = fit_calibration(raw, churned, customers)
    platt = next(row for row in compared if row.method == "platt")
    assert platt.standard_error < platt.behind < NEGLIGIBLE
    assert found.method == "platt"


def test_none_has_no_credit_it_must_be_the_best():
    raw, churned, customers = drawn(400, lambda z: 0.85 * z)
    found, compared = fit_calibration(raw, churned, customers)
    assert 0 < compared[0].behind < compared[0].standard_error
    assert found.method == "platt"
    raw, churned, customers = drawn(400, lambda z: 0.85 * z, seed=2)
    assert fit_calibration(raw, churned, customers)[1][0].behind == 0
    assert fit_calibration(raw, churned, customers)[0] == Calibration()


def test_columns_of_different_length_are_a_bug():
    with pytest.raises(ValueError, match="every row"):
        fit_calibration(np.zeros(3), np.zeros(3), np.zeros(2))


@pytest.mark.parametrize(("later", "aside"), [(True, 0), (False, 1)])
def test_the_slice_is_customers_who_never_train_at_every_training_cutoff(later, aside):
    ids = [f"C{number}" for number in range(200)]
    frame = pl.DataFrame({"customer_id": ids, "fold": folds(ids)})
    rows = pl.concat([frame.with_columns(as_of=pl.lit(day * DAY, pl.Int64)) for day in (100, 200, 300)])
    plan = Plan(test=300 * DAY, training=(100 * DAY, 200 * DAY), later_period=later)
    found = slice_rows(rows, plan)
    assert set(found["fold"]) == {aside}
    assert set(found["as_of"]) == {100 * DAY, 200 * DAY}
