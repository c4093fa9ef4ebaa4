"""The monthly review: each figure from a literal table, what is missing said in a sentence, no order matters."""

import datetime as dt
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from scipy.stats import binomtest

from features.clock import DAY
from features.point_in_time import Tables
from models.prediction import TIME
from models.rules import load_pack
from monitoring.review import MonthlyReview, monthly
from monitoring.review.acquisition import acquisition
from monitoring.review.complaints import complaints
from monitoring.review.figures import share_of
from monitoring.review.follow_ups import follow_ups
from monitoring.review.movement import movement
from monitoring.review.plans import plans
from monitoring.review.win_back import win_back
from tests.literal import ENGINES, T, ago, at, frame, rows, source

PACK = load_pack()
MONTH = (at(30), T)
"""The month of every test: [30 days ago, now)."""

NUMBERS = (
    ("D2", "composite.tiers.watch.plan_days", 15),
    ("project default", "review.level", 0.95),
    ("project default", "review.win_back.window_days", 90),
    ("project default", "review.complaints.minimum_complaints", 5),
    ("project default", "review.acquisition.spend_days", 365),
    ("project default", "review.acquisition.cost_bands", 4),
    ("project default", "review.plans.quiet_days", 90),
    ("project default", "review.score.lowest_share", 0.1),
    ("project default", "review.proposal.penalty", 1),
    ("project default", "review.proposal.minimum_each", 50),
    ("project default", "review.proposal.minimum_gain", 0.01),
    ("project default", "review.disagreement.minimum_difference", 0.5),
    ("project default", "review.disagreement.reasons", 3),
)


@pytest.mark.parametrize(("document", "path", "value"), NUMBERS)
def test_the_numbers_are_the_documents(document: str, path: str, value: float) -> None:
    entry: Any = PACK
    for name in path.split("."):
        entry = entry[name] if isinstance(entry, dict) else getattr(entry, name)
    assert (entry.value, entry.source) == (value, document)


def tables(**given: Any) -> Tables:
    """The tables as an opened source holds them, without the detour over files."""
    held = {name: rows if isinstance(rows, pl.DataFrame) else frame(name, rows) for name, rows in given.items()}
    typed = (cs.datetime().cast(pl.Int64), cs.boolean().cast(pl.Float64))
    return {name: nw.from_native(table.with_columns(*typed).lazy()) for name, table in held.items()}


def history(*scores: tuple[Any, ...], header: str = "customer_id as_of tier") -> pl.DataFrame:
    kinds = {"customer_id": pl.String, "as_of": TIME, "tier": pl.String, "rules_version": pl.String, "scored_at": TIME,
             "expected_value": pl.Float64}  # fmt: skip
    return pl.DataFrame(rows(header, *scores), schema={name: kinds.get(name) for name in header.split()})


def scored(days: float) -> dt.datetime:
    return ago(days).replace(tzinfo=dt.UTC)


def groups(*people: tuple[str, float, list[str]]) -> pl.DataFrame:
    schema = {"customer_id": pl.String, "as_of": TIME, "segments": pl.List(pl.String)}
    return pl.DataFrame([(who, scored(days), keys) for who, days, keys in people], schema=schema, orient="row")


NONE = history()


# follow-ups


DONE = rows(
    "customer_id occurred_at playbook arm outcome outcome_at",
    ("start", ago(30), "call", "treatment", "Kept", ago(10)),  # the first moment of the month
    ("lost", ago(20), "call", "treatment", "lost", ago(5)),
    ("open", ago(20), "mail", "treatment", None, None),
    ("later", ago(20), "mail", "treatment", "kept", ago(-5)),  # not known yet
    ("other", ago(15), "mail", None, "postponed", ago(1)),
    ("control", ago(15), "mail", "control", "kept", ago(1)),
    ("before", ago(30, microseconds=-1), "call", "treatment", "kept", ago(20)),
    ("end", ago(0), "call", "treatment", "kept", ago(0)),  # belongs to the next month
)
LEADS = rows(
    "lead_id created_at first_contacted_at outcome outcome_at",
    ("won", ago(40), ago(29), "won", ago(3)),
    ("lost", ago(40), ago(29), "lost", ago(3)),
    ("lost too", ago(40), ago(29), "输单", ago(3)),
    ("open", ago(40), ago(29), None, None),
    ("before", ago(40), ago(31), "won", ago(3)),
    ("never", ago(20), None, None, None),
)


