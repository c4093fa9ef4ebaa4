"""Rows of the input contract as a request brings them: read strictly, every wrong cell named.

The models derive from `features.sources`, so that a column is declared once.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, create_model

from features.sources import TABLES, Column, Kind, Table
from serving.schemas import Strict
from serving.times import Time

LARGEST: Final = 1e18
"""Beyond it, sums and squares of rows would leave what a model's number holds."""
LONGEST: Final = 10_000
"""Characters of a text."""

SCORED_TABLES: Final = (
    "customers", "transactions", "subscriptions", "usage_events", "nps_responses", "satisfaction_surveys",
    "interactions", "tickets", "cancellations",
)  # fmt: skip
"""The tables of the contract that scoring reads."""

_CHUNK: Final = 500  # rows read at a time: it bounds what a request full of mistakes costs
_COUNTED: Final = 1_000  # problems after which nobody goes on counting

Key = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=LONGEST)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]

_CELLS: Final[Mapping[Kind, Any]] = {"text": Text | None, "number": Number | None, "flag": bool | None,
                                     "time": Time | None}  # fmt: skip


class Row(Strict):
    """One row of a table; a column that is left out is null."""


class RowWithExtras(Row):
    """A row of `customers`: further columns are those that the model knows of a customer."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any] = Field(init=False)


def _row(table: type[Table]) -> type[Row]:
    fields: dict[str, Any] = {name: _field(name, column) for name, column in table.columns().items()}
    base = RowWithExtras if table.extra else Row
    return create_model(f"{table.__name__}Row", __base__=base, __doc__=table.__doc__, **fields)


def _field(name: str, column: Column) -> tuple[Any, Any]:
    """The type and the field of a contract column; a table's key is never null."""
    kind = Key if column.required and name in ("customer_id", "lead_id") else _CELLS[column.kind]
    meaning = f"{column.meaning} ({column.unit})" if column.unit not in ("", "time") else column.meaning
    return kind, Field(description=meaning) if column.required else Field(None, description=meaning)


_ROWS: Final = {name: _row(TABLES[name]) for name in (*SCORED_TABLES, "leads")}
_READERS: Final = {name: TypeAdapter(list[row]) for name, row in _ROWS.items()}  # type: ignore[valid-type]


def rows_of(table: str, given: list[dict[str, Any]], place: str) -> tuple[list[Row], list[tuple[str, str]]]:
    """The rows of a contract `table`, and each cell that is wrong: its place below `place`, and why."""
    rows: list[Row] = []
    problems: list[tuple[str, str]] = []
    for start in range(0, len(given), _CHUNK):
        try:
            rows += _READERS[table].validate_python(given[start : start + _CHUNK])
        except ValidationError as error:
            for each in error.errors(include_url=False, include_context=False, include_input=False):
                number, *column = each["loc"]
                problems.append((".".join(map(str, (place, start + int(number), *column))), each["msg"]))
            if len(problems) >= _COUNTED:
                break
    return rows, problems


def cells_of(table: str, rows: Sequence[Row], known: Collection[str] | None) -> dict[str, list[Any]]:
    """Column → cells: those that a row names, must be there or are `known` to be, in the order of the contract.

    Where nothing is known and there is no row, all of them: a table that could have rows has columns.
    """
    if known is None:
        known = () if rows else TABLES[table].columns()
    named = {*known, *TABLES[table].required()}.union(*(row.model_fields_set for row in rows))
    return {name: [getattr(row, name) for row in rows] for name in _ROWS[table].model_fields if name in named}


def extras_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The same of the columns outside the contract, by name; null where a row does not name one."""
    each = [row.model_extra or {} for row in rows]
    return {name: [extra.get(name) for extra in each] for name in sorted(set().union(*each))}


def schema_of(table: str) -> dict[str, Any]:
    """The JSON schema of a row, without references."""
    return _ROWS[table].model_json_schema()
