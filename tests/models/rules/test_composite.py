"""The composite score of D2: worked example, anchors, coverage, cleaning, and what must hold for any customer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.rules import (
    DEFAULT_PACK,
    FittedComposite,
    FittedIndicator,
    PackError,
    RulePack,
    cleaning_report,
    composite_score,
    fit_composite,
    load_pack,
    weights,
)

PACK = load_pack()
INDICATORS = PACK.composite.enabled
FEATURES = {name: indicator.features[0] for name, indicator in INDICATORS.items()}
BEHAVIOUR = ("interactions", "complaints", "depth")
POTENTIAL = ("industry_growth", "size_fit")


def unit_fit(*absent: str) -> FittedComposite:
    """Every feature is its own standardised value: bounds 0 and 1, mean 0.5."""
    fits = {
        name: FittedIndicator(feature=feature, low=0, high=1, at_bound=0.5, mean=0.5, basis="pack")
        for name, feature in FEATURES.items()
        if name not in absent
    }
    return FittedComposite(rules_version=PACK.rules_version, indicators=fits, absent=absent)


def customers(*rows: Mapping[str, float | None]) -> pl.DataFrame:
    """A frame of standardised values by indicator; a high complaint value here is good, as in D2's vectors."""
    columns: dict[str, list[Any]] = {"customer_id": [str(number) for number in range(len(rows))]}
    for name, feature in FEATURES.items():
        found = [row.get(name) for row in rows]
        good_is_low = INDICATORS[name].direction == "lower"
        columns[feature] = [None if x is None else 1 - x if good_is_low else x for x in found]
    return pl.DataFrame(columns, schema_overrides=dict.fromkeys(FEATURES.values(), pl.Float64))


def everywhere(value: float, current: float, behaviour: float, potential: float) -> dict[str, float | None]:
    by_dimension = {"current_value": current, "behaviour": behaviour, "potential": potential}
    return {name: by_dimension.get(entry.dimension, value) for name, entry in INDICATORS.items()}


def score(row: dict[str, float | None], pack: RulePack = PACK, fitted: FittedComposite | None = None) -> dict[str, Any]:
    return composite_score(customers(row), fitted or unit_fit(), pack).row(0, named=True)


# D2's worked numbers


@pytest.mark.parametrize("method", ["dimension", "points"])
def test_worked_example_gives_a_current_value_of_0_72(method: Any) -> None:
    row = score({"spend": 0.8, "tenure": 0.6, "margin": 0.7}, PACK.using(method))
    assert row["dimension_current_value"] == pytest.approx(0.72)
    points = row["points_spend"] + row["points_tenure"] + row["points_margin"]
    assert points == pytest.approx(100 * (0.8 * 0.25 + 0.6 * 0.15 + 0.7 * 0.10)) == pytest.approx(36)


@pytest.mark.parametrize(
    ("behaviour", "potential", "dimension", "points"), [(1, 0, 66, 71), (0, 1, 56, 51), (1, 1, 86, 86)]
)
def test_worked_vectors(behaviour: float, potential: float, dimension: float, points: float) -> None:
    row = everywhere(0, 0.72, behaviour, potential)
    assert score(row)["composite_score"] == pytest.approx(dimension)
    assert score(row, PACK.using("points"))["composite_score"] == pytest.approx(points)


def test_effective_weights() -> None:
    expected = [25, 15, 10, 12.857, 8.571, 8.571, 10.667, 9.333]
    assert [100 * weight for weight in weights(unit_fit(), PACK).values()] == pytest.approx(expected, abs=5e-4)
    assert [100 * weight for weight in weights(unit_fit(), PACK.using("points")).values()] == pytest.approx(
        [25, 15, 10, 15, 10, 10, 8, 7]
    )


def test_anchors_of_given_bounds() -> None:
    months = 30.4375
    frame = pl.DataFrame(
        {
            "customer_id": ["a", "b"],
            "rfm_amount_sum_180d": [80_000, 200_000],
            "profile_tenure_days": [24 * months, 41 * months],
        }
    )
    rows = composite_score(frame, fit_composite(frame, PACK, currency="CNY"), PACK)
    # spend and tenure carry all the weight here, 25 : 15
    assert (rows["points_spend"] / 62.5).to_list() == pytest.approx([0.8, 1])
    assert (rows["points_tenure"] / 37.5).to_list() == pytest.approx([0.6, 1])


