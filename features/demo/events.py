"""Events at a rate: which customer, and when, within the time that its subscription runs."""

from dataclasses import dataclass

import numpy as np

from features.demo.latent import History
from features.demo.timeline import WORKDAYS, Flags, Numbers, Timeline, Whole, in_hours


@dataclass(frozen=True)
class Events:
    """One entry an event; `week` indexes the columns of History."""

    customer: Whole
    week: Whole
    at: Numbers

    def __len__(self) -> int:
        return len(self.at)

    def keep(self, which: Flags) -> "Events":
        """Those of them that `which` names."""
        return Events(self.customer[which], self.week[which], self.at[which])

    def of(self, state: Numbers | Whole) -> Numbers:
        """A customers × weeks array at each event."""
        return state[self.customer, self.week].astype(np.float64)


def scatter(rng: np.random.Generator, history: History, timeline: Timeline, weekly: Numbers) -> Events:
    """Events at `weekly` (customers × weeks) a week, in office hours, mostly on workdays."""
    count = rng.poisson(np.where(history.running, weekly, 0))
    customer, week = (np.repeat(index, count.ravel()) for index in map(np.ravel, np.indices(count.shape)))
    first = (timeline.start.weekday() + np.arange(7)) % 7
    day = rng.choice(7, len(week), p=WORKDAYS[first] / WORKDAYS.sum())
    events = Events(customer, week, in_hours(rng, 7 * week + day))
    return events.keep(within(history, customer, week, events.at))


def within(history: History, customer: Whole, week: Whole, at: Numbers) -> Flags:
    """Whether the customer's subscription runs at that moment of that week."""
    return (at >= history.opened[customer, week]) & (at < history.closed[customer, week])
