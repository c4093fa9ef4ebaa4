"""The documented rules: a rule pack (`pack.toml`) and pure functions over frames plus fitted values."""

from models.rules.composite import cleaning_report, composite_score, weights
from models.rules.fit import fit_composite
from models.rules.fitted import FittedComposite, FittedIndicator
from models.rules.pack import DEFAULT_PACK, Lang, Method, PackError, RulePack, load_pack
from models.rules.reasons import rule_reasons
from models.rules.tiers import risk_band, tier_label, tier_of, tier_playbook

__all__ = [
    "DEFAULT_PACK",
    "FittedComposite",
    "FittedIndicator",
    "Lang",
    "Method",
    "PackError",
    "RulePack",
    "cleaning_report",
    "composite_score",
    "fit_composite",
    "load_pack",
    "risk_band",
    "rule_reasons",
    "tier_label",
    "tier_of",
    "tier_playbook",
    "weights",
]
