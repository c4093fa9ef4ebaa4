"""Reads tables of a PostgreSQL database into Arrow through ADBC. Part of `engines.py`."""

import re
from collections.abc import Mapping

import adbc_driver_postgresql.dbapi as postgres
import pyarrow as pa

from features.errors import RemoraError


class DatabaseError(RemoraError):
    """The database cannot be reached or read."""


def read_tables(url: str, wanted: Mapping[str, str]) -> dict[str, tuple[str, pa.Table]]:
    """Contract table → (label, rows) for every table of `wanted` (contract name → name there) that exists.

    A name may carry its schema ("crm.sales"); without one the connection's search path decides. Numeric columns
    arrive as float8, because ADBC hands out `numeric` as opaque text.
    """
    try:
        with postgres.connect(url) as connection, connection.cursor() as cursor:
            columns = {name: _columns(cursor, table) for name, table in wanted.items()}
            return {
                name: (f"table {wanted[name]}", _rows(cursor, wanted[name], found))
                for name, found in columns.items()
                if found
            }
    except postgres.Error as error:
        reason = _without_password(str(error).strip().splitlines()[0], url)
        raise DatabaseError(f"database: {reason}; check the URL, the server and the rights of its user") from None


def _without_password(message: str, url: str) -> str:
    """`message` without the password, which libpq repeats where it cannot read the URL."""
    for password in re.findall(r"://[^:/@]*:([^@]*)@|[?&]password=([^&]*)", url):
        for part in filter(None, password):
            message = message.replace(part, "…")
    return message


def _columns(cursor: postgres.Cursor, table: str) -> list[tuple[str, str]]:
    """(name, type) of every column of `table`, empty when there is no such table."""
    cursor.execute(
        """SELECT attname::text, format_type(coalesce(nullif(typbasetype, 0), atttypid), NULL)::text
           FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
           WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        (_identifier(table),),
    )
    return [(str(name), str(kind)) for name, kind in cursor.fetchall()]


def _rows(cursor: postgres.Cursor, table: str, columns: list[tuple[str, str]]) -> pa.Table:
    wanted = ", ".join(_selected(name, kind) for name, kind in columns)
    cursor.execute(f"SELECT {wanted} FROM {_identifier(table)}")
    return cursor.fetch_arrow_table()


def _selected(name: str, kind: str) -> str:
    plain = {"numeric": "float8", "money": "numeric::float8", "uuid": "text", "character": "text", "json": "text"}
    column = _quoted(name)
    if kind == "date" or kind.startswith("timestamp"):  # infinity would overflow into the distant past
        return f"CASE WHEN isfinite({column}) THEN {column} END AS {column}"
    return f"{column}::{plain[kind]} AS {column}" if kind in plain else column


def _identifier(table: str) -> str:
    return ".".join(_quoted(part) for part in table.split("."))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
