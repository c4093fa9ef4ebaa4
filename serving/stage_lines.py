"""Lines of the customer's page: departures from the tier's trait (D2), and what its stage asks for (D1, D5)."""

from collections.abc import Iterator

import polars as pl

from features.language import Lang, translator
from models.prediction import Prediction
from models.rules.pack import RulePack
from models.rules.points import departures
from models.rules.stages import stage_actions, stages_of


def departing(row: Prediction, pack: RulePack, lang: Lang) -> Iterator[str]:
    """The dimensions that lie outside what the tier expects, from the points that were kept."""
    if not row.points or row.tier not in pack.composite.tiers:
        return
    values = {f"dimension_{name}": [_reached(row, name, pack)] for name in pack.composite.dimensions}
    frame = pl.DataFrame({"tier": [row.tier], **values}, schema_overrides=dict.fromkeys(values, pl.Float64))
    yield from (f"  ! {told}" for told in departures(frame, pack, lang)[0])


def stage_lines(row: Prediction, pack: RulePack, lang: Lang) -> Iterator[str]:
    """Goal and key actions of the stages that the customer's segments are at, with output, owner and due date."""
    _ = translator(lang).gettext
    for stage in stages_of(row.segments, pack):
        actions = stage_actions(stage, pack)
        goal = actions[0].goal.text(lang)
        yield _("{stage}: {goal}").format(stage=actions[0].stage_label.text(lang), goal=goal)
        for each in actions:
            action, output = each.key_action.text(lang), each.output.text(lang)
            who, due = each.owner.text(lang), each.due.text(lang)
            told = _("{action} → {output} ({who}, {due})")
            yield "  • " + told.format(action=action, output=output, who=who, due=due)


def _reached(row: Prediction, dimension: str, pack: RulePack) -> float | None:
    """The dimension's value, 0..1: its points over the most it can earn; None without data."""
    names = pack.composite.indicators
    parts = [part for part in row.points if part.indicator in names and names[part.indicator].dimension == dimension]
    most = sum(part.weight for part in parts)
    return sum(part.points for part in parts) / most if most else None
