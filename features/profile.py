"""Who the customer is. Most of it describes *today*, so only declared columns are safe to learn from."""

from collections.abc import Collection

import narwhals as nw

from features.point_in_time import Frame, Tables
from features.sources import Customers
from features.windows import days_since

RULES = ("industry_growth_rate", "size_fit", "employees")
"""Columns the documented rules read; models see them only where they are declared static."""

SERVICE = ("customer_id", "signed_up_at", "name")


def profile(tables: Tables, as_of: int, static: Collection[str]) -> Frame | None:
    """The declared columns, those of the rules, and days since sign-up; None without customers.

    `static` names columns of `customers`; one row a customer, the first where a key stands twice.
    """
    if "customers" not in tables:
        return None
    rows = tables["customers"]
    present = rows.collect_schema().names()
    columns = [name for name in dict.fromkeys((*RULES, *static)) if name in present and name not in SERVICE]
    signed = [days_since("signed_up_at", as_of).alias("profile_signed_up_days")] if "signed_up_at" in present else []
    kept = rows.select("customer_id", *signed, *(nw.col(name).alias(f"profile_{name}") for name in columns))
    values = [name for name in kept.collect_schema().names() if name != "customer_id"]
    return kept.group_by("customer_id").agg(*(nw.col(name).max() for name in values)) if values else kept.unique()


def extras(tables: Tables) -> tuple[str, ...]:
    """Columns of `customers` that describe the customer: all but the key, the name and the sign-up."""
    if "customers" not in tables:
        return ()
    present = tables["customers"].collect_schema().names()
    later = [name for name, column in Customers.columns().items() if column.kind == "time"]
    return tuple(name for name in present if name not in (*SERVICE, *later))
