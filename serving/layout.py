"""Features as a request gives them, checked and laid out as rows of the models' matrix."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.matrix import Float32
from serving.schemas import invalid

Given = Mapping[str, Any]

_LARGEST: Final = float(np.finfo(np.float32).max)
_NUMBERS: Final[frozenset[type]] = frozenset((float, int, type(None)))
_LEVELS: Final[frozenset[type]] = frozenset((str, type(None)))


class Layout:
    """Reads the features of one bundle. `extra` are numbers that may be given besides, for the composite score.

    A feature that was never unknown to the models (in the sample that the bundle keeps of its population) is
    required: what they would say without it rests on nothing. Any other may be left out.
    """

    def __init__(self, bundle: Bundle, extra: frozenset[str] = frozenset()) -> None:
        self._design = bundle.design
        self.kinds = dict.fromkeys(extra, "number") | {c.name: c.kind for c in bundle.manifest.features}
        known = bundle.reference().select(bundle.manifest.names)
        self.required = frozenset(name for name, nulls in known.null_count().row(0, named=True).items() if not nulls)
        self._names = tuple(bundle.manifest.names)
        self._codes = {place: (name, codes) for place, (name, codes) in enumerate(self._design.codes) if codes}
        self._places = [place for place in range(len(self._names)) if place not in self._codes]
        numbers = [self._names[place] for place in self._places]
        self._values: Any = itemgetter(*numbers) if len(numbers) > 1 else lambda given: tuple(given[n] for n in numbers)

    def rows(self, given: Sequence[Given], place: str = "customers") -> tuple[Float32, list[list[str]]]:
        """(n, f) for the models, and which features each row leaves out.

        Raises InvalidRequestError naming every feature that is unknown, of the wrong type, or required and left out.
        """
        matrix = self._at_once(given)
        if matrix is not None:
            return self._design.completed(matrix), [[]] * len(given)
        if problems := [
            found for i, each in enumerate(given) for found in self._problems(each, f"{place}.{i}.features")
        ]:
            raise invalid(problems)
        nothing = dict.fromkeys(self._names)
        rows = self._design.rows([nothing | {name: each[name] for name in each} for each in given])
        return rows, [[name for name in self._names if name not in each] for each in given]

    def _at_once(self, given: Sequence[Given]) -> Float32 | None:
        """The given columns of complete rows of numbers; None where anything needs a closer look."""
        if {*map(len, given)} != {len(self._names)}:
            return None
        try:
            values = [self._values(each) for each in given]
            levels = {place: [each[name] for each in given] for place, (name, _) in self._codes.items()}
            found = np.array(values, dtype=np.float64) if _all(_NUMBERS, values) else None
        except (KeyError, OverflowError):
            return None
        if found is None or not (_all_finite(found) or _finite_or_none(found, values)):
            return None
        return self._joined(found, levels) if _all(_LEVELS, levels.values()) else None

    def _joined(self, numbers: NDArray[np.float64], levels: Mapping[int, list[Any]]) -> Float32:
        """Numbers (n, f - c) and the levels of the c categories, by place → (n, f)."""
        if not levels:
            return numbers.astype(np.float32)
        matrix = np.empty((len(numbers), len(self._names)), dtype=np.float32)
        matrix[:, self._places] = numbers
        for place, column in levels.items():
            _, codes = self._codes[place]
            matrix[:, place] = [codes.get(level, np.nan) for level in column]
        return matrix

    def _problems(self, given: Given, place: str) -> Iterator[tuple[str, str]]:
        for name in given.keys() - self.kinds.keys():
            yield f"{place}.{name}", "not a feature of this model; remove it or correct its name"
        for name in sorted(self.required - given.keys()):
            yield f"{place}.{name}", "missing; the model needs it (null where it is not known)"
        for name, value in given.items():
            if value is not None and (problem := _misfit(self.kinds.get(name), value)):
                yield f"{place}.{name}", problem


def _all_finite(numbers: NDArray[np.float64]) -> bool:
    """Whether all fit into float32, at a glance: False where the sum of their squares does not show it."""
    flat = numbers.ravel()
    return bool(flat.dot(flat) < _LARGEST)


def _finite_or_none(numbers: NDArray[np.float64], values: Sequence[tuple[object, ...]]) -> bool:
    """Whether all fit into float32 or are None, NaN among the numbers; JSON has no NaN itself, but parsers take it."""
    unknown = np.count_nonzero(np.isnan(numbers))
    return not np.count_nonzero(np.abs(numbers) > _LARGEST) and unknown == sum(row.count(None) for row in values)


def _all(kinds: frozenset[type], rows: Iterable[Iterable[object]]) -> bool:
    return set(map(type, chain.from_iterable(rows))) <= kinds


def _misfit(kind: str | None, value: object) -> str | None:
    if kind == "number" and not (type(value) in (float, int) and abs(value) <= _LARGEST):  # type: ignore[arg-type]
        return "must be a finite number or null"
    if kind == "category" and type(value) is not str:
        return "must be text or null"
    return None
