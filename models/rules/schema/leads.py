"""Lead scores (RULES §4): two schemes, the grades they lead to, tags, stages and what the conversion report needs."""

from itertools import pairwise
from math import inf
from typing import Literal, Self

from pydantic import Field, model_validator

from models.rules.schema.entries import Interval, Label, Number, Part, Real, Sourced, Text

SchemeName = Literal["bant", "four"]


class Component(Sourced):
    """One part of a lead's score: where it is read and from what to what its points go."""

    label: Label
    column: Text
    low: Real
    high: Real

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class SchemeGrade(Part):
    """A grade of one scheme: the scores it takes, and the grade of the list (`Leads.grades`) it counts as."""

    label: Label
    score: Interval
    counts_as: Text


class Scheme(Part):
    """One way to score a lead: the sum of its components, cut into grades."""

    label: Label
    components: dict[str, Component] = Field(min_length=1)
    grades: dict[str, SchemeGrade] = Field(min_length=1)

    @property
    def least(self) -> float:
        """The lowest possible score."""
        return sum(component.low for component in self.components.values())

    @property
    def most(self) -> float:
        """The highest possible score."""
        return sum(component.high for component in self.components.values())

    @model_validator(mode="after")
    def _grades_meet(self) -> Self:
        spans = sorted((_low(grade), _high(grade), name) for name, grade in self.grades.items())
        if spans[0][0] != -inf or spans[-1][1] != inf:
            raise ValueError("grades must cover every score: leave out low of the lowest and high of the highest")
        for (_, high, below), (low, _, above) in pairwise(spans):
            if high != low:
                raise ValueError(
                    f"grades.{below}.score: high {high:g} must equal the {low:g} at which {above!r} begins"
                )
            if not self.least < low <= self.most:
                reach = f"{self.least:g} to {self.most:g}"
                raise ValueError(f"grades.{above}.score: begins at {low:g}, but components add up to {reach}; move it")
        return self


class Grade(Sourced):
    """A grade of the list that sellers work down, best first in the file; `owner` and `action` are keys."""

    label: Label
    owner: Text
    action: Text
    contact_within_hours: Number | None = None


class Level(Part):
    """A tag: given where `column` is at or above `at_least`."""

    label: Label
    column: Text
    at_least: Number


class SizeBand(Sourced):
    """A band of employees, half-open."""

    label: Label
    employees: Interval


class Tags(Part):
    """Tags added to a lead's own (D4): industry, size, need, intent."""

    industry: Label
    size: Label
    sizes: dict[str, SizeBand]
    levels: dict[str, Level]


class Stage(Sourced):
    """A stage of the pipeline and the words that name it in the data; the order of the file is the pipeline's."""

    label: Label
    words: tuple[Text, ...] = Field(min_length=1)


class Words(Sourced):
    """Words that name one thing in the data; case does not matter."""

    words: tuple[Text, ...] = Field(min_length=1)


class Conversion(Part):
    """The conversion report (D4). `level` of the intervals; a stage counts as the weakest link from `minimum_leads`."""

    level: Number
    minimum_leads: Number
    won: Words
    lost: Words
    other: Label
    not_given: Label
    weakest_link: Label
    not_better: Label


class Referral(Part):
    """How being asked for a referral shows in the data: topics of interactions, playbooks of interventions."""

    label: Label
    topics: Words
    playbooks: Words


class Leads(Part):
    """RULES §4. `prefer`: the scheme whose grade counts where several have one, first to last."""

    prefer: tuple[SchemeName, ...] = Field(min_length=1)
    bant: Scheme
    four: Scheme
    grades: dict[str, Grade] = Field(min_length=1)
    owners: dict[str, Label]
    actions: dict[str, Label]
    tags: Tags
    stages: dict[str, Stage]
    conversion: Conversion
    referral: Referral

    @property
    def schemes(self) -> dict[SchemeName, Scheme]:
        """Both schemes by name."""
        return {"bant": self.bant, "four": self.four}

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        counted = [
            (f"{s}.grades.{g}.counts_as", grade.counts_as, [*self.grades])
            for s, scheme in self.schemes.items()
            for g, grade in scheme.grades.items()
        ]
        owners = [(f"grades.{g}.owner", grade.owner, [*self.owners]) for g, grade in self.grades.items()]
        actions = [(f"grades.{g}.action", grade.action, [*self.actions]) for g, grade in self.grades.items()]
        named = [*counted, *owners, *actions]
        wrong = [f"{path}: {key!r} is none of {', '.join(known)}" for path, key, known in named if key not in known]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def _low(grade: SchemeGrade) -> float:
    return -inf if grade.score.low is None else grade.score.low


def _high(grade: SchemeGrade) -> float:
    return inf if grade.score.high is None else grade.score.high
