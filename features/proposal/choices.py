"""What `remora init` proposes once the tables can be read: definition, horizons, value source, profile columns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from features.asof import last_event
from features.build import beginnings
from features.clock import DAY
from features.engines import Source
from features.point_in_time import Tables
from features.profile import extras, is_personal
from features.proposal.horizons import (
    Horizon,
    Term,
    prepaid_term,
    purchase_horizon,
    subscription_horizon,
    usage_horizon,
)
from features.settings import Definition
from features.suspects import Mark, suspicions

DEFINITIONS: dict[Definition, tuple[str, str]] = {
    "labelled": ("labels", "labels say who left"),
    "cancelled": ("subscriptions", "customers subscribe, so they leave by letting all subscriptions end"),
    "no_purchase": ("transactions", "customers buy without a contract, so they leave by not buying"),
    "inactive": ("usage_events", "customers only use the product, so they leave by not using it"),
}
"""Definition → its table and why one would choose it; the first whose table is there is proposed."""

LEAKS: tuple[Mark, ...] = ("identifier-like", "label-like", "high-cardinality", "as of today")
FOREVER = 2**62


@dataclass(frozen=True)
class Choice:
    """One setting; `asks` where only the user can know, `value` None where it must stay open or is a mere remark."""

    section: str
    key: str
    value: str | int | tuple[str, ...] | None
    why: str
    asks: bool = False

    def line(self) -> str:
        """The line in remora.toml.

        >>> Choice("churn", "grace_days", 0, "why not").line()
        'grace_days = 0  # why not'
        """
        why = f"? {self.why}" if self.asks else self.why
        if self.value is None:
            return f"# {self.key}: {why}"
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return f"{self.key} = {json.dumps(value, ensure_ascii=False)}  # {why}"


def choices(source: Source) -> tuple[list[Choice], dict[str, str]]:
    """Settings for an opened source, and further lines for its tables (table → line)."""
    tables = source.tables
    definition = next(name for name, (table, _) in DEFINITIONS.items() if table in tables)
    term = prepaid_term(tables["subscriptions"]) if "subscriptions" in tables else None
    found = [*_churn(tables, definition, term), *_value(tables), *_profile(tables, definition)]
    return found, {"subscriptions": _term_line(term)} if term else {}


def _churn(tables: Tables, definition: Definition, term: Term | None) -> Iterator[Choice]:
    others = [name for name, (table, _) in DEFINITIONS.items() if table in tables and name != definition]
    also = f"; also possible: {', '.join(others)}" if others else ""
    yield Choice("churn", "definition", definition, DEFINITIONS[definition][1] + also, asks=bool(others))
    if definition == "labelled":
        yield Choice("churn", "horizon_days", 90, "over how many days do the labels look ahead?", asks=True)
        return
    horizon = _horizon(tables, definition, term)
    short = "" if horizon.fits else "; history is too short for it"
    yield Choice("churn", "horizon_days", horizon.days, horizon.why + short, asks=not horizon.fits)
    if definition == "cancelled":
        grace = "a period that is not renewed has ended" if term else "days a late renewal may take before it is a loss"
        yield Choice("churn", "grace_days", 0 if term else 14, grace)
    else:
        active = max(365, 2 * horizon.days) if definition == "no_purchase" else max(60, 2 * horizon.days)
        yield Choice("churn", "active_within_days", active, "who did nothing for longer is gone already")


def _horizon(tables: Tables, definition: Definition, term: Term | None) -> Horizon:
    table = DEFINITIONS[definition][0]
    first, last = beginnings(tables).get(table, 0), last_event(tables[table], table, FOREVER) or 0
    days = (last - first) / DAY
    if definition == "no_purchase":
        return purchase_horizon(tables[table], days)
    return usage_horizon(tables[table], days) if definition == "inactive" else subscription_horizon(term, days)


def _value(tables: Tables) -> Iterator[Choice]:
    there = [name for name in ("transactions", "subscriptions") if name in tables]
    if len(there) == 1:
        yield Choice("value", "source", there[0], "the only table with money")
    if len(there) > 1:
        yield Choice("value", "source", None, 'do transactions hold the invoices of subscriptions? then "transactions" '
                     'or "subscriptions"; if both are money of their own, "both"', asks=True)  # fmt: skip
    if "transactions" in tables and "gross_margin" in tables["transactions"].collect_schema().names():
        yield Choice("value", "measure", "revenue", '"margin" counts gross_margin instead', asks=True)


def _profile(tables: Tables, definition: Definition) -> Iterator[Choice]:
    """Columns of customers that may train, and those that may not, each with the reason."""
    if "customers" not in tables or not (names := extras(tables)):
        return
    rows: pl.DataFrame = tables["customers"].select(*names).collect(backend="polars").to_native()
    doubts = {name: suspicions(name, rows[name]) | _who(name) for name in names}
    if definition == "labelled":
        yield from _excluded(doubts)
        return
    kept = tuple(name for name in names if not doubts[name])
    why = "do these stay the same for as long as someone is a customer? keep only those that do"
    yield Choice("profile", "static", kept, why, asks=bool(kept))
    yield from (Choice("profile", name, None, f"left out, {'; '.join(marks.values())}")
                for name, marks in doubts.items() if marks)  # fmt: skip


def _who(name: str) -> dict[Mark, str]:
    return {"identifier-like": "says who the customer is, or how to reach them"} if is_personal(name) else {}


def _excluded(doubts: dict[str, dict[Mark, str]]) -> Iterator[Choice]:
    leaks = {name: marks for name, marks in doubts.items() if set(marks) & set(LEAKS)}
    if leaks:
        yield Choice("features", "exclude", tuple(leaks), "may these really not train? the reasons:", asks=True)
        yield from (Choice("features", name, None, "; ".join(marks.values())) for name, marks in leaks.items())


def _term_line(term: Term) -> str:
    return (f"ended_at_is_term = true  # {term.ended:.0%} of rows have an end, all about equally long, and "
            f"{term.contiguous:.0%} are followed by the next without a gap: prepaid periods")  # fmt: skip
