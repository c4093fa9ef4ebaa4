"""Cross-sell of D5: its example, windows just below and just above, and every figure against plain counting."""

from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import binomtest, false_discovery_control

from features.clock import DAY, moment
from models.rules import RulePack, load_pack
from models.rules.schema.entries import Number
from training.cross_sell import RULES, bought, corrected, cross_sell, offer_texts, offers, rule_texts
from training.pair_counts import counted_pairs

PACK = load_pack()
T = 20_000 * DAY
WINDOW = 90 * DAY  # D5: 3 months
Buys = Iterable[tuple[str, str, float]]


def purchases(rows: Buys) -> pl.DataFrame:
    """(customer, product, days before the cut-off)."""
    made = [(customer, product, T - round(days * DAY)) for customer, product, days in rows]
    return pl.DataFrame(made, schema={"customer_id": pl.String, "product": pl.String, "t": pl.Int64}, orient="row")


def needing(buyers: float, support: float, **other: float) -> RulePack:
    """The pack with small minima."""
    numbers = {"minimum_buyers": buyers, "minimum_support": support, **other}
    changed = {name: Number(value=value, **{"from": "project default"}) for name, value in numbers.items()}
    return PACK.model_copy(update={"cross_sell": PACK.cross_sell.model_copy(update=changed)})


SMALL = needing(1, 1)


def software_and_servers() -> list[tuple[str, str, float]]:
    """D5: of 100 who bought office software 60 bought servers within 3 months; 100 others bought paper, 5 servers."""
    rows = [(f"S{n}", "software", 200.0) for n in range(100)] + [(f"S{n}", "server", 150.0) for n in range(60)]
    others = [(f"P{n}", "paper", 200.0) for n in range(100)] + [(f"P{n}", "server", 150.0) for n in range(5)]
    return rows + others


def rule(rows: Buys, a: str = "A", b: str = "B", pack: RulePack = SMALL) -> dict[str, Any] | None:
    found = cross_sell(purchases(rows), pack, T).filter(antecedent=a, consequent=b)
    return found.row(0, named=True) if found.height else None


# the documents' example and numbers


def test_the_example_of_d5() -> None:
    got = rule(software_and_servers(), "software", "server", PACK)
    assert got is not None
    assert (got["buyers"], got["at_risk"], got["support"], got["confidence"]) == (100, 100, 60, 0.6)
    interval = binomtest(60, 100).proportion_ci(0.95, "wilson")
    assert (got["low"], got["high"]) == pytest.approx((interval.low, interval.high))
    assert got["lift"] == pytest.approx(0.6 / (65 / 200))  # 65 of the 200 orders were followed by a server
    assert got["p_value"] == pytest.approx(binomtest(60, 100, 65 / 200, "greater").pvalue)
    assert got["significant"]
    assert not any(row["significant"] for row in [rule(software_and_servers(), "paper", "server", SMALL)] if row)


def test_the_example_in_words() -> None:
    found = cross_sell(purchases(software_and_servers()), PACK, T).filter(antecedent="software", consequent="server")
    assert rule_texts(found, PACK) == [
        "of those who bought software, 60% bought server for the first time within 90 days "
        "(60 customers, interval 50% to 69%, lift 1.8)"
    ]
    assert rule_texts(found, PACK, "zh") == [
        "购买software的客户中，60%在90天内首次购买了server（60位客户，区间50%–69%，提升度1.8）"
    ]


@pytest.mark.parametrize(
    ("a_at", "b_at", "support"),
    [
        (200, 111, 1),
        (200, 110 + 1 / DAY, 1),  # 90 days less a microsecond (D5: 3 months)
        (200, 110, 0),
        (200, 200 - 1 / DAY, 1),
        (200, 200, 0),  # in the same order: not after
        (200, 201, 0),
    ],
)
def test_b_comes_after_a_and_within_90_days(a_at: float, b_at: float, support: int) -> None:
    got = rule([("c", "A", a_at), ("c", "B", b_at), ("d", "A", 200), ("d", "B", 190)])
    assert got is not None
    assert (got["buyers"], got["support"]) == (2, 1 + support)
    assert got["at_risk"] == 2 - (b_at >= a_at)


@pytest.mark.parametrize(("a_at", "buyers"), [(90, 2), (90 - 1 / DAY, 1), (10, 1)])
def test_whose_90_days_are_not_over_is_no_failure(a_at: float, buyers: int) -> None:  # D5
    got = rule([("c", "A", a_at), ("d", "A", 200), ("d", "B", 190)])
    assert got is not None
    assert (got["buyers"], got["support"]) == (buyers, 1)


