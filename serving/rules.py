"""What `remora rules` prints: each function gives the data for machines and what people see."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from features.build import Fitted
from features.engines import Source
from features.facts import open_tickets
from features.settings import Settings
from models.bundle import Bundle
from models.rules import (
    DEFAULT_PACK,
    FittedComposite,
    Method,
    PackError,
    RulePack,
    cleaning_report,
    composite_score,
    fit_composite,
)
from models.rules.apply import Rules, apply_rules
from models.rules.comparisons import Compared
from models.rules.fact_rows import rule_rows, with_facts
from models.rules.replay import Replay, fit_changed, replay
from models.rules.schema.entries import Lang
from models.rules.tiers import tier_label
from serving.errors import require_folder
from serving.in_force import calendar_of, pack_of
from serving.rules_tables import section_tables
from serving.ruling import rules_of
from serving.score import population_of, steady_features
from serving.terminal import UNKNOWN
from training.rules import fit_rules

SHOWN_ROWS = 20
"""Of a list of customers; machines get all of them."""

NO_ALERTS = pl.DataFrame(schema={"customer_id": pl.String, "rule": pl.String})

Printed = tuple[Any, ...]
"""Data for machines, then what people see."""


@dataclass(frozen=True)
class Customers:
    """The customers of today: their data as of a date, their features, and what these know of the population."""

    source: Source
    as_of: int
    settings: Settings
    wide: pl.DataFrame
    fitted: Fitted


RulesOf = Callable[[Customers, Rules], tuple[pl.DataFrame, pl.DataFrame]]


def outcome(customers: Customers, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the rules say of everyone (customer_id, tier, …), and the alerts that hold (customer_id, rule)."""
    tables, as_of = customers.source.tables, customers.as_of
    rows, calendar = rule_rows(tables, customers.wide, as_of, rules), calendar_of(rules.pack, customers.settings)
    ruled = apply_rules(rows, rules, as_of, open_tickets(tables, as_of), calendar)
    return ruled.rows, ruled.conditions.filter("enters").select("customer_id", "rule")


def customers_of(source: Source, as_of: int, bundle: Bundle | None, settings: Settings) -> Customers:
    """The customers known before `as_of`, with the features that the promoted models and the rules read."""
    past = source.until(as_of)
    fitted = population_of(past, as_of, bundle, settings)
    return Customers(past, as_of, settings, steady_features(past, as_of, fitted), fitted)


def in_force(customers: Customers, bundle: Bundle | None) -> Rules:
    """The pack in force with what it learnt (see `serving.ruling`); nothing is kept by asking."""
    settings, tables, as_of = customers.settings, customers.source.tables, customers.as_of
    pack = pack_of(bundle, settings)
    if bundle is not None or (settings.home / "rules" / f"{pack.rules_version}.json").exists():
        return rules_of(bundle, customers.source, customers.wide, as_of, settings, customers.fitted)
    return Rules(pack, fit_rules(tables, customers.wide, as_of, pack, settings, customers.fitted))


def shown(pack: RulePack, lang: Lang) -> Printed:
    """The whole pack, section by section."""
    dumped = pack.model_dump(mode="json", by_alias=True, exclude_none=True)
    sections = {name: part for name, part in dumped.items() if isinstance(part, dict) and part}
    tables = [table for name, part in sections.items() for table in section_tables(name, part, lang)]
    return {"rules_version": pack.rules_version, **dumped}, Text(f"Rule pack {pack.rules_version}"), *tables


def copied(file: Path | None, copy: Path) -> None:
    """Write a pack, comments and all, to `copy`. Raises PackError where that is there already or cannot be written."""
    require_folder(copy)
    if copy.exists():
        raise PackError(f"--out {copy}: exists already; name another file, your own pack might be lost")
    copy.write_text((file or DEFAULT_PACK).read_text(encoding="utf-8"), encoding="utf-8")


def valid(pack: RulePack, file: Path) -> Printed:
    """A pack without problems."""
    data = {"file": str(file), "rules_version": pack.rules_version, "method": pack.composite.method}
    return data, Text(f"{file}: no problems; it is rule pack {pack.rules_version}", style="green")


