"""Who the customer is, as it stands today."""

import narwhals as nw

from features.facts.contract import FACTS
from features.point_in_time import Frame

COLUMNS = tuple(name for name, fact in FACTS.items() if fact.table == "customers")


def people(customers: Frame) -> Frame | None:
    """The columns of `customers` that the rules read, one row a customer; None where it has none of them."""
    present = [name for name in COLUMNS if name in customers.collect_schema().names()]
    if not present:
        return None
    return (
        customers.select("customer_id", *present).group_by("customer_id").agg(*(nw.col(name).max() for name in present))
    )