@pytest.mark.parametrize("engine", ENGINES)
def test_follow_ups_of_the_month(tmp_path: Path, engine: Any) -> None:
    company = source(tmp_path, engine, {"interventions": DONE, "leads": LEADS})
    found = monthly(company.tables, None, NONE, *MONTH, PACK).follow_ups
    assert found.all is not None
    assert (found.all.decided.hits, found.all.decided.of) == (3, 5)
    assert (found.all.succeeded.hits, found.all.succeeded.of) == (1, 3)
    assert {row.playbook: (row.decided.of, row.succeeded.hits) for row in found.playbooks} == {
        "call": (2, 1), "mail": (3, 0),
    }  # fmt: skip
    assert (found.control, found.other_outcomes) == (1, ("postponed",))
    assert found.leads is not None
    assert (found.leads.hits, found.leads.of) == (1, 3)
    assert found.text.en.startswith("3 of 5 follow-ups have an outcome (60.0%); 1 of the 3")


def test_what_is_not_decided_is_not_said_to_fail() -> None:
    found = follow_ups(tables(interventions=DONE[2:3], leads=LEADS[3:4]), *MONTH, PACK)
    assert found.text.en == "0 of 1 follow-ups have an outcome (0.0%)"
    assert found.leads is not None
    assert (found.leads.of, found.leads.share) == (0, None)


def test_an_outcome_known_by_a_later_as_of_counts(tmp_path: Path) -> None:
    company = source(tmp_path, "polars", {"interventions": DONE})
    later = monthly(company.tables, None, NONE, *MONTH, PACK, as_of=at(-6)).follow_ups
    assert later.all is not None
    assert (later.all.decided.hits, later.all.succeeded.hits) == (4, 2)


# win-back


LAPSED, DORMANT = ["lifecycle:at_risk"], ["value:low", "behaviour:dormant"]
COHORT = groups(
    *((who, 100.0, LAPSED) for who in ("won", "silent", "by itself", "alone", "control", "too late")),
    *((who, 100.0, DORMANT) for who in ("returned goods", "subscribed", "first moment")),
    ("mature", 100.0, ["lifecycle:mature"]),
    ("won", 30.0, LAPSED),  # this list's days are not over
)
ORDERS = rows(
    "customer_id occurred_at amount",
    ("won", ago(50), 10), ("by itself", ago(90), 10), ("control", ago(40), 10), ("mature", ago(40), 10),
    ("too late", ago(10), 10), ("returned goods", ago(50), -10), ("first moment", ago(100), 0), ("alone", ago(101), 9),
)  # fmt: skip
REACHED = rows(
    "customer_id occurred_at playbook arm",
    ("won", ago(95), "call", None), ("silent", ago(80), "call", "treatment"), ("by itself", ago(60), "call", None),
    ("control", ago(95), "call", "control"), ("too late", ago(95), "call", None), ("alone", ago(100.5), "call", None),
)  # fmt: skip
SUBSCRIBED = rows("customer_id started_at ended_at monthly_amount", ("subscribed", ago(20), None, 5))


def test_win_back_of_the_list_whose_days_are_over() -> None:
    company = tables(transactions=ORDERS, interventions=REACHED, subscriptions=SUBSCRIBED)
    found = win_back(company, COHORT, MONTH[0], T, PACK)
    assert found.cohort == f"{ago(100):%Y-%m-%d}"
    # came back before the follow-up, or on the 91st day: no success of it
    assert {name: (share.hits, share.of) for name, share in found.groups.items()} == {
        "contacted": (1, 3), "held_back": (1, 1), "left_alone": (3, 5),
    }  # fmt: skip
    assert "followed up 33.3% (1/3)" in found.text.en


