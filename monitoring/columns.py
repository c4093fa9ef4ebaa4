"""One column in two frames: what was compared, or what stood in the way. One bad column never costs the report."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from monitoring.stattests import Comparison, Kind, compare_categories, compare_missing, compare_numbers

Obstacle = Literal["too few rows", "not compared"]


@dataclass(frozen=True)
class ColumnComparison:
    """A column before the verdict, which needs the p-values of all. `words` says what changed in the values."""

    column: str
    kind: Kind
    obstacle: Obstacle | None = None
    why: str = ""
    words: str = ""
    missing_shares: tuple[float, float] | None = None
    values: Comparison | None = None
    missing: Comparison | None = None

    @property
    def comparisons(self) -> list[Comparison]:
        """Those that were made."""
        return [each for each in (self.values, self.missing) if each]


def compare_column(
    name: str, kind: Kind, reference: pl.DataFrame, current: pl.DataFrame, min_rows: int
) -> ColumnComparison:
    """Compare column `name`; what cannot be compared says why instead of raising."""
    if name not in reference and name not in current:
        return ColumnComparison(name, kind, "not compared", "in neither the reference nor the scored population")
    if name not in reference:
        return ColumnComparison(name, kind, "not compared", "not in the training reference: new since training")
    if name not in current:
        return ColumnComparison(name, kind, "not compared", "not in the scored population")
    try:
        return _compared(name, kind, typed(reference[name], kind), typed(current[name], kind), min_rows)
    except Exception as error:  # whatever one column holds, the others are reported
        why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return ColumnComparison(name, kind, "not compared", why)


def typed(column: pl.Series, kind: Kind) -> pl.Series:
    """Finite floats or strings, all else null. Raises where the values are of another kind."""
    if kind == "category":
        return column.cast(pl.String)
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise TypeError(f"numbers were expected, the column holds {column.dtype}")
    numbers = column.cast(pl.Float64)
    return numbers.set(~numbers.is_finite(), None)


def _compared(name: str, kind: Kind, reference: pl.Series, current: pl.Series, min_rows: int) -> ColumnComparison:
    if fewest := _too_few(reference, current, min_rows, "rows"):
        return ColumnComparison(name, kind, "too few rows", fewest)
    shares = reference.null_count() / len(reference), current.null_count() / len(current)
    missing = compare_missing(reference, current) if any(shares) else None
    here, now = reference.drop_nulls(), current.drop_nulls()
    if fewest := _too_few(here, now, min_rows, "rows with a value"):
        return ColumnComparison(name, kind, "too few rows", fewest, "", shares, None, missing)
    values = compare_numbers(here, now) if kind == "number" else compare_categories(here, now)
    words = _number_words(here, now) if kind == "number" else _category_words(here, now)
    return ColumnComparison(name, kind, None, "", words, shares, values, missing)


def _too_few(reference: pl.Series, current: pl.Series, min_rows: int, what: str) -> str:
    if min(len(reference), len(current)) >= min_rows:
        return ""
    return f"{len(reference)} {what} in the reference and {len(current)} now, {min_rows} needed in each"


def _number_words(reference: pl.Series, current: pl.Series) -> str:
    middle = f"median {_short(reference.median())} → {_short(current.median())}"
    return f"{middle}, mean {_short(reference.mean())} → {_short(current.mean())}"


def _short(number: object) -> str:
    return f"{number:.3g}" if isinstance(number, float) and abs(number) < 1000 else f"{number:,.0f}"


def _category_words(reference: pl.Series, current: pl.Series) -> str:
    """The category whose share changed most."""
    before, after = ({k: n / len(s) for k, n in s.value_counts().iter_rows()} for s in (reference, current))
    most = max(before | after, key=lambda k: (abs(after.get(k, 0.0) - before.get(k, 0.0)), k))
    return f"{most!r} {before.get(most, 0.0):.0%} → {after.get(most, 0.0):.0%}"
