"""Lead scores (RULES §4)."""

from models.rules.schema.entries import Part


class Leads(Part):
    """To be filled."""
