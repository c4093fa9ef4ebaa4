"""What the company knew before a moment, and nothing else; on every engine."""

from features.point_in_time import Frame, Tables, between, known_at, known_before, within
from tests.features.conftest import Opened
from tests.literal import T, ago, at, by_customer, rows

AFTER = ago(0, microseconds=1)
BEFORE = ago(0, microseconds=-1)


def ids(frame: Frame) -> set[str]:
    return set(frame.select("customer_id").collect("polars")["customer_id"].to_list())


def late(opened: Opened) -> Tables:
    return opened(transactions=rows(
        "customer_id occurred_at amount recorded_at",
        ("before", BEFORE, 1.0, BEFORE),
        ("undated_record", BEFORE, 1.0, None),
        ("happens_at_t", ago(0), 1.0, BEFORE),
        ("recorded_at_t", ago(30), 1.0, ago(0)),
        ("happens_after", AFTER, 1.0, AFTER),
        ("recorded_after", ago(30), 1.0, AFTER),
        ("never", None, 1.0, BEFORE),
        (None, BEFORE, 1.0, BEFORE),
    ))  # fmt: skip


def test_rows_happened_and_were_recorded_before(opened: Opened) -> None:
    assert ids(known_before(late(opened), T)["transactions"]) == {"before", "undated_record"}


def test_a_run_at_a_moment_reads_that_moment(opened: Opened) -> None:
    seen = {"before", "undated_record", "happens_at_t", "recorded_at_t"}
    assert ids(known_at(late(opened), T)["transactions"]) == seen


def test_customers_without_a_sign_up_date_are_kept(opened: Opened) -> None:
    customers = rows("customer_id signed_up_at", ("old", BEFORE), ("undated", None), ("new", ago(0)))
    assert ids(known_before(opened(customers=customers), T)["customers"]) == {"old", "undated"}


def test_a_field_filled_in_later_is_null_until_then(opened: Opened) -> None:
    tickets = rows(
        "customer_id occurred_at first_response_minutes first_solution_at closed_at satisfaction category",
        ("solved", ago(2), 2879.0, BEFORE, BEFORE, 4.0, "x"),
        ("at_t", ago(2), 2880.0, ago(0), ago(0), 4.0, "x"),
        ("partly", ago(2), 0.0, ago(1), AFTER, 4.0, "x"),
        ("unanswered", ago(2), None, None, None, 4.0, "x"),
    )
    found = by_customer(known_before(opened(tickets=tickets), T)["tickets"])
    nothing = {"at_t": None, "unanswered": None}
    assert found["first_response_minutes"] == {"solved": 2879, "partly": 0} | nothing
    assert found["first_solution_at"] == {"solved": T - 1, "partly": at(1)} | nothing
    assert found["closed_at"] == {"solved": T - 1, "partly": None} | nothing
    assert found["satisfaction"] == {"solved": 4, "partly": None} | nothing
    assert found["category"] == dict.fromkeys(found["category"], "x")


def test_an_end_is_masked_and_a_term_is_not(opened: Opened) -> None:
    periods = rows(
        "customer_id started_at ended_at monthly_amount term_ends_at",
        ("ended", ago(9), BEFORE, 1.0, BEFORE),
        ("ends", ago(9), ago(0), 1.0, ago(-30)),
    )
    found = by_customer(known_before(opened(subscriptions=periods), T)["subscriptions"])
    assert found["ended_at"] == {"ended": T - 1, "ends": None}
    assert found["term_ends_at"] == {"ended": T - 1, "ends": at(-30)}


def test_what_came_of_an_intervention(opened: Opened) -> None:
    done = rows(
        "customer_id occurred_at playbook plan_submitted_at outcome outcome_at",
        ("a", ago(20), "call", ago(10), "kept", ago(0)),
        ("b", ago(20), "call", ago(-1), "lost", ago(1)),
    )
    found = by_customer(known_before(opened(interventions=done), T)["interventions"])
    assert found["plan_submitted_at"] == {"a": at(10), "b": None}
    assert found["outcome"] == {"a": None, "b": "lost"}
    assert found["outcome_at"] == {"a": None, "b": at(1)}


def test_leads_need_no_customer(opened: Opened) -> None:
    leads = rows("lead_id created_at customer_id outcome outcome_at", ("1", ago(3), None, "won", ago(0)))
    found = known_before(opened(leads=leads), T)["leads"].collect("polars").rows(named=True)
    assert found == [{"lead_id": "1", "created_at": at(3), "customer_id": None, "outcome": None, "outcome_at": None}]


def test_within_and_between_are_half_open(opened: Opened) -> None:
    use = rows(
        "customer_id occurred_at feature",
        ("first", ago(30), "x"),
        ("earlier", ago(30, microseconds=-1), "x"),
        ("last", BEFORE, "x"),
        ("at_t", ago(0), "x"),
    )
    frame = opened(usage_events=use)["usage_events"]
    assert ids(frame.filter(within(T, 30, "occurred_at"))) == {"first", "last", "at_t"}
    assert ids(frame.filter(between(at(30), T, "occurred_at"))) == {"first", "last"}
