"""Which customers at stake come first, and which part of that list is wanted: filters, order, and pages by key."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles

from serving.errors import InvalidRequestError
from serving.tables import CURRENT, CUSTOMERS


@dataclass(frozen=True)
class Wanted:
    """A part of the ranked list; None means any. `tenant` holds whoever asks to its own customers."""

    tier: str | None = None
    owner: str | None = None
    segment: str | None = None
    band: str | None = None
    min_value: float | None = None
    min_probability: float | None = None
    worth_acting: bool = False
    tenant: str | None = None


_RANKED: Final = ("value_at_risk", "churn_probability", "composite_score")
_BY_PROFIT: Final = ("expected_profit",)
SAME_CUSTOMER: Final = CUSTOMERS.c.customer_id == CURRENT.c.customer_id


def ranked(wanted: Wanted, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """`columns` of the customers at stake that are `wanted`, in no order."""
    query = sa.select(*columns).select_from(CURRENT).where(CURRENT.c.at_stake, *_filters(wanted))
    who = {"account_owner": wanted.owner, "tenant": wanted.tenant}
    known = [CUSTOMERS.c[name] == value for name, value in who.items() if value is not None]
    return query.join(CUSTOMERS, SAME_CUSTOMER).where(*known) if known else query


def order(wanted: Wanted) -> tuple[sa.ColumnElement[Any], ...]:
    """Most value at risk first, then likeliest to leave, then lowest score; or the highest profit; nulls last."""
    if wanted.worth_acting:
        return CURRENT.c.expected_profit.desc(), CURRENT.c.customer_id
    return (*(key.desc().nulls_last() for key in _keys(_RANKED)), CURRENT.c.customer_id)


def after(cursor: str, wanted: Wanted) -> sa.ColumnElement[bool]:
    """What comes after the account of which `cursor_of` gave `cursor`. Raises InvalidRequestError for none of those."""
    names = _BY_PROFIT if wanted.worth_acting else _RANKED
    *values, customer = _read(cursor, len(names) + 1)
    later: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for key, value in zip(_keys(names), values, strict=True):
        if value is not None:
            later.append(sa.and_(*same, sa.or_(key < value, key.is_(None))))
        same.append(key.is_(None) if value is None else key == value)
    return sa.or_(*later, sa.and_(*same, CURRENT.c.customer_id > customer))


def cursor_of(row: Mapping[str, Any], wanted: Wanted) -> str:
    """Where an account (a mapping of the columns of CURRENT) stands in the list, for `after`."""
    names = _BY_PROFIT if wanted.worth_acting else _RANKED
    values = [-row[name] if name == "composite_score" and row[name] is not None else row[name] for name in names]
    return base64.urlsafe_b64encode(json.dumps([*values, row["customer_id"]]).encode()).decode()


def _keys(names: Sequence[str]) -> list[sa.ColumnElement[Any]]:
    """The columns by which the list falls; a low score is what is looked for."""
    return [-CURRENT.c[name] if name == "composite_score" else CURRENT.c[name] for name in names]


def _filters(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    equal = {"tier": wanted.tier, "risk_band": wanted.band}
    least = {"value_if_retained": wanted.min_value, "churn_probability": wanted.min_probability}
    found = [CURRENT.c[name] == value for name, value in equal.items() if value is not None]
    found += [CURRENT.c[name] >= value for name, value in least.items() if value is not None]
    found += [HasSegment(wanted.segment)] if wanted.segment is not None else []
    return [*found, CURRENT.c.expected_profit > 0] if wanted.worth_acting else found


class HasSegment(sa.ColumnElement[bool]):
    """Whether a customer is in a segment: the lists are JSON, which each database searches its own way."""

    inherit_cache = False

    def __init__(self, segment: str) -> None:
        self.segment = segment


@compiles(HasSegment, "sqlite")
def _in_sqlite(element: HasSegment, compiler: Any, **options: Any) -> str:
    each = sa.func.json_each(CURRENT.c.segments).table_valued("value")
    found = sa.exists(sa.select(sa.literal(1)).select_from(each).where(each.c.value == element.segment))
    return str(compiler.process(found, **options))


@compiles(HasSegment, "postgresql")
def _in_postgres(element: HasSegment, compiler: Any, **options: Any) -> str:
    return str(compiler.process(sa.cast(CURRENT.c.segments, JSONB).contains([element.segment]), **options))


def _read(cursor: str, length: int) -> list[Any]:
    try:
        *values, customer = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        numbers = [value if value is None else float(value) for value in values]
        if len(numbers) != length - 1 or not isinstance(customer, str) or "\0" in customer or not customer.encode():
            raise ValueError(cursor)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidRequestError("is not one that a page before gave as `next`", fields=("after",)) from None
    return [*numbers, customer]
