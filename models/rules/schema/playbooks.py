"""Stage actions and playbooks (RULES §6)."""

from models.rules.schema.entries import Part


class StageActions(Part):
    """To be filled."""


class Playbooks(Part):
    """To be filled."""
