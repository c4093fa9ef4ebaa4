"""What the documented rules ask of a customer: a literal table in, a dict by customer out, on every engine."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.build import build
from features.clock import DAY
from features.engines import Engine
from features.facts import FACTS, contacted, facts, fit_premium_price
from features.sources import TABLES
from tests.features.conftest import NOTHING, Opened, Values
from tests.literal import T, ago, at, by_customer, frame, rows, source

Found = Callable[..., Values]
CONTACT = "customer_id occurred_at channel topic"


@pytest.fixture
def found(opened: Opened) -> Found:
    """Facts as of T, fact → customer → value, of tables given as keywords; `asked` goes on to `facts`."""

    def everything(asked: dict[str, Any] | None = None, **tables: Any) -> Values:
        return by_customer(facts(opened(**tables), T, **(asked or {})))

    return everything


@pytest.mark.parametrize("table", [name for name, table in TABLES.items() if "customer_id" in table.required()])
def test_a_column_is_there_if_its_table_is(found: Found, table: str) -> None:
    columns = found(**{table: []}).keys()
    assert columns == {name for name, fact in FACTS.items() if table in (fact.table, *fact.others)}


def test_types_are_the_contracts_with_rows_and_without(tmp_path: Path, engine: Engine) -> None:
    nothing = {name: frame(name, [], *table.columns()) for name, table in TABLES.items()}
    contract = {"customer_id": pl.String()} | {name: fact.kind for name, fact in FACTS.items()}
    assert facts(source(tmp_path, engine, nothing).tables, T).schema == contract
    one = frame("tickets", rows("customer_id occurred_at", ("a", ago(1))))
    assert facts(source(tmp_path, engine, nothing | {"tickets": one}).tables, T).schema == contract


def test_everyone_known_before_the_date_has_a_row(opened: Opened) -> None:
    tables = opened(
        customers=rows("customer_id signed_up_at", ("signed", ago(9)), ("undated", None), ("later", ago(-1))),
        cancellations=rows("customer_id occurred_at reason", ("left", ago(3), "price")),
        transactions=rows("customer_id occurred_at amount", ("bought", ago(2), 1.0), ("no_amount", ago(2), None)),
    )
    known = facts(tables, T)["customer_id"].to_list()
    assert known == ["bought", "left", "signed"] == build(tables, T, NOTHING)["customer_id"].to_list()


LINES = rows(
    "customer_id occurred_at amount order_id",
    ("a", ago(400), 10.0, "1"),
    ("a", ago(200), 20.0, "2"),
    ("a", ago(200), 5.0, "2"),  # the same purchase
    ("a", ago(100), 40.0, "3"),
    ("a", ago(80), -15.0, None),  # a return
    ("a", ago(30), 80.0, None),
    ("b", ago(10), 7.0, "1"),  # an order of its own: order 1 of another customer
    ("c", ago(10), -3.0, None),
)


def test_purchases(found: Found) -> None:
    facts = found(transactions=LINES, labels=rows("customer_id as_of churned", ("d", ago(5), False)))
    assert facts["order_first_at"] == {"a": at(400), "b": at(10), "c": None}
    assert facts["order_last_at"] == {"a": at(30), "b": at(10), "c": None}
    assert facts["orders_total"] == {"a": 4, "b": 1, "c": 0}
    assert facts["orders_90d"] == {"a": 1, "b": 1, "c": 0}
    assert facts["orders_90d_before"] == {"a": 1, "b": 0, "c": 0}
    assert facts["orders_365d"] == {"a": 3, "b": 1, "c": 0}
    assert facts["order_gap_median_days"] == {"a": 100, "b": None, "c": None}  # gaps of 200, 100 and 70
    assert facts["spend_total"] == {"a": 140, "b": 7, "c": -3}
    assert facts["spend_365d"] == {"a": 130, "b": 7, "c": -3}
    assert facts["spend_90d"] == {"a": 65, "b": 7, "c": -3}
    assert facts["spend_90d_before"] == {"a": 40, "b": 0, "c": 0}


@pytest.mark.parametrize("days", [90, 180, 365])
def test_windows_hold_their_first_moment_and_not_the_one_before(found: Found, days: int) -> None:
    facts = found(transactions=rows(
        "customer_id occurred_at amount", ("at", ago(days), 1.0), ("before", ago(days, microseconds=-1), 1.0)
    ))  # fmt: skip
    name = {90: "90d", 180: "90d_before", 365: "365d"}[days]
    assert facts[f"orders_{name}"] == facts[f"spend_{name}"] == {"at": 1, "before": 0}
    if days == 90:
        assert facts["orders_90d_before"] == facts["spend_90d_before"] == {"at": 0, "before": 1}


def test_the_rhythm_is_told_from_three_purchases_on(found: Found) -> None:
    facts = found(transactions=rows(
        "customer_id occurred_at amount",
        ("two", ago(50), 1.0), ("two", ago(20), 1.0),
        ("three", ago(50), 1.0), ("three", ago(20), 1.0), ("three", ago(10), 1.0),
        ("returned", ago(50), 1.0), ("returned", ago(20), -1.0), ("returned", ago(10), 1.0),
    ))  # fmt: skip
    assert facts["order_gap_median_days"] == {"two": None, "three": 20, "returned": None}


def test_margin_discount_and_premium(found: Found) -> None:
    lines = rows(
        "customer_id occurred_at amount order_id gross_margin discount unit_price",
        ("a", ago(5), 60.0, "1", 20.0, 0.1, 30.0),
        ("a", ago(5), 20.0, "1", None, None, 10.0),
        ("a", ago(4), 20.0, "2", 8.0, 0.0, None),  # no price: neither premium nor not
        ("a", ago(3), -60.0, None, -20.0, 0.1, 30.0),  # a return: no purchase
        ("b", ago(5), 10.0, None, None, None, 29.99),
        ("old", ago(400), 10.0, None, 4.0, 0.1, 30.0),
    )
    facts = found({"premium_price": 30.0}, transactions=lines, tickets=rows("customer_id occurred_at", ("t", ago(1))))
    assert facts["profit_365d"] == {"a": 8, "b": None, "old": 0, "t": 0}  # unknown is not nothing
    assert facts["discount_share_365d"] == {"a": 0.5, "b": 0, "old": None, "t": None}
    assert facts["premium_share_365d"] == {"a": 0.75, "b": 0, "old": None, "t": None}
    assert set(found(transactions=lines)["premium_share_365d"].values()) == {None}  # no limit is known


def test_optional_columns_that_are_absent_leave_nulls(found: Found) -> None:
    facts = found(
        transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0)),
        tickets=rows("customer_id occurred_at", ("a", ago(1))),
        interactions=rows("customer_id occurred_at channel", ("a", ago(1), "call")),
        subscriptions=rows("customer_id started_at ended_at monthly_amount", ("a", ago(1), None, 1.0)),
        nps_responses=rows("customer_id occurred_at score", ("a", ago(1), 9.0)),
        customers=rows("customer_id", ("a",)),
        asked={"premium_price": 1.0, "patterns": {"price": ["price"]}},
    )
    unknown = {
        "profit_365d", "discount_share_365d", "premium_share_365d", "tickets_open", "ticket_open_since",
        "complaints_total", "complaints_365d", "complaint_last_at", "enquiries_total", "subscription_due_at",
        "subscription_ended_at", "order_gap_median_days", "interaction_gap_mean_days", "product_last", "feedback",
        "feedback_last_at",
    } | {name for name, fact in FACTS.items() if fact.table == "customers"}  # fmt: skip
    assert {name for name, values in facts.items() if values["a"] is None} == unknown


def test_what_a_customer_without_rows_has(found: Found) -> None:
    nothing = {name: frame(name, [], *table.columns()) for name, table in TABLES.items()}
    lines = frame("transactions", rows("customer_id occurred_at amount gross_margin", ("a", ago(400), 1.0, 0.5)))
    facts = found({"core_features": ("report",)}, **(nothing | {"transactions": lines}))
    counts = {name for name, fact in FACTS.items() if fact.empty == 0.0 and fact.kind == pl.Float64}
    assert {name for name, values in facts.items() if values["a"] == 0 and values["a"] is not False} == counts - {
        "orders_total", "spend_total"
    }  # fmt: skip
    assert facts["subscribed"] == {"a": False}
    assert facts["unused_features"] == {"a": ["report"]}
    assert facts["feedback"] == {"a": []}


def test_subscriptions(found: Found) -> None:
    facts = found(subscriptions=rows(
        "customer_id started_at ended_at monthly_amount term_ends_at",
        ("a", ago(730.5), None, 10.0, ago(-40)),
        ("a", ago(30.4375), None, 100.0, ago(-20)),
        ("a", ago(60), ago(10), 0.0, ago(-5)),  # ended: its term is nobody's
        ("b", ago(60.875), ago(30.4375), 50.0, ago(30)),
        ("past", ago(100), None, None, ago(1)),  # runs beyond its term
        ("at", ago(100), None, 1.0, ago(0)),
    ))  # fmt: skip
    assert facts["subscribed"] == {"a": True, "b": False, "past": True, "at": True}
    assert facts["subscription_first_at"] == {"a": at(730.5), "b": at(60.875), "past": at(100), "at": at(100)}
    assert facts["subscription_ended_at"] == {"a": at(10), "b": at(30.4375), "past": None, "at": None}
    paid = {"a": 365 / 30.4375 * 10 + 100, "b": 50, "past": 0, "at": 100 / 30.4375}
    assert facts["subscription_paid_365d"] == pytest.approx(paid)
    assert facts["subscription_due_at"] == {"a": at(-20), "b": None, "past": None, "at": at(0)}


def test_use(found: Found) -> None:
    asked = {"core_features": ("sales report", "Sales-Report", "export", "search")}
    facts = found(asked, usage_events=rows(
        "customer_id occurred_at feature quantity",
        ("a", ago(90), "Sales-Report", None), ("a", ago(2), "mail", 1.0), ("a", ago(1), "export", 0.0),
        ("b", ago(90, microseconds=-1), "search", 3.0),
        ("c", ago(5), "export", 1.0), ("c", ago(5), "search", 1.0), ("c", ago(4), "sales report", 1.0),
    ))  # fmt: skip
    assert facts["usage_last_at"] == {"a": at(1), "b": at(90) - 1, "c": at(4)}
    assert facts["unused_features"] == {
        "a": ["export", "search"], "b": ["sales report", "export", "search"], "c": []
    }  # fmt: skip
    assert set(map(tuple, found(usage_events=rows("customer_id occurred_at feature", ("a", ago(1), "x")))[
        "unused_features"].values())) == {()}  # fmt: skip


def test_contacts(found: Found) -> None:
    facts = found(interactions=rows(
        CONTACT,
        ("a", ago(110), "call", "enquiry"), ("a", ago(90), "mail", "enquiry"), ("a", ago(10), "visit", None),
        ("a", ago(10), "mail", "intent"),  # at once with the visit: the first by name
        ("b", ago(90, microseconds=-1), "call", "complaint"),
    ))  # fmt: skip
    assert facts["interaction_last_at"] == {"a": at(10), "b": at(90) - 1}
    assert facts["interactions_90d"] == {"a": 3, "b": 0}
    assert facts["interactions_total"] == {"a": 4, "b": 1}
    assert facts["interaction_gap_mean_days"] == pytest.approx({"a": 100 / 3, "b": None})
    assert facts["enquiries_total"] == {"a": 2, "b": 0}
    assert facts["channel_last"] == {"a": "mail", "b": "call"}
    assert facts["complaints_total"] == {"a": 0, "b": 1}
    assert facts["complaint_last_at"] == {"a": None, "b": at(90) - 1}


def test_tickets(found: Found) -> None:
    facts = found(
        tickets=rows(
            "customer_id occurred_at closed_at is_complaint",
            ("a", ago(400), ago(399), True), ("a", ago(365), None, True), ("a", ago(20), None, None),
            ("b", ago(20), ago(10), False),
        ),
        interactions=rows(CONTACT, ("b", ago(5), "call", "complaint"), ("c", ago(5), "call", "complaint")),
    )  # fmt: skip
    assert facts["ticket_last_at"] == {"a": at(20), "b": at(20), "c": None}
    assert facts["tickets_365d"] == {"a": 2, "b": 1, "c": 0}
    assert facts["tickets_open"] == {"a": 2, "b": 0, "c": 0}
    assert facts["ticket_open_since"] == {"a": at(365), "b": None, "c": None}
    assert facts["complaints_total"] == {"a": 2, "b": 0, "c": 0}  # tickets say it: contacts are not asked
    assert facts["complaints_365d"] == {"a": 1, "b": 0, "c": 0}
    assert facts["complaint_last_at"] == {"a": at(365), "b": None, "c": None}


def test_tickets_that_do_not_say_leave_complaints_to_contacts(found: Found) -> None:
    facts = found(
        tickets=rows("customer_id occurred_at", ("a", ago(1))),
        interactions=rows(CONTACT, ("b", ago(365), "call", "complaint"), ("b", ago(366), "call", "complaint")),
    )
    assert facts["complaints_total"] == {"a": 0, "b": 2}
    assert facts["complaints_365d"] == {"a": 0, "b": 1}


def test_answers(found: Found) -> None:
    """D5; RULES §2: own answers of the last 365 days, 9 and 10 promote, 0 to 6 detract."""
    facts = found(
        nps_responses=rows(
            "customer_id occurred_at score",
            ("a", ago(366), 0.0), ("a", ago(365), 9.0), ("a", ago(9), 10.0), ("a", ago(8), 7.0), ("a", ago(7), 6.0),
            ("b", ago(366), 10.0), ("c", ago(5), 8.0), ("c", ago(4), None),
        ),
        satisfaction_surveys=rows(
            "customer_id occurred_at score",
            ("a", ago(366), 1.0), ("a", ago(365), 5.0), ("a", ago(3), 4.0), ("a", ago(3), 2.0), ("b", ago(400), 3.0),
        ),
    )  # fmt: skip
    assert facts["nps"] == {"a": 25, "b": None, "c": 0}
    assert facts["nps_last_at"] == {"a": at(7), "b": at(366), "c": at(5)}
    assert facts["survey_last_at"] == {"a": at(3), "b": at(400), "c": None}
    assert facts["satisfaction_last"] == {"a": 2, "b": 3, "c": None}
    assert facts["satisfaction_mean_365d"] == pytest.approx({"a": 11 / 3, "b": None, "c": None})


PATTERNS = {"slow_service": ["Slow service", "响应慢"], "price": ["price too HIGH", "太贵"], "silent": [], "void": [""]}


def test_feedback(found: Found) -> None:
    facts = found({"patterns": PATTERNS}, **{
        "cancellations": rows(
            "customer_id occurred_at reason feedback",
            ("a", ago(9), "PRICE TOO HIGH", "and slow service"),
            ("e", ago(9), "Price TOO high", None), ("f", ago(9), None, None),
        ),
        "nps_responses": rows(
            "customer_id occurred_at score comment",
            ("a", ago(5), 3.0, "the price too high, really"), ("b", ago(5), None, "贵公司产品太贵了"),
            ("d", ago(5), 7.0, "slow service? no"),  # content, so no complaint: 0 to 6 detract (D5)
            ("f", ago(5), 6.0, "响应慢"),
        ),
        "satisfaction_surveys": rows(
            "customer_id occurred_at score topic suggestion",
            ("c", ago(5), 3.0, "slow service", "hire people"), ("d", ago(5), 3.0, "slow service", None),
        ),
        "interactions": rows("customer_id occurred_at channel outcome", ("b", ago(7), "call", "客户抱怨响应慢")),
    })  # fmt: skip
    heard = {
        "a": ["price", "slow_service"],
        "b": ["price", "slow_service"],
        "c": ["slow_service"],
        "d": [],
        "e": ["price"],
        "f": ["slow_service"],
    }
    assert facts["feedback"] == heard
    assert facts["feedback_last_at"] == {"a": at(5), "b": at(5), "c": at(5), "d": None, "e": at(9), "f": at(5)}


def test_who_the_customer_is(found: Found) -> None:
    facts = found(customers=rows(
        "customer_id signed_up_at name industry_growth_rate birthday acquisition_cost account_owner",
        ("a", ago(100), "Ärzte AG", 0.05, dt.datetime(1969, 1, 1), 10.0, "Li"),
    ))  # fmt: skip
    assert facts["name"] == {"a": "Ärzte AG"}
    assert facts["signed_up_at"] == {"a": at(100)}
    assert facts["birthday"] == {"a": -365 * DAY}
    assert (facts["industry_growth_rate"], facts["acquisition_cost"]) == ({"a": 0.05}, {"a": 10})
    assert (facts["account_owner"], facts["industry"]) == ({"a": "Li"}, {"a": None})


def test_nothing_later_is_seen(found: Found) -> None:
    """Rows that happen or are recorded later, an end and a closing that come later: as if they were not there."""
    before = {
        "transactions": rows("customer_id occurred_at amount recorded_at", ("a", ago(9), 1.0, ago(9))),
        "subscriptions": rows("customer_id started_at ended_at monthly_amount", ("a", ago(9), None, 1.0)),
        "tickets": rows("customer_id occurred_at closed_at is_complaint recorded_at", ("a", ago(9), None, 1, ago(9))),
        "nps_responses": rows("customer_id occurred_at score comment", ("a", ago(9), 9.0, None)),
        "interactions": rows("customer_id occurred_at channel outcome", ("a", ago(9), "call", "too dear")),
        "usage_events": rows("customer_id occurred_at feature", ("a", ago(9), "mail")),
    }
    later = {
        "transactions": [("a", ago(8), 5.0, ago(0)), ("a", ago(0), 5.0, ago(0)), ("z", ago(-1), 1.0, ago(-1))],
        "subscriptions": [("a", ago(0), None, 5.0)],
        "tickets": [("a", ago(8), ago(7), True, ago(0)), ("a", ago(-1), None, True, ago(-1))],
        "nps_responses": [("a", ago(0), 0.0, "too dear")],
        "interactions": [("a", ago(-3), "mail", "too dear")],
        "usage_events": [("a", ago(0), "report")],
    }
    after = {name: [*kept, *rows(" ".join(kept[0]), *later[name])] for name, kept in before.items()}
    after["subscriptions"][0] |= {"ended_at": ago(0)}
    after["tickets"][0] |= {"closed_at": ago(0)}
    asked = {"core_features": ("report",), "patterns": {"price": ["too dear"]}}
    seen, same = found(asked, **before), found(asked, **after)
    assert same == seen
    assert (seen["subscribed"], seen["tickets_open"], seen["feedback"]) == ({"a": True}, {"a": 1}, {"a": ["price"]})
    assert (seen["orders_total"], seen["unused_features"]) == ({"a": 1}, {"a": ["report"]})


def test_the_premium_price_is_a_percentile_of_what_was_bought(opened: Opened) -> None:
    lines = [("a", ago(5), 1.0, float(price)) for price in range(1, 12)]  # 1 to 11
    more = [("a", ago(5), -1.0, 900.0), ("a", ago(5), 1.0, None), ("a", ago(0), 1.0, 900.0), (None, ago(5), 1.0, 900.0)]
    tables = opened(transactions=rows("customer_id occurred_at amount unit_price", *lines, *more))
    assert fit_premium_price(tables, T, 80.0) == pytest.approx(9)
    assert fit_premium_price(tables, T, percentile=50.0) == pytest.approx(6)
    assert fit_premium_price(tables, T - 30 * DAY, 80.0) is None


def test_without_prices_there_is_no_premium(opened: Opened) -> None:
    unpriced = opened(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0)))
    assert fit_premium_price(unpriced, T, 80.0) is None
    assert fit_premium_price(opened(tickets=rows("customer_id occurred_at", ("a", ago(1)))), T, 80.0) is None


LINE = st.tuples(
    st.sampled_from("ab"),
    st.integers(-10, 800),
    st.sampled_from([-7.5, 0.0, 2.5, 40.0]),
    st.sampled_from(["1", "2", None]),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, min_size=1, max_size=25))
def test_facts_and_features_count_alike(tmp_path: Path, engine: Engine, lines: list[Any]) -> None:
    """Two writings of the same: windows of facts that are features too, and nobody's facts rest on another's rows."""
    table = rows("customer_id occurred_at amount order_id", *((c, ago(d), a, o) for c, d, a, o in lines))
    tables = source(tmp_path, engine, {"transactions": [*table, *rows("customer_id occurred_at amount order_id",
                                                                      ("z", ago(900), 1.0, None))]}).tables  # fmt: skip
    told, wide = by_customer(facts(tables, T)), by_customer(build(tables, T, NOTHING))
    for fact, feature in (("orders_90d", "rfm_orders_count_90d"), ("orders_365d", "rfm_orders_count_365d"),
                          ("spend_90d", "rfm_amount_sum_90d"), ("spend_total", "rfm_amount_sum")):  # fmt: skip
        assert told[fact] == pytest.approx(wide[feature])
    alone = [row for row in table if row["customer_id"] == "a"]
    if any(row["occurred_at"] < ago(0) for row in alone):
        mine = by_customer(facts(source(tmp_path, engine, {"transactions": alone}).tables, T))
        assert {name: values["a"] for name, values in mine.items()} == {
            name: pytest.approx(values["a"]) if values["a"] is not None else None for name, values in told.items()
        }


def test_whom_we_contacted_since_a_moment(opened: Opened) -> None:
    talks = rows(
        "customer_id occurred_at channel direction recorded_at",
        ("us", ago(2), "call", "outbound", ago(2)),
        ("us", ago(1), "call", "outbound", ago(1)),
        ("edge", ago(3), "mail", "outbound", ago(3)),
        ("before", ago(3, microseconds=-1), "mail", "outbound", ago(3)),
        ("them", ago(1), "call", "inbound", ago(1)),
        ("late", ago(1), "call", "outbound", ago(0)),
        ("today", ago(0), "call", "outbound", ago(0)),
    )
    assert contacted(opened(interactions=talks), T, T - 3 * DAY) == ("edge", "us")
    without = rows("customer_id occurred_at channel", ("us", ago(1), "call"))
    assert contacted(opened(interactions=without), T, T - 3 * DAY) == ()
    assert contacted({}, T, T - 3 * DAY) == ()
