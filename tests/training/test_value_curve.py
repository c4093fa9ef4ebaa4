"""The value curve of D5: its example, who counts in a month, noise without shifts, and what came before a rise."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clock import DAY
from models.rules import load_pack
from models.rules.schema.curves import ValueCurve
from models.rules.schema.entries import Number
from training.value_curve import (
    MONTH,
    Break,
    curve_texts,
    proposed_now,
    purchase_values,
    subscription_values,
    value_curve,
)

PACK = load_pack()
T = 20_000 * DAY


def values(rows: Iterable[tuple[str, float, float]]) -> pl.DataFrame:
    """(customer, months before the cut-off, value)."""
    made = [(customer, T - round(months * MONTH), value) for customer, months, value in rows]
    return pl.DataFrame(made, schema={"customer_id": pl.String, "t": pl.Int64, "value": pl.Float64}, orient="row")


def monthly(customers: int, months: int, level: Any, seed: int | None = None) -> pl.DataFrame:
    """One purchase a month and customer, of level(month), with noise where there is a seed."""
    rng = np.random.default_rng(seed)
    return values(
        (f"c{c}", months - m, level(m) * (1.0 if seed is None else float(rng.gamma(4, 0.25))))
        for c in range(customers)
        for m in range(months)
    )


def jump(month: int) -> float:
    """D5's example: purchases jump in month 6."""
    return 200.0 if month >= 6 else 100.0


def needing(**numbers: float) -> Any:
    changed = {name: Number(value=value, **{"from": "project default"}) for name, value in numbers.items()}
    return PACK.model_copy(update={"value_curve": PACK.value_curve.model_copy(update=changed)})


# the curve


def test_a_month_counts_only_who_was_observed_through_it() -> None:
    two = needing(minimum_customers=2)
    rows = [("a", 2.0, 10.0), ("a", 0.5, 30.0), ("b", 2.0, 50.0), ("c", 1.999, 70.0), ("d", 0.5, 90.0)]
    curve = value_curve(values(rows), two, T)
    assert [(m.month, m.customers, m.value, m.active) for m in curve.months] == [
        (0, 3, (10 + 50 + 70) / 3, 1.0),  # d has not been here for a month
        (1, 2, 30 / 2, 0.5),  # b bought nothing, which counts; c's second month is not over
    ]


def test_returns_lower_the_value_and_begin_nothing() -> None:
    rows = [("a", 3.5, -5.0), ("a", 2.0, 10.0), ("a", 1.5, -4.0), ("b", 2.0, 10.0), ("z", 2.0, -1.0)]
    curve = value_curve(values(rows), needing(minimum_customers=2), T)
    assert [(m.customers, m.value) for m in curve.months] == [(2, 8.0), (2, 0.0)]


@pytest.mark.parametrize(("customers", "months"), [(29, 0), (30, 12)])
def test_minimum_customers(customers: int, months: int) -> None:  # project default
    assert len(value_curve(monthly(customers, 12, jump), PACK, T).months) == months


# break points


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_the_example_of_d5(seed: int | None) -> None:
    curve = value_curve(monthly(100, 12, jump, seed), PACK, T)
    assert [found.month for found in curve.breaks] == [6]
    found = curve.breaks[0]
    assert (found.before, found.after) == pytest.approx((100, 200), rel=0.06)
    assert (found.rises, found.customers) == (True, 100)
    assert found.p_value < 1e-6


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("months", [6, 12, 24])
def test_flat_noise_has_no_break_point(seed: int, months: int) -> None:
    curve = value_curve(monthly(60, months, lambda _: 100.0, seed), PACK, T)
    assert len(curve.months) == months
    assert curve.breaks == ()


def test_the_first_purchase_is_no_shift() -> None:
    assert value_curve(monthly(60, 12, lambda m: 900.0 if m == 0 else 100.0, 3), PACK, T).breaks == ()


def test_up_and_down_are_both_found() -> None:
    curve = value_curve(monthly(100, 18, lambda m: 250.0 if 6 <= m < 12 else 100.0, 4), PACK, T)
    assert [(found.month, found.rises) for found in curve.breaks] == [(6, True), (12, False)]


