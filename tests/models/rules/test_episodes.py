"""Episodes: opened once, kept with a margin, closed, held back; reruns, newer and older dates, changed packs."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.clock import DAY, micros
from models.rules import RulePack, load_pack
from models.rules.conditions import CONDITION
from models.rules.deadlines import WorkCalendar
from models.rules.episodes import EPISODE, Changes, advance, held_back_by_owner, recorded, tier_role

PACK = load_pack()
CALENDAR = WorkCalendar()
MONDAY = micros(dt.datetime(2026, 6, 29, tzinfo=dt.UTC))
HOUR = DAY // 24
NONE = pl.DataFrame(schema=EPISODE)


def limits(**changed: float) -> RulePack:
    """The pack with other weekly limits."""
    alerts = PACK.alerts
    numbers = {name: getattr(alerts, name).model_copy(update={"value": value}) for name, value in changed.items()}
    return PACK.model_copy(update={"alerts": alerts.model_copy(update=numbers)})


def holding(*rows: tuple[str, str, int | None], enters: bool = True, rank: float = 0.0) -> pl.DataFrame:
    """Conditions that hold: customer, rule, anchor (days before MONDAY)."""
    anchors = [None if days is None else MONDAY - days * DAY for *_, days in rows]
    lines = [
        {"customer_id": who, "rule": rule, "enters": enters, "stays": True, "anchor": anchor, "signs": [], "rank": rank}
        for (who, rule, _), anchor in zip(rows, anchors, strict=True)
    ]
    return pl.DataFrame(lines, schema=CONDITION)


def people(*names: str, **columns: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": list(names), **columns}, schema_overrides={"customer_id": pl.String})


ABC = people("a", "b", "c")


def run(
    episodes: pl.DataFrame, conditions: pl.DataFrame, day: float = 0, customers: pl.DataFrame = ABC,
    pack: RulePack = PACK, calendar: WorkCalendar = CALENDAR, **more: Any,
) -> Changes:  # fmt: skip
    return advance(episodes, conditions, MONDAY + int(day * DAY), pack, calendar, customers, **more)


def after(episodes: pl.DataFrame, *args: Any, **more: Any) -> pl.DataFrame:
    return recorded(episodes, run(episodes, *args, **more))


def states(episodes: pl.DataFrame) -> dict[str, str]:
    return {f"{who}:{rule}": state for who, rule, state in episodes.select("customer_id", "rule", "state").rows()}


LOSS = holding(("a", "loss_risk", 200))
NOTHING = holding()


def test_an_episode_opens_with_all_that_a_task_needs() -> None:
    changes = run(NONE, LOSS, customers=people("a", owner=["Li"], value_at_risk=[5.0]))
    anchor = MONDAY - 200 * DAY
    assert changes.opened.row(0, named=True) == {
        "key": f"a:loss_risk:{anchor}", "customer_id": "a", "rule": "loss_risk", "anchor": anchor,
        "opened_as_of": MONDAY, "due_at": MONDAY + 30 * DAY, "owner_role": "sales_representative", "owner": "Li",
        "severity": 5, "signs": [], "contact": True, "state": "open", "closed_as_of": None,
    }  # fmt: skip
    assert [part.height for part in (changes.kept, changes.closed, changes.held_back)] == [0, 0, 0]


def test_a_rerun_on_the_same_day_adds_nothing() -> None:
    first = after(NONE, LOSS)
    again = run(first, LOSS)
    assert [part.height for part in (again.opened, again.kept, again.closed)] == [0, 1, 0]
    assert_frame_equal(recorded(first, again), first)


def test_a_newer_date_keeps_what_stays_and_closes_what_does_not() -> None:
    first = after(NONE, LOSS)
    kept = after(first, holding(("a", "loss_risk", 200), enters=False), 1)
    assert_frame_equal(kept, first)
    closed = run(kept, NOTHING, 2).closed
    assert closed.select("state", "closed_as_of").rows() == [("closed", MONDAY + 2 * DAY)]


def test_the_same_event_never_alerts_twice_a_new_one_does() -> None:
    closed = after(after(NONE, LOSS), NOTHING, 10)
    assert run(closed, LOSS, 20).opened.is_empty()
    again = run(closed, holding(("a", "loss_risk", 180)), 20)
    assert again.opened["anchor"].to_list() == [MONDAY - 180 * DAY]


def test_a_new_event_while_the_episode_is_open_is_the_same_episode() -> None:
    first = after(NONE, LOSS)
    changes = run(first, holding(("a", "loss_risk", 170)), 20)
    assert changes.opened.is_empty()
    assert_frame_equal(changes.kept, first)


def test_without_a_known_event_the_first_sight_names_the_episode() -> None:
    little = holding(("a", "little_used_feature", None))
    first = after(NONE, little)
    assert first["key"].to_list() == [f"a:little_used_feature:{MONDAY}"]
    assert first["anchor"].to_list() == [None]
    assert_frame_equal(after(first, little, 30), first)
    assert run(after(first, NOTHING, 30), little, 60).opened.height == 1


@pytest.mark.parametrize("told", [{}, {"last_as_of": MONDAY + 5 * DAY}])
def test_an_older_date_changes_nothing(told: dict[str, int]) -> None:
    day = 0 if told else 5
    first = after(NONE, LOSS, day)
    for conditions in (NOTHING, holding(("b", "loss_risk", 300))):
        changes = run(first, conditions, 4, **told)
        assert [part.height for part in (changes.opened, changes.kept, changes.closed)] == [0, 1, 0]
        assert_frame_equal(recorded(first, changes), first)


def test_who_is_not_looked_at_waits() -> None:
    held = after(NONE, holding(("a", "loss_risk", 200), ("a", "silence", 100)))
    assert set(states(held).values()) == {"open", "held_back"}
    assert_frame_equal(after(held, NOTHING, 8, customers=people("b")), held)
    assert_frame_equal(after(held, NOTHING, 8, unassessed=("loss_risk", "silence")), held)
    assert states(after(held, NOTHING, 8)) == {"a:loss_risk": "closed"}


def test_a_pack_without_the_rule_closes_it() -> None:
    """A rule switched off has no conditions any more; what is owned and due stays as it was opened."""
    first = after(NONE, LOSS)
    rule = PACK.alerts.rules.loss_risk
    later = rule.model_copy(update={"owner": "executive", "deadline": rule.deadline.model_copy(update={"days": 1.0})})
    rules = PACK.alerts.rules.model_copy(update={"loss_risk": later})
    pack = PACK.model_copy(update={"alerts": PACK.alerts.model_copy(update={"rules": rules})})
    assert_frame_equal(after(first, LOSS, 1, pack=pack), first)
    assert run(first, NOTHING, 1, pack=pack).closed.height == 1


def test_at_most_one_proactive_contact_a_week() -> None:
    """D4: do not over-disturb. Service answers are exempt, the more severe goes first."""
    both = holding(("a", "silence", 100), ("a", "loss_risk", 200), ("a", "ticket_solution", 1), ("b", "silence", 95))
    week = after(NONE, both)
    assert states(week) == {
        "a:loss_risk": "open", "a:silence": "held_back", "a:ticket_solution": "open", "b:silence": "open"
    }  # fmt: skip
    assert_frame_equal(after(week, both, 6), week)
    next_week = after(week, both, 7)
    assert set(states(next_week).values()) == {"open"}
    silence = next_week.filter(customer_id="a", rule="silence").row(0, named=True)
    assert (silence["opened_as_of"], silence["due_at"]) == (MONDAY + 7 * DAY, MONDAY + 21 * DAY)


def test_a_contact_of_the_week_that_has_closed_still_counts() -> None:
    closed = after(after(NONE, LOSS), NOTHING, 1)
    assert states(after(closed, holding(("a", "silence", 90)), 2))["a:silence"] == "held_back"


def test_contacts_from_elsewhere_count() -> None:
    assert states(after(NONE, LOSS, contacted=("a",))) == {"a:loss_risk": "held_back"}


@pytest.mark.parametrize(("zone", "opens"), [("UTC", False), ("Asia/Shanghai", True)])
def test_a_week_begins_on_monday_in_the_companys_zone(zone: str, opens: bool) -> None:
    calendar = WorkCalendar(zone=ZoneInfo(zone))
    saturday = after(NONE, LOSS, 5, calendar=calendar)
    changes = run(saturday, holding(("a", "loss_risk", 200), ("a", "silence", 90)), 6.7, calendar=calendar)
    assert changes.opened.height == opens


def test_limits_of_owners_are_counted_and_ranked() -> None:
    names = [f"c{n}" for n in range(6)]
    loss = pl.concat(
        [holding((name, "loss_risk", 200), rank=rank) for name, rank in zip(names, (1, 1, 3, 0, 2, 1), strict=True)]
    )
    customers = people(
        *names, owner=["Li", "Li", "Li", "Li", "Wu", None], value_at_risk=[5.0, 9.0, None, 99.0, 1.0, 1.0]
    )
    changes = run(NONE, loss, customers=customers, pack=limits(owner_limit=2))
    assert sorted(changes.opened["customer_id"]) == ["c1", "c2", "c4", "c5"]
    assert held_back_by_owner(changes) == {"Li": 2}
    later = run(recorded(NONE, changes), loss, 7, customers=customers, pack=limits(owner_limit=2))
    assert sorted(later.opened["customer_id"]) == ["c0", "c3"]
    assert held_back_by_owner(later) == {}


def test_what_nobody_owns_counts_for_the_role_and_automation_has_no_limit() -> None:
    loss = holding(("a", "loss_risk", 200), ("b", "loss_risk", 200), ("c", "birthday_mail", 0))
    mails = holding(*((name, "birthday_mail", 0) for name in "ab"))
    pack = limits(owner_limit=1, contacts_per_week=5)
    changes = run(NONE, pl.concat([loss, mails]), pack=pack, customers=people("a", "b", "c", owner=["Li", None, None]))
    assert changes.held_back.is_empty()
    assert changes.opened.filter(rule="birthday_mail")["owner"].to_list() == [None] * 3
    only_roles = run(NONE, pl.concat([loss, mails]), pack=pack)
    assert held_back_by_owner(only_roles) == {"sales_representative": 1}


def test_what_waits_and_no_longer_holds_is_forgotten_and_may_come_again() -> None:
    both = holding(("a", "silence", 100), ("a", "loss_risk", 200))
    forgotten = after(after(NONE, both), LOSS, 1)
    assert states(forgotten) == {"a:loss_risk": "open"}
    assert states(after(forgotten, both, 8))["a:silence"] == "open"


def test_each_ticket_is_an_episode_and_its_deadline_counts_from_it() -> None:
    tickets = holding(("a", "ticket_acknowledge", 4), ("a", "ticket_acknowledge", 5))  # Thursday, Wednesday, 00:00
    opened = run(NONE, tickets).opened.sort("anchor")
    assert opened["due_at"].to_list() == [MONDAY - 5 * DAY + 9 * HOUR, MONDAY - 4 * DAY + 9 * HOUR]
    round_the_clock = run(NONE, tickets, customers=people("a", round_the_clock=[True])).opened.sort("anchor")
    assert round_the_clock["due_at"].to_list() == [MONDAY - days * DAY + HOUR // 2 for days in (5, 4)]
    one = after(recorded(NONE, run(NONE, tickets)), holding(("a", "ticket_acknowledge", 4)), 1)
    assert sorted(one["state"]) == ["closed", "open"]


def test_the_higher_role_owns_and_the_stricter_deadline_counts() -> None:
    """RULES §2, end: where several meet. Strategic customers are the sales director's (D2)."""
    customers = people("a", role=["sales_director"])
    silent = after(NONE, holding(("a", "silence", 100)))
    assert silent.select("owner_role", "due_at").rows() == [("sales_representative", MONDAY + 14 * DAY)]
    both = after(
        silent, holding(("a", "silence", 100), ("a", "loss_risk", 180), ("a", "ticket_solution", 1)), 7, customers
    )
    owned = {rule: (role, due) for rule, role, due in both.select("rule", "owner_role", "due_at").rows()}
    assert owned["silence"] == owned["loss_risk"] == ("sales_director", MONDAY + 14 * DAY)
    assert owned["ticket_solution"][0] == "service"


