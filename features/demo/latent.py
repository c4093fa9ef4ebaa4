"""What nobody sees: health, mood and the hazard of leaving, week by week.

`health` is how well things go with a customer this week: use, tickets and orders follow it at once. `mood` is health
remembered over about six weeks: answers follow both, the hazard of leaving follows mood. So use falls first, then
answers, then some leave; others recover, and a constant hazard takes some who looked well.

The past and the true probability of the future use the same two functions, `advance` and `weekly_hazard`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.demo.timeline import YEAR_DAYS, Flags, Numbers, Timeline, Whole, in_hours

PULL, NOISE = 0.06, 0.27  # a week: back towards the customer's usual health, and about
SHOCK_SHARE, SHOCK_SIZE = 0.014, 1.7  # a champion leaves, a rollout fails
MEMORY = 1 / 6  # share of mood renewed a week
SUDDEN, BASE, STEEP, WORST = 0.0010, 0.0036, 1.4, 0.12  # hazard a week: without warning, at mood 0, per mood, at most
MID_TERM, RENEWAL_WEEKS = 0.15, 16.0  # annual terms: share of the hazard within the term, weeks of hazard at its end
WORRY, HELP_SHARE, TREATED, HELP = -1.2, 0.05, 0.75, 0.5  # interventions: below which mood, how often, arm, effect
SOON, LATER = (0.05, 2.0, 12.0), (0.08, 20.0, 260.0)  # returns: share, from and to days after leaving
NOT_HELPED, TREATMENT, CONTROL = 0, 1, 2


def advance(rng: np.random.Generator, health: Numbers, mood: Numbers, usual: Numbers) -> tuple[Numbers, Numbers, Whole]:
    """One week on: (health, mood, intervention of the week)."""
    size = health.shape
    shock = (rng.random(size) < SHOCK_SHARE) * rng.exponential(SHOCK_SIZE, size)
    called = (mood < WORRY) & (rng.random(size) < HELP_SHARE)
    help_ = np.where(called, np.where(rng.random(size) < TREATED, TREATMENT, CONTROL), NOT_HELPED)
    health = health + PULL * (usual - health) + NOISE * rng.standard_normal(size) - shock + HELP * (help_ == TREATMENT)
    return health, mood + MEMORY * (health - mood), help_


def weekly_hazard(mood: Numbers) -> Numbers:
    """Hazard of leaving a week, for someone free to leave."""
    return np.minimum(SUDDEN + BASE * np.exp(-STEEP * mood), WORST)


def returned_by(days: Numbers) -> Numbers:
    """Probability to have come back within `days` of leaving."""
    return sum((share * np.clip((days - low) / (high - low), 0, 1) for share, low, high in (SOON, LATER)), 0 * days)


def return_delay(rng: np.random.Generator, size: int) -> Numbers:
    """Days until a leaver comes back; infinite for most."""
    draw, within = rng.random(size), rng.random(size)
    soon, later = (low + (high - low) * within for _, low, high in (SOON, LATER))
    return np.where(draw < SOON[0], soon, np.where(draw < SOON[0] + LATER[0], later, np.inf))


def next_renewal(began: Numbers, day: float) -> Numbers:
    """End of the annual term that runs on `day`, for terms that follow each other from `began`."""
    return began + YEAR_DAYS * np.maximum(np.ceil((day - began) / YEAR_DAYS), 1)


@dataclass(frozen=True)
class Traits:
    """What of a customer bears on its history; one entry each."""

    joined: Numbers  # day
    usual: Numbers  # health it returns to
    annual: Flags
    seats: Whole  # at the beginning


@dataclass(frozen=True)
class Spans:
    """Stretches of one customer's time; `ended` is NaN while it runs."""

    customer: Whole
    began: Numbers
    ended: Numbers


@dataclass(frozen=True)
class SeatChanges:
    customer: Whole
    day: Numbers
    seats: Whole


