"""What the conversion report says: plain, frozen, and the same after a trip through JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from models.rules.schema.leads import SchemeName
from training.bootstrap import Interval

Period = Literal["all", "month", "week"]
By = Literal["all", "grade", "stage", "industry"]


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(Result):
    """`hits` of `of` with the Wilson interval; unknown where `of` is 0."""

    hits: int
    of: int
    share: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None


class Converted(Result):
    """Leads of one group that came in during a period that begins on `start` (YYYY-MM-DD; None: all of them).

    `value`: grade, stage reached or industry; None: without one. `of_decided` is won / (won + lost), `of_all` is
    won / leads.
    """

    period: Period
    start: str | None
    by: By
    value: str | None
    leads: int
    won: int
    lost: int
    open: int
    of_decided: Share
    of_all: Share


class Link(Result):
    """Of the leads that entered `stage`: went on (to a later stage, or won) of those that went on or were lost there.

    `onward`: the next stage in order, or "won". `of_all` counts those that are still there as well.
    """

    stage: str
    onward: str
    leads: int
    of_decided: Share
    of_all: Share


class Reason(Result):
    """Why deals were lost or won: a key of the reason list, "other" or "not_given". A text may name several."""

    outcome: Literal["lost", "won"]
    reason: str
    leads: int
    share: FiniteFloat


class NotBetter(Result):
    """A grade that does not convert better than the next one below it."""

    grade: str
    next_grade: str
    of_decided: Share
    next_of_decided: Share


class SchemeCheck(Result):
    """A scheme's score against what became of the decided leads: AUC with its 90 % interval, conversion by grade."""

    scheme: SchemeName
    leads: int
    won: int
    auc: Interval | None
    grades: dict[str, Share]
    not_better: tuple[NotBetter, ...]


class Referrals(Result):
    """Asked → lead → won. Customers asked before the cut-off (None: no table says), and who of them brought a lead.

    `leads` and `won` count every referred lead, asked for or not.
    """

    asked: int | None
    brought_a_lead: Share | None
    leads: int
    of_decided: Share
    of_all: Share


class Spell(Result):
    """Days from enquiry to deal of the won leads: quartiles; None without any."""

    deals: int
    lower: FiniteFloat | None
    median: FiniteFloat | None
    upper: FiniteFloat | None


class ConversionReport(Result):
    """The whole report. `stage_order`: whether the order of stages is the pack's or read from the data."""

    leads: int
    conversion: tuple[Converted, ...]
    stage_order: Literal["pack", "data"]
    links: tuple[Link, ...]
    weakest_link: Link | None
    reasons: tuple[Reason, ...]
    checks: tuple[SchemeCheck, ...]
    referrals: Referrals
    enquiry_to_deal: Spell
