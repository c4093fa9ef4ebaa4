"""Every number of the alert rules: a customer just below and one at each threshold, each row naming its document."""

import datetime as dt
from math import nextafter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.clock import DAY, micros
from models.rules import RulePack, load_pack
from models.rules.conditions import CONDITION, RULES, alert_text, conditions, feedback_patterns, unassessed
from models.rules.deadlines import WorkCalendar, work_calendar
from models.rules.fitted_segments import FittedSegments

PACK = load_pack()
T = micros(dt.datetime(2026, 7, 1, tzinfo=dt.UTC))  # a Wednesday
LISTS, TEXTS = ("feedback", "unused_features"), ("customer_id", "segment_abc", "product_last")
FLAGS = ("loyal", "subscribed", "in_delivery", "acknowledged", "solved")
FITTED = FittedSegments(rules_version="", middling_low=100, middling_high=200)


def kind(name: str) -> pl.DataType:
    if name.endswith("_at") or name.endswith("_since"):
        return pl.Int64()
    if name in LISTS:
        return pl.List(pl.String)
    return pl.String() if name in TEXTS else pl.Boolean() if name in FLAGS else pl.Float64()


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(list(rows), schema={name: kind(name) for name in names}, infer_schema_length=None)


def ago(days: float) -> int:
    return T - int(days * DAY)


def ordered(days: float, **more: Any) -> dict[str, Any]:
    return {"order_first_at": ago(max(days, 400)), "order_last_at": ago(days), **more}


def held(pack: RulePack = PACK, tickets: pl.DataFrame | None = None, **row: Any) -> dict[str, dict[str, Any]]:
    """Rule → its row, for one customer."""
    found = conditions(table({"customer_id": "a", **row}), pack, T, tickets, FITTED)
    return {line["rule"]: line for line in found.iter_rows(named=True)}


def entered(**row: Any) -> set[str]:
    return {rule for rule, line in held(**row).items() if line["enters"]}


class Bound(NamedTuple):
    document: str
    rule: str
    what: str
    below: dict[str, Any]
    reached: dict[str, Any]


E = 1 / DAY  # one microsecond
ANGRY = {"feedback": ["price"], "feedback_last_at": ago(5), "complaint_last_at": ago(5)}
FEATURES = {"unused_features": ["export"]}
SURVEY = {"order_first_at": ago(500), "order_last_at": ago(20)}

