"""Many cut-offs from one pass give what each gives alone."""

from bisect import bisect_right
from collections.abc import Sequence
from unittest import mock

import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import partials as subject
from features.build import Fitted, build, build_many
from features.clock import DAY
from features.engines import Engine
from features.partials import Partials, interval, partials
from features.point_in_time import Tables
from tests.features.conftest import Opened
from tests.generative.tables import Row, a_row, on
from tests.generative.test_engines_agree import assert_same
from tests.literal import T, ago, at, rows

HOUR = DAY // 24
CUT_OFFS = (T - 61 * DAY - 7 * HOUR - 1, T - 30 * DAY, T - 5 * HOUR, T)
"""Off the edges of days, unequally far apart, some of their windows overlapping by parts."""

BUYS = rows(
    "customer_id occurred_at amount",
    ("a", ago(900), 10.0),
    ("a", ago(395), 20.0),  # 365 days before the second cut-off
    ("a", ago(91), 4.0),
    ("a", ago(91, microseconds=-HOUR), 5.0),
    ("a", ago(30), 0.1),
    ("a", ago(30, microseconds=-1), 0.2),
    ("b", ago(100), -25.0),  # returns before anything was bought
    ("b", ago(70), 100.0),
    ("b", ago(69), -99.5),
    ("b", ago(2), 0.0),
    ("only_returns", ago(40), -1.0),
    ("new", ago(0, microseconds=-1), 7.0),
    ("later", ago(0), 7.0),
    (None, ago(5), 7.0),
)


def assert_as_alone(tables: Tables, as_ofs: Sequence[int] = CUT_OFFS) -> None:
    many = list(build_many(tables, as_ofs, Fitted()))
    for as_of, wide in zip(as_ofs, many, strict=True):
        assert_same(wide, build(tables, as_of, Fitted()))


def taken(tables: Tables, as_ofs: Sequence[int] = CUT_OFFS) -> Partials:
    found = partials(tables, as_ofs)
    assert found is not None
    return found


def direct(tables: Tables, as_ofs: Sequence[int] = CUT_OFFS) -> set[str]:
    """The customers who go the direct way."""
    apart = taken(tables, as_ofs).divided
    return set(apart["customer_id"]) if apart.height else set()


def test_purchases_and_returns(opened: Opened) -> None:
    tables = opened(transactions=BUYS)
    assert direct(tables) == set()
    assert_as_alone(tables)


def test_cut_offs_in_any_order(opened: Opened) -> None:
    assert_as_alone(opened(transactions=BUYS), (CUT_OFFS[2], CUT_OFFS[0], CUT_OFFS[3], CUT_OFFS[0]))


def test_an_order_that_a_cut_off_divides_goes_the_direct_way(opened: Opened) -> None:
    lines = rows(
        "customer_id occurred_at amount order_id",
        ("divided", ago(31), 10.0, "1"),
        ("divided", ago(29), -30.0, "1"),  # bought until the second cut-off, returned at the third
        ("divided", ago(200), 5.0, "0"),
        ("at_the_cut_off", ago(31), 10.0, "1"),
        ("at_the_cut_off", ago(30), 1.0, "1"),
        ("over_an_edge", ago(90.5), 10.0, "1"),  # into a window, not over a cut-off
        ("over_an_edge", ago(89.5), 10.0, "1"),
        ("whole", ago(40), 10.0, "1"),
        ("whole", ago(40), 1.0, "1"),
        ("whole", ago(10), 3.0, None),
        *((f"other{i}", ago(20), 3.0, "1") for i in range(4)),
    )
    tables = opened(transactions=lines)
    assert direct(tables) == {"divided", "at_the_cut_off"}
    assert_as_alone(tables)


def test_a_row_recorded_after_a_cut_off_goes_the_direct_way(opened: Opened) -> None:
    lines = rows(
        "customer_id occurred_at amount recorded_at",
        ("late", ago(31), 10.0, ago(29)),
        ("late", ago(200), 10.0, ago(200)),
        ("on_the_cut_off", ago(31), 10.0, ago(30)),
        ("late_between_cut_offs", ago(29), 10.0, ago(20)),
        ("early", ago(29), 10.0, ago(31)),
        ("unknown", ago(31), 10.0, None),
        ("never", ago(31), 10.0, ago(-1)),
        *((f"other{i}", ago(300), 3.0, ago(300)) for i in range(4)),
    )
    tables = opened(transactions=lines)
    assert direct(tables) == {"late", "on_the_cut_off"}
    assert_as_alone(tables)


