"""What `remora webhooks` prints: data for machines, then what people see."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from features.errors import RemoraError
from features.settings import Webhooks
from serving.webhooks.outbox import DEAD, DELIVERED, PENDING
from serving.webhooks.queue import Dead
from serving.webhooks.targets import ready

_STATES = (PENDING, DELIVERED, DEAD)


def listed(webhooks: Webhooks, counts: Mapping[str, Mapping[str, int]]) -> tuple[Any, ...]:
    """Every target with what keeps it from being sent to; also removed ones that have deliveries left.

    A path may hold a secret of the receiver: only the host is shown.
    """
    names = [*webhooks.targets, *(name for name in sorted(counts) if name not in webhooks.targets)]
    data = [_target(name, webhooks, counts.get(name, {})) for name in names]
    table = _table("target", "where", "kinds", "tenant", *_STATES, "problem")
    for row in data:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    return data, table


def given_up(found: Sequence[Dead]) -> tuple[Any, ...]:
    """Deliveries that were given up."""
    data = [
        {
            "event": each.event.id, "target": each.target, "kind": each.event.kind,
            "customer_id": each.event.customer_id, "at": each.event.at.isoformat(timespec="seconds"),
            "attempts": each.attempts, "problem": each.problem,
        }
        for each in found
    ]  # fmt: skip
    table = _table("event", "target", "kind", "customer", "at", "attempts", "problem")
    for row in data:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    return data, table


def _target(name: str, webhooks: Webhooks, counts: Mapping[str, int]) -> dict[str, Any]:
    target, where, problem = webhooks.targets.get(name), None, None
    try:
        where = ready(name, webhooks).place.origin
    except RemoraError as error:
        problem = str(error)
    known = {"kinds": list(target.kinds), "tenant": target.tenant} if target else {"kinds": [], "tenant": None}
    states = {state: counts.get(state, 0) for state in _STATES}
    return {"target": name, "where": where, **known, **states, "problem": problem}


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else "—" if value is None else str(value)