def checked(pack: RulePack, file: Path, customers: Customers, lang: Lang) -> Printed:
    """How the customers fall under `pack`, fitted on them: tiers, the two methods, cleaning, and what to look at."""
    rows = _rows_for(customers, pack)
    fitted = fit_composite(rows, pack, customers.settings.company.currency)
    scored = composite_score(rows, fitted, pack)
    methods, moved = _methods(rows, pack, fitted)
    cleaning = _cleaning(rows, fitted, pack)
    tiers = _occupancy(scored, pack, lang)
    warnings = [*_empty(tiers, scored.height), *_on_data(fitted, pack)]
    data, words = valid(pack, file)
    told = {"customers": scored.height, "tiers": tiers, "methods": methods, "change_tier_between_methods": moved}
    profiles = {name: int((scored["profile"] == name).sum()) for name in pack.composite.active_profiles}
    told |= {"profiles": profiles, "cleaning": cleaning, "warnings": warnings}
    line = Text(f"{moved:,} of {scored.height:,} customers change tier between the methods dimension and points")
    tables = (_tier_table(tiers, methods), line, _cleaning_table(cleaning, pack, lang))
    return data | told, words, *tables, *(Text(f"look at: {warning}", style="yellow") for warning in warnings)


def differed(
    pack: RulePack, file: Path, customers: Customers, before: Rules, lang: Lang, ruled: RulesOf = outcome
) -> Printed:
    """Policy replay: what `pack` would do to the customers of today, against the rules in force.

    What health and segments learnt stays as it is.
    """
    currency = customers.settings.company.currency
    composite, fresh = fit_changed(customers.wide, pack, before.pack, before.fitted.composite, currency)
    after = Rules(pack, before.fitted.model_copy(update={"composite": composite}))
    (old, old_alerts), (new, new_alerts) = ruled(customers, before), ruled(customers, after)
    found = replay(old, new, old_alerts, new_alerts)
    data: dict[str, Any] = {"before": before.pack.rules_version, "after": pack.rules_version, "file": str(file)}
    data |= {"customers": found.customers, "change_tier": found.moved.height, "fitted_anew": list(fresh)}
    frames = ("tiers", "moved", "rules", "gained", "lost")
    told = data | {name: getattr(found, name).to_dicts() for name in frames}
    return told, *_replayed(found, data, (before.pack, pack), lang)


def compared(result: Compared) -> Printed:
    """Weights by AHP, their consistency, and the lines for a pack."""
    toml = toml_lines(result)
    data = {"levels": {place: asdict(level) for place, level in result.levels.items()}}
    told = data | {"shares": result.shares, "weights": result.weights, "toml": toml}
    rows = [
        (place, name, f"{weight:.1%}", f"{level.consistency_ratio:.3f}")
        for place, level in result.levels.items()
        for name, weight in level.weights.items()
    ]
    table = _rows("Weights by pairwise comparison", ("level", "name", "weight", "consistency ratio"), rows)
    return told, table, Text("Put these lines in the place of theirs in your pack:"), Text(toml)


def toml_lines(result: Compared) -> str:
    """The changed lines of a pack, under the headers they stand below."""
    shares = [("composite.dimensions", name, "share", value) for name, value in result.shares.items()]
    weights = [("composite.indicators", name, "weight", value) for name, value in result.weights.items()]
    return "\n".join(
        f'[{table}.{name}]\n{key} = {{ value = {value:g}, from = "project default" }}\n'
        for table, name, key, value in (*shares, *weights)
    )


def _occupancy(scored: pl.DataFrame, pack: RulePack, lang: Lang) -> list[dict[str, Any]]:
    """Tier, label, customers and their share; the last row is those of whom not enough is known."""
    counts = dict(scored.group_by("tier").len().iter_rows())
    return [
        {
            "tier": tier,
            "label": tier_label(tier, pack, lang),
            "customers": counts.get(tier, 0),
            "share": counts.get(tier, 0) / scored.height if scored.height else None,
        }
        for tier in (*pack.composite.tiers, None)
    ]


def _rows_for(customers: Customers, pack: RulePack) -> pl.DataFrame:
    """The features, and the facts where a weight profile may ask for them."""
    if not pack.composite.active_profiles:
        return customers.wide
    tables, core = customers.source.tables, customers.fitted.core_features
    return with_facts(tables, customers.wide, customers.as_of, pack, core, None)


def _methods(rows: pl.DataFrame, pack: RulePack, fitted: FittedComposite) -> tuple[dict[str, dict[str, int]], int]:
    """Method → tier → customers, and how many change tier between them (RULES §1)."""
    methods: tuple[Method, ...] = ("dimension", "points")
    both = {method: composite_score(rows, fitted, pack.using(method)) for method in methods}
    found = replay(both["dimension"], both["points"], NO_ALERTS, NO_ALERTS)
    counts = {method: dict(scored["tier"].drop_nulls().value_counts().iter_rows()) for method, scored in both.items()}
    return {m: {tier: n.get(tier, 0) for tier in pack.composite.tiers} for m, n in counts.items()}, found.moved.height


