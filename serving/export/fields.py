"""What can be exported of scores and of alerts: name, type, and where it is read from in the store."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa

from features.language import Lang
from models.prediction import SCHEMA, TIME
from models.rules.conditions import alert_text
from models.rules.pack import RulePack
from serving.tables import ALERTS, CUSTOMERS, SCORES

What = Literal["scores", "alerts"]
Kind = pl.DataType | type[pl.DataType]

BETWEEN = "; "
"""What stands between the items of a list that becomes one text."""

KEYS: Mapping[What, str] = {"scores": "customer_id", "alerts": "key"}
"""The field that tells rows apart."""

_NESTED = ("points", "churn_curve", "reasons", "segments", "alerts")
_TEXTS = pl.List(pl.Struct({"text": pl.String}))


@dataclass(frozen=True)
class Field:
    """One field: `source` gives values of Polars type `raw` (default: `kind`), which `told` turns into `kind`.

    What is not `usual` leaves only where a map names it: it says who someone is, or repeats another field.
    """

    name: str
    kind: Kind
    source: sa.ColumnElement[Any]
    raw: Kind | None = None
    told: Callable[[pl.Expr], pl.Expr] = lambda value: value
    usual: bool = True


def score_fields() -> dict[str, Field]:
    """Name → field of the current score of a customer: the output contract without its nested columns."""
    reasons, probability = _json(SCORES.c.reasons), SCORES.c.churn_probability
    return _by_name(
        *(Field(name, kind, SCORES.c[name]) for name, kind in SCHEMA.items() if name not in _NESTED),
        *(Field(name, pl.String, _json(SCORES.c[name]), told=_joined) for name in ("segments", "alerts")),
        Field("reasons", pl.String, reasons, told=_reasons),
        Field("backfill", pl.Boolean, SCORES.c.backfill),
        Field("first_reason", pl.String, reasons, told=_first_reason, usual=False),
        Field("churn_percent", pl.Float64, probability, told=lambda share: share * 100, usual=False),
        *_people(),
    )


def alert_fields(pack: RulePack, lang: Lang) -> dict[str, Field]:
    """Name → field of an alert; `text` is what the rules of `pack` say of it in `lang`."""
    texts = ("key", "customer_id", "rule", "state", "owner_role", "rules_version")
    told = ALERTS.c.rule + "\n" + _json(ALERTS.c.signs)
    moments = ("opened_as_of", "due_at", "closed_as_of", "anchor")
    return _by_name(
        *(Field(name, pl.String, ALERTS.c[name]) for name in texts),
        Field("text", pl.String, told, told=_in_words(pack, lang)),
        Field("signs", pl.String, _json(ALERTS.c.signs), told=_joined),
        Field("severity", pl.Int32, ALERTS.c.severity),
        Field("contact", pl.Boolean, ALERTS.c.contact),
        *(Field(name, TIME, ALERTS.c[name], pl.Int64, _moment) for name in moments),
        Field("owner", pl.String, ALERTS.c.owner, usual=False),
        *_people(),
    )


def _by_name(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


def _people() -> Iterable[Field]:
    kinds = {column.name: pl.Boolean if isinstance(column.type, sa.Boolean) else pl.String for column in CUSTOMERS.c}
    return [Field(name, kind, CUSTOMERS.c[name], usual=False) for name, kind in kinds.items() if name != "customer_id"]


def _json(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """JSON as it is kept: Polars reads it faster than the driver."""
    return sa.cast(column, sa.Text)


def _joined(json_list: pl.Expr) -> pl.Expr:
    return _in_one(json_list.str.json_decode(pl.List(pl.String)))


def _reasons(json_list: pl.Expr) -> pl.Expr:
    return _in_one(json_list.str.json_decode(_TEXTS).list.eval(pl.element().struct.field("text")))


def _in_one(texts: pl.Expr) -> pl.Expr:
    """Null where there is none: nothing to import."""
    return texts.list.join(BETWEEN).replace("", None)


def _first_reason(json_list: pl.Expr) -> pl.Expr:
    return json_list.str.json_decode(_TEXTS).list.first().struct.field("text")


def _moment(micros: pl.Expr) -> pl.Expr:
    return pl.from_epoch(micros, "us").dt.replace_time_zone("UTC")


def _in_words(pack: RulePack, lang: Lang) -> Callable[[pl.Expr], pl.Expr]:
    @lru_cache(maxsize=4096)
    def words(told: str) -> str:
        rule, _, signs = told.partition("\n")
        return alert_text(rule, json.loads(signs), pack, lang)

    return lambda told: told.map_elements(words, return_dtype=pl.String)
