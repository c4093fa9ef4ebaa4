"""A simulated company: a folder of tables as the input contract asks for, and the risks that nobody sees."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from features.demo import billing, contacts, outcomes, subscriptions, voice
from features.demo.dirt import blanked, known_at, soiled
from features.demo.latent import History, unfold
from features.demo.leads import leads
from features.demo.population import Population, populate
from features.demo.timeline import Timeline, months_before, stream
from features.demo.usage import usage_events
from features.errors import RemoraError
from features.sources import TABLES

END = dt.date(2026, 7, 1)
STRANGERS = 0.002  # share of customers that events name and the table of customers lacks
CLEAN = ("cancellations", "interventions")  # small tables that people keep by hand: no duplicates
FILLED_LATER = ("first_solution_at", "closed_at", "due_at", "plan_submitted_at", "outcome_at")
SETTINGS = """\
# A simulated company that sells software by the seat. Made by `remora demo`.

[company]
timezone = "UTC"
currency = "{currency}"

[churn]
definition = "cancelled"
horizon_days = {horizon}
grace_days = {grace}

[value]
# Every subscription is invoiced, so `subscriptions` or `both` would count it twice or miss the rest:
# only `transactions` also holds one-off orders and credit notes.
source = "transactions"
horizon_days = {horizon}

[profile]
# Columns of `customers` that were the same at every past date. Left out: account_owner and the preferences change,
# annual_revenue is today's.
static = [
  "industry", "industry_growth_rate", "size_fit", "employees", "region", "country", "acquisition_channel",
  "acquisition_cost",
]
"""


class SimulationError(RemoraError):
    """The company asked for is too small or too short to have a history."""


@dataclass(frozen=True)
class Company:
    """What was written, and what is true."""

    folder: Path
    end: dt.date  # nothing is known from this day on: `--as-of` for training and scoring
    rows: Mapping[str, int]  # table → rows
    truth: pl.DataFrame = field(repr=False)  # see `outcomes.truth`


def simulate(folder: Path, *, customers: int = 2000, months: int = 30, end: dt.date = END, seed: int = 7,
             progress: Callable[[str], None] | None = None) -> Company:  # fmt: skip
    """Write a company's tables as Parquet files, and remora.toml, into `folder`; the same for the same arguments.

    `customers` is how many were ever won, `months` how far the tables reach back from `end` (00:00 UTC, exclusive).
    `progress` is told the name of each table once it is written. Raises SimulationError.
    """
    if customers < 20 or months < 3:
        raise SimulationError(f"{customers} customers, {months} months: a company needs 20 customers and 3 months")
    timeline = Timeline(months_before(end, months), end)
    population = populate(seed, customers, timeline)
    history = unfold(stream(seed, "history"), population.traits, timeline)
    tables = _tables(seed, population, history, timeline)
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        tables[name].write_parquet(folder / f"{name}.parquet")
        if progress is not None:
            progress(name)
    _write_settings(folder)
    rows = {name: len(tables[name]) for name in TABLES}
    return Company(folder, end, rows, outcomes.truth(seed, population, history, timeline))


def _tables(seed: int, population: Population, history: History, timeline: Timeline) -> dict[str, pl.DataFrame]:
    """Every table of the contract, dirt and all."""
    subscribed = subscriptions.rows(seed, population, history, timeline)
    of = (seed, population, history)
    events = {
        "transactions": billing.transactions(*of, subscribed, timeline),
        "usage_events": usage_events(*of, timeline),
        "nps_responses": voice.nps_responses(*of, timeline),
        "satisfaction_surveys": voice.satisfaction_surveys(*of, timeline),
        "interactions": contacts.interactions(*of, timeline),
        "tickets": contacts.tickets(*of, timeline),
        "cancellations": contacts.cancellations(seed, history, timeline),
        "interventions": contacts.interventions(*of, timeline),
    }
    tables = {name: _event_table(seed, name, frame, population, timeline) for name, frame in events.items()}
    tables["subscriptions"] = _subscriptions(seed, subscribed, population, timeline)
    tables["customers"] = _customers(seed, population)
    tables["leads"], tables["lead_stages"] = (
        blanked(stream(seed, f"dirt {name}"), name, _in_contract(name, _stamped(frame, timeline)))
        for name, frame in zip(("leads", "lead_stages"), leads(seed, population, timeline), strict=True)
    )
    return tables | {"labels": outcomes.labels(tables["subscriptions"], tables["transactions"], timeline)}


def _event_table(seed: int, name: str, frame: pl.DataFrame, population: Population,
                 timeline: Timeline) -> pl.DataFrame:  # fmt: skip
    """Index and days turned into the contract's columns; only what is known by the last day; as it came in."""
    rng = stream(seed, f"dirt {name}")
    at = frame["at"].to_numpy()
    known = known_at(rng, at) if "recorded_at" in TABLES[name].columns() else at
    table = _stamped(frame, timeline).with_columns(
        customer_id=population.ids.gather(frame["customer"]),
        occurred_at=timeline.stamps(at),
        recorded_at=timeline.stamps(known),
    )
    table = blanked(rng, name, table.filter(pl.Series((at >= 0) & (known < timeline.days))))
    table = table if name in CLEAN else soiled(rng, table)
    return _in_contract(name, table.sort("recorded_at", "customer_id", "occurred_at", maintain_order=True))


def _subscriptions(seed: int, rows: pl.DataFrame, population: Population, timeline: Timeline) -> pl.DataFrame:
    """Never later than the grace period and never twice: a renewal that is not known would look like a departure."""
    rng = stream(seed, "dirt subscriptions")
    known = known_at(rng, rows["began"].to_numpy(), most=outcomes.GRACE_DAYS - 5)
    table = subscriptions.table(rows, population, timeline).with_columns(recorded_at=timeline.stamps(known))
    table = blanked(rng, "subscriptions", table.filter(pl.Series(known < timeline.days)))
    return _in_contract("subscriptions", table.sort("recorded_at", "customer_id"))


def _customers(seed: int, population: Population) -> pl.DataFrame:
    rng = stream(seed, "dirt customers")
    table = blanked(rng, "customers", population.customers)
    strangers = rng.choice(population.size, int(np.ceil(STRANGERS * population.size)), replace=False).tolist()
    return _in_contract("customers", table.filter(~pl.int_range(pl.len()).is_in(strangers)).sort("signed_up_at"))


def _stamped(frame: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """The contract's times in `frame`, from days to timestamps."""
    names = [name for name in (*FILLED_LATER, "created_at", "first_contacted_at", "expected_close_at", "entered_at")
             if name in frame.columns]  # fmt: skip
    return frame.with_columns(**{name: timeline.stamps(frame[name].to_numpy()) for name in names})


def _in_contract(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(*TABLES[name].columns())


def _write_settings(folder: Path) -> None:
    text = SETTINGS.format(currency=billing.CURRENCY, horizon=outcomes.HORIZON_DAYS, grace=outcomes.GRACE_DAYS)
    (folder / "remora.toml").write_text(text, encoding="utf-8")