@pytest.mark.parametrize(("day", "back"), [(10 + 1e-6, 1), (10, 0)])  # RULES §3: within 90 days of day 100
def test_90_days_to_come_back(day: float, back: int) -> None:
    company = tables(transactions=rows("customer_id occurred_at amount", ("alone", ago(day), 1)))
    found = win_back(company, COHORT, MONTH[0], T, PACK)
    assert found.groups["left_alone"].hits == back


@pytest.mark.parametrize(("read_at", "date"), [(at(30) + 90 * DAY - 1, 100), (at(30) + 90 * DAY, 30)])
def test_a_list_is_judged_once_its_90_days_are_over(read_at: int, date: int) -> None:
    found = win_back(tables(transactions=ORDERS), COHORT, MONTH[0], read_at, PACK)
    assert found.cohort == f"{ago(date):%Y-%m-%d}"


def test_use_is_coming_back_only_where_nothing_is_sold() -> None:
    used = rows("customer_id occurred_at feature", ("silent", ago(50), "reports"))
    alone = win_back(tables(usage_events=used), COHORT, MONTH[0], T, PACK)
    assert alone.groups["left_alone"].hits == 1
    beside = win_back(tables(usage_events=used, transactions=[]), COHORT, MONTH[0], T, PACK)
    assert beside.groups["left_alone"].hits == 0


# win-back plans


def plan_tables(*contacts: tuple[Any, ...]) -> Tables:
    return tables(interventions=rows("customer_id occurred_at playbook arm plan_submitted_at", *contacts))


@pytest.mark.parametrize(  # D2: within 15 days of the first follow-up; 以内 includes the bound
    ("plan", "expected"),
    [(ago(20), (1, 0, 0)), (ago(20, microseconds=1), (0, 1, 0)), (None, (0, 0, 1)), (ago(36), (0, 0, 1))],
)
def test_15_days_for_a_plan(plan: Any, expected: tuple[int, int, int]) -> None:
    company = plan_tables(("a", ago(35), "call", None, plan))
    found = plans(company, history(("a", scored(40), "watch")), *MONTH, PACK)
    assert found.on_time is not None
    assert (found.on_time.hits, found.late, found.missing) == expected
    assert found.on_time.of == 1


def test_plans_that_fall_due_in_the_month() -> None:
    company = plan_tables(
        ("due first", ago(45), "call", None, ago(44)),
        ("due before", ago(45, microseconds=-1), "call", None, None),
        ("due next month", ago(15), "call", None, None),
        ("key", ago(35), "call", None, None),  # owes none
        ("control", ago(35), "call", "control", None),
        ("not scored", ago(35), "call", None, None),
        ("again", ago(120), "call", None, None),
        ("again", ago(35), "call", None, None),  # 85 days after another: not a first one
        ("anew", ago(126), "call", None, None),
        ("anew", ago(35), "call", None, ago(34)),  # 91 days after
        ("was key", ago(35), "call", None, None),  # became watch only later
    )
    names = ("due first", "due before", "due next month", "control", "again", "anew")
    tiers = history(
        *((name, scored(130), "watch") for name in names), ("key", scored(130), "key"),
        ("was key", scored(130), "key"), ("was key", scored(34), "watch"),
    )  # fmt: skip
    found = plans(company, tiers, *MONTH, PACK)
    assert found.on_time is not None
    assert (found.on_time.hits, found.on_time.of, found.late, found.missing, found.by_tier) == (2, 2, 0, 0, True)


def test_without_tiers_every_first_follow_up_owes_a_plan() -> None:
    company = plan_tables(("a", ago(35), "call", None, ago(30)), ("b", ago(35), "call", None, None))
    found = plans(company, NONE, *MONTH, PACK)
    assert found.on_time is not None
    assert (found.on_time.hits, found.on_time.of, found.by_tier) == (1, 2, False)
    assert "without tiers" in found.text.en


# complaints


