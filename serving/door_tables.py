"""The tables of the store that belong to its doors: keys, audit log, events of alerts, effects, deliveries."""

import sqlalchemy as sa

from serving.database import UtcTime
from serving.tables import ID, LIST, METADATA

KEYS = sa.Table(
    "remora_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("scopes", LIST, nullable=False),
    sa.Column("tenant", sa.Text),
    sa.Column("per_minute", sa.Integer),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)
AUDIT = sa.Table(
    "remora_audit",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subjects", LIST, nullable=False),
    sa.Column("detail", LIST, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""Append-only (a trigger refuses anything else), each row holding the hash of the one before."""

SUBJECTS = sa.Table(
    "remora_audit_subjects",
    METADATA,
    sa.Column("customer_id", ID, primary_key=True),
    sa.Column("secret", sa.Text, nullable=False),
)
"""By whose secrets the audit log names customers: without its row here, a digest there is nobody's."""

ALERT_EVENTS = sa.Table(
    "remora_alert_events",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("alert_key", ID, nullable=False, index=True),
    sa.Column("customer_id", ID, nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("until", UtcTime),
    sa.Column("reason", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("note", sa.Text),
)
EFFECTS = sa.Table(
    "remora_effects",
    METADATA,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("customer_id", ID, index=True),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False, index=True),
)
"""What was answered to a request that changed something, by its Idempotency-Key."""

OUTBOX = sa.Table(
    "remora_outbox",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("customer_id", ID, nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("data", LIST, nullable=False),
)
"""Events for webhooks, written in the transaction of what they tell."""

DELIVERIES = sa.Table(
    "remora_deliveries",
    METADATA,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcTime, nullable=False),
    sa.Column("claimed_until", UtcTime),
    sa.Column("last_problem", sa.Text),
    sa.Column("delivered_at", UtcTime),
    sa.Index("ix_remora_deliveries_due", "state", "next_at"),
)
"""One row an event and target; state is "pending", "delivered" or "dead"."""
