"""The tables of an export in the target database: the one that is read, the one where batches wait, and the marks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from models.prediction import TIME
from serving.export.errors import ExportError
from serving.export.mapping import Layout

_NAME = re.compile(r"(?:([A-Za-z_]\w{0,62})\.)?([A-Za-z_]\w{0,44})", re.ASCII)
_OURS = "remora_"  # tables of the store, marks, staging: no export may write over them
_TYPES: Mapping[object, sa.types.TypeEngine[Any]] = {
    pl.String: sa.Text(), TIME: sa.DateTime(timezone=True), pl.Boolean: sa.Boolean(), pl.Float64: sa.Double(),
    pl.Int32: sa.Integer(),
}  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """`target` with the columns of a layout, `staging` with the same, and `marks`: one row a target of this schema."""

    target: sa.Table
    staging: sa.Table
    marks: sa.Table

    @classmethod
    def named(cls, name: str, layout: Layout) -> "Tables":
        """The tables for `--table name` (`TABLE` or `SCHEMA.TABLE`). Raises ExportError for other names."""
        found = _NAME.fullmatch(name)
        if found is None or found[2].startswith(_OURS):
            raise ExportError(
                f"--table {name}: not a name for a table of an export; write TABLE or SCHEMA.TABLE in letters, digits "
                f"and underscores, TABLE at most 45 of them and not beginning with {_OURS}"
            )
        schema, table = found.groups()
        names = sa.MetaData(schema=schema)
        target = sa.Table(table, names, *_columns(layout), sa.PrimaryKeyConstraint(layout.key))
        return cls(target, sa.Table(f"{_OURS}staging_{table}", names, *_columns(layout)), _marks(names))


def shape(
    connection: sa.Connection, target: sa.Table, before: Mapping[str, str], now: Mapping[str, str], whole: bool
) -> None:
    """Make `target`, or give it the columns it lacks and take away those that are exported no longer.

    `before`, `now`: name → field and type of the columns of the last export and of this one; others are left alone.
    Raises ExportError where the key has another name, or columns change while not the `whole` is exported.
    """
    if not sa.inspect(connection).has_table(target.name, target.schema):
        target.create(connection)
        return
    if dict(before) == dict(now):
        return
    key = target.primary_key.columns[0].name
    if key not in before:
        raise ExportError(f"--table {target}: its key is not {key}; name another table, or drop this one")
    if not whole:
        raise ExportError(f"--table {target}: its columns change with this export; export all rows, without --since")
    _alter(connection, target, [name for name in before if before[name] != now.get(name)], [*before])


def _alter(connection: sa.Connection, target: sa.Table, gone: list[str], ours: list[str]) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for name in gone:
        operations.drop_column(target.name, name, schema=target.schema)
    for column in target.columns:
        if column.name in gone or column.name not in ours:
            operations.add_column(target.name, sa.Column(column.name, column.type), schema=target.schema)


def _columns(layout: Layout) -> list[sa.Column[Any]]:
    return [sa.Column(name, _TYPES[kind], primary_key=False) for name, kind in layout.schema.items()]


def _marks(metadata: sa.MetaData) -> sa.Table:
    """`run` names the export at work; `request` what it exports, empty where none was cut short; `rows` are staged."""
    return sa.Table(
        "remora_exports",
        metadata,
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