@dataclass(frozen=True)
class History:
    """The past of all customers; arrays are customers × weeks."""

    health: Numbers
    mood: Numbers
    opened: Numbers  # first moment of the week at which a subscription runs; NaN if none does
    closed: Numbers
    seats: Whole
    help: Whole
    tenure: Numbers  # days since this stay began
    stays: Spans
    modules: Spans
    changes: SeatChanges

    @property
    def running(self) -> Flags:
        """Whether a subscription runs at some moment of the week."""
        return ~np.isnan(self.opened)


class Walk:
    """The state of all customers while history unfolds."""

    def __init__(self, rng: np.random.Generator, traits: Traits, timeline: Timeline) -> None:
        count = len(traits.joined)
        self.rng, self.traits, self.timeline = rng, traits, timeline
        self.due = traits.joined.copy()
        self.began = np.full(count, np.nan)
        self.module_since = np.full(count, np.nan)
        self.health = traits.usual - 0.2 + 0.7 * rng.standard_normal(count)
        self.mood = self.health.copy()
        self.seats = traits.seats.copy()
        self.stays: list[tuple[Whole, Numbers, Numbers]] = []
        self.modules: list[tuple[Whole, Numbers, Numbers]] = []
        self.changes: list[tuple[Whole, Numbers, Whole]] = []

    def week(self, low: float) -> dict[str, Any]:
        """Live through the week that begins on day `low`; return its columns of History."""
        settled = ~np.isnan(self.began)
        self._arrive(low)
        left = self._leave(low, settled)
        stays = settled & np.isnan(left)
        self._change_seats(low, stays)
        self._change_module(low, stays)
        columns = self._record(low, left)
        self._forget(left)
        self.health, self.mood, columns["help"] = advance(self.rng, self.health, self.mood, self.traits.usual)
        columns["help"] = np.where(stays, columns["help"], NOT_HELPED)
        return columns

    def _arrive(self, low: float) -> None:
        arrives = self.due < min(low + 7, self.timeline.days)
        self.began[arrives] = self.due[arrives]
        self.due[arrives] = np.inf
        brings = arrives & (self.rng.random(len(arrives)) < 0.2)
        self.module_since[brings] = self.began[brings]
        back = arrives & (self.health < self.traits.usual)  # who comes to us (again) means to stay
        self.health[back] = self.mood[back] = self.traits.usual[back]

    def _leave(self, low: float, settled: Flags) -> Numbers:
        """Moment of leaving this week; NaN for those who stay."""
        hazard, renewal = weekly_hazard(self.mood), next_renewal(self.began, low)
        annual, size = self.traits.annual, len(hazard)
        breaks = self.rng.random(size) < -np.expm1(-hazard * np.where(annual, MID_TERM, 1))
        due = annual & (renewal < min(low + 7, self.timeline.days))
        lapses = due & (self.rng.random(size) < -np.expm1(-hazard * RENEWAL_WEEKS))
        moment = np.where(lapses, renewal, self._some_time(low))
        return np.where(settled & (lapses | breaks) & (moment < self.timeline.days), moment, np.nan)

    def _change_seats(self, low: float, stays: Flags) -> None:
        draw, size = self.rng.random(len(stays)), self.rng.lognormal(-1.6, 0.5, len(stays))
        renewal = next_renewal(self.began, low)
        ends = self.traits.annual & (renewal < low + 7)
        grows = draw < 0.006 * np.exp(0.4 * self.health)
        shrinks = draw > 1 - np.where(ends, 0.18, np.where(self.traits.annual, 0, 0.006)) * np.exp(-0.5 * self.health)
        new = np.maximum(np.round(self.seats * np.where(grows, 1 + size, 1 / (1 + size))), 2).astype(np.int64)
        moment = np.where(ends, renewal, self._some_time(low))
        who = np.flatnonzero(stays & (grows | shrinks) & (new != self.seats) & (moment < self.timeline.days))
        self.seats[who] = new[who]
        self.changes.append((who, moment[who], new[who]))

    def _change_module(self, low: float, stays: Flags) -> None:
        draw, has = self.rng.random(len(stays)), ~np.isnan(self.module_since)
        moment = self._some_time(low)
        stays = stays & (moment < self.timeline.days)
        adds = stays & ~has & (draw < 0.003 * np.exp(0.4 * self.health))
        drops = stays & has & (draw < 0.005 * np.exp(-0.7 * self.health))
        self._end_module(drops, moment)
        self.module_since[adds] = moment[adds]

    def _end_module(self, who: Flags, moment: Numbers) -> None:
        ends = np.flatnonzero(who & ~np.isnan(self.module_since))
        self.modules.append((ends, self.module_since[ends], moment[ends]))
        self.module_since[ends] = np.nan

    def _record(self, low: float, left: Numbers) -> dict[str, Any]:
        closed = np.fmin(np.where(np.isnan(left), low + 7, left), self.timeline.days)
        return {
            "health": self.health,
            "mood": self.mood,
            "opened": np.where(np.isnan(self.began), np.nan, np.maximum(self.began, low)),
            "closed": closed,
            "seats": self.seats.copy(),
            "tenure": np.nan_to_num(low - self.began),
        }

    def _forget(self, left: Numbers) -> None:
        gone = ~np.isnan(left)
        self._end_module(gone, left)
        who = np.flatnonzero(gone)
        self.stays.append((who, self.began[who], left[who]))
        self.began[who] = np.nan
        # back in a later week: a week holds one stay
        back = np.maximum(left[who] + return_delay(self.rng, len(who)), np.ceil(left[who] / 7) * 7)
        self.due[who] = in_hours(self.rng, back)

    def _some_time(self, low: float) -> Numbers:
        """An office hour of the week for each customer."""
        return in_hours(self.rng, low + 7 * self.rng.random(len(self.health)))

    def finish(self) -> tuple[Spans, Spans, SeatChanges]:
        """Stays and modules, those that still run included, and seat changes."""
        for since, spans in ((self.began, self.stays), (self.module_since, self.modules)):
            who = np.flatnonzero(~np.isnan(since))
            spans.append((who, since[who], np.full(len(who), np.nan)))
        stays, modules = (Spans(*map(np.concatenate, zip(*spans, strict=True))) for spans in (self.stays, self.modules))
        return stays, modules, SeatChanges(*map(np.concatenate, zip(*self.changes, strict=True)))