@pytest.mark.parametrize(("after", "told"), [(109.9, False), (110.1, True)])
def test_minimum_shift(after: float, told: bool) -> None:  # project default
    curve = value_curve(monthly(60, 12, lambda m: after if m >= 6 else 100.0), PACK, T)
    assert bool(curve.breaks) == told


def test_another_mix_of_customers_is_no_shift() -> None:
    """The older customers buy more, all of them at a level of their own: the curve rises, nobody does."""
    old = [(f"o{c}", 14 - m, 300.0 + c % 7) for c in range(60) for m in range(14)]
    young = [(f"y{c}", 6 - m, 100.0 + c % 5) for c in range(60) for m in range(6)]
    curve = value_curve(values([*old, *young]), PACK, T)
    assert curve.months[5].value < 250 < curve.months[6].value
    assert curve.breaks == ()


def test_nothing_bought_has_no_curve() -> None:
    curve = value_curve(values([]), PACK, T)
    assert (curve.months, curve.breaks) == ((), ())
    assert proposed_now(values([]), curve, T).height == 0


# what came before


def actions(rows: Iterable[tuple[str, float, str, str | None, str]]) -> pl.DataFrame:
    made = [(c, T - round((12 - month) * MONTH), channel, topic, way) for c, month, channel, topic, way in rows]
    names = ["customer_id", "occurred_at", "channel", "topic", "direction"]
    kinds = [pl.String, pl.Int64, pl.String, pl.String, pl.String]
    return pl.DataFrame(made, schema=dict(zip(names, kinds, strict=True)), orient="row")


def logged() -> pl.DataFrame:
    """Of 100 customers: 40 visited and 9 called in month 5, all mailed in every month, 50 wrote to us in month 5."""
    return actions([
        *((f"c{c}", 5.5, "visit", "need_change", "outbound") for c in range(40)),
        *((f"c{c}", 5.6, "visit", "need_change", "Outbound") for c in range(20)),
        *((f"c{c}", 5.5, "call", None, "outbound") for c in range(9)),
        *((f"c{c}", m + 0.5, "mail", None, "outbound") for c in range(100) for m in range(12)),
        *((f"c{c}", 5.5, "chat", "enquiry", "inbound") for c in range(50)),
        *((f"c{c}", 8.5, "visit", "need_change", "outbound") for c in range(11)),
    ])  # fmt: skip


def test_what_was_logged_in_the_month_before_a_rise_is_counted() -> None:
    found = value_curve(monthly(100, 12, jump), PACK, T, logged()).breaks[0]
    assert [(a.channel, a.topic, a.since, a.until, a.customers, a.of, a.proposed) for a in found.actions] == [
        ("mail", None, 5, 5, 100, 100, False),  # as in every month
        ("visit", "need_change", 5, 5, 40, 100, True),
    ]
    assert [a.usual for a in found.actions] == pytest.approx([1.0, 11 / (100 * 11)])


def test_actions_before_a_fall_are_not_proposed() -> None:
    curve = value_curve(monthly(100, 12, lambda m: 300.0 - jump(m)), PACK, T, logged())
    assert [(found.month, found.rises, found.actions) for found in curve.breaks] == [(6, False, ())]


@pytest.mark.parametrize(("customers", "told"), [(9, 0), (10, 1)])
def test_minimum_actions(customers: int, told: int) -> None:  # project default
    calls = actions((f"c{c}", 5.5, "call", None, "outbound") for c in range(customers))
    assert len(value_curve(monthly(100, 12, jump), PACK, T, calls).breaks[0].actions) == told


@pytest.mark.parametrize(("month", "counted"), [(4.999, 0), (5.0, 40), (5.999, 40), (6.0, 0)])
def test_one_month_back(month: float, counted: int) -> None:  # project default
    visits = actions((f"c{c}", month, "visit", None, "outbound") for c in range(40))
    found = value_curve(monthly(100, 12, jump), PACK, T, visits)
    assert sum(a.customers for a in found.breaks[0].actions) == counted