def test_an_open_window_is_no_success_either() -> None:
    got = rule([("c", "A", 50), ("c", "B", 40), ("d", "A", 200), ("d", "B", 190)])
    assert got is not None
    assert (got["buyers"], got["support"]) == (1, 1)


def test_only_first_purchases_count() -> None:
    got = rule([("c", "B", 300), ("c", "A", 200), ("c", "B", 190), ("d", "A", 300), ("d", "A", 200), ("d", "B", 190),
                ("e", "A", 200), ("e", "B", 190)])  # fmt: skip
    assert got is not None  # c had B before A; d bought B 110 days after its first A
    assert (got["buyers"], got["at_risk"], got["support"]) == (3, 2, 1)
    assert (got["confidence"], got["uptake"]) == (1 / 3, 1 / 2)


@pytest.mark.parametrize(("support", "told"), [(9, False), (10, True)])
def test_minimum_support(support: int, told: bool) -> None:  # project default
    rows = [(f"{n}", "A", 200.0) for n in range(40)] + [(f"{n}", "B", 190.0) for n in range(support)]
    rows += [(f"x{n}", "B", 190.0) for n in range(30)]
    assert (rule(rows, pack=PACK) is not None) == told


@pytest.mark.parametrize(("buyers", "told"), [(29, False), (30, True)])
def test_minimum_buyers(buyers: int, told: bool) -> None:  # project default
    rows = [(f"{n}", "A", 200.0) for n in range(buyers)] + [(f"{n}", "B", 190.0) for n in range(buyers)]
    assert (rule(rows, pack=PACK) is not None) == told


def test_a_season_is_no_preference() -> None:
    """Everybody buys lights at Christmas, whatever they bought before: autumn's products do not lead to them."""
    rng = np.random.default_rng(1)
    rows = []
    for n in range(400):
        at, product = (330.0, "summer") if n % 2 else (130.0, "autumn")
        rows += [(f"{n}", product, at), (f"{n}", "paper", at)]
        if n % 2 == 0 and rng.random() < 0.5:
            rows.append((f"{n}", "lights", 100.0))
    got = rule(rows, "autumn", "lights")
    assert got is not None
    assert got["lift"] == pytest.approx(1)
    assert not got["significant"]


def test_among_products_bought_at_random_few_pairs_are_significant() -> None:
    rng = np.random.default_rng(5)
    rows = [
        (f"{customer}", f"p{product}", 100 + 200 * rng.random())
        for customer in range(600)
        for product in rng.choice(40, 6, replace=False)
    ]
    found = cross_sell(purchases(rows), needing(30, 3), T)
    assert found.height > 500
    assert found["significant"].sum() <= 1
    assert 0.9 < found["support"].sum() / found["expected"].sum() < 1.2


# offers


def test_who_to_offer_it_to_now() -> None:
    now = [
        ("fresh", "software", 10.0), ("edge", "software", 90.0), ("late", "software", 90 + 1 / DAY),
        ("owner", "software", 10.0), ("owner", "server", 300.0), ("again", "software", 300.0),
        ("again", "software", 5.0), ("paper", "paper", 5.0),
    ]  # fmt: skip
    rows = purchases([*software_and_servers(), *now])
    offered = offers(rows, cross_sell(rows, PACK, T), PACK, T)
    assert offered["customer_id"].to_list() == ["again", "edge", "fresh"]
    first = offered.row(0, named=True)
    assert (first["antecedent"], first["consequent"], first["bought_at"]) == ("software", "server", T - 5 * DAY)
    assert offer_texts(offered[:1], PACK) == [
        "bought software lately: offer server (58% of such customers without server bought it within 90 days)"
    ]
    assert offer_texts(offered[:1], PACK, "zh")[0].startswith("最近购买了software：推荐server")


def test_an_offer_is_made_once_and_the_best_come_first() -> None:
    found = pl.DataFrame(
        [("A", "X", 0.2, True), ("B", "X", 0.4, True), ("A", "Y", 0.3, True), ("A", "Z", 0.1, True),
         ("A", "W", 0.9, False), ("A", "V", 0.05, True)],
        schema=["antecedent", "consequent", "uptake", "significant"], orient="row",
    ).with_columns(lift=2.0, q_value=0.01)  # fmt: skip
    offered = offers(purchases([("c", "A", 5), ("c", "B", 6)]), found, PACK, T)
    assert offered.select("consequent", "antecedent").rows() == [("X", "B"), ("Y", "A"), ("Z", "A")]


# what counts as bought


