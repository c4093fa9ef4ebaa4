"""Segments: each threshold just below and just above, from a table that names its document."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.rules.fitted_segments import fit_segments
from models.rules.segments import SCHEMES, scheme_label, segment_label, segments
from tests.models.rules.segment_rows import AS_OF, PACK, ago, fitted, rows

BUYER = {"order_first_at": ago(400), "order_last_at": ago(10)}
LOYAL = {"order_first_at": ago(800), "order_last_at": ago(10), "profile_tenure_days": 800.0, "spend_365d": 0.0}
GROWING = BUYER | {"spend_365d": 5.0, "spend_90d": 120.0, "spend_90d_before": 100.0, "industry_growth_rate": 0.3}
FIT = fitted(
    spend_low=0.0, spend_high=1.0, tenure_low=0.0, tenure_high=1.0, core_cut=0.8, potential_cut=0.4,
    expanding_growth=0.2, high_value_industries=("steel",),
)  # fmt: skip
# With these bounds a loyal customer of 800 days has 15/40 for tenure and spend_365d × 25/40 for spend.

# document, what the customer has, the fact that decides, just below, at or above, column, segments of the two
THRESHOLDS: list[tuple[str, dict[str, Any], str, Any, Any, str, Any, Any]] = [
    ("D3", BUYER, "spend_365d", 99_999.99, 100_000.0, "segment_value", "low", "backbone"),
    ("D3", BUYER, "spend_365d", 499_999.99, 500_000.0, "segment_value", "backbone", "high"),
    ("D1", LOYAL, "spend_365d", 0.0399, 0.0401, "segment_contribution", "potential", "important"),
    ("D1", LOYAL, "spend_365d", 0.6799, 0.6801, "segment_contribution", "important", "core"),
    ("D1", LOYAL, "profile_tenure_days", 729.99, 730.0, "loyal", False, True),
    ("D1", LOYAL, "order_last_at", ago(180), ago(179.99), "loyal", False, True),
    ("D5", BUYER, "spend_365d", 999_999.0, 1_000_000.0, "segment_abc", "C", "A"),
    ("D5", GROWING, "spend_90d", 109.0, 110.1, "segment_abc", "C", "B"),
    ("D5", GROWING, "industry_growth_rate", 0.199, 0.2, "segment_abc", "C", "B"),
    ("D5", BUYER | {"spend_365d": 1.0}, "orders_365d", 2.0, 3.0, "segment_abc_flagged", False, True),
    ("D3", BUYER, "interactions_90d", 5.0, 6.0, "segment_behaviour", "occasional", "frequent"),
    ("D3", {"order_first_at": ago(400)}, "order_last_at", ago(179.9), ago(180), "segment_lifecycle", "mature",
     "at_risk"),
    ("D3", {"order_first_at": ago(400), "interactions_90d": 1.0}, "order_last_at", ago(179.9), ago(180),
     "segment_behaviour", "occasional", "dormant"),
    ("D3", {"order_first_at": ago(400), "order_last_at": ago(200), "interactions_90d": 1.0}, "usage_last_at",
     ago(179.9), ago(180), "segment_behaviour", "occasional", "dormant"),
    ("D3", {"order_last_at": ago(10)}, "order_first_at", ago(179.9), ago(180), "segment_lifecycle", "new", "mature"),
    ("D3", {}, "discount_share_365d", 0.49, 0.5, "segment_need", None, "price"),
    ("D3", {}, "premium_share_365d", 0.49, 0.5, "segment_need", None, "quality"),
    ("D3", {"orders_365d": 100.0}, "tickets_365d", 49.0, 50.0, "segment_need", None, "service"),
    ("D1", {"order_first_at": None}, "interactions_total", 0.0, 1.0, "segment_stage", "lead_identification",
     "first_contact"),
    ("D1", {"order_first_at": None}, "interactions_total", 2.0, 3.0, "segment_stage", "first_contact",
     "relationship_building"),
    ("D1", {"interactions_total": 9.0}, "order_first_at", None, ago(5), "segment_stage", "relationship_building",
     "deep_cooperation"),
    ("D1", LOYAL, "profile_tenure_days", 729.0, 730.0, "segment_stage", "deep_cooperation", "loyal"),
    ("D5", {"orders_total": 1.0}, "order_first_at", ago(29.9), ago(30), "segment_cooperation", "trust_building",
     "consolidation"),
    ("D5", {"order_first_at": ago(5)}, "orders_total", 1.0, 2.0, "segment_cooperation", "trust_building",
     "consolidation"),
    ("D5", LOYAL, "profile_tenure_days", 729.0, 730.0, "segment_cooperation", "consolidation", "growing_together"),
    ("D3", {"order_first_at": None, "industry": "steel"}, "enquiries_total", 2.0, 3.0, "segment_opportunity", None,
     "potential"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "name", "below", "above", "column", "expected_below", "expected_above"),
    [case[1:] for case in THRESHOLDS],
    ids=[f"{case[0]} {case[5]} {case[2]} {case[6]}-{case[7]}" for case in THRESHOLDS],
)
def test_just_below_and_just_above(
    facts: dict[str, Any], name: str, below: Any, above: Any, column: str, expected_below: Any, expected_above: Any
) -> None:
    got = segments(rows(facts | {name: below}, facts | {name: above}), FIT, PACK, AS_OF)
    assert got[column].to_list() == [expected_below, expected_above]


def test_every_segment_of_the_pack_is_reached_by_the_table() -> None:
    reached = {(case[5].removeprefix("segment_"), got) for case in THRESHOLDS for got in case[6:]}
    reached |= {("lifecycle", "prospect")}  # below: no order
    pack = {(scheme, name) for scheme, entry in PACK.segments.schemes.items() for name in entry.segments}
    assert pack <= reached
    assert tuple(PACK.segments.schemes) == SCHEMES


def one(facts: dict[str, Any], **values: Any) -> dict[str, Any]:
    return segments(rows(facts), FIT.model_copy(update=values), PACK, AS_OF).row(0, named=True)


def test_nothing_known_is_no_segment() -> None:
    got = one({})
    assert got["segments"] == []
    assert {value for name, value in got.items() if name not in ("customer_id", "segments")} == {None}


def test_segments_are_listed_with_their_scheme() -> None:
    assert one(BUYER | {"spend_365d": 600_000.0})["segments"] == [
        "value:high", "abc:C", "lifecycle:mature", "stage:deep_cooperation", "cooperation:consolidation",
    ]  # fmt: skip


def test_no_order_for_months_needs_an_order_before() -> None:
    prospect = one({"order_first_at": None, "order_last_at": None, "spend_365d": 0.0, "usage_last_at": None})
    assert prospect["segment_lifecycle"] == "prospect"
    assert [prospect[f"segment_{scheme}"] for scheme in ("behaviour", "value", "abc", "cooperation")] == [None] * 4


def test_a_running_subscription_counts_as_buying() -> None:
    silent = {"order_first_at": ago(900), "order_last_at": ago(400), "subscription_first_at": ago(900)}
    assert one(silent | {"subscribed": True})["segment_lifecycle"] == "mature"
    assert one(silent | {"subscribed": True, "profile_tenure_days": 900.0})["loyal"] is True
    assert one(silent | {"subscribed": False, "subscription_ended_at": ago(180)})["segment_lifecycle"] == "at_risk"
    assert one(silent | {"subscribed": False, "subscription_ended_at": ago(179.9)})["segment_lifecycle"] == "mature"


def test_when_a_subscription_ended_is_not_guessed() -> None:
    ended = {"subscription_first_at": ago(900), "subscribed": False}
    assert one(ended)["segment_lifecycle"] == "mature"
    assert one(ended | {"subscription_ended_at": ago(179.9)})["segment_lifecycle"] == "mature"
    assert one(ended | {"subscription_ended_at": ago(180)})["segment_lifecycle"] == "at_risk"


def test_use_keeps_a_customer_from_being_dormant_and_use_alone_can_be_dormant() -> None:
    silent = {"order_first_at": ago(400), "order_last_at": ago(300), "interactions_90d": 9.0}
    assert one(silent)["segment_behaviour"] == "dormant"
    assert one(silent | {"usage_last_at": ago(3)})["segment_behaviour"] == "frequent"
    assert one(silent | {"usage_last_at": None})["segment_behaviour"] == "dormant"
    assert one({"usage_last_at": ago(200)})["segment_behaviour"] == "dormant"


def test_an_open_risk_ends_loyalty() -> None:
    assert one(LOYAL | {"alerts": ["survey_due"]})["loyal"] is True
    assert one(LOYAL | {"alerts": ["high_churn_risk"]})["loyal"] is False
    assert one(LOYAL | {"alerts": ["loss_risk"]})["segment_contribution"] is None


def test_the_need_that_stands_out_most() -> None:
    shares = {"discount_share_365d": 0.6, "premium_share_365d": 0.9, "orders_365d": 10.0, "tickets_365d": 5.0}
    assert one(shares)["segment_need"] == "quality"
    assert one(shares | {"tickets_365d": 50.0})["segment_need"] == "service"
    assert one(shares | {"orders_365d": 0.0, "premium_share_365d": None})["segment_need"] == "price"


def test_class_c_is_flagged_where_nothing_fits() -> None:
    rare = BUYER | {"spend_365d": 1.0, "orders_365d": 1.0}
    assert one(rare)["segment_abc_flagged"] is False
    assert one(rare | {"premium_share_365d": 1.0})["segment_abc_flagged"] is True  # no standard need
    assert one(BUYER | {"spend_365d": 1.0})["segment_abc_flagged"] is True  # unknown never makes a rule true
    assert one(GROWING | {"spend_365d": 2e6})["segment_abc"] == "A"
    assert one(BUYER | {"spend_365d": -50.0})["segment_abc"] == "C"


def test_b_grows_in_an_industry_that_grows() -> None:
    assert one(GROWING)["segment_abc"] == "B"
    assert one(GROWING | {"industry_growth_rate": -0.1}, expanding_growth=-0.2)["segment_abc"] == "C"
    assert one(GROWING, expanding_growth=None)["segment_abc"] == "C"


def test_axes() -> None:
    got = one(
        BUYER | {"spend_365d": 50.0, "orders_total": 4.0, "industry_position": "龙头", "industry_growth_rate": 0.1},
        abc_cut=100.0, growth_low=0.0, growth_high=0.2,
    )  # fmt: skip
    assert (got["abc_value_axis"], got["abc_potential_axis"]) == (pytest.approx(0.625), pytest.approx(0.75))
    assert one({"industry_position": "unheard of"})["abc_potential_axis"] is None


def test_a_prospect_is_an_opportunity_in_an_industry_of_high_value_customers() -> None:
    asks = {"order_first_at": None, "enquiries_total": 4.0}
    assert one(asks | {"industry": "toys"})["segment_opportunity"] is None
    assert one(asks)["segment_opportunity"] is None
    assert one(asks, high_value_industries=())["segment_opportunity"] == "potential"
    assert one(asks | {"order_first_at": ago(1), "industry": "steel"})["segment_opportunity"] is None


def test_value_by_profit_or_without_data() -> None:
    facts = BUYER | {"spend_365d": 600_000.0, "profit_365d": 150_000.0}
    assert one(facts, value_column="profit_365d")["segment_value"] == "backbone"
    assert one(facts, value_column=None)["segment_value"] is None
    assert one(facts | {"spend_365d": None})["segment_value"] is None


def test_labels_carry_their_scheme() -> None:
    keys = [f"{scheme}:{name}" for scheme, entry in PACK.segments.schemes.items() for name in entry.segments]
    for lang in ("zh", "en"):
        labels = [segment_label(key, PACK, lang) for key in keys]
        assert len(set(labels)) == len(labels)
        assert all("(" in label for label in labels)
        assert len({scheme_label(scheme, PACK, lang) for scheme in SCHEMES}) == len(SCHEMES)
    assert segment_label("contribution:potential", PACK, "zh") == "潜力客户(贡献)"
    assert segment_label("opportunity:potential", PACK, "zh") == "潜力客户(未成交)"
    assert segment_label("abc:B", PACK, "zh") == "潜力客户(B类)"
    assert segment_label("abc:A", PACK, "zh") == "核心客户(A类)"
    assert segment_label("contribution:core", PACK, "zh") == "核心客户(贡献)"


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


days = st.integers(0, 1500).map(ago)
amounts = st.sampled_from([-5.0, 0.0, 1.0, 1 / 3, 99_999.99, 100_000.0, 7e5])
customer = st.fixed_dictionaries(
    {
        "order_first_at": _maybe(days), "order_last_at": _maybe(days), "subscription_first_at": _maybe(days),
        "subscribed": _maybe(st.booleans()), "spend_365d": _maybe(amounts), "spend_90d": _maybe(amounts),
        "spend_90d_before": _maybe(amounts), "orders_365d": _maybe(st.integers(0, 9).map(float)),
        "tickets_365d": _maybe(st.integers(0, 9).map(float)), "orders_total": _maybe(st.integers(0, 9).map(float)),
        "interactions_90d": _maybe(st.integers(0, 9).map(float)), "usage_last_at": _maybe(days),
        "industry_growth_rate": _maybe(st.sampled_from([-0.1, 0.0, 1 / 7, 0.3])),
        "industry": _maybe(st.sampled_from(["steel", "toys"])), "signed_up_at": _maybe(days),
        "enquiries_total": _maybe(st.integers(0, 5).map(float)),
    }
)  # fmt: skip


@settings(deadline=None, max_examples=20)
@given(st.lists(customer, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_order_and_company_change_nothing(customers: list[dict[str, Any]], random: Any) -> None:
    frame = rows(*customers)
    learnt = fit_segments(frame, PACK, None, AS_OF)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randrange(100))
    assert fit_segments(shuffled, PACK, None, AS_OF) == learnt
    together = segments(frame, learnt, PACK, AS_OF)
    decided = [name for name in together.columns if not name.startswith(("metric_", "abc_"))]
    assert_frame_equal(
        segments(shuffled, learnt, PACK, AS_OF).sort("customer_id"), together.sort("customer_id"), check_exact=False
    )
    alone = pl.concat([segments(frame[n], learnt, PACK, AS_OF) for n in range(frame.height)])
    assert_frame_equal(alone.select(decided), together.select(decided))
    assert_frame_equal(alone, together, check_exact=False)  # days may differ in the last digit


@settings(deadline=None, max_examples=20)
@given(st.lists(customer, min_size=1, max_size=12))
def test_one_segment_a_scheme_and_all_of_them_in_the_pack(customers: list[dict[str, Any]]) -> None:
    frame = rows(*customers)
    for row in segments(frame, fit_segments(frame, PACK, "CNY", AS_OF), PACK, AS_OF).iter_rows(named=True):
        assert row["segments"] == [f"{s}:{row[f'segment_{s}']}" for s in SCHEMES if row[f"segment_{s}"] is not None]
        assert all(segment_label(key, PACK) for key in row["segments"])
        assert (row["segment_contribution"] is not None) <= (row["loyal"] is True)
