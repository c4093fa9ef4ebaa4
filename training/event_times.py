"""When it happened: whether a customer at stake had left, or come back, by each of several days after a cut-off.

The churn curve learns from these. At every day the answer is that of `training.labels.churned` with that many days as
its horizon, known only where the window had closed by a given moment: a later one is censored, not guessed.
"""

from collections.abc import Sequence

import narwhals as nw
import numpy as np
import polars as pl

from features.clock import DAY
from features.point_in_time import Frame, Tables, between
from features.rfm import orders
from features.settings import Churn, Definition
from training.labels import churned
from training.metrics import Floats

STANDARD_DAYS = (30, 60, 90, 180)
"""The days that every curve shows where history allows, besides the churn horizon."""


def edges_of(churn: Churn) -> tuple[int, ...]:
    """Days at which a curve has a point: the standard ones and the churn horizon, in order."""
    return tuple(sorted({*STANDARD_DAYS, churn.horizon_days}))


def happened(
    tables: Tables,
    as_of: int,
    customers: pl.Series,
    edges: Sequence[int],
    closes: int,
    definition: Definition,
    churn: Churn,
) -> Floats:
    """(n, K): 1 where the event had come by `as_of` + edge days, 0 where not; NaN: that window closes after `closes`.

    `customers` (n,) are ids of those at stake at `as_of`, `edges` days in order. The event is the return where churn
    is silence (bought or used something before the edge), and leaving where it is `cancelled`, see `settled`: there
    nothing is known before the churn horizon has closed. Times are microseconds. ValueError where `labelled`.
    """
    if definition == "labelled":
        raise ValueError("labels have one horizon: nothing happens at others")
    grace = churn.grace_days if definition == "cancelled" else 0
    closed = [edge for edge in edges if as_of + (edge + grace) * DAY <= closes]
    found = np.full((len(customers), len(edges)), np.nan)
    if definition == "cancelled":
        if churn.horizon_days in closed:
            gone = np.column_stack([_gone(tables, as_of, customers, edge, churn) for edge in closed])
            found[:, : len(closed)] = settled(gone, closed.index(churn.horizon_days))
    elif closed:
        days = _wait(tables, as_of, customers, closed[-1], definition)
        found[:, : len(closed)] = days[:, None] < np.array(closed) * DAY
    return found


def settled(gone: Floats, horizon: int) -> Floats:
    """Leaving as an event that lasts, from who was `gone` (n, K) of 0 and 1 at each edge; `horizon`: its column.

    Someone may be gone at one edge and back at a later one. At the churn horizon the label decides, so that the curve
    means there what churn_probability means: before it only those count as gone who still are at every edge up to it;
    after it whoever was gone at it or at an edge since.
    """
    before = np.minimum.accumulate(gone[:, horizon::-1], axis=1)[:, ::-1]
    after = np.maximum.accumulate(gone[:, horizon:], axis=1)
    return np.hstack([before, after[:, 1:]])


def _gone(tables: Tables, as_of: int, customers: pl.Series, edge: int, churn: Churn) -> Floats:
    outcome = churned(tables, as_of, "cancelled", churn.model_copy(update={"horizon_days": edge}))
    return _for(customers, outcome, "churned")


def _wait(tables: Tables, as_of: int, customers: pl.Series, most: int, definition: Definition) -> Floats:
    """Microseconds from `as_of` until each customer's first event within `most` days, infinite without one; (n,)."""
    times = _purchases(tables["transactions"]) if definition == "no_purchase" else _uses(tables["usage_events"])
    first = times.filter(between(as_of, as_of + most * DAY)).group_by("customer_id").agg(nw.col("t").min())
    found: pl.DataFrame = first.collect(backend="polars").to_native()
    waited = found.with_columns((pl.col("t") - as_of).cast(pl.Float64))
    return np.nan_to_num(_for(customers, waited, "t"), nan=np.inf)


def _for(customers: pl.Series, found: pl.DataFrame, column: str) -> Floats:
    """`column` of `found` (customer_id, …) in the order of `customers`, NaN where a customer is not in it."""
    asked = customers.alias("customer_id").to_frame()
    return asked.join(found, on="customer_id", how="left", maintain_order="left")[column].fill_null(np.nan).to_numpy()


def _purchases(lines: Frame) -> Frame:
    return orders(lines).filter(nw.col("net") >= 0.0).select("customer_id", "t")


def _uses(events: Frame) -> Frame:
    return events.select("customer_id", t=nw.col("occurred_at"))
