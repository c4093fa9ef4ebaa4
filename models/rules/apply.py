"""All documented rules on a population: the one visible composition, from a customer's row to what is said of it."""

from dataclasses import dataclass
from typing import Self

import polars as pl
from pydantic import BaseModel, ConfigDict

from models.rules.composite import composite_score
from models.rules.conditions import conditions, unassessed
from models.rules.deadlines import WorkCalendar
from models.rules.fit import fit_composite
from models.rules.fitted import FittedComposite
from models.rules.fitted_health import FittedHealth
from models.rules.fitted_segments import FittedSegments, fit_segments
from models.rules.health import fit_health, health
from models.rules.pack import RulePack
from models.rules.playbooks import recommend
from models.rules.points import points_of
from models.rules.schema.alert_rules import Kind
from models.rules.segments import segments

RISK: tuple[Kind, ...] = ("risk",)
OTHER_KINDS: tuple[Kind, ...] = ("warning", "care", "service")


class FittedRules(BaseModel):
    """What the rules learn from the population once: kept in the bundle, passed in, never refitted per batch."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    composite: FittedComposite
    health: FittedHealth
    segments: FittedSegments
    premium_price: float | None = None
    core_features: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls, rows: pl.DataFrame, pack: RulePack, as_of: int, currency: str | None, premium_price: float | None,
        core_features: tuple[str, ...], composite: FittedComposite | None = None,
    ) -> Self:  # fmt: skip
        """Learn from `rows` (features and facts as of `as_of`); a `composite` fitted elsewhere is taken as it is."""
        return cls(
            composite=composite or fit_composite(rows, pack, currency),
            health=fit_health(rows, pack, as_of),
            segments=fit_segments(rows, pack, currency, as_of),
            premium_price=premium_price,
            core_features=core_features,
        )


@dataclass(frozen=True)
class Rules:
    """The documented rules with what they learnt."""

    pack: RulePack
    fitted: FittedRules


@dataclass(frozen=True)
class Ruled:
    """What the rules say. `rows`: the input with it, one row a customer; `conditions`: see `rules.conditions`."""

    rows: pl.DataFrame
    conditions: pl.DataFrame
    unassessed: frozenset[str]


def apply_rules(
    rows: pl.DataFrame,
    rules: Rules,
    as_of: int,
    tickets: pl.DataFrame | None = None,
    calendar: WorkCalendar | None = None,
) -> Ruled:
    """Score, health, segments and alerts of each of `rows` (features and facts as of `as_of`).

    Adds the columns of `composite_score`, points, health_score and health_basis, those of `segments`, and alerts
    (List[String]: the rules whose condition holds). Open risks come first, for segments and gifts ask for them.
    """
    pack, fitted = rules.pack, rules.fitted
    scored = composite_score(rows, fitted.composite, pack)
    scored = scored.with_columns(points=points_of(scored, fitted.composite, pack))
    known = _beside(rows, scored, health(rows, fitted.health, pack, as_of))
    risks = conditions(known, pack, as_of, fitted=fitted.segments, kinds=RISK)
    known = _beside(known, segments(_with_alerts(known, risks), fitted.segments, pack, as_of))
    others = conditions(known, pack, as_of, tickets, fitted.segments, calendar, kinds=OTHER_KINDS)
    held = pl.concat([risks, others])
    return Ruled(_with_alerts(known, held), held, unassessed(known, pack, tickets))


def with_playbooks(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """`rows` of `Ruled` (and reason_family, the feature family of the top reason) with the recommended playbook."""
    return _beside(rows, recommend(rows, pack, as_of))


def _beside(rows: pl.DataFrame, *parts: pl.DataFrame) -> pl.DataFrame:
    """`parts`, each in the order of `rows`, as further columns."""
    return pl.concat([rows, *(part.drop("customer_id") for part in parts)], how="horizontal")


def _with_alerts(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """`rows` with alerts: the rules that hold for each customer, in the order of `rules.conditions`."""
    entered = (
        held.filter("enters")
        .group_by("customer_id", maintain_order=True)
        .agg(alerts=pl.col("rule").unique(maintain_order=True))
    )
    joined = rows.join(entered, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("alerts").fill_null(pl.lit([], pl.List(pl.String))))
