"""Conversion of follow-ups (D2): what was done in the month, what is decided, and how much of that succeeded."""

import polars as pl

from features.point_in_time import Tables
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from models.rules.schema.review import FollowUpWords, Review
from monitoring.review.figures import Share, joined, named, rows_of, share_of, told
from training.evaluate import Report


class Conversion(Report):
    """Follow-ups under one playbook (None: all): those with an outcome, and of these the successes."""

    playbook: str | None
    decided: Share
    succeeded: Share


class FollowUps(Report):
    """`all` is None without a follow-up, `leads` without a lead first contacted in the month.

    `control` counts rows of the arm left alone, which are no follow-ups. `other_outcomes` are words that the pack calls
    neither success nor failure: decided, not succeeded.
    """

    text: Label
    all: Conversion | None = None
    playbooks: tuple[Conversion, ...] = ()
    control: int = 0
    other_outcomes: tuple[str, ...] = ()
    leads: Share | None = None


def follow_ups(tables: Tables, start: int, end: int, pack: RulePack) -> FollowUps:
    """Follow-ups that happened in [start, end) (microseconds), with the outcomes that `tables` knows.

    `leads`: won out of the decided among those first contacted in the month.
    """
    words, leads = pack.review.follow_ups, _leads(tables, start, end, pack)
    rows = contacts(tables, pack.review)
    month = rows.filter(pl.col("occurred_at").is_between(start, end, closed="left"))
    done = month.filter(~pl.col("control"))
    overall = _conversion(None, done, pack) if done.height else None
    return FollowUps(
        text=joined([*_done(overall, words), *_won(leads, words)]),
        all=overall,
        playbooks=tuple(_conversion(name, done.filter(playbook=name), pack) for name in _names(done, "playbook")),
        control=month.height - done.height,
        other_outcomes=tuple(
            _names(done.filter(pl.col("decided") & ~pl.col("succeeded") & ~pl.col("failed")), "outcome")
        ),
        leads=leads,
    )


def _done(overall: Conversion | None, words: FollowUpWords) -> list[Label]:
    if overall is None:
        return [words.none]
    decided = told(words.decided, overall.decided)
    return [decided, told(words.converted, overall.succeeded)] if overall.succeeded.of else [decided]


def _won(leads: Share | None, words: FollowUpWords) -> list[Label]:
    if leads is None:
        return [words.leads_none]
    return [told(words.leads_won, leads)] if leads.of else []


def contacts(tables: Tables, review: Review) -> pl.DataFrame:
    """The rows of `interventions`, with flags control, decided, succeeded and failed; no rows without the table."""
    needed = ("customer_id", "occurred_at", "playbook")
    rows = rows_of(tables, "interventions", needed, ("arm", "outcome", "plan_submitted_at"))
    if rows is None:
        empty = {"customer_id": pl.String, "occurred_at": pl.Int64, "playbook": pl.String}
        rows = pl.DataFrame(schema={**empty, "arm": pl.String, "outcome": pl.String, "plan_submitted_at": pl.Int64})
    words = review.follow_ups
    return rows.with_columns(
        pl.col("arm", "outcome").cast(pl.String), pl.col("plan_submitted_at").cast(pl.Int64)
    ).select(
        pl.all(),
        control=named(words.control, "arm"),
        decided=pl.col("outcome").is_not_null(),
        succeeded=named(words.succeeded, "outcome"),
        failed=named(words.failed, "outcome"),
    )


def _conversion(playbook: str | None, rows: pl.DataFrame, pack: RulePack) -> Conversion:
    level, decided = pack.review.level.value, int(rows["decided"].sum())
    return Conversion(
        playbook=playbook,
        decided=share_of(decided, rows.height, level),
        succeeded=share_of(int(rows["succeeded"].sum()), decided, level),
    )


def _leads(tables: Tables, start: int, end: int, pack: RulePack) -> Share | None:
    rows = rows_of(tables, "leads", ("lead_id", "first_contacted_at"), ("outcome",))
    if rows is None:
        return None
    month = rows.filter(pl.col("first_contacted_at").is_between(start, end, closed="left"))
    conversion, outcome = pack.leads.conversion, month.select(pl.col("outcome").cast(pl.String))
    won = int(outcome.select(named(conversion.won, "outcome").sum()).item())
    lost = int(outcome.select(named(conversion.lost, "outcome").sum()).item())
    return share_of(won, won + lost, pack.review.level.value) if month.height else None


def _names(rows: pl.DataFrame, column: str) -> list[str]:
    return rows[column].drop_nulls().unique().sort().to_list()
