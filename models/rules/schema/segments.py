"""Segments and the strategy table (RULES §3)."""

from models.rules.schema.entries import Part


class Segments(Part):
    """To be filled."""


class Strategies(Part):
    """To be filled."""
