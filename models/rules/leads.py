"""Lead scores: BANT (D1) and four dimensions (D4), the list they make, deadlines and tags (D4)."""

from math import inf

import polars as pl

from features.clock import DAY
from models.rules.pack import Lang, RulePack
from models.rules.rows import column
from models.rules.schema.entries import Interval
from models.rules.schema.leads import Component, Scheme
from models.rules.tiers import ladder

HOUR = DAY // 24
SEPARATORS = "[,，、;；]"


def score_leads(leads: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """One row per lead, best grade first; inside a grade the better score, then the older lead, then lead_id.

    `leads`: the contract's table as known before `as_of` (microseconds). Columns: lead_id, bant_score, bant_grade,
    four_score, four_grade (keys of the pack; null unless every component is known), grade (that of the first scheme
    in the pack's `prefer` that has one, as a key of `leads.grades`; null, and last, where none has), grade_basis (the
    scheme), first_contact_due (Int64; null: no deadline), contacted_late (null: no deadline, or contacts unknown),
    recommended_owner, recommended_action (keys of `leads.owners`, `leads.actions`), tags and missing (components
    without a value, of the schemes in use; of all where none is). Nothing depends on another row.
    """
    rules = pack.leads
    scored = leads.with_columns(_scores(leads, pack)).with_columns(_scheme_grades(pack))
    graded = scored.with_columns(grade=_grade(pack), grade_basis=_basis(pack), **_lists(leads, pack))
    hours = {name: grade.contact_within_hours for name, grade in rules.grades.items()}
    due = {name: int(number.value * HOUR) for name, number in hours.items() if number is not None}
    rows = graded.with_columns(
        first_contact_due=column(leads, "created_at", pl.Int64) + _looked_up("grade", due, pl.Int64),
        recommended_owner=_looked_up("grade", {name: grade.owner for name, grade in rules.grades.items()}),
        recommended_action=_looked_up("grade", {name: grade.action for name, grade in rules.grades.items()}),
    ).with_columns(contacted_late=_late(leads, pack, as_of))
    return rows.sort(_order(leads, pack), nulls_last=True).select(
        "lead_id", "bant_score", "bant_grade", "four_score", "four_grade", "grade", "grade_basis", "first_contact_due",
        "contacted_late", "recommended_owner", "recommended_action", "tags", "missing",
    )  # fmt: skip


def lead_cleaning(leads: pl.DataFrame, pack: RulePack) -> pl.DataFrame:
    """What cleaning did, one row per component: scheme, component, leads, missing, clipped (out of range)."""
    counted = [
        (scheme, name, leads.height, value.null_count(), int(_outside(value, part).sum()))
        for scheme, rules in pack.leads.schemes.items()
        for name, part in rules.components.items()
        for value in (leads.with_columns(value=_value(leads, part.column))["value"],)
    ]
    counts = dict.fromkeys(("leads", "missing", "clipped"), pl.Int64)
    return pl.DataFrame(counted, schema={"scheme": pl.String, "component": pl.String, **counts}, orient="row")


def outcome_of(leads: pl.DataFrame, pack: RulePack) -> pl.Expr:
    """ "won", "lost", or null while the lead is open, by the pack's words."""
    said = column(leads, "outcome", pl.String).str.strip_chars().str.to_lowercase()
    words = pack.leads.conversion
    won, lost = ([word.lower() for word in part.words] for part in (words.won, words.lost))
    return pl.when(said.is_in(won)).then(pl.lit("won")).when(said.is_in(lost)).then(pl.lit("lost"))


def size_band(employees: pl.Expr, pack: RulePack) -> pl.Expr:
    """The key of the pack's band of `employees`; null for null, NaN and what lies in no band."""
    band = pl.lit(None, pl.String)
    for name, size in pack.leads.tags.sizes.items():
        band = pl.when(_inside(employees.fill_nan(None), size.employees)).then(pl.lit(name)).otherwise(band)
    return band


def tag_label(tag: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a tag of `score_leads`; a lead's own tag is shown as it is.

    >>> from models.rules import load_pack
    >>> tag_label("size:small", load_pack())
    'size: small'
    """
    tags = pack.leads.tags
    kind, _, value = tag.partition(":")
    if kind == "industry" and value:
        return f"{tags.industry.text(lang)}: {value}"
    if kind == "size" and value in tags.sizes:
        return f"{tags.size.text(lang)}: {tags.sizes[value].label.text(lang)}"
    return tags.levels[tag].label.text(lang) if tag in tags.levels else tag


def _scores(leads: pl.DataFrame, pack: RulePack) -> list[pl.Expr]:
    return [_score(leads, scheme).alias(f"{name}_score") for name, scheme in pack.leads.schemes.items()]


def _score(leads: pl.DataFrame, scheme: Scheme) -> pl.Expr:
    """The sum of the clipped components; null unless all are known. Rounded, or 0.1 + 0.2 could cost a grade."""
    parts = [_value(leads, part.column).clip(part.low, part.high) for part in scheme.components.values()]
    return pl.sum_horizontal(parts, ignore_nulls=False).round(9)


def _value(leads: pl.DataFrame, name: str) -> pl.Expr:
    return column(leads, name).fill_nan(None)


def _outside(value: pl.Series, part: Component) -> pl.Series:
    return (value < part.low) | (value > part.high)


def _inside(value: pl.Expr, interval: Interval) -> pl.Expr:
    low, high = -inf if interval.low is None else interval.low, inf if interval.high is None else interval.high
    return (value >= low) & (value < high)


def _scheme_grades(pack: RulePack) -> list[pl.Expr]:
    starts = {
        name: {key: -inf if grade.score.low is None else grade.score.low for key, grade in scheme.grades.items()}
        for name, scheme in pack.leads.schemes.items()
    }
    return [ladder(pl.col(f"{name}_score"), steps).alias(f"{name}_grade") for name, steps in starts.items()]


def _grade(pack: RulePack) -> pl.Expr:
    """The grade of the first preferred scheme that has one (project default)."""
    return pl.coalesce(
        _looked_up(f"{name}_grade", {key: grade.counts_as for key, grade in pack.leads.schemes[name].grades.items()})
        for name in pack.leads.prefer
    )


def _basis(pack: RulePack) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(f"{name}_grade").is_not_null()).then(pl.lit(name)) for name in pack.leads.prefer)


def _looked_up(name: str, words: dict[str, str] | dict[str, int], kind: type[pl.DataType] = pl.String) -> pl.Expr:
    return pl.col(name).replace_strict(words, default=None, return_dtype=kind)


def _late(leads: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """Whether the first contact came, or is still missing, after it was due; decided without one: unknown."""
    if "first_contacted_at" not in leads.columns:
        return pl.lit(None, pl.Boolean)
    due, at = pl.col("first_contact_due"), pl.col("first_contacted_at")
    contacted = pl.when(at < as_of).then(at)
    waiting = pl.when(outcome_of(leads, pack).is_null()).then(pl.lit(as_of) > due)
    return pl.when(contacted.is_not_null()).then(contacted > due).otherwise(waiting)


def _order(leads: pl.DataFrame, pack: RulePack) -> list[pl.Expr]:
    rank = {name: place for place, name in enumerate(pack.leads.grades)}
    shares = [
        (pl.col(f"{name}_score") - scheme.least) / (scheme.most - scheme.least)
        for name in pack.leads.prefer
        for scheme in (pack.leads.schemes[name],)
    ]
    created = column(leads, "created_at", pl.Int64)
    return [_looked_up("grade", rank, pl.Int64), -pl.coalesce(shares), created, pl.col("lead_id")]


def _lists(leads: pl.DataFrame, pack: RulePack) -> dict[str, pl.Expr]:
    return {"tags": _tags(leads, pack), "missing": _missing(leads, pack)}


def _missing(leads: pl.DataFrame, pack: RulePack) -> pl.Expr:
    schemes = pack.leads.schemes.values()
    used = [s for s in schemes if any(part.column in leads.columns for part in s.components.values())] or schemes
    parts = [(name, part.column) for scheme in used for name, part in scheme.components.items()]
    return _listed([pl.when(_value(leads, source).is_null()).then(pl.lit(name)) for name, source in parts])


def _tags(leads: pl.DataFrame, pack: RulePack) -> pl.Expr:
    """The lead's own tags, then industry, size, need and intent (D4)."""
    tags = pack.leads.tags
    industry, size = column(leads, "industry", pl.String), size_band(column(leads, "employees"), pack)
    levels = [
        pl.when(_value(leads, level.column) >= level.at_least.value).then(pl.lit(name))
        for name, level in tags.levels.items()
    ]
    added = _listed([pl.lit("industry:") + _trimmed(industry), pl.lit("size:") + size, *levels])
    written = column(leads, "tags", pl.String).fill_null("").str.replace_all(SEPARATORS, ",").str.split(",")
    own = written.list.eval(_trimmed(pl.element())).list.drop_nulls()
    return pl.concat_list(own, added).list.unique(maintain_order=True)


def _trimmed(text: pl.Expr) -> pl.Expr:
    """Text without blanks around it; null where nothing is left."""
    bare = text.str.strip_chars()
    return pl.when(bare != "").then(bare)


def _listed(texts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_list(texts).list.drop_nulls()
