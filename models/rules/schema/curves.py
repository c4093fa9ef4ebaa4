"""Value curve and cross-sell (RULES §5)."""

from string import Formatter
from typing import Self

from pydantic import model_validator

from models.rules.schema.entries import Label, Number, Part


class Sentence(Label):
    """A sentence with {placeholders}, the same ones in both languages."""

    @model_validator(mode="after")
    def _same_placeholders(self) -> Self:
        zh, en = (_placeholders(text) for text in (self.zh, self.en))
        if zh != en:
            raise ValueError(f"zh and en must use the same placeholders, but only one has {', '.join(sorted(zh ^ en))}")
        return self


class ValueCurve(Part):
    """When value shifts in the course of a relationship (D5).

    `penalty`: of one more break point, in units of noise · ln(months). `alpha`: chance of a break point where there is
    none. `lookback_months`: how long before a break actions count.
    """

    label: Label
    minimum_customers: Number
    minimum_months: Number
    penalty: Number
    alpha: Number
    minimum_shift: Number
    lookback_months: Number
    minimum_actions: Number
    rises: Sentence
    falls: Sentence
    followed: Sentence

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0 < self.alpha.value < 1:
            raise ValueError("alpha.value: must lie between 0 and 1, for example 0.05")
        if self.minimum_customers.value < 2 or self.minimum_months.value < 1 or self.lookback_months.value < 1:
            raise ValueError("minimum_customers must be at least 2, minimum_months and lookback_months at least 1")
        return self


class CrossSell(Part):
    """Who bought A, bought B for the first time within `window_days` (D5).

    `minimum_buyers` of A, not owning B yet, whose window is over, and `minimum_support` customers A → B, else a pair is
    not told. `level` of the interval. `false_discovery_rate` over all pairs tested. `offers_per_customer` at most.
    """

    label: Label
    window_days: Number
    minimum_buyers: Number
    minimum_support: Number
    level: Number
    false_discovery_rate: Number
    offers_per_customer: Number
    rule: Sentence
    offer: Sentence

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not (0 < self.level.value < 1 and 0 < self.false_discovery_rate.value < 1):
            raise ValueError("level and false_discovery_rate must lie between 0 and 1")
        if min(self.window_days.value, self.minimum_buyers.value, self.minimum_support.value) < 1:
            raise ValueError("window_days, minimum_buyers and minimum_support must be at least 1")
        return self


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