def test_an_overdue_alert_does_not_pull_a_new_one_into_the_past() -> None:
    silent = after(NONE, holding(("a", "silence", 100)))
    both = after(silent, holding(("a", "silence", 100), ("a", "loss_risk", 180)), 60)
    assert sorted(both["due_at"]) == [MONDAY + 14 * DAY, MONDAY + 90 * DAY]


def test_the_role_of_a_tier() -> None:
    tiers = pl.DataFrame({"tier": ["strategic", "key", "regular", "watch", None]})
    assert tiers.select(tier_role(pl.col("tier"), PACK)).to_series().to_list() == [
        "sales_director", "account_manager", "sales_representative", "customer_success_lead", None
    ]  # fmt: skip


NAMES = tuple("abcdefgh")
CONTACTS = [key for key, rule in PACK.alerts.rules.by_key.items() if rule.contact]
SOME = [*CONTACTS[:5], "birthday_mail", "ticket_solution", "thank_you", "little_used_feature"]
one_condition = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(SOME), st.none() | st.integers(1, 3), st.booleans(), st.integers(0, 3)
)
one_run = st.tuples(st.integers(0, 9), st.lists(one_condition, max_size=25))
PEOPLE = people(
    *NAMES, owner=["x", "x", "y", None] * 2, role=["sales_director", None] * 4, value_at_risk=[1.0, None] * 4
)
EVENTS = [key for key, rule in PACK.alerts.rules.by_key.items() if rule.per_event]
PACKS = {"shipped": PACK, "tight": limits(owner_limit=2), "two": limits(owner_limit=1, contacts_per_week=2)}