def unfold(rng: np.random.Generator, traits: Traits, timeline: Timeline) -> History:
    """Live through all weeks of `timeline`."""
    walk = Walk(rng, traits, timeline)
    weeks = [walk.week(7.0 * week) for week in range(timeline.weeks)]
    stays, modules, changes = walk.finish()
    columns = {name: np.stack([week[name] for week in weeks], axis=1) for name in weeks[0]}
    return History(**columns, stays=stays, modules=modules, changes=changes)


def leave_probability(
    rng: np.random.Generator, history: History, traits: Traits, day: float, horizon: int, grace: int, paths: int = 32
) -> tuple[Whole, Numbers]:
    """(customers that run on `day`, probability that they leave within `horizon` days and are not back by its `grace`).

    The expectation over `paths` futures drawn from the state on that day, by hazards rather than by counting leavers.
    """
    stays = history.stays
    now = (stays.began < day) & ~(stays.ended <= day)
    who, week = stays.customer[now], int(day // 7)
    renewal = np.where(traits.annual[who], next_renewal(stays.began[now], day), np.inf)[:, None]
    freedom = np.where(traits.annual[who], MID_TERM, 1.0)[:, None]
    usual = np.repeat(traits.usual[who, None], paths, axis=1)
    health, mood = (np.repeat(state[who, week, None], paths, axis=1) for state in (history.health, history.mood))
    stay, gone = np.ones_like(health), np.zeros_like(health)
    for low in np.arange(7.0 * week, day + horizon, 7.0):
        begin, stop = max(low, day), min(low + 7, day + horizon)
        due = (renewal >= begin) & (renewal < stop)
        hazard = weekly_hazard(mood) * (freedom * (stop - begin) / 7 + RENEWAL_WEEKS * due)
        away = 1 - returned_by(np.array(day + horizon + grace - (begin + stop) / 2))
        gone += stay * -np.expm1(-hazard) * away
        stay *= np.exp(-hazard)
        health, mood, _ = advance(rng, health, mood, usual)
    return who, gone.mean(axis=1)
