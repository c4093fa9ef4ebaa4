"""What acting on a customer is expected to earn, and how the risk runs over time.

What was scored before keeps null: nobody worked these out then. The list of who is worth acting on goes by an index.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_LIST = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Widen the scores, and what the ranked lists are read off."""
    op.add_column("remora_scores", sa.Column("churn_curve", _LIST))
    for name in ("expected_days", "expected_profit"):
        op.add_column("remora_scores", sa.Column(name, sa.Double))
    op.add_column("remora_current", sa.Column("expected_profit", sa.Double))
    only = sa.text("at_stake" if op.get_bind().dialect.name == "postgresql" else "at_stake = 1")
    op.create_index(
        "ix_remora_current_ranked_by_profit",
        "remora_current",
        [sa.text("expected_profit DESC"), sa.text("customer_id"), sa.text("tier")],
        sqlite_where=only,
        postgresql_where=only,
    )