def crowd(
    name: str, size: int, complaining: int, category: str
) -> tuple[list[tuple[str, float, list[str]]], list[Any]]:
    people = [(f"{name}{n}", 40.0, [f"value:{name}"]) for n in range(size)]
    told = [(f"{name}{n}", ago(10), n < complaining, category) for n in range(size)]
    return people, told


def test_complaints_concentrate_where_the_rate_is_surely_above() -> None:
    (high, high_tickets), (low, low_tickets) = crowd("high", 20, 10, "billing"), crowd("low", 80, 4, "bug")
    twice = [("high0", ago(9), True, "billing"), ("high0", ago(31), True, "bug"), ("stranger", ago(9), True, "bug")]
    tickets = rows("customer_id occurred_at is_complaint category", *high_tickets, *low_tickets, *twice)
    found = complaints(tables(tickets=tickets), groups(*high, *low), *MONTH, PACK)
    assert found.customers is not None
    assert (found.customers.hits, found.customers.of, found.outside) == (14, 100, 1)
    told = {(rate.kind, rate.segment, rate.category): rate for rate in found.rates}
    by_high = told["segment", "value:high", None]
    assert (by_high.complaints.hits, by_high.complaints.of, by_high.overall) == (10, 20, 0.14)
    assert [key for key, rate in told.items() if rate.concentrated] == [
        ("segment", "value:high", None), ("category", None, "billing"),
        ("segment and category", "value:high", "billing"),
    ]  # fmt: skip
    billing = told["category", None, "billing"]
    assert (billing.complaints.hits, billing.complaints.of, billing.overall) == (11, 21, pytest.approx(16 / 102))
    both = told["segment and category", "value:low", "bug"]
    assert (both.complaints.hits, both.complaints.of, both.overall) == (4, 80, 0.04)
    names = [each.en for each in found.concentrations]
    assert len(names) == 3
    assert "billing among high value (value): 50.0% (10 of 20" in " ".join(names).replace(
        "high (value)", "high value (value)"
    )
    assert all(each.zh.startswith("投诉集中在") for each in found.concentrations)


@pytest.mark.parametrize(("complaining", "concentrated"), [(4, False), (5, True)])
def test_a_concentration_has_5_complaints(complaining: int, concentrated: bool) -> None:
    (few, few_tickets), (many, many_tickets) = crowd("high", 5, complaining, "bug"), crowd("low", 95, 0, "bug")
    tickets = rows("customer_id occurred_at is_complaint category", *few_tickets, *many_tickets)
    found = complaints(tables(tickets=tickets), groups(*few, *many), *MONTH, PACK)
    rate = next(rate for rate in found.rates if rate.segment == "value:high")
    assert rate.complaints.low > rate.overall  # it is the count that decides
    assert rate.concentrated is concentrated


def test_an_even_spread_is_no_concentration() -> None:
    (high, first), (low, second) = crowd("high", 50, 10, "bug"), crowd("low", 50, 8, "billing")
    tickets = rows("customer_id occurred_at is_complaint category", *first, *second)
    found = complaints(tables(tickets=tickets), groups(*high, *low), *MONTH, PACK)
    assert {rate.concentrated for rate in found.rates if rate.kind == "segment"} == {False}


def test_contacts_tell_complaints_where_tickets_do_not() -> None:
    spoken = rows(
        "customer_id occurred_at channel topic", ("a", ago(5), "call", "投诉"), ("b", ago(5), "call", "intent")
    )
    tickets = rows("customer_id occurred_at", ("b", ago(5)))
    company = tables(interactions=spoken, tickets=tickets)
    found = complaints(company, groups(("a", 40, ["value:high"]), ("b", 40, [])), *MONTH, PACK)
    assert found.customers is not None
    assert (found.customers.hits, found.customers.of) == (1, 2)
    assert [rate.kind for rate in found.rates] == ["segment"]


# acquisition