def test_said_as_followed_never_as_caused() -> None:
    curve = value_curve(monthly(100, 12, jump), PACK, T, logged())
    assert curve_texts(curve, PACK) == [
        "from month 6 on, value per customer and month rises from 100 to 200 (+100%)",
        "the rise in month 6 followed visit / need_change: logged for 40 of 100 customers in month 5 (usually 1%); "
        "proposed at the same month 5",
    ]
    chinese = curve_texts(curve, PACK, "zh")
    assert chinese[0] == "第6个月起，每位客户的月均价值由100升至200（+100%）"
    assert "visit / need_change" in chinese[1]
    rules = PACK.value_curve
    for sentence in (rules.rises, rules.falls, rules.followed):
        assert not any(word in sentence.en for word in ("caus", "because", "due to", "thanks"))
        assert not any(word in sentence.zh for word in ("导致", "因为", "由于", "促成", "带来"))


def test_who_is_in_that_month_now() -> None:
    buys = monthly(100, 12, jump)
    young = values([("five", 5.5, 1.0), ("had", 5.5, 1.0), ("four", 4.9, 1.0), ("six", 6.1, 1.0)])
    already = actions([("had", 11.8, "visit", "need_change", "outbound")])
    both = pl.concat([buys, young])
    curve = value_curve(buys, PACK, T, logged())
    due = proposed_now(both, curve, T, pl.concat([logged(), already]))
    assert due.rows() == [("five", 5, "visit", "need_change")]
    assert proposed_now(both, curve, T)["customer_id"].to_list() == ["five", "had"]


# where values come from


def test_values_of_transactions_and_subscriptions() -> None:
    lines = pl.DataFrame({"customer_id": ["a", None, "b"], "occurred_at": [1, 2, 3], "amount": [5.0, 6.0, None]})
    assert purchase_values(lines).rows() == [("a", 1, 5.0)]
    running = pl.DataFrame(
        [("a", T - MONTH * 5 // 2, None, 100.0), ("b", T - 2 * MONTH, T - MONTH, 40.0), ("c", T, None, 1.0)],
        schema=["customer_id", "started_at", "ended_at", "monthly_amount"], orient="row",
    )  # fmt: skip
    paid = subscription_values(running, T)
    assert paid.group_by("customer_id").agg(pl.col("value").sum(), pl.len()).sort("customer_id").rows() == [
        ("a", 250.0, 3), ("b", 40.0, 1)
    ]  # fmt: skip


# properties


@given(seed=st.integers(0, 99), shift=st.integers(2, 9), height=st.sampled_from([0.4, 1.0, 2.5]))
def test_order_of_rows_and_unit_of_money_change_nothing(seed: int, shift: int, height: float) -> None:
    rows = monthly(40, 12, lambda m: 100.0 * (height if m >= shift else 1.0), seed)
    curve = value_curve(rows, PACK, T)
    shuffled = value_curve(rows.sample(fraction=1, shuffle=True, seed=seed), PACK, T)
    cents = value_curve(rows.with_columns(pl.col("value") * 100), PACK, T)
    assert [found.month for found in curve.breaks] == [found.month for found in shuffled.breaks]
    assert [found.month for found in curve.breaks] == [found.month for found in cents.breaks]
    assert [m.value for m in cents.months] == pytest.approx([100 * m.value for m in curve.months])
    assert all(isinstance(found, Break) and 0 <= found.p_value <= 1 for found in curve.breaks)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alpha": {"value": 1.0, "from": "project default"}}, "alpha.value: must lie between 0 and 1"),
        ({"minimum_months": {"value": 0, "from": "project default"}}, "minimum_customers must be at least 2"),
        ({"rises": {"zh": "{month}", "en": "{month} {before}"}}, "only one has before"),
    ],
)
def test_a_wrong_section_is_refused(changes: dict[str, Any], problem: str) -> None:
    right = PACK.value_curve.model_dump(by_alias=True)
    with pytest.raises(ValueError, match=problem):
        ValueCurve.model_validate(right | changes)
