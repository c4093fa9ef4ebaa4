"""Changes of segment, with date and reason, and the three rhythms of review (D3)."""

import datetime as dt
from calendar import monthrange
from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from models.rules.pack import Lang, RulePack
from models.rules.schema.segments import Metric, Scheme
from models.rules.segments import scheme_label, segment_label

FIRST_SEEN = "first_seen"
THRESHOLDS = "thresholds"
_SCHEMA = {
    "customer_id": pl.String,
    "scheme": pl.String,
    "before": pl.String,
    "after": pl.String,
    "as_of": pl.Int64,
    "reason": pl.String,
}


class Review(NamedTuple):
    """A review that is due: its kind (key of the pack's `segments.reviews`), since when, and what a person reads."""

    kind: str
    due: dt.date
    label: str


def segment_changes(before: pl.DataFrame | None, after: pl.DataFrame, as_of: int, pack: RulePack) -> pl.DataFrame:
    """What changed between two results of `segments`; `before` None: nothing was recorded yet.

    Returns one row a customer and scheme whose segment differs, sorted by customer and scheme: customer_id, scheme,
    before, after (segments; null for unknown or none), as_of (that of `after`), reason. The reason is "first_seen" for
    a customer who is new, else the metrics that decide either segment as "metric|before|after" joined by ";", and
    "thresholds" where none of them moved. See `change_text`.
    """
    pairs = _side_by_side(before, after)
    parts = [_of_scheme(pairs, scheme, entry, as_of) for scheme, entry in pack.segments.schemes.items()]
    return pl.concat(parts, how="vertical").sort("customer_id", "scheme")


def change_text(
    scheme: str, before: str | None, after: str | None, reason: str, pack: RulePack, lang: Lang = "en"
) -> str:
    """A row of `segment_changes` in plain words."""
    words = pack.segments.wording

    def label(segment: str | None) -> str:
        return segment_label(f"{scheme}:{segment}", pack, lang) if segment else words.unknown.text(lang)

    change = words.change.text(lang).format(
        scheme=scheme_label(scheme, pack, lang), before=label(before), after=label(after)
    )  # fmt: skip
    return words.because.text(lang).format(change=change, reason=_reason_text(reason, pack, lang))


def reviews_due(
    last_done: Mapping[str, dt.date], today: dt.date, pack: RulePack, lang: Lang = "en"
) -> list[Review]:  # fmt: skip
    """The reviews of D3 that are due by `today`, in the pack's order; one that was never done is due today.

    Customer status every quarter; dimensions, thresholds and strategies every half year; strategy results every month.
    """
    found = []
    for kind, rhythm in pack.segments.reviews.items():
        done = last_done.get(kind)
        due = months_later(done, round(rhythm.every_months.value)) if done else today
        if due <= today:
            found.append(Review(kind, due, rhythm.label.text(lang)))
    return found


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of the month, `months` later; the last day of a shorter month.

    >>> months_later(dt.date(2026, 11, 30), 3)
    datetime.date(2027, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _side_by_side(before: pl.DataFrame | None, after: pl.DataFrame) -> pl.DataFrame:
    """Customers of `after`, with the columns of `before` under "old_<name>" and whether they were there."""
    before = after.clear() if before is None else before
    old = before.rename({name: f"old_{name}" for name in before.columns if name != "customer_id"})
    missing = [name for name in after.columns if name != "customer_id" and f"old_{name}" not in old.columns]
    empty = [pl.lit(None, after.schema[name]).alias(f"old_{name}") for name in missing]
    return after.join(old.with_columns(*empty, seen=pl.lit(True)), on="customer_id", how="left")


def _of_scheme(pairs: pl.DataFrame, scheme: str, entry: Scheme, as_of: int) -> pl.DataFrame:
    new, old = f"segment_{scheme}", f"old_segment_{scheme}"
    changed = pairs.filter(pl.col(new).ne_missing(pl.col(old)))
    return changed.select(
        pl.col("customer_id").cast(pl.String),
        scheme=pl.lit(scheme),
        before=pl.col(old).cast(pl.String),
        after=pl.col(new).cast(pl.String),
        as_of=pl.lit(as_of, pl.Int64),
        reason=pl.when(pl.col("seen").is_null()).then(pl.lit(FIRST_SEEN)).otherwise(_reason(entry, new, old)),
    ).cast(_SCHEMA)  # type: ignore[arg-type]


def _reason(entry: Scheme, new: str, old: str) -> pl.Expr:
    """The metrics that decide either segment and moved; "thresholds" where none did."""
    metrics = sorted({metric for segment in entry.segments.values() for metric in segment.metrics})
    moved = [_moved(metric, entry, new, old) for metric in metrics]
    told = pl.concat_str(moved, separator=";", ignore_nulls=True) if moved else pl.lit("")
    return pl.when(told == "").then(pl.lit(THRESHOLDS)).otherwise(told)


def _moved(metric: str, entry: Scheme, new: str, old: str) -> pl.Expr:
    """ "metric|before|after", null where the metric did not move or decides neither segment."""
    deciding = [name for name, segment in entry.segments.items() if metric in segment.metrics]
    now, then = pl.col(f"metric_{metric}"), pl.col(f"old_metric_{metric}")
    numbers = [side.round(4).cast(pl.String).fill_null("") for side in (then, now)]
    decides = pl.col(new).is_in(deciding).fill_null(False) | pl.col(old).is_in(deciding).fill_null(False)
    return pl.when(decides & now.ne_missing(then)).then(
        pl.concat_str(pl.lit(metric), *numbers, separator="|")
    )  # fmt: skip


def _reason_text(reason: str, pack: RulePack, lang: Lang) -> str:
    words = pack.segments.wording
    plain = {FIRST_SEEN: words.first_seen, THRESHOLDS: words.thresholds}
    if reason in plain:
        return plain[reason].text(lang)
    parts = (_metric_text(part, pack, lang) for part in reason.split(";"))
    return words.joined_by.text(lang).join(parts)


def _metric_text(part: str, pack: RulePack, lang: Lang) -> str:
    metric, before, after = part.split("|")
    words, entry = pack.segments.wording, pack.segments.metrics[metric]
    sentence = words.metric_first if not before else words.metric_last if not after else words.metric
    return sentence.text(lang).format(
        metric=entry.label.text(lang), before=_number(before, entry), after=_number(after, entry)
    )  # fmt: skip


def _number(text: str, metric: Metric) -> str:
    if not text:
        return ""
    value = float(text)
    if metric.shown_as == "share":
        return f"{value:.0%}"
    if metric.shown_as in ("money", "days"):
        return f"{value:,.0f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")
