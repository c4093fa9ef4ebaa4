"""Win-back success (D3): of those at risk or dormant, who came back, with a follow-up and without one."""

import narwhals as nw
import polars as pl
from pydantic import Field

from features.clock import DAY
from features.point_in_time import Tables, between
from features.rfm import orders
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from models.rules.schema.review import WinBackRule
from monitoring.review.figures import Share, at_moment, collected, day, percent, said, share_of
from monitoring.review.follow_ups import contacts
from training.evaluate import Report

GROUPS = ("contacted", "held_back", "left_alone")


class WinBack(Report):
    """Customers at risk or dormant on `cohort` (a date) and, by what was done, who came back within the days.

    A group without customers has a share of None. `groups` is empty where nothing can be told; `text` says why.
    """

    text: Label
    cohort: str | None = None
    groups: dict[str, Share] = Field(default_factory=dict)


def win_back(tables: Tables, segments: pl.DataFrame | None, start: int, known_until: int, pack: RulePack) -> WinBack:
    """Judge the latest list up to `start` whose days to come back are over at `known_until` (both microseconds).

    `segments`: customer_id, as_of, segments (List[String] of "scheme:segment"), several dates. Coming back is an order
    or a new subscription, without either table a use, in [cohort, cohort + days). A follow-up counts if it came before
    that; the arm left alone on purpose is a group of its own. Who was followed up was not drawn at random.
    """
    rule = pack.review.win_back
    window = int(rule.window_days.value * DAY)
    cohort = _cohort(segments, min(start, known_until - window), rule)
    if cohort is None:
        return WinBack(text=said(rule.no_cohort))
    at, customers = cohort
    returned = _returned(tables, at, at + window)
    if returned is None:
        return WinBack(text=said(rule.no_orders), cohort=day(at))
    groups = _groups(customers, returned, _reached(tables, pack, at, at + window), pack.review.level.value)
    shown = {name: f"{percent(each.share)} ({each.hits}/{each.of})" for name, each in groups.items()}
    text = said(
        rule.result,
        date=day(at), days=f"{rule.window_days.value:g}", contacted=shown["contacted"], others=shown["left_alone"],
    )  # fmt: skip
    return WinBack(text=text, cohort=day(at), groups=groups)


def _cohort(segments: pl.DataFrame | None, until: int, rule: WinBackRule) -> tuple[int, pl.DataFrame] | None:
    """Date and customer_id of the latest list up to `until`; None without one."""
    if segments is None:
        return None
    rows = segments.with_columns(as_of=at_moment()).filter(pl.col("as_of") <= until)
    lapsed = rows.filter(
        pl.col("as_of") == pl.col("as_of").max(),
        pl.col("segments").list.eval(pl.element().is_in(list(rule.segments))).list.any(),
    )
    return None if lapsed.is_empty() else (int(lapsed["as_of"][0]), lapsed.select("customer_id").unique())


def _returned(tables: Tables, start: int, end: int) -> pl.DataFrame | None:
    """customer_id, back (the first moment in [start, end) of an order or subscription, else use); None without data."""
    found = []
    if "transactions" in tables:
        bought = orders(tables["transactions"]).filter((nw.col("net") >= 0.0) & between(start, end))
        found.append(bought.select("customer_id", nw.col("t").alias("back")))
    if "subscriptions" in tables:
        began = tables["subscriptions"].filter(between(start, end, "started_at"))
        found.append(began.select("customer_id", nw.col("started_at").alias("back")))
    if not found and "usage_events" in tables:
        used = tables["usage_events"].filter(between(start, end, "occurred_at"))
        found.append(used.select("customer_id", nw.col("occurred_at").alias("back")))
    if not found:
        return None
    return pl.concat([collected(each) for each in found]).group_by("customer_id").agg(pl.col("back").min())


def _reached(tables: Tables, pack: RulePack, start: int, end: int) -> pl.DataFrame:
    """customer_id, contacted (the first follow-up in [start, end), null for none), held_back."""
    rows = contacts(tables, pack.review).filter(pl.col("occurred_at").is_between(start, end, closed="left"))
    return rows.group_by("customer_id").agg(
        contacted=pl.col("occurred_at").filter(~pl.col("control")).min(), held_back=pl.col("control").any()
    )


def _groups(customers: pl.DataFrame, returned: pl.DataFrame, reached: pl.DataFrame, level: float) -> dict[str, Share]:
    rows = customers.join(returned, on="customer_id", how="left").join(reached, on="customer_id", how="left")
    in_time = pl.col("back").is_null() | (pl.col("contacted") <= pl.col("back"))
    group = (
        pl.when(pl.col("contacted").is_not_null() & in_time).then(pl.lit("contacted"))
        .when(pl.col("held_back") & pl.col("contacted").is_null()).then(pl.lit("held_back"))
        .otherwise(pl.lit("left_alone"))
    )  # fmt: skip
    counted = rows.group_by(group=group).agg(hits=pl.col("back").is_not_null().sum(), of=pl.len())
    counts = {name: (hits, of) for name, hits, of in counted.iter_rows()}
    return {name: share_of(*counts.get(name, (0, 0)), level) for name in GROUPS}