# fitting


def test_money_bounds_are_fitted_in_another_or_unknown_currency() -> None:
    frame = pl.DataFrame({"customer_id": list("abcde"), "rfm_amount_sum_180d": [0.0, 100, 200, 300, 400]})
    for currency in ("EUR", None):
        fit = fit_composite(frame, PACK, currency).indicators["spend"]
        assert (fit.low, fit.high, fit.basis, fit.currency_off) == (20, 380, "data", True)
    fit = fit_composite(frame, PACK, "CNY").indicators["spend"]
    assert (fit.low, fit.high, fit.basis, fit.currency_off) == (0, 100_000, "pack", False)


def test_the_first_feature_with_data_is_used() -> None:
    paid = {"customer_id": ["a", "b"], "subscription_amount_sum_180d": [10.0, 20.0]}
    assert fit_composite(pl.DataFrame(paid), PACK).indicators["spend"].feature == "subscription_amount_sum_180d"
    both = pl.DataFrame(paid | {"rfm_amount_sum_180d": [0.0, 0.0]})
    assert fit_composite(both, PACK).indicators["spend"].feature == "rfm_amount_sum_180d"
    empty = pl.DataFrame(paid | {"rfm_amount_sum_180d": [None, None]})
    assert fit_composite(empty, PACK).indicators["spend"].feature == "subscription_amount_sum_180d"


def test_one_extreme_spend_hardly_moves_the_mean() -> None:
    spends = [100.0] * 999 + [1e9]
    frame = pl.DataFrame({"customer_id": [str(i) for i in range(1000)], "rfm_amount_sum_180d": spends})
    assert fit_composite(frame, PACK).indicators["spend"].mean == 100


def test_fitted_values_survive_json() -> None:
    frame = customers({"spend": 0.1, "margin": 1 / 3}, {"spend": 0.7, "margin": 0.2})
    fitted = fit_composite(frame, PACK)
    assert FittedComposite.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    assert set(fitted.absent) == set(INDICATORS) - {"spend", "margin"}


@pytest.mark.parametrize(
    ("indicator", "values", "worth"),
    [
        ("margin", [0.3, 0.3, 0.3], {0.2: 0, 0.3: 0.5, 0.4: 1}),  # both ends fitted: neither good nor bad
        ("complaints", [0.0, 0.0, 0.0], {0.0: 1, 0.1: 0}),  # low is given: no complaint earns all points
        ("interactions", [0.0, 0.0, 0.0], {0.0: 0, 1.0: 1}),  # low is given: no interaction earns none
    ],
)
def test_bounds_without_width(indicator: str, values: list[float], worth: dict[float, float]) -> None:
    feature = FEATURES[indicator]
    fitted = fit_composite(pl.DataFrame({"customer_id": list("abc"), feature: values}), PACK)
    frame = pl.DataFrame({"customer_id": list(map(str, worth)), feature: list(worth)})
    assert composite_score(frame, fitted, PACK)[f"points_{indicator}"].to_list() == [100 * x for x in worth.values()]


@pytest.mark.parametrize(
    ("employees", "fit"),
    [(0, 0), (25, 0.5), (49, 0.98), (50, 1), (500, 1), (750, 0.5), (1000, 0), (9000, 0), (None, None)],
)
def test_size_fit_from_employees_is_a_band(employees: float | None, fit: float | None) -> None:
    frame = pl.DataFrame({"customer_id": ["a", "b"], "profile_employees": [employees, 100]})
    rows = composite_score(frame, fit_composite(frame, PACK), PACK)
    assert rows["value_size_fit"][0] == pytest.approx(fit)


# coverage


