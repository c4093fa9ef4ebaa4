"""The strategy table: targets, due dates, and progress from small literal periods."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from features.clock import DAY
from models.rules.pack import Lang, load_pack
from models.rules.strategies import members, progress, strategy_due, strategy_table

PACK = load_pack()
START = 20_000 * DAY
END = START + 90 * DAY

# strategy, metric, target, document
TARGETS = [
    ("high", "repurchase_rate", 0.8, "D3"),
    ("high", "order_value_change", 0.1, "D3"),
    ("high", "satisfaction", 4.5, "D3"),
    ("backbone", "renewal_rate", 0.9, "D3"),
    ("backbone", "interaction_frequency", None, "D3"),
    ("at_risk", "customers_reactivated", 0.3, "D3"),
    ("at_risk", "second_purchase_amount", None, "D3"),
    ("dormant", "customers_reactivated", 0.3, "D3"),
    ("potential", "conversion", 0.25, "D3"),
    ("potential", "enquiry_to_deal_days", None, "D3"),
    ("retention_high", "retention_change", 0.2, "D2"),
    ("churn_small_and_mid", "churn_change", -0.15, "D2"),
    ("vip_frequency", "purchase_frequency_change", 0.2, "D3"),
]

COLUMNS = ("value", "lifecycle", "behaviour", "opportunity")


def at_start(**customers: str) -> pl.DataFrame:
    """customer_id → "scheme:segment …"."""
    told = {name: dict(key.split(":") for key in keys.split()) for name, keys in customers.items()}
    data = {f"segment_{scheme}": [keys.get(scheme) for keys in told.values()] for scheme in COLUMNS}
    return pl.DataFrame(
        {"customer_id": [*told], **data}, schema={"customer_id": pl.String, **dict.fromkeys(data, pl.String)}
    )


def orders(*rows: tuple[str, float, float]) -> pl.DataFrame:
    """customer_id, days since the start, net."""
    data = [(name, START + round(day * DAY), net) for name, day, net in rows]
    return pl.DataFrame(data, schema={"customer_id": pl.String, "t": pl.Int64, "net": pl.Float64}, orient="row")


def subscriptions(*rows: tuple[str, float, float | None, float | None]) -> pl.DataFrame:
    """customer_id, start, end and end of term in days since the start."""
    data = [(name, *(None if d is None else START + round(d * DAY) for d in days)) for name, *days in rows]
    kinds = {"customer_id": pl.String, "started_at": pl.Int64, "ended_at": pl.Int64, "term_ends_at": pl.Int64}
    return pl.DataFrame(data, schema=kinds, orient="row")


def row(strategy: str, metric: str, start: pl.DataFrame, bought: pl.DataFrame, **more: Any) -> dict[str, Any]:
    running = more.pop("subscriptions", None)
    table = progress(start, bought, running, END, START, PACK, **more)
    found = table.filter((pl.col("strategy") == strategy) & (pl.col("metric") == metric))
    return found.row(0, named=True)


def test_targets_and_documents() -> None:
    table = progress(at_start(), orders(), None, END, START, PACK)
    sources = {name: entry.source for name, entry in {**PACK.strategies.rows, **PACK.strategies.company}.items()}
    found = [(s, m, t, sources[s]) for s, m, t in table.select("strategy", "metric", "target").iter_rows()]
    assert found == TARGETS
    assert table["value"].to_list() == [None] * len(TARGETS)  # 0/0 is missing


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "repurchase rate 62 % of 80 %"), ("zh", "复购率62%，目标80%")]
)  # fmt: skip
def test_repurchase_rate_in_words(lang: Lang, text: str) -> None:
    """8 customers, 5 order in the period: not at its end, nor before its start, nor others."""
    start = at_start(**dict.fromkeys("abcdefgh", "value:high"), z="value:low")
    bought = orders(
        *((name, 0, 1.0) for name in "abcde"), ("a", 5, 1.0), ("f", 90, 1.0), ("g", -0.01, 1.0), ("z", 1, 1.0)
    )  # fmt: skip
    got = row("high", "repurchase_rate", start, bought, lang=lang)
    assert (got["customers"], got["done"], got["value"], got["target"]) == (8, 5, 0.625, 0.8)
    assert got["text"] == text


def test_order_value_against_the_same_length_before() -> None:
    start = at_start(a="value:high", b="value:high")
    bought = orders(("a", -91, 999.0), ("a", -90, 100.0), ("b", -1, 100.0), ("a", 3, 150.0), ("a", 4, 70.0))
    got = row("high", "order_value_change", start, bought)
    assert (got["customers"], got["done"]) == (2, 1)
    assert got["value"] == pytest.approx(0.1)
    assert got["text"] == "order value change +10 % of +10 %"
    assert row("high", "order_value_change", start, orders(("a", 3, 5.0)))["value"] is None


def test_renewal_within_the_grace_period() -> None:
    start = at_start(**dict.fromkeys("abcdefg", "value:backbone"))
    rows = subscriptions(
        ("a", -300, None, 10),  # runs on
        ("b", -300, 10, 10), ("b", 24, None, None),  # again on the last day of grace
        ("c", -300, 10, 10), ("c", 24.01, None, None),  # too late
        ("d", -300, 10, 10),  # gone
        ("e", -300, None, 76),  # grace period still open
        ("f", -300, 5, 10),  # given up before the term: not due
        ("g", -300, None, None),  # no term known
    )  # fmt: skip
    got = row("backbone", "renewal_rate", start, orders(), subscriptions=rows)
    assert (got["customers"], got["done"], got["value"]) == (4, 2, 0.5)
    assert row("backbone", "renewal_rate", start, orders())["text"] == "renewal rate: no data yet"


def test_one_product_s_renewal_is_not_another_s() -> None:
    rows = subscriptions(("a", -300, 10, 10), ("a", -300, None, None)).with_columns(product=pl.Series(["x", "y"]))
    assert row("backbone", "renewal_rate", at_start(a="value:backbone"), orders(), subscriptions=rows)["done"] == 0


def test_reactivated_within_90_days() -> None:
    start = at_start(**dict.fromkeys("abc", "lifecycle:at_risk behaviour:dormant"), d="behaviour:dormant")
    bought = orders(("a", 0, 10.0), ("a", 80, 30.0), ("b", 89.99, 20.0), ("c", 90, 5.0), ("d", 1, 1.0))
    table = progress(start, bought, None, START + 200 * DAY, START, PACK)
    got = {(s, m): (n, d, v) for s, m, n, d, v in table.select(table.columns[:5]).iter_rows()}
    assert got["at_risk", "customers_reactivated"] == (3, 2, pytest.approx(2 / 3))
    assert got["at_risk", "second_purchase_amount"] == (3, 2, 30.0)
    assert got["dormant", "customers_reactivated"] == (1, 1, 1.0)  # at risk beats dormant


def test_conversion_and_days_from_enquiry_to_deal() -> None:
    start = at_start(**dict.fromkeys("abcd", "opportunity:potential lifecycle:prospect"))
    contacts = pl.DataFrame({"customer_id": ["a", "a", "b"], "t": [START - 20 * DAY, START, START]}).with_columns(
        topic=pl.Series(["enquiry", "enquiry", "intent"])
    )
    bought = orders(("a", 10, 1.0))
    got = row("potential", "conversion", start, bought, contacts=contacts)
    assert (got["customers"], got["done"], got["value"]) == (4, 1, 0.25)
    days = row("potential", "enquiry_to_deal_days", start, bought, contacts=contacts)
    assert (days["done"], days["value"], days["text"]) == (1, 30.0, "days from enquiry to deal 30")


def test_satisfaction_and_contacts_a_month() -> None:
    surveys = pl.DataFrame({"customer_id": ["a", "a", "z"], "t": [START, START + DAY, START], "score": [5.0, 4.0, 1.0]})
    got = row("high", "satisfaction", at_start(a="value:high", b="value:high"), orders(), surveys=surveys)
    assert (got["customers"], got["done"], got["value"], got["text"]) == (2, 1, 4.5, "satisfaction 4.5 of 4.5")
    contacts = pl.DataFrame({"customer_id": ["a"] * 3, "t": [START] * 3})
    start = at_start(a="value:backbone", b="value:backbone")
    assert row("backbone", "interaction_frequency", start, orders(), contacts=contacts)["value"] == 0.5


def test_company_goals_compare_with_the_period_before() -> None:
    start = at_start(a="value:high", b="value:high", c="value:low", d="value:backbone")
    before = at_start(a="value:high", b="value:high", c="value:low", d="value:backbone")
    bought = orders(("a", -50, 1.0), ("a", 5, 1.0), ("a", 6, 1.0), ("b", 7, 1.0), ("c", 8, 1.0))
    table = progress(start, bought, None, END, START, PACK, before=before)
    got = dict(table.select("metric", "value").iter_rows())
    assert got["retention_change"] == pytest.approx(1.0)  # 2 of 2 stay, 1 of 2 before
    assert got["churn_change"] == pytest.approx(-0.5)  # 1 of 2 leave, 2 of 2 before
    assert got["purchase_frequency_change"] == pytest.approx(2.0)  # 3 orders, 1 before
    assert table["text"][-2] == "churn against the period before −50 % of −15 %"
    alone = progress(start, bought, None, END, START, PACK)
    assert alone["text"][-2] == "churn against the period before: no data yet"


def test_a_running_subscription_stays() -> None:
    start = at_start(a="value:high", b="value:high")
    runs = subscriptions(("a", -100, None, None), ("b", -100, 89, None))
    assert row("retention_high", "retention_change", start, orders(), subscriptions=runs)["done"] == 1


def test_members_and_order_of_customers() -> None:
    start = at_start(a="lifecycle:at_risk behaviour:dormant", b="behaviour:dormant", c="value:low")
    assert members(start, "dormant", PACK)["customer_id"].to_list() == ["b"]
    bought = orders(("a", 3, 0.1), ("a", 9, 0.2), ("b", 5, 0.3))
    table = progress(start, bought, None, END, START, PACK)
    assert progress(start.reverse(), bought.reverse(), None, END, START, PACK).equals(table)


@pytest.mark.parametrize(
    ("strategy", "start", "due"),
    [
        ("high", dt.date(2026, 1, 1), dt.date(2026, 3, 31)),  # D3: quarter end
        ("high", dt.date(2026, 12, 31), dt.date(2026, 12, 31)),
        ("backbone", dt.date(2028, 2, 10), dt.date(2028, 2, 29)),  # D3: monthly
        ("at_risk", dt.date(2026, 1, 15), dt.date(2026, 2, 14)),  # D3: first contact in 30 days
        ("dormant", dt.date(2026, 1, 15), None),
        ("potential", dt.date(2026, 1, 15), None),  # D3: ongoing
    ],
)
def test_due_dates(strategy: str, start: dt.date, due: dt.date | None) -> None:
    assert strategy_due(strategy, start, PACK) == due


def test_the_table_as_a_person_reads_it() -> None:
    table = strategy_table(PACK)
    assert table["strategy"].to_list() == [*PACK.strategies.rows, *PACK.strategies.company]
    assert table.row(0, named=True)["metrics"] == "repurchase rate, order value change, satisfaction"
    assert strategy_table(PACK, "zh")["relation"].to_list()[:5] == [
        "稳固合作",
        "稳定维护",
        "需重点挽回",
        None,
        "需培育转化",
    ]