BOUNDS = [
    Bound("D5", "high_churn_risk", "NPS below 0", ordered(90, nps=0.0), ordered(90, nps=nextafter(0, -1))),
    Bound("D5", "high_churn_risk", "3 months", ordered(90 - E, nps=-50.0), ordered(90, nps=-50.0)),
    Bound("D3", "loss_risk", "6 months", ordered(180 - E), ordered(180)),
    Bound("p", "early_warning", "complaints",
          ordered(5, complaints_total=1.0, **ANGRY), ordered(5, complaints_total=2.0, **ANGRY)),
    Bound("p", "early_warning", "lately",
          ordered(5, complaints_total=2.0, **ANGRY | {"feedback_last_at": ago(180), "complaint_last_at": ago(180)}),
          ordered(5, complaints_total=2.0, **ANGRY | {"feedback_last_at": ago(180 - E)})),
    Bound("p", "early_warning", "without the 6 months",
          ordered(180, complaints_total=2.0, **ANGRY), ordered(180 - E, complaints_total=2.0, **ANGRY)),
    Bound("D4", "silence", "90 days",
          {"interaction_last_at": ago(90 - E), "interaction_gap_mean_days": 10.0},
          {"interaction_last_at": ago(90), "interaction_gap_mean_days": 10.0}),
    Bound("D4", "silence", "twice the own gap",
          {"interaction_last_at": ago(100 - E), "interaction_gap_mean_days": 50.0},
          {"interaction_last_at": ago(100), "interaction_gap_mean_days": 50.0}),
    Bound("D4", "falling_orders", "half",
          {"orders_90d": 3.0, "orders_90d_before": 5.0}, {"orders_90d": 3.0, "orders_90d_before": 6.0}),
    Bound("D4", "falling_orders", "at least 2",
          {"orders_90d": 0.0, "orders_90d_before": 1.0}, {"orders_90d": 0.0, "orders_90d_before": 2.0}),
    Bound("D4", "repurchase_due", "own median gap",
          ordered(30, orders_total=3.0, order_gap_median_days=30.0),
          ordered(30 + E, orders_total=3.0, order_gap_median_days=30.0)),
    Bound("D4", "repurchase_due", "3 orders",
          ordered(50, orders_total=2.0, order_gap_median_days=30.0),
          ordered(50, orders_total=3.0, order_gap_median_days=30.0)),
    Bound("D1", "little_used_feature", "a core feature",
          {"usage_last_at": ago(1), "unused_features": []}, {"usage_last_at": ago(1), **FEATURES}),
    Bound("p", "little_used_feature", "the product is used",
          {"usage_last_at": ago(90), **FEATURES}, {"usage_last_at": ago(90 - E), **FEATURES}),
    Bound("D1", "survey_due", "monthly during delivery",
          {**SURVEY, "in_delivery": True, "survey_last_at": ago(30 - E)},
          {**SURVEY, "in_delivery": True, "survey_last_at": ago(30)}),
    Bound("p", "survey_due", "delivery without data",
          {"order_first_at": ago(30 - E), "order_last_at": ago(20), "survey_last_at": None},
          {"order_first_at": ago(30), "order_last_at": ago(20), "survey_last_at": None}),
    Bound("p", "survey_due", "delivery ends",
          {"order_first_at": ago(90), "order_last_at": ago(20), "survey_last_at": ago(45)},
          {"order_first_at": ago(90 - E), "order_last_at": ago(20), "survey_last_at": ago(45)}),
    Bound("D4", "survey_due", "regularly after a sale",
          {**SURVEY, "survey_last_at": ago(90 - E)}, {**SURVEY, "survey_last_at": ago(90)}),
    Bound("p", "survey_due", "a sale",
          {**SURVEY, "order_last_at": ago(365), "survey_last_at": ago(400)},
          {**SURVEY, "order_last_at": ago(365 - E), "survey_last_at": ago(400)}),
    Bound("p", "low_satisfaction", "2 of 5",
          {"satisfaction_last": nextafter(2, 3), "survey_last_at": ago(1)},
          {"satisfaction_last": 2.0, "survey_last_at": ago(1)}),
    Bound("p", "low_satisfaction", "not old",
          {"satisfaction_last": 1.0, "survey_last_at": ago(90)},
          {"satisfaction_last": 1.0, "survey_last_at": ago(90 - E)}),
    Bound("D3", "ticket_at_risk", "at risk",
          ordered(180 - E, ticket_open_since=ago(1)), ordered(180, ticket_open_since=ago(1))),
    Bound("D3", "ticket_at_risk", "a ticket open",
          ordered(200, ticket_open_since=None), ordered(200, ticket_open_since=ago(1))),
    Bound("D5", "thank_you", "after the first order", {"order_first_at": ago(3)}, {"order_first_at": ago(3 - E)}),
    Bound("D5", "first_call", "after the first order", {"order_first_at": ago(7)}, {"order_first_at": ago(7 - E)}),
    Bound("D5", "value_report", "after the first order", {"order_first_at": ago(14)}, {"order_first_at": ago(14 - E)}),
]  # fmt: skip


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.document} {bound.rule}: {bound.what}")
def test_just_below_and_at_each_threshold(bound: Bound) -> None:
    assert bound.rule not in entered(**bound.below)
    assert bound.rule in entered(**bound.reached)


DOCUMENTS = [
    ("D5", "high_churn_risk", "nps_below", 0), ("D5", "high_churn_risk", "days", 90),
    ("D3", "loss_risk", "days", 180), ("D3", "loss_risk", "complaints", 2),
    ("project default", "silence", "days", 90), ("project default", "silence", "gaps", 2),
    ("project default", "falling_orders", "share", 0.5), ("project default", "falling_orders", "before", 2),
    ("D4", "repurchase_due", "orders", 3), ("D1", "survey_due", "delivery_every_days", 30),
    ("project default", "low_satisfaction", "at_most", 2),
]  # fmt: skip


@pytest.mark.parametrize(("document", "rule", "number", "value"), DOCUMENTS)
def test_the_shipped_numbers_and_their_documents(document: str, rule: str, number: str, value: float) -> None:
    found = getattr(PACK.alerts.rules.by_key[rule], number)
    assert (found.source, found.value) == (document, value)


DEADLINES = [
    ("D3", "high_churn_risk", "days", 30), ("D3", "loss_risk", "days", 30),
    ("D5", "ticket_acknowledge", "hours", 0.5), ("D5", "ticket_solution", "hours", 12),
    ("D3", "ticket_at_risk", "hours", 24), ("D5", "thank_you", "hours", 24),
    ("D5", "first_call", "days", 3), ("D5", "value_report", "days", 7),
]  # fmt: skip