def test_bought_reads_lines_orders_and_subscriptions() -> None:
    lines = pl.DataFrame(
        [("c", 5, 1.0, "o1", "A"), ("c", 3, 1.0, "o1", "B"), ("c", 9, -1.0, "o2", "C"), ("c", 7, 0.0, None, "D"),
         ("c", 8, 1.0, None, None), (None, 8, 1.0, "o3", "E"), ("c", 8, None, "o4", "F"), ("c", 8, 1.0, "o4", " ")],
        schema=["customer_id", "occurred_at", "amount", "order_id", "product"], orient="row",
    )  # fmt: skip
    running = pl.DataFrame({"customer_id": ["d"], "started_at": [4], "product": ["S"]})
    assert bought(lines, running).sort("product").rows() == [
        ("c", "A", 3), ("c", "B", 3), ("c", "D", 7), ("d", "S", 4)
    ]  # fmt: skip
    assert bought(lines.drop("order_id"))["t"].to_list() == [5, 3, 7]
    assert bought(None, None).height == bought(lines.drop("product")).height == 0


@pytest.mark.parametrize("rows", [[], [("c", "A", 5.0)], [("c", "A", 500.0)], [("c", "A", -5.0), ("c", "B", -6.0)]])
def test_too_little_gives_no_rule_but_the_same_columns(rows: Buys) -> None:
    found = cross_sell(purchases(rows), SMALL, T)
    assert dict(found.schema) == RULES
    assert found.height == 0
    assert offers(purchases(rows), found, SMALL, T).height == 0


# against plain counting


def counted(rows: Buys) -> dict[tuple[str, str], tuple[int, int, int, float]]:
    """buyers, at_risk, support, expected of every pair, one customer after another."""
    first: dict[str, dict[str, int]] = defaultdict(dict)
    orders: dict[str, set[int]] = defaultdict(set)
    for customer, product, days in rows:
        t = T - round(days * DAY)
        orders[customer].add(t)
        first[customer][product] = min(t, first[customer].get(product, t))
    products = sorted({product for own in first.values() for product in own})
    month = {t: (moment(t).year, moment(t).month) for own in orders.values() for t in own}
    rate: dict[tuple[str, tuple[int, int]], list[int]] = defaultdict(lambda: [0, 0])
    for customer, own in orders.items():
        for t in own:
            for b in products:
                at = first[customer].get(b, inf)
                if t <= T - WINDOW and at > t:
                    rate[b, month[t]][0] += at < t + WINDOW
                    rate[b, month[t]][1] += 1
    found = {}
    for a in products:
        for b in products:
            closed = [own for own in first.values() if a in own and own[a] <= T - WINDOW]
            free = [own for own in closed if own.get(b, inf) > own[a]]
            support = sum(own.get(b, inf) < own[a] + WINDOW for own in free)
            expected = sum(hits / of for own in free for hits, of in [rate[b, month[own[a]]]])
            if a != b and support:
                found[a, b] = (len(closed), len(free), support, expected)
    return found


some = st.lists(
    st.tuples(st.sampled_from("vwxyz"), st.sampled_from("ABCD"), st.integers(1, 12).map(lambda n: 30.0 * n)),
    max_size=60,
)


@given(rows=some, seed=st.integers(0, 9))
@settings(deadline=None)
def test_every_figure_equals_plain_counting(rows: list[tuple[str, str, float]], seed: int) -> None:
    found = cross_sell(purchases(rows), SMALL, T)
    got = {(r["antecedent"], r["consequent"]): r for r in found.to_dicts()}
    plain = counted(rows)
    assert got.keys() == plain.keys()
    for pair, (buyers, at_risk, support, expected) in plain.items():
        row = got[pair]
        assert (row["buyers"], row["at_risk"], row["support"]) == (buyers, at_risk, support)
        assert row["expected"] == pytest.approx(expected)
        assert row["low"] <= row["confidence"] <= row["high"]
        assert row["confidence"] <= row["uptake"] <= 1
        assert 0 <= row["p_value"] <= row["q_value"] <= 1
    shuffled = purchases(rows).sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(found, cross_sell(shuffled, SMALL, T))


@pytest.mark.parametrize("cells", [1, 7, 40, 10_000])
def test_blocks_change_nothing(cells: int) -> None:
    rng = np.random.default_rng(2)
    rows = purchases((f"{rng.integers(30)}", f"p{rng.integers(12)}", 400 * rng.random()) for _ in range(300))
    whole, tested = counted_pairs(rows, WINDOW, T, 2, 1)
    parts, again = counted_pairs(rows, WINDOW, T, 2, 1, cells)
    assert tested == again > whole.height > 20
    assert_frame_equal(whole, parts)


@given(p=st.lists(st.floats(1e-9, 1), min_size=1, max_size=20), untold=st.integers(0, 30))
def test_the_correction_counts_the_pairs_that_are_not_told(p: list[float], untold: int) -> None:
    whole = false_discovery_control([*p, *[1.0] * untold])[: len(p)]
    assert corrected(np.array(p), len(p) + untold) == pytest.approx(whole)
