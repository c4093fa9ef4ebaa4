"""The monthly review (D2): what the month's follow-ups came to."""

import polars as pl

from features.point_in_time import Tables, known_at
from features.settings import ValueSource
from models.rules.pack import RulePack
from monitoring.review.acquisition import Acquisition, acquisition
from monitoring.review.complaints import Complaints, complaints
from monitoring.review.figures import day
from monitoring.review.follow_ups import FollowUps, follow_ups
from monitoring.review.movement import Movement, movement
from monitoring.review.plans import Plans, plans
from monitoring.review.win_back import WinBack, win_back
from training.evaluate import Report


class MonthlyReview(Report):
    """Six figures of one month [month_start, month_end), each with a sentence of its own in `text`."""

    month_start: str
    month_end: str
    as_of: str
    rules_version: str
    follow_ups: FollowUps
    win_back: WinBack
    complaints: Complaints
    acquisition: Acquisition
    movement: Movement
    plans: Plans


def monthly(
    tables: Tables,
    segments: pl.DataFrame | None,
    history: pl.DataFrame,
    month_start: int,
    month_end: int,
    pack: RulePack,
    *,
    as_of: int | None = None,
    value_source: ValueSource | None = None,
) -> MonthlyReview:
    """Review [month_start, month_end) by what was known at `as_of` (all microseconds; default: at month_end).

    `tables`: of the contract. `segments`: customer_id, as_of, segments (List[String] of "scheme:segment") of several
    dates, or None. `history`: the store's (customer_id, as_of, tier, …). What is not there leaves its figure empty,
    with a sentence that says what is missing; nothing raises.
    """
    until = month_end if as_of is None else as_of
    tables, month = known_at(tables, until), (month_start, month_end)
    return MonthlyReview(
        month_start=day(month_start),
        month_end=day(month_end),
        as_of=day(until),
        rules_version=pack.rules_version,
        follow_ups=follow_ups(tables, *month, pack),
        win_back=win_back(tables, segments, month_start, until, pack),
        complaints=complaints(tables, segments, *month, pack),
        acquisition=acquisition(tables, history, month_end, pack, value_source),
        movement=movement(history, *month, pack),
        plans=plans(tables, history, *month, pack),
    )