@pytest.mark.parametrize(("document", "rule", "clock", "value"), DEADLINES)
def test_the_deadlines_and_their_documents(document: str, rule: str, clock: str, value: float) -> None:
    deadline = PACK.alerts.rules.by_key[rule].deadline
    assert (deadline.source, getattr(deadline, clock)) == (document, value)


STAYS = [
    ("high_churn_risk", ordered(90, nps=9.9), ordered(90, nps=10.0)),
    ("high_churn_risk", ordered(81, nps=-1.0), ordered(80, nps=-1.0)),
    ("loss_risk", ordered(162), ordered(161)),
    ("early_warning", ordered(5, complaints_total=2.0, feedback=["price"], feedback_last_at=ago(197)),
     ordered(5, complaints_total=2.0, feedback=["price"], feedback_last_at=ago(198))),
    ("silence", {"interaction_last_at": ago(81), "interaction_gap_mean_days": 45.0},
     {"interaction_last_at": ago(81), "interaction_gap_mean_days": 45.1}),
    ("falling_orders", {"orders_90d": 3.0, "orders_90d_before": 5.0}, {"orders_90d": 4.0, "orders_90d_before": 6.0}),
    ("falling_orders", {"orders_90d": 0.0, "orders_90d_before": 1.0}, {"orders_90d": 0.0, "orders_90d_before": 0.0}),
    ("repurchase_due", ordered(28, orders_total=3.0, order_gap_median_days=30.0),
     ordered(27, orders_total=3.0, order_gap_median_days=30.0)),
    ("low_satisfaction", {"satisfaction_last": 3.0, "survey_last_at": ago(1)},
     {"satisfaction_last": 3.1, "survey_last_at": ago(1)}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "within", "beyond"), STAYS)
def test_leaving_needs_a_margin(rule: str, within: dict[str, Any], beyond: dict[str, Any]) -> None:
    line = held(**within)[rule]
    assert (line["enters"], line["stays"]) == (False, True)
    assert rule not in held(**beyond)


@pytest.mark.parametrize("rule", ["loss_risk", "high_churn_risk", "repurchase_due"])
def test_a_running_subscription_counts_as_buying(rule: str) -> None:
    silent = ordered(200, nps=-100.0, orders_total=5.0, order_gap_median_days=10.0)
    assert rule in entered(**silent)
    assert rule not in held(**silent, subscribed=True)


def test_never_bought_is_not_at_risk() -> None:
    row = {"order_first_at": None, "order_last_at": None, "nps": -100.0, "interaction_last_at": None, "tickets_open": 1}
    assert held(**row, interaction_gap_mean_days=None, orders_90d=0.0, orders_90d_before=0.0) == {}


def test_absent_tables_make_nothing_true() -> None:
    assert held() == {}
    assert unassessed(table({"customer_id": "a"}), PACK) == set(RULES)


def test_signs_of_loss_are_shown_and_rank_first() -> None:
    signs = {"complaints_total": 2.0, "feedback": ["competitor", "price", "service"], "spend_total": 150.0}
    line = held(**ordered(180, **signs))["loss_risk"]
    assert line["signs"] == ["complaints", "price", "service", "competitor", "middling_spend"]
    assert line["anchor"] == ago(180)
    few = held(**ordered(3000, complaints_total=1.0, spend_total=99.0))["loss_risk"]
    assert few["signs"] == []
    assert held(**ordered(200))["loss_risk"]["rank"] < few["rank"] < 1 < line["rank"]


def with_rule(rule: str, **changes: Any) -> RulePack:
    rules = PACK.alerts.rules
    changed = rules.model_copy(update={rule: rules.by_key[rule].model_copy(update=changes)})
    return PACK.model_copy(update={"alerts": PACK.alerts.model_copy(update={"rules": changed})})


PERSONA = {"complaints_total": 2.0, "feedback": ["competitor", "service"], "spend_total": 150.0}


@pytest.mark.parametrize(
    ("lacking", "at_risk"),
    [({}, True), ({"complaints_total": 1.0}, False), ({"feedback": ["service"]}, False),
     ({"feedback": ["competitor"]}, False), ({"spend_total": 201.0}, False), ({"spend_total": None}, False)],
)  # fmt: skip
def test_strict_is_d3s_persona(lacking: dict[str, Any], at_risk: bool) -> None:
    row = ordered(180, **PERSONA | lacking)
    assert ("loss_risk" in held(with_rule("loss_risk", strict=True), **row)) == at_risk
    assert "loss_risk" in held(**row)