@pytest.mark.parametrize(
    ("absent", "row", "expected", "coverage", "tiered"),
    [
        # an indicator without a table spreads inside its dimension
        (("margin",), everywhere(0, 1, 0, 0), 50, 1.0, True),
        (("margin",), everywhere(0, 1, 0, 0) | {"tenure": 0}, 50 * 25 / 40, 1.0, True),
        # a dimension without data spreads over the others, and is not covered
        (POTENTIAL, everywhere(0, 1, 0, 0), 100 * 50 / 80, 0.8, True),
        ((*BEHAVIOUR, *POTENTIAL), everywhere(0, 1, 0, 0), 100, 0.5, True),
        (("margin", *BEHAVIOUR, *POTENTIAL), everywhere(0, 1, 0, 0), 100, 0.5, True),
        (("spend", "tenure", "margin", *POTENTIAL), everywhere(0, 0, 1, 0), 100, 0.3, False),
        # a missing value is filled with the fitted mean (0.5), and is not covered
        ((), everywhere(0, 1, 1, 1) | {"spend": None}, 87.5, 0.75, True),
        ((), {"spend": 1, "tenure": 1, "margin": 1}, 50 + 25, 0.5, True),
        ((), {"spend": 1, "tenure": 1}, 40 + 30, 0.4, False),
        # nothing known: no made-up score
        ((), {}, None, 0.0, False),
        (tuple(INDICATORS), everywhere(1, 1, 1, 1), None, 0.0, False),
    ],
)
def test_coverage(
    absent: tuple[str, ...], row: dict[str, float | None], expected: float | None, coverage: float, tiered: bool
) -> None:
    got = score(row, fitted=unit_fit(*absent))
    assert got["composite_score"] == pytest.approx(expected)
    assert got["composite_coverage"] == pytest.approx(coverage)
    assert (got["tier"] is not None) == tiered
    assert all(got[f"points_{name}"] is None for name in absent)


def test_floating_point_does_not_cost_a_tier() -> None:
    absent = ("spend", "tenure", "margin", "industry_growth")  # summed as it comes: 49.99999999999999
    got = score(dict.fromkeys(INDICATORS, 0.5), fitted=unit_fit(*absent))
    assert (got["composite_score"], got["tier"]) == (50, "regular")


def test_an_indicator_is_added_without_code(tmp_path: Path) -> None:
    file, text = tmp_path / "copy.toml", DEFAULT_PACK.read_text(encoding="utf-8")
    before, esg, after = text.partition("[composite.indicators.esg]")
    file.write_text(before + esg + after.replace("enabled = false", "", 1), encoding="utf-8")
    frame = pl.DataFrame({"customer_id": ["a"], "profile_esg_willingness": [0.4], "profile_size_fit": [1.0]})
    pack = load_pack(file)
    row = composite_score(frame, fit_composite(frame, pack), pack).row(0, named=True)
    assert row["composite_score"] == pytest.approx(100 * (7 * 1.0 + 5 * 0.4) / 12)


def test_a_column_that_is_gone_after_fitting_is_missing_for_all() -> None:
    row = everywhere(0, 1, 1, 1)
    without = composite_score(customers(row).drop(FEATURES["spend"]), unit_fit(), PACK)
    assert_frame_equal(without, composite_score(customers(row | {"spend": None}), unit_fit(), PACK))


def test_an_indicator_that_was_never_fitted_is_an_error() -> None:
    fitted = unit_fit()
    fewer = fitted.model_copy(update={"indicators": {"spend": fitted.indicators["spend"]}})
    with pytest.raises(PackError, match=r"composite\.indicators\.tenure"):
        composite_score(customers({}), fewer, PACK)


# cleaning


def test_cleaning_removes_what_is_wrong_and_counts_it() -> None:
    frame = pl.DataFrame(
        {
            "customer_id": list("abcdef"),
            "profile_tenure_days": [-1.0, 0, 1217.5, 1218, None, float("nan")],
            "rfm_margin_rate_180d": [1.01, 1.0, -0.5, 0.3, float("inf"), 0.3],
            "rfm_amount_sum_180d": [1, 2, 3, 4, 5, 100],
            "support_complaint_rate_365d": [0.0, 0, 0, 0, 0, 3],  # three complaints on one order are possible
        }
    )
    fitted = fit_composite(frame, PACK)
    report = cleaning_report(frame, fitted, PACK)
    counts = {row["indicator"]: row for row in report.to_dicts()}
    tenure = counts["tenure"]
    assert (tenure["customers"], tenure["missing"], tenure["removed"], tenure["clipped"]) == (6, 2, 1, 1)
    assert (counts["margin"]["removed"], counts["margin"]["clipped"]) == (2, 2)
    assert (counts["spend"]["clipped"], counts["spend"]["winsorised"]) == (2, 2)
    assert (counts["complaints"]["removed"], counts["complaints"]["clipped"]) == (0, 1)
    assert (counts["depth"]["feature"], counts["depth"]["missing"]) == (None, 6)
    values = composite_score(frame, fitted, PACK)
    assert values["value_tenure"].to_list() == [None, 0, 1217.5, 1218, None, None]
    assert values["value_margin"].to_list() == [None, 1, -0.5, 0.3, None, 0.3]


