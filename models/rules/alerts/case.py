"""What an alert rule is given, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from models.rules.deadlines import WorkCalendar
from models.rules.fitted_segments import FittedSegments
from models.rules.pack import RulePack
from models.rules.rows import column, days_since
from models.rules.schema.alert_rules import Rules
from models.rules.schema.entries import Number

NO_TIME = pl.lit(None, pl.Int64)
UTC_WEEKDAYS = WorkCalendar()
NO_SIGNS = pl.lit([], pl.List(pl.String))


class Held(NamedTuple):
    """Expressions over the rows: the condition holds, still holds with the margin, the event that began it (Int64),
    signs (List[String]) and size (≥ 0: how far beyond the threshold, in multiples of it).
    """  # fmt: skip

    enters: pl.Expr
    stays: pl.Expr
    anchor: pl.Expr = NO_TIME
    signs: pl.Expr = NO_SIGNS
    size: pl.Expr = pl.lit(0.0)


@dataclass(frozen=True)
class Case:
    """`rows` (customers, or tickets of a service rule) as of `as_of`, and what the rules may look up."""

    rows: pl.DataFrame
    pack: RulePack
    as_of: int
    fitted: FittedSegments | None = None
    calendar: WorkCalendar = UTC_WEEKDAYS

    @property
    def rules(self) -> Rules:
        """The numbers of every rule."""
        return self.pack.alerts.rules

    def number(self, name: str) -> pl.Expr:
        """The column as Float64; NaN is unknown."""
        return column(self.rows, name).fill_nan(None)

    def time(self, name: str) -> pl.Expr:
        """The column as a moment (Int64 microseconds)."""
        return column(self.rows, name, pl.Int64)

    def flag(self, name: str) -> pl.Expr:
        """The column as Boolean; unknown is false."""
        return column(self.rows, name, pl.Boolean).fill_null(False)

    def days(self, name: str) -> pl.Expr:
        """Days since the moment in column `name`; null for never."""
        return days_since(self.rows, name, self.as_of)

    def says(self, reason: str) -> pl.Expr:
        """Boolean, never null: the reason is among what the customer said."""
        return column(self.rows, "feedback", pl.List(pl.String)).list.contains(reason).fill_null(False)


@dataclass(frozen=True)
class RuleAt:
    """A rule's function, and the columns without which it can say nothing: all of `needs`, one of `any_of`."""

    hold: Callable[[Case], Held]
    needs: tuple[str, ...]
    of_tickets: bool = False
    any_of: tuple[str, ...] = ()


def lowered(threshold: Number, margin: Number) -> float:
    """The threshold that days must fall below before the alert closes."""
    return round(threshold.value * (1 - margin.value), 9)


def raised(threshold: Number, margin: Number) -> float:
    """The threshold that days must rise above before the alert closes."""
    return round(threshold.value * (1 + margin.value), 9)


def listed(signs: Mapping[str, pl.Expr]) -> pl.Expr:
    """List[String]: the keys of the signs that are there, in the order given."""
    return pl.concat_list(pl.when(there).then(pl.lit(key)) for key, there in signs.items()).list.drop_nulls()
