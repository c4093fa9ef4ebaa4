"""The review of the rules (RULES §1, §3)."""

from models.rules.schema.entries import Part


class Review(Part):
    """To be filled."""
