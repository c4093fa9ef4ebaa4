"""The review of follow-ups, and of the composite score against what came of it (RULES §1)."""

from collections.abc import Callable
from string import Formatter
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from models.rules.schema.curves import Sentence
from models.rules.schema.entries import Label, Number, Part, Sourced, Text
from models.rules.schema.leads import Words

HEADINGS = (
    "figure", "rows", "customers", "with_outcome", "succeeded", "share", "interval", "playbook", "all", "leads", "won",
    "group", "came_back", "segment", "category", "complaints", "overall", "concentration", "channel", "cost_from",
    "cost", "spend", "spend_per_customer", "spend_per_cost", "expected_value", "tier", "not_given", "on_time", "late",
    "missing", "score", "model", "difference", "auc", "lift", "stayed", "not_better", "indicator", "dimension",
    "today", "proposed", "customer", "rank_score", "rank_model", "conflict", "reasons_score", "reasons_model",
    "probability", "band", "yes",
)  # fmt: skip
"""Keys of `Review.headings`: every word that stands over a column of the review."""


def _takes(*names: str) -> Callable[[Sentence], Sentence]:
    """A validator: the sentence uses no other {placeholders} than `names`."""

    def checked(sentence: Sentence) -> Sentence:
        used = {name for _, name, _, _ in Formatter().parse(sentence.en) if name}
        if unknown := sorted(used - set(names)):
            allowed = ", ".join(names) or "none"
            raise ValueError(f"unknown placeholders {', '.join(unknown)}; use only {allowed}")
        return sentence

    return checked


_SHARE = ("hits", "of", "share", "low", "high", "level")
_TWO = ("estimate", "low", "high", "level", "rows")
Plain = Annotated[Sentence, AfterValidator(_takes())]
ShareSentence = Annotated[Sentence, AfterValidator(_takes(*_SHARE))]
NumberSentence = Annotated[Sentence, AfterValidator(_takes(*_TWO))]


class FollowUpWords(Part):
    """Words of `interventions`: the arm that is left alone, and outcomes that are a success or none."""

    label: Label
    control: Words
    succeeded: Words
    failed: Words
    none: Plain
    decided: ShareSentence
    converted: ShareSentence
    leads_none: Plain
    leads_won: ShareSentence


class WinBackRule(Part):
    """D3: customers in one of `segments` who come back within `window_days`."""

    label: Label
    segments: tuple[Text, ...] = Field(min_length=1)
    window_days: Number
    contacted: Label
    held_back: Label
    left_alone: Label
    no_cohort: Plain
    no_orders: Plain
    result: Annotated[Sentence, AfterValidator(_takes("date", "days", "contacted", "others"))]


class ComplaintRule(Part):
    """D2: a concentration is credibly above the overall rate and has `minimum_complaints`."""

    label: Label
    minimum_complaints: Number
    topics: Words
    none: Plain
    no_segments: Plain
    overall: ShareSentence
    concentration: Annotated[Sentence, AfterValidator(_takes("what", "overall", *_SHARE))]
    within: Annotated[Sentence, AfterValidator(_takes("segment", "category"))]


class AcquisitionRule(Part):
    """Spend of the last `spend_days` by channel and by equal groups (`cost_bands`) of the cost of winning them."""

    label: Label
    spend_days: Number
    cost_bands: Number
    no_columns: Plain
    no_spend: Plain
    result: Annotated[Sentence, AfterValidator(_takes("customers", "days", "best", "spend_per_cost"))]
    without_cost: Annotated[Sentence, AfterValidator(_takes("customers", "days"))]


class MovementRule(Part):
    label: Label
    too_little: Plain
    moved: Annotated[Sentence, AfterValidator(_takes("before", "after", "of", "up", "down", "up_share", "down_share"))]
    pack_changed: Plain


class PlanRule(Part):
    """D2: the days of a tier's `plan_days`; a follow-up is a first one after `quiet_days` without another."""

    label: Label
    quiet_days: Number
    none: Plain
    no_column: Plain
    kept: ShareSentence
    without_tier: Plain


class ScoreRule(Part):
    """Whether the score separates who stays from who leaves (D2). `lowest_share`: of rows, for the lift."""

    label: Label
    lowest_share: Number
    no_rows: Plain
    one_class: Plain
    separates: NumberSentence
    does_not: NumberSentence
    reversed: NumberSentence
    no_model: Plain
    model_better: NumberSentence
    score_better: NumberSentence
    no_difference: NumberSentence
    tier_not_better: Annotated[Sentence, AfterValidator(_takes("tier", "share", "next", "next_share"))]
    tiers_in_order: Plain


class ProposalRule(Part):
    """Weights learnt from outcomes (D2).

    `penalty`: of departing from today's; `minimum_each`: who left, who stayed; `minimum_gain`: of AUC, to be worth it.
    """

    label: Label
    penalty: Number
    minimum_each: Number
    minimum_gain: Number
    no_points: Plain
    too_few: Annotated[Sentence, AfterValidator(_takes("needed", "left", "stayed"))]
    later_period: Label
    cross_validated: Label
    better: Annotated[Sentence, AfterValidator(_takes(*_TWO, "tested", "today", "proposed"))]
    not_better: Annotated[Sentence, AfterValidator(_takes(*_TWO, "tested", "today", "proposed"))]


class Conflict(Sourced):
    """A tier and a band of risk that contradict each other."""

    label: Label
    tiers: tuple[Text, ...] = Field(min_length=1)
    bands: tuple[Text, ...] = Field(min_length=1)


class DisagreementRule(Part):
    """Where score and model disagree: a conflict, or percentile ranks at least `minimum_difference` (0..1) apart."""

    label: Label
    minimum_difference: Number
    reasons: Number
    conflicts: dict[str, Conflict]
    none: Plain


class Review(Part):
    """RULES §1, Review (D2). `level`: of every interval, 0 to 1."""

    label: Label
    quarterly: Label
    level: Number
    follow_ups: FollowUpWords
    win_back: WinBackRule
    complaints: ComplaintRule
    acquisition: AcquisitionRule
    movement: MovementRule
    plans: PlanRule
    score: ScoreRule
    proposal: ProposalRule
    disagreement: DisagreementRule
    headings: dict[str, Label]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        shares = {
            "level": self.level,
            "score.lowest_share": self.score.lowest_share,
            "disagreement.minimum_difference": self.disagreement.minimum_difference,
        }
        positive = {
            "win_back.window_days": self.win_back.window_days,
            "complaints.minimum_complaints": self.complaints.minimum_complaints,
            "acquisition.spend_days": self.acquisition.spend_days,
            "acquisition.cost_bands": self.acquisition.cost_bands,
            "plans.quiet_days": self.plans.quiet_days,
            "proposal.penalty": self.proposal.penalty,
            "proposal.minimum_each": self.proposal.minimum_each,
            "disagreement.reasons": self.disagreement.reasons,
        }
        wrong = [f"{path}: must lie between 0 and 1" for path, each in shares.items() if not 0 < each.value < 1]
        wrong += [f"{path}: must be above 0" for path, each in positive.items() if each.value <= 0]
        wrong += [f"headings.{name}: missing; add it" for name in HEADINGS if name not in self.headings]
        wrong += [
            f"headings.{name}: unknown key; remove or correct it" for name in self.headings if name not in HEADINGS
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
