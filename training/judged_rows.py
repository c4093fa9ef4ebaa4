"""Test rows one by one, what was said of each and what came of it: rows of several runs can be judged as one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from training.metrics import Floats

Ids = npt.NDArray[np.generic]
"""Customer ids, shape (rows,): strings."""

Micros = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ChurnRows:
    """Arrays of shape (rows,): `y` 1 = churned, `p` the probability that was given, each baseline's score by name.

    `customers` are the ids, `as_of` the test cut-offs in microseconds.
    """

    y: Floats
    p: Floats
    baselines: Mapping[str, Floats]
    customers: Ids
    as_of: Micros


@dataclass(frozen=True)
class ValueRows:
    """Arrays of shape (rows,), in money over the horizon; `low` and `high` bound the range of `actual`."""

    actual: Floats
    predicted: Floats
    baselines: Mapping[str, Floats]
    low: Floats
    high: Floats
    customers: Ids
    as_of: Micros


def pooled_churn(parts: Sequence[ChurnRows]) -> ChurnRows:
    """The rows of all `parts`, of which there is at least one, with the baselines that every part has."""
    return ChurnRows(**_pooled(parts))


def pooled_value(parts: Sequence[ValueRows]) -> ValueRows:
    """The rows of all `parts`, of which there is at least one, with the baselines that every part has."""
    return ValueRows(**_pooled(parts))


def _pooled(parts: Sequence[ChurnRows] | Sequence[ValueRows]) -> dict[str, Any]:
    names = [field.name for field in fields(parts[0]) if field.name != "baselines"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return {**columns, "baselines": _shared([part.baselines for part in parts])}


def _shared(parts: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if _in_all(name, parts)}


def _in_all(name: str, parts: Iterable[Mapping[str, Floats]]) -> bool:
    return all(name in part for part in parts)
