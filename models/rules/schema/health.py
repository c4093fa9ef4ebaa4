"""Health score, alert rules, feedback words and service deadlines (RULES §2)."""

from models.rules.schema.entries import Part


class Health(Part):
    """To be filled."""


class Alerts(Part):
    """To be filled."""


class Feedback(Part):
    """To be filled."""


class Deadlines(Part):
    """To be filled."""
