"""Which raw table is which table of the contract, and which of its columns is which: by name first, then by values."""

from collections.abc import Iterable
from dataclasses import dataclass

from features.proposal.raw_tables import RawColumn, RawTable
from features.proposal.synonyms import COLUMN_NAMES, TABLE_NAMES, likeness
from features.reader import EXPECTED
from features.sources import TABLES, Column, Table

GENERIC = ("customer_id", "occurred_at")
"""Columns that most tables have: they tell nothing about which table it is."""

SURE = 2.0
"""A likeness of this much is an equal name or a synonym; below it a guess."""

UNMAPPABLE = {("leads", "source")}
"""Contract columns that remora.toml cannot map, because the word means something else there."""


@dataclass(frozen=True)
class ColumnMatch:
    """`column` of the contract is read from `raw`; `sure` where the name says so, else `why` says what does."""

    column: str
    raw: str
    sure: bool
    why: str


@dataclass(frozen=True)
class TableMatch:
    """`table` of the contract is read from `raw`; `missing` are required columns without a match."""

    table: str
    raw: RawTable
    columns: tuple[ColumnMatch, ...]
    missing: tuple[str, ...]
    sure: bool
    score: float

    @property
    def mapped(self) -> tuple[ColumnMatch, ...]:
        """Matches that need a line: where the raw name is not the contract's own."""
        return tuple(match for match in self.columns if match.column != match.raw)

    @property
    def unread(self) -> tuple[str, ...]:
        """Raw columns that no column of the contract is read from."""
        used = {match.raw for match in self.columns}
        return tuple(name for name in self.raw.columns if name not in used)


def match_tables(raw: Iterable[RawTable]) -> list[TableMatch]:
    """The best one-to-one match of raw tables to the contract's, in the contract's order."""
    candidates = [match for each in raw for name in TABLES if (match := _match_table(each, name))]
    chosen: dict[str, TableMatch] = {}
    for match in sorted(candidates, key=lambda match: -match.score):
        taken = {each.raw.name for each in chosen.values()}
        if match.table not in chosen and match.raw.name not in taken:
            chosen[match.table] = match
    return [chosen[name] for name in TABLES if name in chosen]


def match_columns(raw: RawTable, table: type[Table]) -> tuple[ColumnMatch, ...]:
    """The best one-to-one match of raw columns to the contract's, in the contract's order."""
    scored = [
        (_fit(raw_column, table.table, name, column), name, raw_name)
        for name, column in table.columns().items()
        if (table.table, name) not in UNMAPPABLE
        for raw_name, raw_column in raw.columns.items()
    ]
    chosen: dict[str, ColumnMatch] = {}
    for score, name, raw_name in sorted(scored, key=lambda each: -each[0]):
        if score > 0 and name not in chosen and raw_name not in {match.raw for match in chosen.values()}:
            chosen[name] = ColumnMatch(name, raw_name, score >= SURE, "name" if score >= SURE else "part of the name")
    chosen = _price_as_amount(_only_time(chosen, raw, table), table)
    return tuple(chosen[name] for name in table.columns() if name in chosen)


def resembling(table: str, raw: Iterable[str], present: Iterable[str]) -> dict[str, str]:
    """Contract column that is not `present` → the first of the `raw` names that stands for it elsewhere."""
    absent = [name for name in TABLES[table].columns() if name not in set(present) and (table, name) not in UNMAPPABLE]
    names = list(raw)
    alike = {column: [name for name in names if _alike(name, table, column) >= SURE] for column in absent}
    return {column: found[0] for column, found in alike.items() if found}


def misread(raw: Iterable[RawTable], tables: Iterable[str]) -> list[str]:
    """Columns named like a required one whose values do not read as its kind: why a table was not recognised."""
    return [
        f"{each.label}: {column.name} looks like {name} of {table}, but its values do not read as "
        f"{EXPECTED[TABLES[table].columns()[name].kind]} (e.g. {column.example!r})"
        for each in raw
        for table in tables
        for name in TABLES[table].required()
        for column in each.columns.values()
        if _alike(column.name, table, name) >= SURE and TABLES[table].columns()[name].kind not in column.reads_as
    ]


def _match_table(raw: RawTable, name: str) -> TableMatch | None:
    """The match of one raw table with one contract table; None where nothing speaks for it."""
    table = TABLES[name]
    named = likeness(raw.name, name, TABLE_NAMES[name])
    columns = match_columns(raw, table)
    found = {match.column for match in columns}
    missing = tuple(column for column in table.required() if column not in found)
    if name == "transactions" and {"quantity", "unit_price"} <= found:
        missing = tuple(column for column in missing if column != "amount")
    telling = [match for match in columns if match.column not in GENERIC and match.sure]
    if raw.name != name and (missing or not (named or _tells(raw, table, telling))):
        return None
    fixed = 10.0 if raw.name == name else 0.0  # a table of the contract's own name is read as such in any case
    return TableMatch(name, raw, columns, missing, named >= SURE, fixed + named + 0.3 * len(telling))


def _tells(raw: RawTable, table: type[Table], telling: list[ColumnMatch]) -> bool:
    """Whether the columns alone say what the table is, whatever it is called."""
    if table.table == "customers":
        key = next((match.raw for match in match_columns(raw, table) if match.column == "customer_id"), None)
        return key is not None and raw.columns[key].distinct == raw.rows and len(telling) >= 2
    own = set(table.required()) - set(GENERIC)
    derived = {"quantity", "unit_price"} <= {match.column for match in telling}
    return len(telling) >= 2 and (derived or own <= {match.column for match in telling})


def _fit(raw: RawColumn, table: str, name: str, column: Column) -> float:
    """How well a raw column fits a column of the contract; 0 where the values cannot be read as its kind.

    A mere part of the name is enough only for what must be there. A column of the contract's own name is read as such
    whatever it holds, and its values are judged when the source is opened.
    """
    if raw.name == name:
        return 9.0
    alike = _alike(raw.name, table, name)
    readable = column.kind in raw.reads_as and raw.known > 0 and not _off_range(raw, column)
    return alike if readable and (alike >= SURE or column.required) else 0.0


def _alike(raw: str, table: str, column: str) -> float:
    return likeness(raw, column, COLUMN_NAMES[table].get(column, ()))


def _off_range(raw: RawColumn, column: Column) -> bool:
    below = column.low is not None and raw.low is not None and raw.low < column.low
    return below or (column.high is not None and raw.high is not None and raw.high > column.high)


def _only_time(chosen: dict[str, ColumnMatch], raw: RawTable, table: type[Table]) -> dict[str, ColumnMatch]:
    """Where the row's own time has no match, the only column that reads as time is it."""
    happened = str(table.happened_at)
    used = {match.raw for match in chosen.values()}
    times = [name for name, column in raw.columns.items()
             if "time" in column.reads_as and column.known and name not in used]  # fmt: skip
    if happened in chosen or happened not in table.required() or len(times) != 1:
        return chosen
    return chosen | {happened: ColumnMatch(happened, times[0], False, "the only column that reads as a time")}


def _price_as_amount(chosen: dict[str, ColumnMatch], table: type[Table]) -> dict[str, ColumnMatch]:
    """A price without a quantity is the amount."""
    if table.table != "transactions" or "amount" in chosen or "quantity" in chosen or "unit_price" not in chosen:
        return chosen
    price = chosen.pop("unit_price")
    return chosen | {"amount": ColumnMatch("amount", price.raw, False, "a price, and no quantity beside it")}
