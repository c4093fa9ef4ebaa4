"""One recommended playbook for each customer, with owner, cadence, first deadline and the reason (RULES §6)."""

from collections.abc import Iterable, Mapping

import polars as pl

from features.clock import DAY
from models.rules.pack import Lang, RulePack
from models.rules.rows import column
from models.rules.schema.playbooks import Fallback, Playbook, Playbooks, When
from models.rules.segments import SCHEMES, segment_label
from models.rules.stages import HOUR, micros_of
from models.rules.standing import has_any_alert
from models.rules.tiers import tier_label

OTHERWISE, NOTHING_KNOWN = "otherwise", "nothing_known"


def recommend(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """The first playbook of the pack whose conditions hold, for each row of `rows`.

    `rows`: customer_id; tier (key); alerts (List[String] of the rules that hold); segment_<scheme>; risk_band
    and reason_family (of the model and its top reason). A column that is not there, or null, makes no condition true.

    Where documents differ the stricter wins: the higher of the playbook's and the tier's owner, the tighter of their
    cadences, twice as often with an open risk alert (project default).

    Returns, in the order of `rows`: customer_id, playbook_key, playbook_owner and playbook_cadence (keys of the pack's
    roles and cadences), playbook_due (Int64 microseconds), playbook_because (see `because_text`).
    """
    table = pack.playbooks
    known = rows.with_columns(**_flags(rows, table), playbook_tier=column(rows, "tier", pl.String))
    risk = has_any_alert(rows, pack.segments.loyal.risk_alerts)
    chosen = known.select("customer_id", "playbook_tier", index=_first_that_holds(known, table), risk=risk)
    by = ["index", "playbook_tier", "risk"]
    outcomes = _outcomes(chosen.select(by).unique(), pack, as_of)
    joined = chosen.join(outcomes, on=by, how="left", nulls_equal=True, maintain_order="left")
    return joined.select("customer_id", pl.col("^playbook_.*$").exclude("playbook_tier"))


def because(key: str, pack: RulePack) -> str:
    """Why a playbook is chosen: its conditions joined by "+", for example "alert:loss_risk+segment:value:high"."""
    if key in (OTHERWISE, NOTHING_KNOWN):
        return key
    when = pack.playbooks.rows[key].when
    parts = [*(f"alert:{alert}" for alert in when.alert), *(f"segment:{segment}" for segment in when.segment)]
    parts += [f"tier:{when.tier}"] if when.tier else []
    parts += [f"risk:{when.risk_band}"] if when.risk_band else []
    parts += [f"reason:{when.reason_family}"] if when.reason_family else []
    return "+".join(parts)


def because_text(key: str, pack: RulePack, lang: Lang = "en") -> str:
    """`playbook_because` in plain words. Raises KeyError for a key that the pack does not have."""
    table = pack.playbooks
    if key in (OTHERWISE, NOTHING_KNOWN):
        return _entry(key, table).because.text(lang)  # type: ignore[union-attr]
    return table.joined_by.text(lang).join(_reason_text(part, pack, lang) for part in key.split("+"))


def playbook_text(key: str, pack: RulePack, lang: Lang = "en") -> str:
    """A playbook's name and measures."""
    entry = _entry(key, pack.playbooks)
    label, measures = entry.label.text(lang), entry.measures.text(lang)
    return pack.playbooks.described.text(lang).format(label=label, measures=measures)


def owner_text(key: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for `playbook_owner`."""
    return pack.playbooks.roles[key].label.text(lang)


def cadence_text(key: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for `playbook_cadence`."""
    return pack.playbooks.cadences[key].label.text(lang)


def first_deadline(key: str, pack: RulePack) -> int:
    """Microseconds from the recommendation to a playbook's first deadline; that of its alerts where it has none."""
    entry = _entry(key, pack.playbooks)
    if (own := micros_of(entry.first_deadline)) is not None:
        return own
    assert isinstance(entry, Playbook)  # the schema gives every other row a deadline
    deadlines = [pack.alerts.rules.by_key[alert].deadline for alert in entry.when.alert]
    return min(round((each.hours or 0) * HOUR + (each.days or 0) * DAY) for each in deadlines)


def _first_that_holds(known: pl.DataFrame, table: Playbooks) -> pl.Expr:
    """The place, in `_keys`, of the first playbook whose conditions hold."""
    rows = table.rows.values()
    fallbacks = pl.when(_nothing_known(known)).then(len(rows)).otherwise(len(rows) + 1).cast(pl.UInt16)
    held = (pl.when(_holds(row.when, known)).then(pl.lit(place, pl.UInt16)) for place, row in enumerate(rows))
    return pl.coalesce(*held, fallbacks)


def _outcomes(chosen: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """What is recommended to each combination of playbook (`index`), tier and open risk: there are few."""
    table, keys = pack.playbooks, list(_keys(pack.playbooks))
    key = pl.col("index").replace_strict(dict(enumerate(keys)), return_dtype=pl.String)
    return chosen.with_columns(key=key).select(
        *chosen.columns,
        playbook_key=pl.col("key"),
        playbook_owner=_owner(table),
        playbook_cadence=_cadence(table, pack.composite.cadence_at_risk.value),
        playbook_due=pl.lit(as_of, pl.Int64) + _looked_up("key", {each: first_deadline(each, pack) for each in keys}),
        playbook_because=_looked_up("key", {each: because(each, pack) for each in keys}),
    )


def _flags(rows: pl.DataFrame, table: Playbooks) -> dict[str, pl.Expr]:
    """alert_<key>: Boolean, never null, for each alert that a playbook asks for."""
    asked = {alert for row in table.rows.values() for alert in row.when.alert}
    return {f"alert_{alert}": has_any_alert(rows, (alert,)) for alert in sorted(asked)}


def _holds(when: When, rows: pl.DataFrame) -> pl.Expr:
    pairs = [("playbook_tier", when.tier), ("risk_band", when.risk_band), ("reason_family", when.reason_family)]
    pairs += [(f"segment_{scheme}", name) for scheme, _, name in (key.partition(":") for key in when.segment)]
    equal = [column(rows, name, pl.String) == value for name, value in pairs if value is not None]
    return pl.all_horizontal(*equal, *(pl.col(f"alert_{alert}") for alert in when.alert))


def _nothing_known(rows: pl.DataFrame) -> pl.Expr:
    """No tier, no alert, no segment, no reason of a model."""
    names = ["tier", "reason_family", *(f"segment_{scheme}" for scheme in SCHEMES)]
    alerts = (pl.col("alerts").list.len().fill_null(0) == 0) if "alerts" in rows.columns else pl.lit(True)
    return pl.all_horizontal(alerts, *(column(rows, name, pl.String).is_null() for name in names))


def _owner(table: Playbooks) -> pl.Expr:
    """The tier's owner where that is the higher role and the playbook yields to it, else the playbook's."""
    owner = _looked_up("key", {key: _entry(key, table).owner for key in _keys(table)})
    own_rank = _looked_up("key", {key: _rank(key, table) for key in _keys(table)})
    tiers = _tier_rows(table)
    tier_rank = _looked_up("playbook_tier", {tier: table.roles[row.owner].rank for tier, row in tiers.items()})
    tier_owner = _looked_up("playbook_tier", {tier: row.owner for tier, row in tiers.items()})
    return pl.when(tier_rank > own_rank).then(tier_owner).otherwise(owner)


def _rank(key: str, table: Playbooks) -> float:
    entry = _entry(key, table)
    keeps = isinstance(entry, Playbook) and entry.keeps_owner
    return float("inf") if keeps else table.roles[entry.owner].rank


def _cadence(table: Playbooks, times_at_risk: float) -> pl.Expr:
    """The tighter of playbook's and tier's, then more often where a risk is open."""
    days: dict[str, float] = {name: cadence.days for name, cadence in table.cadences.items()}
    own = {key: cadence for key in _keys(table) if (cadence := _entry(key, table).cadence)}
    of_tier = {tier: row.cadence for tier, row in _tier_rows(table).items() if row.cadence}
    own_days = _looked_up("key", {key: days[cadence] for key, cadence in own.items()})
    tier_days = _looked_up("playbook_tier", {tier: days[cadence] for tier, cadence in of_tier.items()})
    tighter = own_days.is_null() | (tier_days < own_days)
    usual = pl.coalesce(pl.when(tighter).then(_looked_up("playbook_tier", of_tier)), _looked_up("key", own))
    oftener = {name: _oftener(each, days, times_at_risk) for name, each in days.items()}
    return pl.when(pl.col("risk")).then(usual.replace_strict(oftener, default=None)).otherwise(usual)


def _oftener(usual: float, days: Mapping[str, float], times: float) -> str:
    """The slowest cadence that is at least `times` as often as every `usual` days; the fastest where none is."""
    enough = [name for name, each in days.items() if each * times <= usual]
    return max(enough, key=days.__getitem__, default=min(days, key=days.__getitem__))


def _tier_rows(table: Playbooks) -> Mapping[str, Playbook]:
    """Tier → the row for that tier alone."""
    return {row.when.tier: row for row in table.rows.values() if row.when.tier and row.when == When(tier=row.when.tier)}


def _keys(table: Playbooks) -> Iterable[str]:
    return [*table.rows, NOTHING_KNOWN, OTHERWISE]


def _entry(key: str, table: Playbooks) -> Playbook | Fallback:
    fallbacks = {OTHERWISE: table.otherwise, NOTHING_KNOWN: table.nothing_known}
    return fallbacks[key] if key in fallbacks else table.rows[key]


def _looked_up(name: str, values: Mapping[str, object]) -> pl.Expr:
    """The column `name` through `values`; null for a key that is not there."""
    if not values:
        return pl.lit(None)
    return pl.col(name).replace_strict(values, default=None)


def _reason_text(part: str, pack: RulePack, lang: Lang) -> str:
    table, (kind, _, key) = pack.playbooks, part.partition(":")
    if kind == "segment":
        return segment_label(key, pack, lang)
    if kind == "alert":
        return table.alert_reason.text(lang).format(label=pack.alerts.rules.by_key[key].label.text(lang))
    if kind == "risk":
        return table.risk_reason.text(lang).format(label=pack.risk_bands[key].label.text(lang))
    if kind == "tier":
        return table.tier_reason.text(lang).format(label=tier_label(key, pack, lang))
    families = {name: label.text(lang) for name, label in table.reason_families.items()}
    return table.reason_reason.text(lang).format(label=families[key])  # type: ignore[index]
