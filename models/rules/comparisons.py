"""From written comparisons ("current_value over behaviour" = 3) to the shares and weights of a pack, by AHP (D2)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from features.errors import raise_all
from models.rules.ahp import SCALE, Ahp, AhpError, Floats, ahp
from models.rules.pack import RulePack

_OVER = re.compile(r"\s*(\S+)\s+over\s+(\S+)\s*")
_HUNDREDTHS = 10_000

Level = Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """`levels`: what was compared ("dimensions", "indicators.behaviour") → its AHP. `shares`, `weights`: in percent.

    Shares add up to 100, and so do weights; the weights of a dimension add up to its share, so that both methods of
    the composite score give the same.
    """

    levels: dict[str, Ahp]
    shares: dict[str, float]
    weights: dict[str, float]


def compare(raw: Mapping[str, Any], pack: RulePack) -> Compared:
    """Shares of the dimensions and weights of the enabled indicators of `pack` from a parsed file of comparisons.

    `raw` has a table `dimensions` and a table `indicators.<dimension>` each; a level that is left out keeps the
    proportions of the pack. Raises AhpError with every problem at once, inconsistent levels among them.
    """
    problems = [*_unknown_levels(raw, pack)]
    levels, limit = {}, pack.composite.consistency_limit.value
    for place, names, written in _levels(raw, pack):
        try:
            levels[place] = ahp(_matrix(written, names), names)
            levels[place].require_consistent(limit)
        except AhpError as error:
            problems += [f"{place}: {problem}" for problem in error.problems]
    raise_all(AhpError, problems)
    if not levels:
        raise AhpError('no comparisons; write, for example, [dimensions] "current_value over behaviour" = 3')
    shares = _hundred(_local(levels.get("dimensions"), _given_shares(pack)), 1.0)
    return Compared(levels, shares, _weights(levels, shares, pack))


def _levels(raw: Mapping[str, Any], pack: RulePack) -> Iterator[tuple[str, list[str], Level]]:
    """Place, names and comparisons of each level that the file compares."""
    if isinstance(raw.get("dimensions"), dict):
        yield "dimensions", list(pack.composite.dimensions), raw["dimensions"]
    indicators = raw.get("indicators")
    for dimension, written in (indicators if isinstance(indicators, dict) else {}).items():
        if dimension in pack.composite.dimensions and isinstance(written, dict):
            yield f"indicators.{dimension}", list(_given_weights(pack, dimension)), written


def _unknown_levels(raw: Mapping[str, Any], pack: RulePack) -> Iterator[str]:
    for key, value in raw.items():
        if key not in ("dimensions", "indicators"):
            yield f"{key}: unknown; use [dimensions] and [indicators.<dimension>]"
        elif not isinstance(value, dict):
            yield f"{key}: expected a table of comparisons"
    indicators = raw.get("indicators")
    for dimension, written in (indicators if isinstance(indicators, dict) else {}).items():
        if dimension not in pack.composite.dimensions:
            known = ", ".join(pack.composite.dimensions)
            yield f"indicators.{dimension}: not a dimension of the pack; use one of {known}"
        elif not isinstance(written, dict):
            yield f"indicators.{dimension}: expected a table of comparisons"


def _matrix(written: Level, names: Sequence[str]) -> Floats:
    """The matrix of a level. Raises AhpError: unknown names, pairs missing or told twice, values that are none."""
    matrix, problems, seen = np.eye(len(names)), [], set[frozenset[str]]()
    for key, value in written.items():
        found = _OVER.fullmatch(key)
        pair, number = found.groups() if found else (), _number(value)
        problem = _wrong_pair(pair, names, seen) or _wrong_value(value, number)
        seen.add(frozenset(pair))
        if problem or number is None:
            problems.append(f'"{key}": {problem}')
            continue
        first, second = map(names.index, pair)
        matrix[first, second], matrix[second, first] = number, 1 / number
    missing = [pair for pair in combinations(names, 2) if frozenset(pair) not in seen]
    problems += [f'"{first} over {second}" is missing; compare each pair once' for first, second in missing]
    raise_all(AhpError, problems)
    return matrix


def _wrong_pair(pair: Sequence[str], names: Sequence[str], seen: set[frozenset[str]]) -> str | None:
    if not pair:
        return 'not a comparison; write "one over another"'
    strangers = [name for name in pair if name not in names]
    if strangers:
        return f"{', '.join(strangers)}: not compared here; use {', '.join(names)}"
    if len(set(pair)) == 1:
        return "nothing is compared with itself; remove it"
    return "this pair was compared already; keep one" if frozenset(pair) in seen else None


def _wrong_value(value: object, number: float | None) -> str | None:
    if number is None:
        return f'{value!r} is not a number above 0; write 3 or, for the other way round, "1/3"'
    if not 1 / SCALE <= number <= SCALE:
        return f"{number:g} is off Saaty's scale; write from 1/9 to 9"
    return None


def _number(value: object) -> float | None:
    """3, 0.5 or "1/3" as a number; None for anything else, and for what is not above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(Fraction(value))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if number > 0 else None


def _weights(levels: Mapping[str, Ahp], shares: Mapping[str, float], pack: RulePack) -> dict[str, float]:
    """Inside each dimension its share, dealt out; in the pack's order."""
    weights: dict[str, float] = {}
    for dimension, share in shares.items():
        local = _local(levels.get(f"indicators.{dimension}"), _given_weights(pack, dimension))
        weights |= _hundred(local, share / 100)
    return {name: weights[name] for name in pack.composite.enabled}


def _local(compared: Ahp | None, given: dict[str, float]) -> dict[str, float]:
    return compared.weights if compared else {name: value / sum(given.values()) for name, value in given.items()}


def _given_shares(pack: RulePack) -> dict[str, float]:
    return {name: dimension.share.value for name, dimension in pack.composite.dimensions.items()}


def _given_weights(pack: RulePack, dimension: str) -> dict[str, float]:
    enabled = pack.composite.enabled.items()
    return {name: indicator.weight.value for name, indicator in enabled if indicator.dimension == dimension}


def _hundred(parts: Mapping[str, float], whole: float) -> dict[str, float]:
    """`parts` (they add up to 1) of `whole` (a share of 1) in percent with two decimals, which add up exactly.

    The largest remainders are rounded up.
    """
    exact = {name: part * whole * _HUNDREDTHS for name, part in parts.items()}
    units = {name: int(value) for name, value in exact.items()}
    left = round(whole * _HUNDREDTHS) - sum(units.values())
    for name in sorted(exact, key=lambda name: units[name] - exact[name])[:left]:
        units[name] += 1
    return {name: unit / 100 for name, unit in units.items()}
