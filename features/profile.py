"""Who the customer is. Most of it describes *today*, so only declared columns are safe to learn from."""

import re
from collections.abc import Collection

import narwhals as nw

from features.errors import RemoraError
from features.point_in_time import Frame, Tables
from features.sources import Customers
from features.windows import days_since

RULES = ("industry_growth_rate", "size_fit", "employees")
"""Columns the documented rules read; models see them only where they are declared static."""

SERVICE = ("customer_id", "signed_up_at", "name")

_PERSONAL = re.compile(
    r"^(first|last|full|sur|contact|company|customer|person)?_?name$|(^|_)(e?_?mail|phone|telephone|mobile|fax|address|"
    r"street|iban|birthday|birth_?date|date_of_birth|dob|contact_person|respondent)(_?(address|number|no))?$",
    re.IGNORECASE,
)


class PersonalColumnError(RemoraError):
    """A column that says who somebody is, or how to reach them, was named as something to learn from."""


def is_personal(column: str) -> bool:
    """Whether a column, by its name, says who somebody is or how to reach them: such never become features.

    >>> [is_personal(name) for name in ("email", "contact_phone", "plan_name", "phone_service", "birthday")]
    [True, True, False, False, True]
    """
    return _PERSONAL.search(column) is not None


def profile(tables: Tables, as_of: int, static: Collection[str]) -> Frame | None:
    """The declared columns, those of the rules, and days since sign-up; None without customers.

    `static` names columns of `customers`; one row a customer, the first where a key stands twice.
    """
    if personal := [name for name in static if is_personal(name) and name not in SERVICE]:
        raise PersonalColumnError(
            *(
                f"[profile] static: {name!r} says who a customer is; take it out, models learn nothing from it"
                for name in personal
            )
        )
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


def learnable(tables: Tables) -> tuple[str, ...]:
    """`extras` without what is personal."""
    return tuple(name for name in extras(tables) if not is_personal(name))
