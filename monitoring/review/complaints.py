"""Complaints by segment and category against the overall rate, concentrations named (D2)."""

from typing import Literal

import polars as pl

from features.point_in_time import Tables
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import (
    Share,
    at_moment,
    joined,
    named,
    percent,
    rows_of,
    said,
    segment_name,
    share_of,
    told,
)
from training.evaluate import Report

Kind = Literal["segment", "category", "segment and category"]


class ComplaintRate(Report):
    """A group's rate beside the rate of all; `concentrated`: credibly above it, with enough complaints.

    Of a segment: its customers who complained (in a category: about that), of all its customers, beside all customers.
    Of a category: the complaints among its tickets, beside all tickets. A `category` of None is one not given.
    """

    kind: Kind
    segment: str | None
    category: str | None
    complaints: Share
    overall: float
    concentrated: bool


class Complaints(Report):
    """`customers`: those who complained, of all with a segment; None where that is not known.

    `outside`: complaining customers without a segment, who count in no rate of customers. `concentrations` names what
    `rates` marks, the farthest above the overall rate first.
    """

    text: Label
    customers: Share | None = None
    outside: int = 0
    rates: tuple[ComplaintRate, ...] = ()
    concentrations: tuple[Label, ...] = ()


def complaints(tables: Tables, segments: pl.DataFrame | None, start: int, end: int, pack: RulePack) -> Complaints:
    """Complaints that happened in [start, end) (microseconds): tickets that say so, else contacts on that topic.

    `segments`: customer_id, as_of, segments (List[String]); the latest date before `end` counts.
    """
    rule, found = pack.review.complaints, _problems(tables, start, end, pack)
    if found is None:
        return Complaints(text=said(rule.none))
    people = _people(segments, end)
    rates = [*_by_category(found, pack)]
    if people is None:
        return _told(rates, None, 0, rule.no_segments, pack)
    complained = found.filter("complaint").select("customer_id", "category").unique()
    ids = people["customer_id"].unique()
    inside = complained.filter(pl.col("customer_id").is_in(ids.implode()))
    everyone = share_of(inside["customer_id"].n_unique(), len(ids), pack.review.level.value)
    outside = complained["customer_id"].n_unique() - everyone.hits
    rates = [*_by_segment(people, inside, pack), *rates, *_by_both(people, inside, pack)]
    return _told(rates, everyone, outside, told(rule.overall, everyone), pack)


def _problems(tables: Tables, start: int, end: int, pack: RulePack) -> pl.DataFrame | None:
    """customer_id, category, complaint (Boolean) of the month's tickets, or contacts; None where nothing tells."""
    month = pl.col("occurred_at").is_between(start, end, closed="left")
    columns = ("customer_id", "category", "complaint")
    rows = rows_of(tables, "tickets", ("customer_id", "occurred_at", "is_complaint"), ("category",))
    if rows is not None:
        flags = {
            "complaint": (pl.col("is_complaint") == 1).fill_null(False),
            "category": pl.col("category").cast(pl.String),
        }
        return rows.filter(month).with_columns(**flags).select(columns)
    rows = rows_of(tables, "interactions", ("customer_id", "occurred_at", "topic"))
    if rows is None:
        return None
    topic = named(pack.review.complaints.topics, "topic")
    return rows.filter(month).with_columns(complaint=topic, category=pl.lit(None, pl.String)).select(columns)


def _people(segments: pl.DataFrame | None, end: int) -> pl.DataFrame | None:
    """customer_id, segment (null for a customer in none) as of the latest date before `end`; None without any."""
    if segments is None:
        return None
    before = segments.filter(at_moment() < end)
    rows = before.filter(at_moment() == at_moment().max()).select("customer_id", segment="segments")
    return None if rows.is_empty() else rows.explode("segment", empty_as_null=True, keep_nulls=True).unique()


def _by_category(found: pl.DataFrame, pack: RulePack) -> list[ComplaintRate]:
    """Nothing where no category is known at all: one group would be compared with itself."""
    if found["category"].is_null().all():
        return []
    counts = found.group_by("category").agg(hits=pl.col("complaint").sum(), of=pl.len()).sort("category")
    overall = float(found["complaint"].sum()) / found.height
    return [_rate("category", None, name, hits, of, overall, pack) for name, hits, of in counts.iter_rows()]


def _by_segment(people: pl.DataFrame, inside: pl.DataFrame, pack: RulePack) -> list[ComplaintRate]:
    who = inside.select("customer_id", complained=pl.lit(True)).unique()
    rows = people.drop_nulls("segment").join(who, on="customer_id", how="left")
    counts = rows.group_by("segment").agg(hits=pl.col("complained").sum(), of=pl.len()).sort("segment")
    overall = who.height / people["customer_id"].n_unique()
    return [_rate("segment", key, None, hits, of, overall, pack) for key, hits, of in counts.iter_rows()]


def _by_both(people: pl.DataFrame, inside: pl.DataFrame, pack: RulePack) -> list[ComplaintRate]:
    """Every segment × known category with a complaint."""
    everyone = people["customer_id"].n_unique()
    known, size = people.drop_nulls("segment"), people.drop_nulls("segment").group_by("segment").agg(of=pl.len())
    subjects = inside.drop_nulls("category")
    overall = subjects.group_by("category").agg(overall=pl.len() / everyone)
    both = known.join(subjects, on="customer_id").group_by("segment", "category").agg(hits=pl.len())
    rows = both.join(size, on="segment").join(overall, on="category").sort("segment", "category")
    each = rows.select("segment", "category", "hits", "of", "overall").iter_rows()
    return [_rate("segment and category", key, about, hits, of, rate, pack) for key, about, hits, of, rate in each]


def _rate(
    kind: Kind, segment: str | None, category: str | None, hits: int, of: int, overall: float, pack: RulePack
) -> ComplaintRate:
    share = share_of(hits, of, pack.review.level.value)
    enough = hits >= pack.review.complaints.minimum_complaints.value
    return ComplaintRate(
        kind=kind,
        segment=segment,
        category=category,
        complaints=share,
        overall=overall,
        concentrated=enough and share.low is not None and share.low > overall,
    )


def _told(rates: list[ComplaintRate], everyone: Share | None, outside: int, text: Label, pack: RulePack) -> Complaints:
    found = sorted((each for each in rates if each.concentrated), key=lambda each: -_times(each))
    named_ones = tuple(_concentration(each, pack) for each in found)
    return Complaints(
        text=joined([text, *named_ones]),
        customers=everyone,
        outside=outside,
        rates=tuple(rates),
        concentrations=named_ones,
    )


def _times(rate: ComplaintRate) -> float:
    return (rate.complaints.share or 0.0) / rate.overall


def _concentration(rate: ComplaintRate, pack: RulePack) -> Label:
    words = pack.review
    about = said(words.headings["not_given"]) if rate.category is None else Label(zh=rate.category, en=rate.category)
    what = about if rate.segment is None else segment_name(rate.segment, pack)
    if rate.kind == "segment and category":
        what = said(words.complaints.within, segment=what, category=about)
    return told(words.complaints.concentration, rate.complaints, what=what, overall=percent(rate.overall))