def test_an_empty_frame_is_scored_and_fitted() -> None:
    none = customers()
    assert composite_score(none, unit_fit(), PACK).height == 0
    assert set(fit_composite(none, PACK).absent) == set(INDICATORS)


# properties

unit = st.floats(-0.5, 1.5)
rows_of_values = st.fixed_dictionaries({name: st.none() | unit for name in INDICATORS})
full_rows = st.fixed_dictionaries(dict.fromkeys(INDICATORS, unit))
methods: st.SearchStrategy[Any] = st.sampled_from(["dimension", "points"])


def raw(*rows: Mapping[str, float | None]) -> pl.DataFrame:
    return customers(*rows).with_columns(pl.col("customer_id") + "c")


def fit_of_any_width(draw: Any) -> FittedComposite:
    fits = {}
    for name, feature in FEATURES.items():
        low, high = sorted((draw(unit), draw(unit)))
        mean = draw(unit)
        fits[name] = FittedIndicator(feature=feature, low=low, high=high, at_bound=0.5, mean=mean, basis="data")
    return FittedComposite(rules_version=PACK.rules_version, indicators=fits)


fits = st.composite(fit_of_any_width)()


@given(rows=st.lists(rows_of_values, min_size=1, max_size=5), fitted=fits, method=methods)
def test_score_and_coverage_stay_in_range_and_points_add_up(
    rows: list[dict[str, float | None]], fitted: FittedComposite, method: Any
) -> None:
    for got in composite_score(raw(*rows), fitted, PACK.using(method)).to_dicts():
        assert 0 <= got["composite_coverage"] <= 1
        assert (got["composite_score"] is None) == (got["composite_coverage"] == 0)
        if got["composite_score"] is not None:
            assert 0 <= got["composite_score"] <= 100
            assert sum(got[f"points_{name}"] for name in INDICATORS) == pytest.approx(got["composite_score"], abs=1e-6)


possible = st.floats(0, 1)  # a value that cleaning removes is a different question


@given(
    row=st.fixed_dictionaries(dict.fromkeys(INDICATORS, possible)),
    name=st.sampled_from(list(INDICATORS)),
    better=possible,
    fitted=fits,
    method=methods,
)
def test_score_is_monotone_in_every_standardised_indicator(
    row: dict[str, float], name: str, better: float, fitted: FittedComposite, method: Any
) -> None:
    before, after = sorted((row[name], better))
    frame = raw(row | {name: before}, row | {name: after})
    low, high = composite_score(frame, fitted, PACK.using(method))["composite_score"]
    assert low <= high


@given(rows=st.lists(rows_of_values, min_size=1, max_size=8), fitted=fits, seed=st.integers(0, 9))
def test_no_row_depends_on_another(rows: list[dict[str, float | None]], fitted: FittedComposite, seed: int) -> None:
    frame = raw(*rows)
    batch = composite_score(frame, fitted, PACK)
    one_by_one = pl.concat(composite_score(frame[i], fitted, PACK) for i in range(len(frame)))
    assert_frame_equal(batch, one_by_one, check_exact=True)
    shuffled = composite_score(frame.sample(fraction=1, shuffle=True, seed=seed), fitted, PACK)
    assert_frame_equal(batch.sort("customer_id"), shuffled.sort("customer_id"), check_exact=True)
    stranger = raw(everywhere(0, 1, 1, 1)).with_columns(customer_id=pl.lit("stranger"))
    joined = composite_score(pl.concat([stranger, frame]), fitted, PACK)
    assert_frame_equal(batch, joined.filter(pl.col("customer_id") != "stranger"), check_exact=True)


@given(row=full_rows, fitted=fits)
def test_the_methods_differ_by_5_times_behaviour_less_potential(
    row: dict[str, float | None], fitted: FittedComposite
) -> None:
    dimension = composite_score(raw(row), fitted, PACK).row(0, named=True)
    points = composite_score(raw(row), fitted, PACK.using("points")).row(0, named=True)
    gap = 5 * (dimension["dimension_behaviour"] - dimension["dimension_potential"])
    if dimension["composite_score"] is not None:
        assert points["composite_score"] - dimension["composite_score"] == pytest.approx(gap, abs=1e-6)
