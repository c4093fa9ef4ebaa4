"""The stage actions of RULES §6: what to do at each stage, class and event (D1, D4, D5)."""

from dataclasses import dataclass

import polars as pl

from features.clock import DAY
from models.rules.pack import Lang, RulePack
from models.rules.schema.entries import Label
from models.rules.schema.playbooks import Term

HOUR = DAY // 24


@dataclass(frozen=True)
class StageAction:
    """One row of the table, with D1's columns. `within`, `every`: microseconds, from what begins it and from time to
    time; None where the documents give no number. `document`: D1 to D5."""

    stage: str
    action: str
    stage_label: Label
    goal: Label
    key_action: Label
    output: Label
    owner: Label
    due: Label
    within: int | None
    every: int | None
    document: str


def stage_actions(stage: str, pack: RulePack) -> tuple[StageAction, ...]:
    """The actions of a stage (key of the pack's `stage_actions.stages`), in the pack's order. Raises KeyError."""
    entry = pack.stage_actions.stages[stage]
    return tuple(
        StageAction(
            stage, key, entry.label, entry.goal, action.action, action.output, action.owner, action.due,
            micros_of(action.within), micros_of(action.every), action.source,
        )
        for key, action in entry.actions.items()
    )  # fmt: skip


def stages_of(segments: list[str], pack: RulePack) -> list[str]:
    """The stages whose segment ("scheme:segment") is among a customer's `segments`, in the pack's order."""
    return [key for key, entry in pack.stage_actions.stages.items() if entry.segment in segments]


def stage_table(pack: RulePack, lang: Lang = "en") -> pl.DataFrame:
    """All actions as a person reads them: stage, goal, key_action, output, owner, due, document."""
    return pl.DataFrame(
        [
            {
                "stage": row.stage_label.text(lang),
                "goal": row.goal.text(lang),
                "key_action": row.key_action.text(lang),
                "output": row.output.text(lang),
                "owner": row.owner.text(lang),
                "due": row.due.text(lang),
                "document": row.document,
            }
            for stage in pack.stage_actions.stages
            for row in stage_actions(stage, pack)
        ]
    )


def micros_of(term: Term | None) -> int | None:
    """A term in microseconds: a calendar day has 24 hours here; the caller knows the time zone."""
    if term is None:
        return None
    return round((term.hours or 0) * HOUR + (term.days or 0) * DAY)