def test_a_line_of_an_order_recorded_late_divides_it(opened: Opened) -> None:
    lines = rows(
        "customer_id occurred_at amount order_id recorded_at",
        ("a", ago(31), 10.0, "1", ago(31)),
        ("a", ago(31), 5.0, "1", ago(1)),
        *((f"other{i}", ago(300), 3.0, "1", ago(300)) for i in range(4)),
    )
    tables = opened(transactions=lines)
    assert direct(tables) == {"a"}
    assert_as_alone(tables)


def test_margin_and_discount(opened: Opened) -> None:
    lines = rows(
        "customer_id occurred_at amount gross_margin discount",
        ("a", ago(200), 100.0, 30.0, 0.2),
        ("a", ago(100), 100.0, None, 0.1),
        ("a", ago(20), 50.0, 10.0, None),
        ("b", ago(20), None, 10.0, 0.1),
    )
    assert_as_alone(opened(transactions=lines))


def test_other_families_and_beginnings_that_move(opened: Opened) -> None:
    tables = opened(
        transactions=BUYS,
        usage_events=rows(
            "customer_id occurred_at feature recorded_at",
            ("a", ago(500), "x", ago(10)),  # the history of usage begins earlier from then on
            ("a", ago(100), "x", ago(100)),
            ("u", ago(3), "x", ago(3)),
        ),
    )
    assert_as_alone(tables)


def test_one_cut_off_and_other_tables_need_no_partials(opened: Opened) -> None:
    tables = opened(transactions=BUYS)
    assert partials(tables, [T]) is None
    assert partials(tables, [T, T]) is None
    assert partials({}, CUT_OFFS) is None
    assert list(build_many(tables, [], Fitted())) == []


def test_where_many_orders_are_divided_all_go_the_direct_way(opened: Opened) -> None:
    lines = rows("customer_id occurred_at amount recorded_at", ("a", ago(31), 1.0, ago(9)), ("b", ago(9), 1.0, ago(9)))
    tables = opened(transactions=lines)
    assert partials(tables, CUT_OFFS) is None
    assert_as_alone(tables)


def test_nobody_before_the_cut_offs(opened: Opened) -> None:
    assert_as_alone(opened(transactions=rows("customer_id occurred_at amount", ("a", ago(-3), 1.0))))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 48])
def test_intervals_count_the_edges_at_or_before(count: int, opened: Opened) -> None:
    edges = sorted(at(days * 13 % 101) for days in range(count))
    moments = [edge + shift for edge in edges for shift in (-1, 0, 1)]
    frame = opened(transactions=pl.DataFrame({
        "customer_id": [str(moment) for moment in moments],
        "occurred_at": pl.Series(moments).cast(pl.Datetime("us")), "amount": 1.0,
    }))["transactions"]  # fmt: skip
    found = frame.select("occurred_at", i=interval("occurred_at", edges)).collect(backend="polars").to_native()
    assert dict(found.iter_rows()) == {moment: bisect_right(edges, moment) for moment in moments}
    assert frame.select(interval("occurred_at", edges)).collect_schema().dtypes() == [nw.Int64]


NOW_AND_THEN = st.integers(0, 9).map(lambda chance: chance == 0)


@st.composite
def a_line(draw: st.DrawFn) -> Row:
    """A transaction; nine in ten were recorded at once, and are orders of their own."""
    line = draw(a_row("transactions")) | {"customer_id": draw(st.sampled_from("abcdefgh"))}
    late, shared = draw(NOW_AND_THEN), draw(NOW_AND_THEN)
    return line | ({} if late else {"recorded_at": None}) | ({} if shared else {"order_id": None})


MOMENTS = st.sampled_from((0, 1, DAY, 30 * DAY, 31 * DAY + HOUR, 90 * DAY, 365 * DAY)) | st.integers(0, 400 * DAY)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@mock.patch.object(subject, "MOST_DIVIDED", 1.0)  # never gives up
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(a_line(), min_size=10, max_size=40), back=st.lists(MOMENTS, min_size=2, max_size=5))
def test_any_lines_and_cut_offs(engine: Engine, lines: list[Row], back: list[int]) -> None:
    assert_as_alone(on(engine, {"transactions": lines}), [T - time for time in back])