def test_a_rule_switched_off_says_nothing() -> None:
    assert "loss_risk" not in held(with_rule("loss_risk", enabled=False), **ordered(300))


def test_the_products_interval_where_it_is_known() -> None:
    days = PACK.alerts.rules.loss_risk.days.model_copy(update={"value": 60.0})
    pack = with_rule("repurchase_due", products={"toner": days})
    assert not held(pack, **ordered(60, product_last="toner"))["repurchase_due"]["enters"]
    assert held(pack, **ordered(61, product_last="toner"))["repurchase_due"]["signs"] == ["product_interval"]
    assert held(pack, **ordered(61, product_last="paper")) == {}


def test_tickets_wait_one_by_one() -> None:
    tickets = table(
        {"customer_id": "a", "ticket_at": ago(1), "acknowledged": False, "solved": False},
        {"customer_id": "a", "ticket_at": ago(2), "acknowledged": True, "solved": False},
        {"customer_id": "b", "ticket_at": ago(30), "acknowledged": False, "solved": None},
    )
    found = conditions(table({"customer_id": "a"}), PACK, T, tickets).select("customer_id", "rule", "enters", "anchor")
    assert sorted(found.rows()) == [
        ("a", "ticket_acknowledge", True, ago(1)),
        ("a", "ticket_solution", True, ago(2)),
        ("a", "ticket_solution", True, ago(1)),
        ("b", "ticket_acknowledge", False, ago(30)),
    ]


