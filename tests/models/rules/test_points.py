"""The score taken apart, departures from the tier's trait, and weight profiles."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules import (
    FittedComposite,
    FittedIndicator,
    RulePack,
    composite_score,
    fit_composite,
    load_pack,
    weights,
)
from models.rules.points import POINT, departures, points_of

PACK = load_pack()
INDICATORS = PACK.composite.enabled
FEATURES = {name: indicator.features[0] for name, indicator in INDICATORS.items()}


def unit_fit(*absent: str) -> FittedComposite:
    """Every feature is its own standardised value: bounds 0 and 1, mean 0.5."""
    fits = {
        name: FittedIndicator(feature=feature, low=0, high=1, at_bound=0.5, mean=0.5, basis="pack")
        for name, feature in FEATURES.items()
        if name not in absent
    }
    return FittedComposite(rules_version=PACK.rules_version, indicators=fits, absent=absent)


def frame(*rows: dict[str, Any], **columns: list[Any]) -> pl.DataFrame:
    """Values by dimension (worth, not raw), and further columns."""
    found: dict[str, list[Any]] = {"customer_id": [str(number) for number in range(len(rows))]}
    for name, feature in FEATURES.items():
        worth = [row.get(INDICATORS[name].dimension) for row in rows]
        lower = INDICATORS[name].direction == "lower"
        found[feature] = [None if x is None else 1 - x if lower else x for x in worth]
    return pl.DataFrame(found | columns, schema_overrides=dict.fromkeys(FEATURES.values(), pl.Float64))


def with_profiles(*names: str, method: Any = "dimension", **changes: dict[str, Any]) -> RulePack:
    """The shipped pack with profiles switched on, and with `changes` to each by name."""
    profiles = {
        name: profile.model_copy(update={"enabled": name in names, **changes.get(name, {})})
        for name, profile in PACK.composite.profiles.items()
    }
    composite = PACK.composite.model_copy(update={"profiles": profiles, "method": method})
    return PACK.model_copy(update={"composite": composite})


# points


def test_a_person_recomputes_the_score_by_hand() -> None:
    rows = pl.DataFrame(
        {
            "customer_id": ["a", "b"],
            "rfm_amount_sum_180d": [80_000.0, None],
            "profile_tenure_days": [609.0, 1218.0],
            "support_complaint_rate_365d": [0.25, None],
        }
    )
    bounds = pl.DataFrame({"customer_id": ["c", "d"], "rfm_amount_sum_180d": [20_000.0, 40_000],
                           "profile_tenure_days": [0.0, 1], "support_complaint_rate_365d": [1.0, 1]})  # fmt: skip
    fitted = fit_composite(bounds, PACK, "CNY")
    scored = composite_score(rows, fitted, PACK)
    told = points_of(scored, fitted, PACK)
    assert told.dtype == pl.List(POINT)
    spend, tenure, complaints = told[0].to_list()
    # shares 50 and 30 of 80; spend and tenure 25 : 15
    assert spend == {"indicator": "spend", "feature": "rfm_amount_sum_180d", "value": 80_000.0, "filled": None,
                     "standardised": 0.8, "weight": 39.0625, "points": pytest.approx(31.25)}  # fmt: skip
    assert (tenure["value"], tenure["standardised"]) == (609, pytest.approx(609 / 1217.5))
    assert (complaints["standardised"], complaints["points"]) == (0.75, pytest.approx(0.75 * 37.5))
    unknown, clipped, _ = told[1].to_list()
    assert (unknown["value"], unknown["filled"], unknown["standardised"]) == (None, 30_000, pytest.approx(0.3))
    assert (clipped["value"], clipped["filled"], clipped["standardised"]) == (1218, None, 1)
    for row, score in zip(told.to_list(), scored["composite_score"], strict=True):
        assert sum(each["weight"] for each in row) == pytest.approx(100)
        assert sum(each["weight"] * each["standardised"] for each in row) == pytest.approx(score)


def test_what_is_not_scored_has_no_points() -> None:
    scored = composite_score(frame({}, {"behaviour": 1.0}), unit_fit("spend"), PACK)
    told = points_of(scored, unit_fit("spend"), PACK)
    assert told[0].to_list() == []
    assert [each["indicator"] for each in told[1].to_list()] == [name for name in INDICATORS if name != "spend"]
    nothing = composite_score(frame({}), unit_fit(*INDICATORS), PACK)
    assert points_of(nothing, unit_fit(*INDICATORS), PACK).to_list() == [[]]
    assert points_of(nothing.clear(), unit_fit(), PACK).to_list() == []


worth = st.none() | st.floats(0, 1)
rows_of_worth = st.fixed_dictionaries(dict.fromkeys(PACK.composite.dimensions, worth))


@settings(deadline=None)
@given(rows=st.lists(rows_of_worth, min_size=1, max_size=4), method=st.sampled_from(["dimension", "points"]))
def test_points_add_up_under_every_profile(rows: list[dict[str, Any]], method: Any) -> None:
    pack = with_profiles("new_industry", method=method)
    known = frame(*rows, industry=["new energy" if i % 2 else None for i in range(len(rows))])
    scored = composite_score(known, unit_fit(), pack)
    for told, row in zip(points_of(scored, unit_fit(), pack).to_list(), scored.to_dicts(), strict=True):
        if row["composite_score"] is not None:
            assert sum(each["points"] for each in told) == pytest.approx(row["composite_score"], abs=1e-6)
            assert sum(each["weight"] for each in told) == pytest.approx(100)
        else:
            assert told == []


# departures


@pytest.mark.parametrize(
    ("row", "tier", "departs"),
    [
        # strategic: high value, loyalty, potential (each ≥ 0.8)
        ({"current_value": 1, "behaviour": 1, "potential": 0.8}, "strategic", []),
        ({"current_value": 1, "behaviour": 1, "potential": 0.79}, "strategic",
         ["potential is 0.79, below the 0.8 of the tier's trait"]),
        ({"current_value": 1, "behaviour": 0.79, "potential": 1}, "strategic",
         ["behaviour is 0.79, below the 0.8 of the tier's trait"]),
        # key: high value, stable
        ({"current_value": 0.7, "behaviour": 0.7, "potential": 0.7}, "key", []),
        ({"current_value": 1, "behaviour": 0.49, "potential": 0.5}, "key",
         ["behaviour is 0.49, below the 0.5 of the tier's trait"]),
        ({"current_value": 0.69, "behaviour": 0.8, "potential": 0.8}, "key",
         ["current value is 0.69, below the 0.7 of the tier's trait"]),
        # regular: medium value, potential untapped
        ({"current_value": 0.79, "behaviour": 0.4, "potential": 0.4}, "regular", []),
        ({"current_value": 0.8, "behaviour": 0.4, "potential": 0.4}, "regular",
         ["current value is 0.8, above the 0.8 of the tier's trait"]),
        ({"current_value": 0.39, "behaviour": 0.8, "potential": 0.8}, "regular",
         ["current value is 0.39, below the 0.4 of the tier's trait",
          "potential is 0.8, above the 0.8 of the tier's trait"]),
        # watch: low value or at risk
        ({"current_value": 0.49, "behaviour": 0.4, "potential": 0.4}, "watch", []),
        ({"current_value": 0.5, "behaviour": 0.4, "potential": 0.4}, "watch",
         ["current value is 0.5, above the 0.5 of the tier's trait"]),
        ({}, None, []),
    ],
)  # fmt: skip
def test_departures_from_the_tiers_trait(row: dict[str, Any], tier: str | None, departs: list[str]) -> None:
    """D2 names the traits; their numbers are project defaults."""
    scored = composite_score(frame(row), unit_fit(), PACK)
    assert scored["tier"][0] == tier
    assert departures(scored, PACK)[0].to_list() == departs


def test_departures_in_chinese_and_of_no_one() -> None:
    row = {"current_value": 1, "behaviour": 1, "potential": 0.791}
    scored = composite_score(frame(row), unit_fit(), PACK)
    assert departures(scored, PACK, "zh")[0].to_list() == ["潜力空间为0.79，低于该层级特征的0.8"]
    assert departures(scored.clear(), PACK).to_list() == []
    absent = composite_score(frame(row), unit_fit("industry_growth", "size_fit"), PACK)
    assert departures(absent, PACK)[0].to_list() == []  # what is not known does not depart


# profiles


def test_a_profile_weighs_its_own_customers_only() -> None:
    pack = with_profiles("new_industry")
    row = {"current_value": 0.2, "behaviour": 0.4, "potential": 1.0}
    known = frame(row, row, row, industry=["新能源", "steel", None])
    scored = composite_score(known, unit_fit(), pack)
    assert scored["profile"].to_list() == ["new_industry", None, None]
    theirs, others = 100 * (0.35 * 0.2 + 0.25 * 0.4 + 0.40 * 1), 100 * (0.5 * 0.2 + 0.3 * 0.4 + 0.2 * 1)
    assert scored["composite_score"].to_list() == pytest.approx([theirs, others, others])
    assert scored["dimension_current_value"].to_list() == pytest.approx([0.2] * 3)
    assert scored.select("dimension_behaviour", "dimension_potential").row(0) == pytest.approx((0.4, 1.0))
    assert scored["composite_coverage"].to_list() == [1, 1, 1]


def test_coverage_counts_the_profiles_weights() -> None:
    pack = with_profiles("new_industry")
    scored = composite_score(frame({"potential": 1.0}, industry=["new energy"]), unit_fit(), pack)
    assert scored["composite_coverage"].to_list() == [0.4]
    without = composite_score(
        frame({"potential": 1.0}, industry=["new energy"]), unit_fit("interactions", "complaints", "depth"), pack
    )
    assert without["composite_coverage"].to_list() == [0.4]
    assert without["composite_score"].to_list() == pytest.approx([100 * (0.35 * 0.5 + 0.40) / 0.75])


def test_the_first_profile_that_fits_counts() -> None:
    pack = with_profiles("high_value", "new_industry")
    both = frame({}, {}, {}, industry=["new energy", "new energy", "steel"], profile_business=["flagship", "x", None])
    assert composite_score(both, unit_fit(), pack)["profile"].to_list() == ["high_value", "new_industry", None]


@pytest.mark.parametrize(
    ("value", "fits"), [(9.99, False), (10.0, True), (19.99, True), (20.0, False), (None, False), (float("nan"), False)]
)
def test_a_profile_by_a_number_is_half_open(value: float | None, fits: bool) -> None:
    when = PACK.composite.profiles["high_value"].when.model_copy(
        update={"is_in": None, "low": 10, "high": 20, "column": "profile_employees"}
    )
    pack = with_profiles("high_value", high_value={"when": when})
    known = frame({}, profile_employees=[value])
    assert composite_score(known, unit_fit(), pack)["profile"].to_list() == ["high_value" if fits else None]


def test_a_profile_without_its_column_fits_no_one() -> None:
    pack = with_profiles("high_value", "new_industry")
    row = {"current_value": 0.2, "behaviour": 0.4, "potential": 1.0}
    scored = composite_score(frame(row), unit_fit(), pack)
    assert scored["profile"].to_list() == [None]
    assert scored.equals(composite_score(frame(row), unit_fit(), PACK))


def test_a_profile_of_weights_counts_under_points_and_inside_its_dimension() -> None:
    """Dimension shares stay; spend : tenure : margin become 40 : 5 : 5."""
    given_weights = {
        name: INDICATORS[name].weight.model_copy(update={"value": value})
        for name, value in {"spend": 40.0, "tenure": 5.0, "margin": 5.0}.items()
    }
    change = {"shares": {}, "weights": given_weights}
    for method in ("dimension", "points"):
        pack = with_profiles("high_value", method=method, high_value=change)
        found = weights(unit_fit(), pack, "high_value")
        assert [found[name] for name in given_weights] == pytest.approx([0.40, 0.05, 0.05])
        assert sum(found.values()) == pytest.approx(1)
        assert weights(unit_fit(), pack) == weights(unit_fit(), PACK.using(pack.composite.method))
