"""What no single entry of a rule pack can know: sums, gaps, names that must exist.

Works on the parsed TOML, not on the schema's objects, so that these problems are told together with wrong entries.
Entries of the wrong shape are skipped here: the schema reports them.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Any

from models.rules.schema.playbooks import reference_problems

Raw = dict[str, Any]

FORMAT = 1
"""The newest format of a pack that is understood."""


def cross_checks(raw: Raw) -> Iterator[str]:
    """One sentence a problem, beginning with the path inside the file."""
    composite = _table(raw, "composite")
    yield from _from_the_future(raw)
    yield from _dimensions_exist(composite)
    yield from _adds_up(composite)
    yield from _profiles(composite)
    yield from _tiers_meet(_table(composite, "tiers"))
    yield from _traits(composite)
    yield from _percentiles(composite)
    yield from _bands_start_at_zero(_table(raw, "risk_bands"))
    yield from reference_problems(raw)


def _from_the_future(raw: Raw) -> Iterator[str]:
    written = _number(raw.get("format"), FORMAT)
    if written > FORMAT:
        yield f"format: {written:g} is newer than {FORMAT}, which this Remora reads; update Remora, or use an older one"


def _dimensions_exist(composite: Raw) -> Iterator[str]:
    dimensions, used = _table(composite, "dimensions"), set()
    for name, indicator in _enabled(composite).items():
        dimension = indicator.get("dimension")
        used.add(dimension)
        if isinstance(dimension, str) and dimension not in dimensions:
            known = ", ".join(dimensions)
            yield f"composite.indicators.{name}.dimension: {dimension!r} is not a dimension; use one of {known}"
    for name in dimensions:
        if name not in used:
            yield f"composite.dimensions.{name}: no enabled indicator; add one or remove the dimension"


def _adds_up(composite: Raw) -> Iterator[str]:
    """D2: shares add up to 100 under "dimension", weights under "points"."""
    if composite.get("method") == "dimension":
        yield from _sum_is_100("composite.dimensions", "share", _table(composite, "dimensions"))
    elif composite.get("method") == "points":
        yield from _sum_is_100("composite.indicators", "weight", _enabled(composite))


def _sum_is_100(path: str, key: str, entries: Raw) -> Iterator[str]:
    numbers = [_number(_table(entry, key).get("value")) for entry in entries.values()]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return
    if any(number <= 0 for number in known):
        yield f"{path}: every {key} must be above 0"
    if abs(sum(known) - 100) > 1e-6:
        terms = " + ".join(f"{number:g}" for number in known)
        yield f"{path}: {key}s must add up to 100, but {terms} = {sum(known):g}"


def _profiles(composite: Raw) -> Iterator[str]:
    """A profile's shares or weights add up to 100 with those that it leaves as they are (D2)."""
    method, dimensions, indicators = composite.get("method"), _table(composite, "dimensions"), _enabled(composite)
    for name, profile in _table(composite, "profiles").items():
        path, shares, weights = f"composite.profiles.{name}", _table(profile, "shares"), _table(profile, "weights")
        yield from _strangers(f"{path}.shares", shares, dimensions, "dimension")
        yield from _strangers(f"{path}.weights", weights, _table(composite, "indicators"), "indicator")
        yield from _positive(f"{path}.weights", "weight", weights)
        if not shares and not weights:
            yield f"{path}: changes nothing; give shares or weights, or remove it"
        elif shares and method == "dimension":
            yield from _sum_is_100(f"{path}.shares", "share", _with(dimensions, "share", shares))
        elif weights and method == "points":
            yield from _sum_is_100(f"{path}.weights", "weight", _with(indicators, "weight", weights))
        elif method == "points" and _is_enabled(profile):
            yield f'{path}.shares: do not count under "points"; give weights'


def _with(entries: Raw, key: str, given: Raw) -> Raw:
    """`entries` with the numbers of `given` in the place of theirs."""
    return {name: {key: given.get(name, _table(entry, key))} for name, entry in entries.items()}


def _strangers(path: str, given: Raw, known: Raw, kind: str) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"{path}.{name}: no such {kind}; use one of {', '.join(known)}"


def _positive(path: str, key: str, given: Raw) -> Iterator[str]:
    if any(_number(_table(given, name).get("value"), 1) <= 0 for name in given):
        yield f"{path}: every {key} must be above 0"


def _traits(composite: Raw) -> Iterator[str]:
    for name, tier in _table(composite, "tiers").items():
        expects = _table(tier, "expects")
        yield from _strangers(f"composite.tiers.{name}.expects", expects, _table(composite, "dimensions"), "dimension")


def _tiers_meet(tiers: Raw) -> Iterator[str]:
    """Half-open intervals that leave neither gap nor overlap."""
    spans = sorted(
        (_number(score.get("low"), -inf), _number(score.get("high"), inf), name)
        for name, tier in tiers.items()
        if (score := _table(tier, "score"))
    )
    if not spans:
        return
    if spans[0][0] > 0:
        yield f"composite.tiers.{spans[0][2]}.score: scores below {spans[0][0]:g} have no tier; leave low out"
    if spans[-1][1] < inf:
        yield f"composite.tiers.{spans[-1][2]}.score: scores from {spans[-1][1]:g} have no tier; leave high out"
    for (_, high, below), (low, _, above) in pairwise(spans):
        if high != low:
            what = "overlaps" if high > low else "leaves a gap to"
            yield f"composite.tiers.{below}.score: high {high:g} {what} {above!r}, which begins at {low:g}"


def _percentiles(composite: Raw) -> Iterator[str]:
    low, high = (_number(_table(composite, f"{end}_percentile").get("value")) for end in ("lower", "upper"))
    if low is not None and high is not None and not 0 <= low < high <= 100:
        yield f"composite.lower_percentile: expected 0 ≤ lower < upper ≤ 100, but lower is {low:g} and upper {high:g}"


def _bands_start_at_zero(bands: Raw) -> Iterator[str]:
    starts = [_number(_table(band, "times_base_odds").get("value")) for band in bands.values()]
    known = [start for start in starts if start is not None]
    if len(known) == len(starts) > 0 and (min(known) != 0 or len(set(known)) < len(known)):
        yield "risk_bands: one band must begin at 0, and each at a value of its own"


def _enabled(composite: Raw) -> Raw:
    entries = _table(composite, "indicators").items()
    return {name: entry for name, entry in entries if isinstance(entry, dict) and _is_enabled(entry)}


def _is_enabled(entry: Raw) -> bool:
    return entry.get("enabled", True) is True


def _table(raw: Any, key: str) -> Raw:
    found = raw.get(key) if isinstance(raw, dict) else None
    return found if isinstance(found, dict) else {}


def _number(value: Any, default: Any = None) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
