"""Reads one raw table through DuckDB as the contract's types, and says what is wrong with it.

Part of `engines.py`: the SQL here exists because types come from the contract, never from a file's own guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from features.settings import Company, TableMapping
from features.sources import Kind, Table

NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
)

EXPECTED: dict[Kind, str] = {
    "text": "text",
    "number": "a number such as 12.5",
    "flag": "true or false",
    "time": "a time such as 2026-06-30 or 2026-06-30 14:05:00",
}


@dataclass(frozen=True)
class Origin:
    """Where the raw rows of a table are: a name for people, a relation for SQL."""

    label: str
    relation: str
    stable: bool = True  # typed and cheap to read again (Parquet); otherwise rows are kept after the first read
    header: bool = False  # line 1 is a header

    @classmethod
    def of_files(cls, files: Sequence[Path]) -> "Origin":
        """Parquet files, or CSV files read as text."""
        label = files[0].name if len(files) == 1 else f"{files[0].parent.name}/*{files[0].suffix}"
        paths = ", ".join(literal(str(file)) for file in files)
        if files[0].suffix == ".parquet":
            return cls(label, f"read_parquet([{paths}])")
        return cls(
            label, f"read_csv([{paths}], all_varchar = true, header = true, skip = 0)", stable=False, header=True
        )


class Reader:
    """One table of the contract over one origin."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: type[Table],
        origin: Origin,
        mapping: TableMapping,
        company: Company,
    ) -> None:
        self.connection, self.table, self.origin, self.mapping, self.company = (
            connection,
            table,
            origin,
            mapping,
            company,
        )

    @cached_property
    def raw(self) -> dict[str, str]:
        """Raw column → DuckDB type."""
        rows = self.connection.sql(f"DESCRIBE SELECT * FROM {self.origin.relation}").fetchall()
        return {str(row[0]): str(row[1]) for row in rows}

    @cached_property
    def source_of(self) -> dict[str, str]:
        """Contract column → raw column, for those that are there."""
        named = {name: self.mapping.columns.get(name, name) for name in self.table.columns()}
        return {name: raw for name, raw in named.items() if raw in self.raw}

    @cached_property
    def extras(self) -> dict[str, Kind]:
        """Further columns that are kept (customers only) → kind."""
        if not self.table.extra:
            return {}
        used = {*self.source_of.values(), *self.table.columns()}
        return {name: self._kind_of_extra(name) for name in self.raw if name not in used}

    @property
    def ignored(self) -> tuple[str, ...]:
        """Raw columns that nothing reads."""
        used = {*self.source_of.values(), *self.extras}
        return tuple(name for name in self.raw if name not in used)

    def problems(self) -> list[str]:
        """Every reason why the table cannot be read as the contract, one sentence each."""
        try:
            return self._mapping_problems() + self._missing() + self._wrong_values()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            return [f"{self.origin.label}: cannot be read: {first}; write it again as UTF-8 CSV or as Parquet"]

    def read(self) -> duckdb.DuckDBPyRelation:
        """The typed rows. Rows of a source that is slow to read again are kept."""
        columns = [f"{sql} AS {quoted(name)}" for name, sql in self._typed().items()]
        select = f"SELECT {', '.join(columns)} FROM {self.origin.relation}"
        if not self.origin.stable:
            self.connection.execute(f"CREATE TEMP TABLE kept_{self.table.table} AS {select}")
            select = f"SELECT * FROM kept_{self.table.table}"
        return self.connection.sql(select)

    def _typed(self) -> dict[str, str]:
        """Output column → SQL, in contract order, extras last."""
        columns = self.table.columns()
        typed = {name: self._sql(raw, columns[name].kind) for name, raw in self.source_of.items()}
        if self._derives_amount():
            quantity, price = (self._sql(self.source_of[name], "number") for name in ("quantity", "unit_price"))
            typed["amount"] = f"({quantity}) * ({price})"
        if self.mapping.ended_at_is_term and "ended_at" in typed:
            term = typed.get("term_ends_at", "NULL")
            typed["term_ends_at"] = f"coalesce({term}, {typed['ended_at']})"
        return typed | {name: self._sql(name, kind) for name, kind in self.extras.items()}

    def _sql(self, raw: str, kind: Kind) -> str:
        return typed_sql(quoted(raw), self.raw[raw], kind, self.company.timezone)

    def _derives_amount(self) -> bool:
        return (
            self.table.table == "transactions"
            and "amount" not in self.source_of
            and {"quantity", "unit_price"} <= self.source_of.keys()
        )

    def _kind_of_extra(self, name: str) -> Kind:
        """Numbers stay numbers; text of a CSV is a number if all of it is, and none has a leading zero."""
        if self.raw[name].split("(")[0] in (*NUMBERS, "BOOLEAN"):
            return "number"
        if self.raw[name].startswith(("TIMESTAMP", "DATE")):
            return "time"
        if self.origin.stable or self.raw[name] != "VARCHAR":
            return "text"
        column = quoted(name)
        query = f"""SELECT count({column}) > 0 AND count({column}) = count(TRY_CAST({column} AS DOUBLE))
                    AND NOT coalesce(bool_or(regexp_matches({column}, '^[+-]?0[0-9]')), false)
                    FROM {self.origin.relation}"""
        return "number" if self._one(query)[0] else "text"

    def _mapping_problems(self) -> list[str]:
        return [
            f"remora.toml: tables.{self.table.table}.{name}: {why}"
            for name, column in self.mapping.columns.items()
            if (why := self._mapping_problem(name, column))
        ]

    def _mapping_problem(self, name: str, column: str) -> str | None:
        if name not in self.table.columns():
            return f"no such column; the contract's {self.table.table} has {', '.join(self.table.columns())}"
        if column not in self.raw:
            return f"{self.origin.label} has no column {column!r}; it has {', '.join(self.raw)}"
        return None

    def _missing(self) -> list[str]:
        absent = [name for name in self.table.required() if name not in self.source_of]
        return [
            f"{self.origin.label}: column {name} is missing ({self.table.columns()[name].meaning}); the file has "
            f'{", ".join(self.raw)}: map one with `{name} = "…"` under [tables.{self.table.table}] in remora.toml'
            for name in absent
            if not (name == "amount" and self._derives_amount())
        ]

    def _wrong_values(self) -> list[str]:
        """One sentence a column whose values do not read as the contract's kind."""
        doubtful = {
            name: raw
            for name, raw in self.source_of.items()
            if may_fail(self.raw[raw], self.table.columns()[name].kind)
        }
        if not doubtful:
            return []
        counts = self._one(
            f"SELECT {', '.join(f'count_if({self._fails(name)})' for name in doubtful)} FROM {self.origin.relation}"
        )
        return [self._wrong(name, count) for name, count in zip(doubtful, counts, strict=True) if count]

    def _fails(self, name: str) -> str:
        raw, kind = self.source_of[name], self.table.columns()[name].kind
        return f"{quoted(raw)} IS NOT NULL AND {is_nan(quoted(raw), self.raw[raw])} ({self._sql(raw, kind)}) IS NULL"

    def _wrong(self, name: str, count: int) -> str:
        raw = self.source_of[name]
        rows = self.connection.sql(
            f"SELECT line, value FROM (SELECT row_number() OVER () AS line, CAST({quoted(raw)} AS VARCHAR) AS value, "
            f"{self._fails(name)} AS wrong FROM {self.origin.relation}) WHERE wrong ORDER BY line LIMIT 3"
        ).fetchall()
        shift = 1 if self.origin.header else 0
        shown = ", ".join(f"row {line + shift}: {value!r}" for line, value in rows)
        kind = self.table.columns()[name].kind
        return (
            f"{self.origin.label}: column {raw}: {count} values are not {EXPECTED[kind]} ({shown}); "
            f"correct them, or leave them empty, or map another column to {name} in remora.toml"
        )

    def _one(self, query: str) -> tuple[int, ...]:
        rows: list[tuple[int, ...]] = self.connection.sql(query).fetchall()
        return rows[0]


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """`value` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def may_fail(raw_type: str, kind: Kind) -> bool:
    """Whether a value of `raw_type` may fail to read as `kind`."""
    base = raw_type.split("(")[0]
    sure: dict[Kind, tuple[str, ...]] = {
        "text": (base,),
        "number": (*NUMBERS, "BOOLEAN"),
        "flag": ("BOOLEAN",),
        "time": ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "DATE"),
    }
    return base not in sure[kind]


def is_nan(column: str, raw_type: str) -> str:
    """SQL that lets NaN and infinity pass: they read as null, and are no mistake."""
    if raw_type not in ("FLOAT", "DOUBLE", "VARCHAR"):
        return ""
    return f"coalesce(isfinite(TRY_CAST({column} AS DOUBLE)), true) AND"


def typed_sql(column: str, raw_type: str, kind: Kind, zone: str) -> str:
    """SQL that reads `column` of `raw_type` as `kind`, null where it cannot."""
    if kind == "text":
        return _text_sql(column, raw_type)
    if kind == "time":
        return _time_sql(column, raw_type, zone)
    if kind == "flag":
        return _flag_sql(column)
    if raw_type.startswith(("TIMESTAMP", "DATE")):
        return "CAST(NULL AS DOUBLE)"
    value = column if raw_type == "DOUBLE" else f"TRY_CAST({column} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _text_sql(column: str, raw_type: str) -> str:
    if raw_type == "VARCHAR":
        return column
    if raw_type in ("FLOAT", "DOUBLE"):  # a key that a spreadsheet made a float: 13085.0 is "13085"
        whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
        return (
            f"CASE WHEN NOT isfinite({column}) THEN NULL WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({column} AS VARCHAR) END"
        )
    return f"CAST({column} AS VARCHAR)"


def _flag_sql(column: str) -> str:
    value = f"lower(trim(CAST({column} AS VARCHAR)))"
    return (
        f"CASE WHEN {value} IN ('true', 't', 'yes', 'y', '1', '1.0') THEN 1e0 "
        f"WHEN {value} IN ('false', 'f', 'no', 'n', '0', '0.0') THEN 0e0 END"
    )


def _time_sql(column: str, raw_type: str, zone: str) -> str:
    if raw_type == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({column})"
    if raw_type.startswith("TIMESTAMP") or raw_type == "DATE":
        return _local_sql(f"CAST({column} AS TIMESTAMP)", zone)
    if raw_type != "VARCHAR":
        return "CAST(NULL AS BIGINT)"
    zoned = f"regexp_matches({column}, '[0-9]:[0-9.:]+ ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')"
    local = _local_sql(f"TRY_CAST({column} AS TIMESTAMP)", zone)
    joined = f"regexp_replace({column}, ' ([+-])', '\\1')"  # DuckDB reads no offset after a space
    return f"CASE WHEN {zoned} THEN epoch_us(TRY_CAST({joined} AS TIMESTAMPTZ)) ELSE {local} END"


def _local_sql(timestamp: str, zone: str) -> str:
    """Microseconds of a timestamp without zone; infinite ones read as null."""
    shifted = timestamp if zone == "UTC" else f"timezone({literal(zone)}, {timestamp})"
    return f"CASE WHEN isfinite({timestamp}) THEN epoch_us({shifted}) END"