def _cleaning(wide: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> list[dict[str, Any]]:
    """`cleaning_report`'s rows with the bounds and whose they are."""
    rows = []
    for row in cleaning_report(wide, fitted, pack).to_dicts():
        fit = fitted.indicators.get(row["indicator"])
        bounds = {"low": fit.low, "high": fit.high, "mean": fit.mean, "bounds_from": fit.basis} if fit else {}
        rows.append(row | {"low": None, "high": None, "mean": None, "bounds_from": None} | bounds)
    return rows


def _empty(tiers: Sequence[dict[str, Any]], customers: int) -> Iterator[str]:
    for row in tiers:
        if row["tier"] is not None and row["customers"] == 0:
            label = row["label"]
            yield f"tier {label} is empty: none of {customers:,} customers; look at its bounds and the indicators'"


def _on_data(fitted: FittedComposite, pack: RulePack) -> Iterator[str]:
    for name in fitted.absent:
        features = ", ".join(pack.composite.indicators[name].features)
        yield f"indicator {name}: no data ({features}); its weight goes to the others"
    for name, fit in fitted.indicators.items():
        if fit.currency_off:
            bounds = pack.composite.indicators[name].bounds
            money = bounds.currency if bounds else None
            yield f"indicator {name}: the bounds are {money}, the data's currency is not; bounds were fitted instead"


def _tier_table(tiers: Sequence[dict[str, Any]], methods: dict[str, dict[str, int]]) -> Table:
    rows = [
        (
            row["label"],
            f"{row['customers']:,}",
            UNKNOWN if row["share"] is None else f"{row['share']:.1%}",
            *(f"{counts[row['tier']]:,}" if row["tier"] else UNKNOWN for counts in methods.values()),
        )
        for row in tiers
    ]
    return _rows("Tiers", ("tier", "customers", "share", *(f"under {name}" for name in methods)), rows)


def _cleaning_table(found: Sequence[dict[str, Any]], pack: RulePack, lang: Lang) -> Table:
    counts, rows = ("missing", "removed", "clipped", "winsorised"), []
    for row in found:
        indicator = pack.composite.indicators[row["indicator"]]
        ends = [UNKNOWN if row[end] is None else f"{row[end]:,.6g}" for end in ("low", "high")]
        worth = ends[::-1] if indicator.direction == "lower" else ends
        cells = (indicator.label.text(lang), row["feature"] or UNKNOWN, *(f"{row[count]:,}" for count in counts))
        rows.append((*cells, *worth, row["bounds_from"] or UNKNOWN))
    return _rows("Cleaning", ("indicator", "feature", *counts, "worth 0 at", "worth 1 at", "bounds from"), rows)


def _replayed(
    found: Replay, data: dict[str, Any], packs: tuple[RulePack, RulePack], lang: Lang
) -> Iterator[RenderableType]:
    yield Text(f"{data['before']} → {data['after']} ({data['file']})")
    yield Text(f"{found.moved.height:,} of {found.customers:,} customers change tier")
    if data["fitted_anew"]:
        yield Text(f"bounds fitted anew on this data, for their entries changed: {', '.join(data['fitted_anew'])}")
    names = [{**_labels(pack, lang), None: tier_label(None, pack, lang)} for pack in packs]
    ways = [(names[0].get(a, a), names[1].get(b, b), f"{n:,}") for a, b, n in found.tiers.iter_rows()]
    yield _rows("Tiers", ("before", "after", "customers"), ways)
    moved = [(customer, names[0].get(a, a), names[1].get(b, b)) for customer, a, b in found.moved.iter_rows()]
    yield from _listed("Who changes tier", ("customer", "before", "after"), moved)
    if found.rules.height:
        yield _rows("Alerts", ("rule", "before", "after", "gained", "lost"), found.rules.iter_rows())
    yield from _listed("Who gains an alert", ("customer", "rule"), found.gained.rows())
    yield from _listed("Who loses an alert", ("customer", "rule"), found.lost.rows())


def _labels(pack: RulePack, lang: Lang) -> dict[str | None, str]:
    return {tier: tier_label(tier, pack, lang) for tier in pack.composite.tiers}


def _listed(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[RenderableType]:
    """The first rows of a list; nothing for an empty one."""
    if rows:
        yield _rows(title, headings, rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        yield Text(f"… and {len(rows) - SHOWN_ROWS:,} more; --json has all")


def _rows(title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
