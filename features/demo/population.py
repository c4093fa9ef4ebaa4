"""Who the customers are: what the company writes down about them, and what it does not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.demo.latent import Traits
from features.demo.timeline import Flags, Numbers, Timeline, Whole, in_hours, stream

INDUSTRIES = (  # name, yearly growth
    ("software", 0.11), ("logistics", 0.05), ("retail", 0.01), ("manufacturing", 0.02), ("healthcare", 0.07),
    ("finance", 0.04), ("education", 0.03), ("energy", 0.09), ("construction", -0.02), ("media", -0.04),
)  # fmt: skip
REGIONS = (  # region, country, share
    ("DACH", "DE", 0.28), ("DACH", "AT", 0.07), ("DACH", "CH", 0.07), ("West", "FR", 0.14), ("West", "NL", 0.09),
    ("North", "SE", 0.08), ("North", "DK", 0.05), ("South", "ES", 0.08), ("South", "IT", 0.07), ("Isles", "GB", 0.07),
)  # fmt: skip
CHANNELS = (  # how won, share, effect on usual health, typical cost
    ("inbound", 0.34, 0.05, 900.0), ("outbound", 0.24, -0.2, 3200.0), ("partner", 0.16, 0.05, 1900.0),
    ("referral", 0.14, 0.3, 350.0), ("event", 0.12, -0.05, 2400.0),
)  # fmt: skip
OWNERS = (
    "Ana Reyes", "Ben Okafor", "Chen Wei", "Dora Lindqvist", "Emil Novak", "Fatima Haddad", "Georg Brandt",
    "Hana Sato", "Ivo Marin", "Julia Costa", "Kofi Mensah", "Lena Vogt",
)  # fmt: skip
FIRST = (
    "Alder", "Amber", "Arden", "Aspen", "Atlas", "Beacon", "Birch", "Blue", "Bright", "Cedar", "Cobalt", "Copper",
    "Coral", "Crest", "Delta", "Drift", "Elm", "Ember", "Falcon", "Fern", "Flint", "Forge", "Glen", "Granite",
    "Harbor", "Haven", "Hazel", "Heron", "Iron", "Ivory", "Juniper", "Kestrel", "Lark", "Laurel", "Linden", "Lunar",
    "Maple", "Marble", "Meridian", "Mistral", "Nordic", "North", "Oak", "Onyx", "Orchard", "Osprey", "Pine", "Polar",
    "Quarry", "Raven", "Ridge", "River", "Rowan", "Sable", "Silver", "Slate", "Solar", "Sterling", "Summit", "Terra",
    "Tidal", "Umber", "Vale", "Willow",
)  # fmt: skip
SECOND = (
    "Analytics", "Appliances", "Bakeries", "Biotech", "Brands", "Builders", "Capital", "Care", "Cargo", "Clinics",
    "Components", "Controls", "Dental", "Designs", "Devices", "Dynamics", "Energy", "Fabrics", "Foods", "Freight",
    "Furniture", "Garments", "Instruments", "Interiors", "Labs", "Learning", "Lighting", "Logistics", "Machines",
    "Materials", "Media", "Metals", "Mobility", "Motors", "Optics", "Packaging", "Partners", "Pharma", "Plastics",
    "Power", "Press", "Robotics", "Security", "Shipping", "Studios", "Systems", "Textiles", "Tools", "Travel",
    "Works",
)  # fmt: skip
SUFFIX = {"DE": "GmbH", "AT": "GmbH", "CH": "AG", "FR": "SAS", "NL": "B.V.", "SE": "AB", "DK": "ApS", "ES": "S.L.",
          "IT": "S.r.l.", "GB": "Ltd"}  # fmt: skip
PLANS = ("Starter", "Business", "Enterprise")
BAND = (40, 600)  # employees the product is made for
EARLIER = 0.35  # share of customers won before the first day


@dataclass(frozen=True)
class Population:
    """`customers` is the table of the contract; the arrays, one entry each, are what the other tables need of them."""

    customers: pl.DataFrame
    traits: Traits
    plan: Whole  # index into PLANS
    prepaid: Flags  # pays a year in advance
    renews: Flags  # by itself, at the end of a term
    discount: Numbers
    talkative: Numbers  # NPS answers relative to others; 0 never answers
    careful: Numbers  # tickets relative to others; 0 never writes one
    intensity: Numbers  # use per seat relative to others
    owner: Whole  # index into OWNERS

    @property
    def ids(self) -> pl.Series:
        """Customer keys, in the order of the arrays."""
        return self.customers["customer_id"]

    @property
    def size(self) -> int:
        """Number of customers."""
        return len(self.plan)


def pick(rng: np.random.Generator, options: Sequence[str], size: int, p: Sequence[float] | None = None) -> pl.Series:
    """`size` of the `options`, by weight."""
    weights = None if p is None else np.array(p) / sum(p)
    return pl.Series(options).gather(rng.choice(len(options), size, p=weights))


def populate(seed: int, size: int, timeline: Timeline) -> Population:
    """`size` customers who join over time, a third of them before the first day."""
    rng = stream(seed, "population")
    industry, place, channel = (
        rng.choice(len(options), size, p=shares / shares.sum())
        for options, shares in (
            (INDUSTRIES, np.linspace(2, 1, len(INDUSTRIES))),
            (REGIONS, np.array([share for *_, share in REGIONS])),
            (CHANNELS, np.array([share for _, share, *_ in CHANNELS])),
        )
    )
    employees = np.maximum(np.round(rng.lognormal(4.9, 1.05, size)), 4)
    seats = np.maximum(np.round(employees * rng.beta(1.6, 5, size)), 2).astype(np.int64)
    fit = np.clip(_fit(employees) + rng.normal(0, 0.08, size), 0, 1)
    growth = np.array([rate for _, rate in INDUSTRIES])[industry]
    plan = np.digitize(seats * rng.lognormal(0, 0.3, size), (12, 60))
    annual = rng.random(size) < 0.32 + 0.16 * plan
    usual = rng.normal(0, 0.5, size) + 0.7 * (fit - 0.7) + 3 * (growth - 0.04)
    usual += np.array([effect for *_, effect, _ in CHANNELS])[channel]
    joined = _joined(rng, size, timeline)
    customers = _customers(rng, timeline, joined, industry, growth, place, channel, employees, fit)
    owner = rng.integers(0, len(OWNERS), size)
    return Population(
        customers=customers.with_columns(account_owner=pl.Series(OWNERS).gather(owner)),
        traits=Traits(joined=joined, usual=usual, annual=annual, seats=seats),
        plan=plan,
        prepaid=annual & (rng.random(size) < 0.55),
        renews=~annual | (rng.random(size) < 0.7),
        discount=rng.choice([0, 0.05, 0.1, 0.15, 0.2], size, p=[0.52, 0.16, 0.16, 0.1, 0.06]),
        talkative=np.where(rng.random(size) < 0.12, 0, rng.gamma(3, 1 / 3, size)),
        careful=np.where(rng.random(size) < 0.08, 0, rng.gamma(2.5, 1 / 2.5, size)),
        intensity=rng.lognormal(0, 0.45, size),
        owner=owner,
    )


def _joined(rng: np.random.Generator, size: int, timeline: Timeline) -> Numbers:
    earlier = rng.random(size) < EARLIER
    within = 1 + (timeline.days - 8) * rng.random(size) ** 0.9  # a little faster each year
    return in_hours(rng, np.where(earlier, -np.ceil(rng.gamma(1.6, 420, size)) - 10, within))


def _fit(employees: Numbers) -> Numbers:
    """1 inside BAND, falling with the logarithm outside, to 0 at a twentieth and at twenty times."""
    outside = np.maximum(np.log(BAND[0] / employees), np.log(employees / BAND[1]))
    fit: Numbers = 1 - np.clip(outside, 0, None) / np.log(20)
    return fit


def _customers(rng: np.random.Generator, timeline: Timeline, joined: Numbers, industry: Whole, growth: Numbers,
               place: Whole, channel: Whole, employees: Numbers, fit: Numbers) -> pl.DataFrame:  # fmt: skip
    size = len(joined)
    country = pl.Series([code for _, code, _ in REGIONS]).gather(place)
    cost = np.array([typical for *_, typical in CHANNELS])[channel] * rng.lognormal(0, 0.5, size)
    return pl.DataFrame({
        "customer_id": [f"{number:05d}" for number in rng.permutation(size) + 1],
        "name": _names(rng, country),
        "signed_up_at": timeline.stamps(joined),
        "industry": pl.Series([name for name, _ in INDUSTRIES]).gather(industry),
        "industry_growth_rate": growth,
        "industry_position": pick(rng, ("leader", "challenger", "follower", "niche"), size, (1, 3, 4, 2)),
        "size_fit": fit.round(3),
        "employees": employees,
        "annual_revenue": np.round(employees * rng.lognormal(11.8, 0.5, size), -3),
        "region": pl.Series([name for name, *_ in REGIONS]).gather(place),
        "country": country,
        "preferred_channel": pick(rng, ("mail", "call", "visit"), size, (5, 3, 1)),
        "preferred_form": pick(rng, ("formal", "first name"), size, (3, 2)),
        "preferred_cadence": pick(rng, ("weekly", "monthly", "quarterly"), size, (1, 4, 3)),
        "birthday": timeline.stamps(np.floor(joined - rng.gamma(2, 3000, size) - 200)),
        "acquisition_channel": pl.Series([name for name, *_ in CHANNELS]).gather(channel),
        "acquisition_cost": cost.round(2),
    })  # fmt: skip


def _names(rng: np.random.Generator, country: pl.Series) -> list[str]:
    """A name each, unique; past the number of pairs a numeral tells namesakes apart."""
    pairs = len(FIRST) * len(SECOND)
    order, names = rng.permutation(pairs), []
    for number, code in enumerate(country):
        first, second = divmod(int(order[number % pairs]), len(SECOND))
        again = f" {number // pairs + 1}" if number >= pairs else ""
        names.append(f"{FIRST[first]} {SECOND[second]}{again} {SUFFIX[code]}")
    return names
