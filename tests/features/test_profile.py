"""Who the customer is, on every engine."""

from features.profile import extras, profile
from tests.features.conftest import Opened
from tests.literal import T, ago, by_customer, rows

CUSTOMERS = rows(
    "customer_id name signed_up_at industry employees region birthday plan_price",
    ("a", "Ada", ago(100), "food", 12.0, "north", ago(9000), 5.0),
    ("b", "Bob", None, None, None, "south", None, None),
    ("later", "Cy", ago(0), "food", 1.0, "north", None, 7.0),
)


def test_without_customers_there_is_no_family(seen: Opened) -> None:
    assert profile(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T, ()) is None


def test_only_declared_columns_and_those_of_the_rules(seen: Opened) -> None:
    found = by_customer(profile(seen(customers=CUSTOMERS), T, ()))
    assert found == {"profile_signed_up_days": {"a": 100, "b": None}, "profile_employees": {"a": 12, "b": None}}
    found = by_customer(profile(seen(customers=CUSTOMERS), T, ("region", "plan_price", "employees", "missing")))
    assert found.keys() == {f"profile_{name}" for name in ("signed_up_days", "employees", "region", "plan_price")}
    assert found["profile_region"] == {"a": "north", "b": "south"}
    assert found["profile_plan_price"] == {"a": 5, "b": None}


def test_key_name_and_sign_up_are_never_columns(seen: Opened) -> None:
    found = by_customer(profile(seen(customers=CUSTOMERS), T, ("customer_id", "name", "signed_up_at")))
    assert found.keys() == {"profile_signed_up_days", "profile_employees"}


def test_a_key_that_stands_twice_is_one_customer(seen: Opened) -> None:
    twice = rows("customer_id region", ("a", "north"), ("a", "north"), ("b", None))
    assert by_customer(profile(seen(customers=twice), T, ("region",))) == {"profile_region": {"a": "north", "b": None}}


def test_a_bare_list_of_customers_has_no_columns(seen: Opened) -> None:
    assert by_customer(profile(seen(customers=rows("customer_id", ("a",), ("a",))), T, ("region",))) == {}


def test_extras_are_what_describes_the_customer(opened: Opened) -> None:
    assert extras(opened(customers=CUSTOMERS)) == ("industry", "employees", "region", "plan_price")
    assert extras({}) == ()
