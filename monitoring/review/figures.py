"""What every figure of the review is made of: shares with their interval, sentences in two languages, dates."""

from collections.abc import Sequence

import polars as pl
from pydantic import FiniteFloat

from features.clock import moment
from features.point_in_time import Frame, Tables
from models.rules.pack import RulePack
from models.rules.proportions import wilson
from models.rules.schema.entries import Label, Lang
from models.rules.schema.leads import Words
from training.bootstrap import Interval, known
from training.evaluate import Report

LANGUAGES: tuple[Lang, ...] = ("zh", "en")


class Share(Report):
    """`hits` of `of` with the Wilson interval at confidence `level` (0..1); None where `of` is 0."""

    hits: int
    of: int
    share: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    level: float


def share_of(hits: int, of: int, level: float) -> Share:
    """The share and its interval.

    >>> share_of(60, 100, 0.95).share
    0.6
    """
    low, high = wilson(hits, of, level)
    return Share(
        hits=hits, of=of, share=hits / of if of else None, low=known(float(low)), high=known(float(high)), level=level
    )


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it; a dash for unknown.

    >>> percent(0.6123)
    '61.2%'
    """
    return "–" if share is None else f"{share:.{digits}%}"


def said(sentence: Label, **values: object) -> Label:
    """`sentence` with its {placeholders} filled; a value that is a label itself is told in each language."""
    filled = {lang: {name: _in(value, lang) for name, value in values.items()} for lang in LANGUAGES}
    return Label(**{lang: sentence.text(lang).format(**filled[lang]) for lang in LANGUAGES})


def told(sentence: Label, share: Share, **values: object) -> Label:
    """`said` with the numbers of `share`: {hits}, {of}, {share}, {low}, {high}, {level}."""
    numbers = {"share": percent(share.share), "low": percent(share.low), "high": percent(share.high)}
    return said(sentence, hits=share.hits, of=share.of, level=f"{share.level:.0%}", **numbers, **values)


def numbered(sentence: Label, interval: Interval, rows: int, sign: str = "", **values: object) -> Label:
    """`said` with {estimate}, {low}, {high}, {level}, {rows}."""
    numbers = {
        name: "–" if value is None else f"{value:{sign}.3f}"
        for name, value in (("estimate", interval.estimate), ("low", interval.low), ("high", interval.high))
    }
    return said(sentence, level=f"{interval.level:.0%}", rows=f"{rows:,}", **numbers, **values)


def joined(labels: Sequence[Label]) -> Label:
    """Several sentences as one text."""
    return Label(zh="；".join(each.zh for each in labels), en="; ".join(each.en for each in labels))


def day(at: int) -> str:
    """The UTC date of `at` (microseconds)."""
    return f"{moment(at):%Y-%m-%d}"


def named(words: Words, column: str) -> pl.Expr:
    """Whether `column` says one of `words`; case and blanks around do not matter; null is no."""
    return pl.col(column).str.strip_chars().str.to_lowercase().is_in([w.lower() for w in words.words]).fill_null(False)


def rows_of(tables: Tables, name: str, needed: Sequence[str], optional: Sequence[str] = ()) -> pl.DataFrame | None:
    """`needed` columns of a table in memory, `optional` ones null where absent; None where the table or one is not."""
    if name not in tables:
        return None
    there = set(tables[name].collect_schema().names())
    if not set(needed) <= there:
        return None
    found = collected(tables[name].select(*needed, *(column for column in optional if column in there)))
    return found.with_columns(pl.lit(None).alias(column) for column in optional if column not in there)


def collected(frame: Frame) -> pl.DataFrame:
    """In memory, as Polars."""
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native


def at_moment(column: str = "as_of") -> pl.Expr:
    """A date column of scores (Datetime in microseconds, or Int64 already) as Int64 microseconds."""
    return pl.col(column).cast(pl.Int64)


def segment_name(key: str, pack: RulePack) -> Label:
    """The label of "scheme:segment"; the key itself where the pack does not have it (any more)."""
    scheme, _, segment = key.partition(":")
    entry = pack.segments.schemes.get(scheme)
    found = entry.segments.get(segment) if entry else None
    return found.label if found else Label(zh=key, en=key)


def tier_name(tier: str | None, pack: RulePack) -> Label:
    """The label of a tier; of none, "not enough known"; the key itself where the pack does not have it (any more)."""
    if tier is None:
        return pack.composite.unknown
    entry = pack.composite.tiers.get(tier)
    return entry.label if entry else Label(zh=tier, en=tier)


def _in(value: object, lang: Lang) -> object:
    return value.text(lang) if isinstance(value, Label) else value
