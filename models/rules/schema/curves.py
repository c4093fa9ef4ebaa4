"""Value curve and cross-sell (RULES §5)."""

from models.rules.schema.entries import Part


class ValueCurve(Part):
    """To be filled."""


class CrossSell(Part):
    """To be filled."""
