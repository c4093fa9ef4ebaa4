"""Prospects: those who became customers, those who did not, those still open."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.demo.population import CHANNELS, INDUSTRIES, OWNERS, Population, pick
from features.demo.timeline import Flags, Numbers, Timeline, Whole, in_hours, stream

REASONS = ("price", "service", "product fit", "competitor", "need changed")
FACTORS = ("price", "service", "product fit", "reference", "speed")
COMPETITORS = ("Northwind Suite", "Acuity", "Trellis", "in-house tool")
STAGES = ("new", "contacted", "qualified", "proposal")
TAGS = ("enterprise", "pilot", "migration", "api", "multi-site")
LOST_FOR_EACH_WON = 2.6


@dataclass(frozen=True)
class Prospects:
    """One entry a lead; `customer` is -1 for those who were not won."""

    customer: Whole
    created: Numbers
    decided: Numbers
    promise: Numbers  # how good the lead is; winning follows it

    @property
    def won(self) -> Flags:
        """Those who became customers."""
        return self.customer >= 0


def leads(seed: int, population: Population, timeline: Timeline) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(leads, lead_stages) with times in days, NaN for what has not happened by the last day."""
    rng = stream(seed, "leads")
    prospects = _prospects(rng, population, timeline)
    keys = pl.Series([f"L{number:05d}" for number in range(1, len(prospects.created) + 1)])
    frame = _leads(rng, population, prospects, keys)
    decided = np.where(prospects.decided < timeline.days, prospects.decided, np.nan)
    is_open = np.isnan(decided)
    hidden = {name: pl.when(pl.Series(~is_open)).then(name) for name in
              ("customer_id", "outcome", "outcome_reason", "win_factor")}  # fmt: skip
    contact = frame["first_contacted_at"].to_numpy()
    contacted = pl.Series(np.where(contact < timeline.days, contact, np.nan))
    frame = frame.with_columns(outcome_at=decided, first_contacted_at=contacted, **hidden)
    return frame, _stages(rng, prospects, keys, contact).filter(pl.col("entered_at") < timeline.days)


def _prospects(rng: np.random.Generator, population: Population, timeline: Timeline) -> Prospects:
    """Won leads precede the customer's first day; as many more come in at any time and are lost or open."""
    joined = population.traits.joined
    won = np.flatnonzero(joined > 0)
    lost = round(LOST_FOR_EACH_WON * len(won))
    others = timeline.days * rng.random(lost)
    created = np.concatenate([joined[won] - rng.gamma(2.5, 22, len(won)) - 2, others])
    created = in_hours(rng, created)
    decided = np.concatenate([joined[won], others + rng.gamma(2.2, 30, lost) + 3])
    promise = rng.normal(0, 1, len(created)) + np.where(np.arange(len(created)) < len(won), 0.8, -0.3)
    customer = np.concatenate([won, np.full(lost, -1)])
    order = np.argsort(created[created >= 0])
    kept = np.flatnonzero(created >= 0)[order]
    return Prospects(customer[kept], created[kept], decided[kept], promise[kept])


def _leads(rng: np.random.Generator, population: Population, prospects: Prospects, keys: pl.Series) -> pl.DataFrame:
    size, won, promise = len(keys), prospects.won, prospects.promise
    who = np.maximum(prospects.customer, 0)
    known = population.customers.select("customer_id", "industry", "employees")[who]
    stranger_industry = pick(rng, tuple(name for name, _ in INDUSTRIES), size)
    strangers = np.maximum(np.round(rng.lognormal(4.6, 1.3, size)), 2)
    mine = pl.Series(won)
    expected = rng.lognormal(8.6, 0.9, size)
    return pl.DataFrame({
        "lead_id": keys,
        "created_at": prospects.created,
        "customer_id": known["customer_id"].set(~mine, None),
        "source": pick(rng, tuple(name for name, *_ in CHANNELS), size, tuple(share for _, share, *_ in CHANNELS)),
        "owner": pick(rng, OWNERS, size),
        **_points(rng, promise),
        "enquiries": rng.poisson(np.exp(0.4 + 0.25 * promise)).astype(np.float64),
        "first_contacted_at": prospects.created + np.minimum(
            rng.lognormal(-0.2, 1.1, size), 0.5 * (prospects.decided - prospects.created)),
        "outcome": pl.Series(["won"]).new_from_index(0, size).zip_with(mine, pl.Series(["lost"] * size)),
        "outcome_reason": pick(rng, REASONS, size, (4, 1, 3, 2, 2)).set(mine, None),
        "win_factor": pick(rng, FACTORS, size).set(~mine, None),
        "competitor": pick(rng, COMPETITORS, size).set(pl.Series(rng.random(size) < 0.5), None),
        "industry": known["industry"].zip_with(mine, stranger_industry),
        "employees": np.where(won, known["employees"].to_numpy(), strangers),
        "tags": pick(rng, TAGS, size) + "," + pick(rng, ("warm", "cold"), size),
        "referred_by": population.ids.gather(_referrers(rng, population, prospects)).set(
            pl.Series(rng.random(size) < 0.88), None),
        "expected_amount": expected.round(-1),
        "expected_close_at": prospects.created + rng.gamma(3, 25, size),
    })  # fmt: skip


def _referrers(rng: np.random.Generator, population: Population, prospects: Prospects) -> Whole:
    """A customer who had joined before the lead came in."""
    order = np.argsort(population.traits.joined)
    earlier = np.searchsorted(population.traits.joined[order], prospects.created)
    return order[(rng.random(len(earlier)) * np.maximum(earlier, 1)).astype(np.int64)]


def _points(rng: np.random.Generator, promise: Numbers) -> dict[str, Numbers]:
    """BANT points up to their weights, and four scores of 1 to 5."""

    def share() -> Numbers:
        return 1 / (1 + np.exp(-(0.9 * promise + rng.normal(0, 0.9, len(promise)))))

    bant = {name: np.round(weight * share()) for name, weight in
            (("budget", 20), ("authority", 25), ("need", 30), ("timing", 25))}  # fmt: skip
    dimensions = ("need_clarity", "budget_match", "decision_chain", "urgency")
    return bant | {name: 1 + np.round(4 * share()) for name in dimensions}


def _stages(rng: np.random.Generator, prospects: Prospects, keys: pl.Series, contact: Numbers) -> pl.DataFrame:
    """Won leads pass every stage; the others stop at one of them."""
    created, decided = prospects.created, prospects.decided
    length = decided - contact
    entered = [created, contact, contact + length * rng.uniform(0.1, 0.4, len(created)),
               contact + length * rng.uniform(0.5, 0.85, len(created)), decided]  # fmt: skip
    reached = np.where(prospects.won, len(STAGES), 1 + rng.binomial(3, 0.45, len(created)))
    last = pl.Series(["won"] * len(keys)).zip_with(pl.Series(prospects.won), pl.Series(["lost"] * len(keys)))
    frames = [
        pl.DataFrame({"lead_id": keys, "stage": stage, "entered_at": entered[nth]}).filter(pl.Series(nth < reached))
        for nth, stage in enumerate(STAGES)
    ]
    return pl.concat([*frames, pl.DataFrame({"lead_id": keys, "stage": last, "entered_at": entered[-1]})])
