"""What the documented rules say of a customer, their alerts, and the history of segments.

The ranked list goes by the composite score where there is no probability.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)
_LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Widen the scores, rank by one more column, and make the tables of alerts, segments and reviews."""
    _scores()
    _ranking()
    _alerts()
    _segments()


def _scores() -> None:
    op.add_column("remora_scores", sa.Column("points", _LIST, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("remora_scores", sa.Column("health_score", sa.Double))
    for name in ("health_basis", "playbook_key", "playbook_owner", "playbook_cadence", "playbook_because"):
        op.add_column("remora_scores", sa.Column(name, sa.Text))
    op.add_column("remora_scores", sa.Column("playbook_due", _TIME))
    for name in ("preferred_channel", "preferred_form", "preferred_cadence", "channel_last"):
        op.add_column("remora_customers", sa.Column(name, sa.Text))
    op.add_column("remora_customers", sa.Column("round_the_clock", sa.Boolean))


def _ranking() -> None:
    op.add_column("remora_current", sa.Column("composite_score", sa.Double))
    same = " AND ".join(
        f"s.{name} = remora_current.{name}" for name in ("customer_id", "as_of", "model_version", "rules_version")
    )
    op.execute(
        f"UPDATE remora_current SET composite_score = (SELECT s.composite_score FROM remora_scores s WHERE {same})"
    )
    op.drop_index("ix_remora_current_ranked", "remora_current")
    sqlite = op.get_bind().dialect.name == "sqlite"
    # SQLite cannot write NULLS LAST in an index, and puts nulls last in a descending one anyway: hence the minus
    last = "DESC" if sqlite else "DESC NULLS LAST"
    falling = [f"{what} {last}" for what in ("value_at_risk", "churn_probability", "(-composite_score)")]
    ranked = [*falling, "customer_id", "tier"]
    only = sa.text("at_stake = 1" if sqlite else "at_stake")
    op.create_index(
        "ix_remora_current_ranked",
        "remora_current",
        [sa.text(part) for part in ranked],
        sqlite_where=only,
        postgresql_where=only,
    )


def _alerts() -> None:
    op.create_table(
        "remora_alerts",
        sa.Column("key", _ID, primary_key=True),
        sa.Column("customer_id", _ID, nullable=False, index=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("anchor", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("contact", sa.Boolean, nullable=False),
        sa.Column("signs", _LIST, nullable=False),
        sa.Column("owner_role", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("opened_as_of", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("closed_as_of", sa.BigInteger),
        sa.Column("rules_version", sa.Text, nullable=False),
    )
    op.create_table(
        "remora_alert_runs",
        sa.Column("as_of", sa.BigInteger, primary_key=True),
        sa.Column("opened", sa.Integer, nullable=False),
        sa.Column("closed", sa.Integer, nullable=False),
        sa.Column("held_back", _LIST, nullable=False),
    )


def _segments() -> None:
    op.create_table(
        "remora_segments",
        sa.Column("customer_id", _ID, nullable=False),
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("customer_id", "scheme", "as_of"),
    )
    op.create_table(
        "remora_standing",
        sa.Column("customer_id", _ID, primary_key=True),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("segments", _LIST, nullable=False),
        sa.Column("metrics", _LIST, nullable=False),
    )
    op.create_table(
        "remora_reviews",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("done_on", sa.Date, nullable=False),
    )
