"""The documented rules in force: the pack, what they learnt with the promoted bundle, and when the company works."""

from features.errors import RemoraError
from features.settings import Settings
from models.bundle import Bundle
from models.rules import RulePack, load_pack
from models.rules.apply import FittedRules, Rules
from models.rules.deadlines import WorkCalendar, work_calendar


class OldBundleError(RemoraError):
    """The promoted bundle does not hold what the rules learnt."""


def bundled_rules(bundle: Bundle, settings: Settings) -> Rules:
    """The pack in force with what was learnt when the bundle was made.

    `[rules] pack` replaces the bundle's pack. What was learnt stays: a pack that asks for more is refused.
    """
    if "health" not in bundle.manifest.fitted:
        raise OldBundleError(f"bundle {bundle.id}: an older Remora made it, without all rules; train and promote again")
    return Rules(pack_of(bundle, settings), FittedRules.model_validate(bundle.manifest.fitted))


def pack_of(bundle: Bundle | None, settings: Settings) -> RulePack:
    """The pack that `[rules] pack` names, else the bundle's, else the one that ships with Remora."""
    if settings.rules.pack is not None or bundle is None:
        return load_pack(settings.rules.pack)
    return load_pack(bundle.folder / "pack.toml")


def note_of(bundle: Bundle | None, settings: Settings) -> str | None:
    """What is to be said where the pack's amounts are in another currency than the data's (RULES, conventions)."""
    value = pack_of(bundle, settings).segments.value
    return value.money_off.text("en") if settings.company.currency != value.currency else None


def calendar_of(pack: RulePack, settings: Settings) -> WorkCalendar:
    """When the company works."""
    company = settings.company
    return work_calendar(pack, company.zone, company.business_hours, company.country)