def drawn(lines: list[tuple[str, str, int | None, bool, int]]) -> pl.DataFrame:
    one_each = {(who, rule): (days, enters, rank) for who, rule, days, enters, rank in lines}
    frames = [
        holding((who, rule, 1 if days is None and rule in EVENTS else days), enters=enters, rank=rank)
        for (who, rule), (days, enters, rank) in one_each.items()
    ]  # fmt: skip
    return pl.concat([NOTHING, *frames])


def week_of(as_of: int) -> tuple[int, int]:
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=as_of)).isocalendar()[:2]


@settings(max_examples=25, deadline=None)
@given(st.lists(one_run, min_size=1, max_size=6), st.sampled_from(list(PACKS)), st.integers(0, 99))
def test_whatever_happens(runs: list[Any], which: str, seed: int) -> None:
    """Twice is once; order does not matter; keys open once; nobody is contacted more than the limit in an ISO week."""
    episodes, opened, day, pack = NONE, [NONE], 0, PACKS[which]
    for days, lines in runs:
        day += days
        conditions = drawn(lines)
        changes = run(episodes, conditions, day, PEOPLE, pack)
        shuffled = [part.sample(fraction=1, shuffle=True, seed=seed) for part in (episodes, conditions, PEOPLE)]
        other = run(shuffled[0], shuffled[1], day, shuffled[2], pack)
        for part in ("opened", "kept", "closed", "held_back"):
            assert_frame_equal(getattr(changes, part), getattr(other, part))
        episodes = recorded(episodes, changes)
        again = run(episodes, conditions, day, PEOPLE, pack)
        assert again.opened.is_empty()
        assert again.closed.is_empty()
        assert_frame_equal(recorded(episodes, again), episodes)
        older = after(episodes, NOTHING, day - 1, PEOPLE, pack, last_as_of=MONDAY + day * DAY)
        assert_frame_equal(older, episodes)
        opened.append(changes.opened)
    everything = pl.concat(opened)
    assert everything["key"].is_unique().all()
    assert episodes["key"].is_unique().all()
    contacts = [
        (who, week_of(at)) for who, at, yes in everything.select("customer_id", "opened_as_of", "contact").rows() if yes
    ]
    assert all(contacts.count(one) <= pack.alerts.contacts_per_week.value for one in contacts)
    by_owner = [
        (owner, week_of(at))
        for owner, at, yes in everything.select("owner", "opened_as_of", "contact").rows()
        if yes and owner
    ]
    assert all(by_owner.count(one) <= pack.alerts.owner_limit.value for one in by_owner)
