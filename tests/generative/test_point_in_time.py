"""Whatever comes to be known at T or later, no feature as of T moves.

Two worlds share what was known before T and differ in everything else. One engine is enough here: that the engines
agree is the other test. Columns of `customers` describe today and are the same in both worlds.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.build import build
from features.clock import DAY
from features.sources import TABLES
from tests.generative.tables import FITTED, Row, Rows, a_row, on, some_rows, values
from tests.literal import T

LATER = st.sampled_from((T, T + 1)) | st.integers(T, T + 100 * DAY)
MINUTE = 60_000_000


def is_known(table: str, row: Row) -> bool:
    """Whether the row happened and was recorded before T, in the words of DESIGN.md."""
    happened = row[str(TABLES[table].happened_at)]
    recorded = row.get("recorded_at")
    if happened is None:
        return table == "customers"
    return bool(happened < T and (recorded is None or recorded < T))


@st.composite
def retold(draw: st.DrawFn, table: str, row: Row) -> Row:
    """The same row, known before T, with another future: fields filled at T or later are others, or still missing."""
    told = dict(row)
    for name, column in TABLES[table].columns().items():
        if column.filled_after_minutes:
            happened = row[str(TABLES[table].happened_at)]
            if row[name] is None or happened + row[name] * MINUTE >= T:
                told[name] = draw(st.none() | LATER.map(lambda t, happened=happened: (t - happened) // MINUTE + 1.0))
        elif column.filled_at and (row[column.filled_at] is None or row[column.filled_at] >= T):
            told[name] = draw(st.none() | LATER if name == column.filled_at else values(name, column))
    return told


@st.composite
def a_hidden_row(draw: st.DrawFn, table: str) -> Row:
    """A row that happens or is recorded at T or later; perhaps of a customer nobody has heard of."""
    row = draw(a_row(table)) | {"customer_id": draw(st.sampled_from(("a", "b", "unheard_of")))}
    happened = str(TABLES[table].happened_at)
    if "recorded_at" in row and draw(st.booleans()):
        return row | {"recorded_at": draw(LATER)}
    return row | {happened: draw(LATER)}


@st.composite
def a_world(draw: st.DrawFn, known: Rows) -> Rows:
    """What was known before T, retold, among rows that nobody could know."""
    world: Rows = {}
    for table, rows in known.items():
        told = [draw(retold(table, row)) for row in rows]
        world[table] = draw(st.permutations(told + draw(st.lists(a_hidden_row(table), max_size=5))))
    return world


@st.composite
def two_worlds(draw: st.DrawFn) -> tuple[Rows, Rows]:
    known = {table: [row for row in rows if is_known(table, row)] for table, rows in draw(some_rows()).items()}
    return draw(a_world(known)), draw(a_world(known))


@settings(max_examples=4 * settings.default.max_examples)
@given(two_worlds())
def test_nothing_known_later_moves_a_feature(worlds: tuple[Rows, Rows]) -> None:
    one, other = (build(on("polars", world), T, FITTED) for world in worlds)
    assert_frame_equal(one, other, rel_tol=1e-9, abs_tol=1e-3)  # rows added in another order; see test_engines_agree
