"""Scores, the current one of each customer, and the names to show them by.

The tables say whose they are: a company may keep the store in the database that holds its own `customers`.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
_LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # both databases order ids by their bytes
_KEY = ("customer_id", "as_of", "model_version", "rules_version")


def upgrade() -> None:
    """Make the three tables and the index of the ranked list."""
    _scores()
    _current()
    op.create_table(
        "remora_customers",
        sa.Column("customer_id", _ID, primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("account_owner", sa.Text, index=True),
    )


def _scores() -> None:
    required = {"churn_horizon_days": sa.Integer, "value_horizon_days": sa.Integer, "basis": sa.Text}
    amounts = ("expected_value", "value_low", "value_high", "value_if_retained", "value_at_risk")
    op.create_table(
        "remora_scores",
        *_key_columns(),
        sa.Column("at_stake", sa.Boolean, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in required.items()),
        *(sa.Column(name, sa.Double) for name in amounts),
        sa.Column("churn_probability", sa.Double, sa.CheckConstraint("churn_probability BETWEEN 0 AND 1")),
        sa.Column("composite_score", sa.Double, sa.CheckConstraint("composite_score BETWEEN 0 AND 100")),
        sa.Column("composite_coverage", sa.Double, sa.CheckConstraint("composite_coverage BETWEEN 0 AND 1")),
        *(sa.Column(name, sa.Text) for name in ("risk_band", "tier", "playbook")),
        *(sa.Column(name, _LIST, nullable=False) for name in ("segments", "alerts", "reasons")),
        sa.Column("scored_at", _TIME, nullable=False),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY),
    )


def _current() -> None:
    op.create_table(
        "remora_current",
        *_key_columns(),
        sa.Column("backfill", sa.Boolean, nullable=False),
        sa.Column("at_stake", sa.Boolean, nullable=False),
        sa.Column("churn_probability", sa.Double),
        sa.Column("value_at_risk", sa.Double),
        sa.Column("tier", sa.Text),
        sa.Column("scored_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("customer_id"),
        sa.ForeignKeyConstraint(_KEY, [f"remora_scores.{name}" for name in _KEY]),
    )
    # SQLite cannot write NULLS LAST in an index, and puts nulls last in a descending one anyway.
    last = "DESC" if op.get_bind().dialect.name == "sqlite" else "DESC NULLS LAST"
    ranked = [f"value_at_risk {last}", f"churn_probability {last}", "customer_id", "tier"]
    only = sa.text("at_stake" if op.get_bind().dialect.name == "postgresql" else "at_stake = 1")
    op.create_index(
        "ix_remora_current_ranked",
        "remora_current",
        [sa.text(part) for part in ranked],
        sqlite_where=only,
        postgresql_where=only,
    )


def _key_columns() -> list[sa.Column[Any]]:
    kinds: dict[str, sa.types.TypeEngine[Any]] = {
        "customer_id": _ID,
        "as_of": _TIME,
        "model_version": sa.Text(),
        "rules_version": sa.Text(),
    }
    return [sa.Column(name, kind, nullable=False) for name, kind in kinds.items()]