def test_value_by_channel_and_cost() -> None:
    people = rows(
        "customer_id acquisition_channel acquisition_cost",
        ("a", "event", 100.0), ("b", "event", 300.0), ("c", "mail", 50.0), ("d", "mail", None), ("e", None, 200.0),
    )  # fmt: skip
    bought = rows(
        "customer_id occurred_at amount",
        ("a", ago(365), 500), ("a", ago(365, microseconds=-1), 9_000), ("b", ago(1), 100), ("b", ago(0), 9_000),
        ("c", ago(10), 400), ("c", ago(9), -100), ("d", ago(9), 1_000),
    )  # fmt: skip
    company = tables(customers=people, transactions=bought)
    worth = history(
        ("a", scored(1), 70.0), ("b", scored(1), 30.0), ("a", scored(5), 1.0), header="customer_id as_of expected_value"
    )
    found = acquisition(company, worth, T, PACK)
    assert {
        each.channel: (each.customers, each.costed, each.cost, each.spend, each.spend_per_customer, each.spend_per_cost)
        for each in found.channels
    } == {
        "mail": (2, 1, 50, 1300, 650, 6),
        "event": (2, 2, 400, 600, 300, 1.5),
        None: (1, 1, 200, 0, 0, 0),
    }  # fmt: skip
    assert [each.channel for each in found.channels] == ["mail", "event", None]
    assert {each.channel: each.expected_value_per_customer for each in found.channels} == {
        "mail": None, "event": 50, None: None,
    }  # fmt: skip
    # 4 bands of the costs 50, 100, 200, 300, at their quartiles
    assert [(each.low, each.customers, each.spend) for each in found.bands] == [
        (50, 1, 300), (87.5, 1, 500), (150, 1, 0), (225, 1, 100),
    ]  # fmt: skip
    assert "mail (6.00)" in found.text.en


def test_equal_costs_are_one_band() -> None:
    people = rows("customer_id acquisition_cost", ("a", 0.0), ("b", 0.0))
    found = acquisition(tables(customers=people, transactions=[]), NONE, T, PACK)
    assert [(each.low, each.high, each.customers, each.spend_per_cost) for each in found.bands] == [(0, 0, 2, None)]
    assert found.channels == ()
    assert "not known" in found.text.en


def test_subscriptions_are_spend_where_nothing_is_invoiced() -> None:
    people = rows("customer_id acquisition_channel", ("a", "event"))
    paid = rows("customer_id started_at ended_at monthly_amount", ("a", ago(365), None, 30.4375))
    found = acquisition(tables(customers=people, subscriptions=paid), NONE, T, PACK)
    assert found.channels[0].spend == pytest.approx(365)


# movement


def test_tier_movement_between_two_scores() -> None:
    before = {"a": "key", "b": "key", "c": "watch", "d": "regular", "e": None, "gone": "key"}
    after = {"a": "strategic", "b": "watch", "c": "watch", "d": "key", "e": "regular", "new": "watch"}
    scores = history(
        *((who, scored(45), "watch") for who in before),
        *((who, scored(31), tier) for who, tier in before.items()),
        *((who, scored(2), tier) for who, tier in after.items()),
    )
    found = movement(scores, *MONTH, PACK)
    assert (found.before, found.after) == (f"{ago(31):%Y-%m-%d}", f"{ago(2):%Y-%m-%d}")
    assert {(move.before, move.after): move.customers for move in found.moves} == {
        ("key", "strategic"): 1, ("key", "watch"): 1, ("watch", "watch"): 1, ("regular", "key"): 1,
        (None, "regular"): 1,
    }  # fmt: skip
    assert [(each.hits, each.of) for each in (found.up, found.down, found.same) if each] == [(2, 4), (1, 4), (1, 4)]
    assert (found.arrived, found.gone, found.pack_changed) == (1, 1, False)
    assert found.tiers == ("strategic", "key", "regular", "watch")