def day(month: int, number: int, year: int = 1990, zone: str = "UTC") -> int:
    return micros(dt.datetime(year, month, number, tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("who", "rule"),
    [({"loyal": True}, "birthday_gift"), ({"segment_abc": "C"}, "birthday_mail")],  # D1, D5
)
@pytest.mark.parametrize(("birthday", "told"), [((6, 30), False), ((7, 1), True), ((7, 7), True), ((7, 8), False)])
def test_birthdays_are_told_a_week_ahead(who: dict[str, Any], rule: str, birthday: tuple[int, int], told: bool) -> None:
    found = held(**who, birthday=day(*birthday))
    assert set(found) == ({rule} if told else set())
    if told:
        assert found[rule]["anchor"] == day(*birthday, 2026)


def test_care_dates_ask_for_the_loyal_stage_and_class_c() -> None:
    row = {"birthday": day(7, 3), "signed_up_at": day(7, 3, 2020)}
    assert set(held(**row, loyal=True, segment_abc="B")) == {"birthday_gift", "anniversary"}
    assert held(**row, loyal=False, segment_abc="A") == {}
    assert held(loyal=True, signed_up_at=day(7, 3, 2026)) == {}


def test_birthdays_are_days_of_the_companys_zone() -> None:
    zone, as_of = "Asia/Shanghai", day(7, 1, 2026, "Asia/Shanghai")
    rows = table({"customer_id": "a", "loyal": True, "birthday": day(7, 1, 1990, zone)})
    found = conditions(rows, PACK, as_of, calendar=WorkCalendar(zone=ZoneInfo(zone)))
    assert found["anchor"].to_list() == [as_of]


@pytest.mark.parametrize(("year", "told_on"), [(2027, (2, 28)), (2028, (2, 29))])
def test_a_leap_day_is_told_on_the_28th_of_other_years(year: int, told_on: tuple[int, int]) -> None:
    rows = table({"customer_id": "a", "loyal": True, "birthday": day(2, 29, 1992)})
    found = conditions(rows, PACK, day(2, 25, year))
    assert found["anchor"].to_list() == [day(*told_on, year)]


@pytest.mark.parametrize(
    ("as_of", "mail"),
    [(day(9, 24, 2026), day(10, 3, 2026)), (day(9, 27, 2026), day(10, 3, 2026)), (day(10, 4, 2026), None)],
)
def test_holiday_mails_by_country(as_of: int, mail: int | None) -> None:
    """D5: class C. 3 October is Germany's; it is told a week ahead."""
    calendar = work_calendar(PACK, ZoneInfo("UTC"), country="DE")
    rows = table({"customer_id": "a", "segment_abc": "C"}, {"customer_id": "b", "segment_abc": "B"})
    found = conditions(rows, PACK, as_of, calendar=calendar)
    expected = [mail] if mail is not None and mail < as_of + 7 * DAY else []
    assert found.filter(rule="holiday_mail")["anchor"].to_list() == expected
    assert conditions(rows, PACK, as_of).is_empty()


def test_kinds_leave_the_others_out() -> None:
    rows = table({"customer_id": "a", **ordered(200, interaction_last_at=ago(300), interaction_gap_mean_days=1.0)})
    assert set(conditions(rows, PACK, T, kinds=("risk",))["rule"]) == {"loss_risk"}
    assert set(conditions(rows, PACK, T, kinds=("warning",))["rule"]) == {"silence"}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_reads_in_both_languages(rule: str, lang: Any) -> None:
    text = alert_text(rule, ("complaints", "feature:export"), PACK, lang)
    assert "{" not in text
    assert "export" in text
    assert "complaints" not in text if lang == "zh" else "repeated complaints" in text


def test_alert_text() -> None:
    assert alert_text("loss_risk", (), PACK) == "no order for 180 days"
    assert alert_text("loss_risk", ("price", "service"), PACK) == (
        "no order for 180 days (says the price is too high, says service is slow)"
    )
    assert alert_text("loss_risk", ("price",), PACK, "zh") == "180 天没有下单（反馈价格高）"
    assert alert_text("gone_rule", (), PACK) == "gone_rule"


def test_words_of_feedback() -> None:
    patterns = feedback_patterns(PACK)
    assert list(patterns) == ["price", "service", "product_fit", "competitor", "need_changed"]
    for said, reason in [
        ("price too high", "price"), ("太贵了", "price"), ("slow service", "service"), ("服务慢", "service"),
        ("a competitor is cheaper", "competitor"), ("product fit", "product_fit"), ("need changed", "need_changed"),
    ]:  # fmt: skip
        assert [key for key, words in patterns.items() if any(word in said for word in words)] == [reason]


def random_rows(seed: int, size: int) -> pl.DataFrame:
    def moments(salt: int) -> pl.Series:
        past = pl.Series(range(size)).hash(seed + salt) % 400
        return pl.Series([None if days > 370 else ago(days) for days in past], dtype=pl.Int64)

    def counts(salt: int, most: int, least: int = 0) -> pl.Series:
        return (pl.Series(range(size)).hash(seed + salt) % (most - least) + least).cast(pl.Float64)

    return pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(size)],
            "order_first_at": moments(1), "order_last_at": moments(1), "interaction_last_at": moments(2),
            "ticket_open_since": moments(3), "survey_last_at": moments(4), "usage_last_at": moments(5),
            "complaint_last_at": moments(6), "feedback_last_at": moments(7), "birthday": moments(8),
            "nps": counts(9, 200) - 100, "orders_90d": counts(10, 5), "orders_90d_before": counts(11, 9),
            "complaints_total": counts(12, 4), "orders_total": counts(13, 8),
            "order_gap_median_days": counts(14, 99, 1),
            "interaction_gap_mean_days": counts(15, 60, 1), "satisfaction_last": counts(16, 6, 1),
            "spend_total": counts(17, 300), "feedback": [["price"], ["service", "competitor"], [], None] * (size // 4),
            "unused_features": [["export"], [], None, ["a", "b"]] * (size // 4),
            "loyal": [True, False, None, True] * (size // 4), "segment_abc": ["A", "C", None, "C"] * (size // 4),
        }
    )  # fmt: skip


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("customer_id", "rule", "anchor")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_nobodys_alert_depends_on_others(seed: int, chance: Any) -> None:
    rows = random_rows(seed, 40)
    whole = conditions(rows, PACK, T, fitted=FITTED)
    order = list(range(40))
    chance.shuffle(order)
    assert_frame_equal(in_order(conditions(rows[order], PACK, T, fitted=FITTED)), in_order(whole))
    alone = [conditions(rows[number], PACK, T, fitted=FITTED) for number in range(0, 40, 7)]
    assert_frame_equal(
        in_order(pl.concat(alone)),
        in_order(whole.filter(pl.col("customer_id").is_in([f"c{n}" for n in range(0, 40, 7)]))),
    )
    assert whole["stays"].all()


def test_an_empty_frame_has_the_columns() -> None:
    empty = conditions(table({"customer_id": "a"}), PACK, T)
    assert (empty.columns, empty.height) == ([*CONDITION], 0)
