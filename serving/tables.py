"""The tables of the store, as SQLAlchemy knows them; how they came to be is in `migrations`."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.prediction import CURVE, SCHEMA, TIME, Prediction
from serving.database import UtcTime

KEY = ("customer_id", "as_of", "model_version", "rules_version")
"""One row per customer, date, model and rule pack; scoring again replaces it."""

_RANKED_BY = (
    "at_stake", "churn_probability", "value_at_risk", "expected_profit", "composite_score", "tier", "scored_at",
    "risk_band", "value_if_retained", "segments",
)  # fmt: skip
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_LIST_OR_NULL = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_KINDS: Mapping[object, sa.types.TypeEngine[Any]] = {
    pl.String: sa.Text(), TIME: UtcTime(), pl.Boolean: sa.Boolean(), pl.Float64: sa.Double(), pl.Int32: sa.Integer(),
    CURVE: _LIST_OR_NULL,
}  # fmt: skip


def _column(name: str) -> sa.Column[Any]:
    nullable = Prediction.model_fields[name].default is None
    kind = ID if name == "customer_id" else _KINDS.get(SCHEMA[name], LIST)
    return sa.Column(name, kind, nullable=nullable)


METADATA = sa.MetaData()
SCORES = sa.Table(
    "remora_scores",
    METADATA,
    *map(_column, SCHEMA),
    sa.Column("backfill", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint(*KEY),
)
CURRENT = sa.Table(
    "remora_current",
    METADATA,
    *map(_column, KEY + _RANKED_BY),
    sa.Column("backfill", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("customer_id"),
    sa.ForeignKeyConstraint(KEY, [SCORES.c[name] for name in KEY]),
)
CUSTOMERS = sa.Table(
    "remora_customers",
    METADATA,
    sa.Column("customer_id", ID, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("account_owner", sa.Text, index=True),
    sa.Column("preferred_channel", sa.Text),
    sa.Column("preferred_form", sa.Text),
    sa.Column("preferred_cadence", sa.Text),
    sa.Column("channel_last", sa.Text),
    sa.Column("round_the_clock", sa.Boolean),
    sa.Column("tenant", sa.Text, index=True),
)
ALERTS = sa.Table(
    "remora_alerts",
    METADATA,
    sa.Column("key", ID, primary_key=True),
    sa.Column("customer_id", ID, nullable=False, index=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("anchor", sa.BigInteger),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("contact", sa.Boolean, nullable=False),
    sa.Column("signs", LIST, nullable=False),
    sa.Column("owner_role", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("opened_as_of", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),
    sa.Column("closed_as_of", sa.BigInteger),
    sa.Column("rules_version", sa.Text, nullable=False),
)
ALERT_RUNS = sa.Table(
    "remora_alert_runs",
    METADATA,
    sa.Column("as_of", sa.BigInteger, primary_key=True),
    sa.Column("opened", sa.Integer, nullable=False),
    sa.Column("closed", sa.Integer, nullable=False),
    sa.Column("held_back", LIST, nullable=False),
)
SEGMENTS = sa.Table(
    "remora_segments",
    METADATA,
    sa.Column("customer_id", ID, nullable=False),
    sa.Column("scheme", sa.Text, nullable=False),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("reason", sa.Text),
    sa.PrimaryKeyConstraint("customer_id", "scheme", "as_of"),
)
STANDING = sa.Table(
    "remora_standing",
    METADATA,
    sa.Column("customer_id", ID, primary_key=True),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("segments", LIST, nullable=False),
    sa.Column("metrics", LIST, nullable=False),
)
REVIEWS = sa.Table(
    "remora_reviews",
    METADATA,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("done_on", sa.Date, nullable=False),
)


def replacing(
    connection: sa.Connection, table: sa.Table, columns: Collection[str]
) -> sqlite.Insert | postgresql.Insert:
    """Insert rows into `table`, replacing `columns` of those whose primary key is taken."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    key = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=changed)