def test_a_changed_pack_is_told_and_the_last_scoring_counts() -> None:
    header = "customer_id as_of tier rules_version scored_at"
    scores = history(
        ("a", scored(30), "key", "1", scored(29)), ("a", scored(30), "watch", "2", scored(30)),
        ("a", scored(1), "key", "2", scored(1)), header=header,
    )  # fmt: skip
    found = movement(scores, *MONTH, PACK)
    assert [(move.before, move.after) for move in found.moves] == [("key", "key")]
    assert found.pack_changed
    assert "the rule pack changed" in found.text.en


# the whole


def company(shuffle: int | None = None) -> MonthlyReview:
    (high, tickets), (low, more) = crowd("high", 20, 10, "billing"), crowd("low", 40, 3, "bug")
    costs = [(who, "event" if n % 3 else "mail", 10.0 * (n % 7)) for n, (who, *_) in enumerate([*high, *low])]
    written = {
        "interventions": frame("interventions", DONE),
        "leads": frame("leads", LEADS),
        "tickets": frame("tickets", rows("customer_id occurred_at is_complaint category", *tickets, *more)),
        "customers": frame("customers", rows("customer_id acquisition_channel acquisition_cost", *costs)),
        "transactions": frame("transactions", ORDERS),
    }
    scores = history(*((who, scored(days), "key" if days > 20 else "watch") for who, *_ in high for days in (31, 2)))
    people = pl.concat([COHORT, groups(*high, *low)])
    if shuffle is not None:
        mix = {"fraction": 1.0, "shuffle": True, "seed": shuffle}
        written = {name: table.sample(**mix) for name, table in written.items()}
        scores, people = scores.sample(**mix), people.sample(**mix)
    return monthly(tables(**written), people, scores, *MONTH, PACK)


def test_the_order_of_rows_changes_nothing() -> None:
    expected = company()
    assert all(len(getattr(expected, name).text.en) > 20 for name in ("follow_ups", "win_back", "complaints", "plans"))
    for seed in range(3):
        assert company(seed) == expected


def test_it_goes_through_json_unchanged() -> None:
    found = company()
    assert MonthlyReview.model_validate_json(found.model_dump_json()) == found


def test_with_nothing_there_each_figure_says_what_is_missing() -> None:
    found = monthly(tables(labels=[]), None, NONE, *MONTH, PACK)
    review = PACK.review
    assert review.follow_ups.none.en in found.follow_ups.text.en
    assert review.follow_ups.leads_none.zh in found.follow_ups.text.zh
    assert found.win_back.text.en == review.win_back.no_cohort.en
    assert found.complaints.text.en == review.complaints.none.en
    assert found.acquisition.text.en == review.acquisition.no_columns.en
    assert found.movement.text.en == review.movement.too_little.en
    assert found.plans.text.en == review.plans.no_column.en


def test_tables_without_a_row_are_no_error() -> None:
    contacts = frame(
        "interventions", [], "customer_id", "occurred_at", "playbook", "plan_submitted_at", "arm", "outcome"
    )
    tickets = frame("tickets", [], "customer_id", "occurred_at", "is_complaint", "category")
    people = frame("customers", [], "customer_id", "acquisition_channel", "acquisition_cost")
    empty = tables(interventions=contacts, tickets=tickets, customers=people, transactions=[], leads=[])
    found = monthly(empty, groups(), NONE, *MONTH, PACK)
    assert found.follow_ups.all is None
    assert found.plans.text.en == PACK.review.plans.none.en
    assert found.complaints.rates == ()
    assert found.acquisition.channels == ()
    one = monthly(
        empty, groups(("a", 100, LAPSED)), history(("a", scored(31), None), ("a", scored(1), None)), *MONTH, PACK
    )
    assert one.win_back.groups["contacted"].share is None
    assert one.movement.up is not None
    assert one.movement.up.share is None


@pytest.mark.parametrize(("hits", "of"), [(0, 7), (3, 9), (9, 9), (1, 400)])
def test_the_interval_is_wilsons_and_holds_the_share(hits: int, of: int) -> None:
    found = share_of(hits, of, 0.95)
    expected = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.low <= found.share <= found.high
    assert np.isnan(np.array([share_of(0, 0, 0.95).share], dtype=float)).all()
