"""A reason as a sentence, in both languages."""

import pytest

from features.catalog import moved
from models.prediction import Reason
from models.telling import Usual, reason_text, told

OWN, MOST = Usual(21.0, own=True), Usual(5.0, own=False)


@pytest.mark.parametrize(("feature", "value", "usual", "en", "zh"), [
    ("rfm_recency_days", 74.0, OWN, "last purchase 74 days ago; usually every 21 days",
     "最近一次购买在74天前；通常每21天一次"),
    ("rfm_recency_days", 74.0, None, "last purchase 74 days ago", "最近一次购买在74天前"),
    ("rfm_recency_days", 74.0, Usual(40.0, False), "last purchase 74 days ago; typical: 40",
     "最近一次购买在74天前；一般为40"),
    ("rfm_orders_count_90d", 2.0, MOST, "2 orders in the last 90 days; typical: 5", "近90天下单2次；一般为5"),
    ("usage_depth_30d", 0.25, Usual(0.5, False), "25% of the core features used in the last 30 days; typical: 50%",
     "近30天核心功能用到了25%；一般为50%"),
    ("profile_region", "north", Usual("south", False), "region: north; most often: south",
     "地区：north；最常见为south"),
    ("nps_score_last", None, MOST, "score last: never happened; typical: 5", "最近一次NPS评分：从未发生；一般为5"),
    ("rfm_orders_trend_90d", -0.5, MOST, "orders against the period before: -50% in the last 90 days",
     "近90天下单次数较前一同长时段变化-50%"),
    ("rhythm_alive", 0.3, Usual(0.8, False),
     "by the rhythm of purchases, 30% likely to be a customer still; typical: 80%",
     "按购买节奏，仍是客户的可能性为30%；一般为80%"),
])  # fmt: skip
def test_value_and_what_is_normal(
    feature: str, value: float | str | None, usual: Usual | None, en: str, zh: str
) -> None:
    assert told(feature, value, usual, "raises") == f"{en} (raises the risk)"
    assert told(feature, value, usual, "lowers", "en", "worth") == f"{en} (lowers the worth)"
    assert told(feature, value, usual, "raises", "zh") == f"{zh}（推高流失风险）"
    assert told(feature, value, usual, "raises", "zh", "worth") == f"{zh}（提升价值）"


def test_a_kept_reason_is_told_again() -> None:
    """From its value, with what is normal where that is given."""
    kept = Reason(feature="rfm_recency_days", direction="raises", size=0.5, text="as scored", value=74.0)
    assert reason_text(kept, "en") == "last purchase 74 days ago (raises the risk)"
    assert reason_text(kept, "en", OWN) == "last purchase 74 days ago; usually every 21 days (raises the risk)"
    assert reason_text(kept, "zh") == "最近一次购买在74天前（推高流失风险）"
    assert reason_text(kept, "zh", OWN) == "最近一次购买在74天前；通常每21天一次（推高流失风险）"
    level = Reason(feature="profile_region", direction="lowers", size=0.5, text="", level="north")
    assert reason_text(level, "zh") == "地区：north（降低流失风险）"


@pytest.mark.parametrize(("before", "after", "en", "zh"), [
    (44.0, 74.0, "last purchase 74 days ago (was 44)", "最近一次购买在74天前（此前为44）"),
    (None, 3.0, "last purchase 3 days ago (before: never happened)", "最近一次购买在3天前（此前：从未发生）"),
    (44.0, None, "recency days: never happened (was 44)", "距最近一次购买天数：从未发生（此前为44）"),
])  # fmt: skip
def test_what_moved(before: float | None, after: float | None, en: str, zh: str) -> None:
    assert moved("rfm_recency_days", before, after) == en
    assert moved("rfm_recency_days", before, after, "zh") == zh
