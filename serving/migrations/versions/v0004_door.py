"""What the doors keep: keys, the audit log, what was done about alerts, effects of requests, deliveries of webhooks.

A customer may belong to a tenant, and the ranked list is chosen from by band, worth and segment too.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)
_LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSE = "the audit log is append-only"


def upgrade() -> None:
    """Make the tables, widen what lists are read off, and close the audit log to changes."""
    _ranking()
    _access()
    _alert_events()
    _effects()
    _webhooks()


def _ranking() -> None:
    op.add_column("remora_customers", sa.Column("tenant", sa.Text))
    op.create_index("ix_remora_customers_tenant", "remora_customers", ["tenant"])
    op.add_column("remora_current", sa.Column("risk_band", sa.Text))
    op.add_column("remora_current", sa.Column("value_if_retained", sa.Double))
    op.add_column("remora_current", sa.Column("segments", _LIST, nullable=False, server_default=sa.text("'[]'")))
    same = " AND ".join(
        f"s.{name} = remora_current.{name}" for name in ("customer_id", "as_of", "model_version", "rules_version")
    )
    for name in ("risk_band", "value_if_retained", "segments"):
        op.execute(f"UPDATE remora_current SET {name} = (SELECT s.{name} FROM remora_scores s WHERE {same})")


def _access() -> None:
    op.create_table(
        "remora_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("scopes", _LIST, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("per_minute", sa.Integer),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
    )
    op.create_table(
        "remora_audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subjects", _LIST, nullable=False),
        sa.Column("detail", _LIST, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "remora_audit_subjects",
        sa.Column("customer_id", _ID, primary_key=True),
        sa.Column("secret", sa.Text, nullable=False),
    )
    _append_only()


def _append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER remora_audit_no_{what.lower()} BEFORE {what} ON remora_audit "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSE}'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION remora_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER remora_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON remora_audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION remora_audit_refuse()"
    )


def _alert_events() -> None:
    op.create_table(
        "remora_alert_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("alert_key", _ID, nullable=False, index=True),
        sa.Column("customer_id", _ID, nullable=False, index=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("until", _TIME),
        sa.Column("reason", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("note", sa.Text),
    )


def _effects() -> None:
    op.create_table(
        "remora_effects",
        sa.Column("actor", sa.Text, primary_key=True),
        sa.Column("idempotency_key", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("body_sha256", sa.Text, nullable=False),
        sa.Column("customer_id", _ID, index=True),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False, index=True),
    )


def _webhooks() -> None:
    op.create_table(
        "remora_outbox",
        sa.Column("seq", _SEQ, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("customer_id", _ID, nullable=False, index=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("data", _LIST, nullable=False),
    )
    op.create_table(
        "remora_deliveries",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("claimed_until", _TIME),
        sa.Column("last_problem", sa.Text),
        sa.Column("delivered_at", _TIME),
        sa.Index("ix_remora_deliveries_due", "state", "next_at"),
    )
