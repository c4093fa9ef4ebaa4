"""Which fields leave, and under which names: all usual ones under ours, or those that a map names under the CRM's."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.errors import raise_all
from features.settings import ExportMap, Settings, SettingsError
from serving.export.csv_file import FORMULA
from serving.export.fields import KEYS, Field, What

_SHIPPED = Path(__file__).with_name("maps")
_LONGEST = 63  # bytes of a column name in PostgreSQL


@dataclass(frozen=True)
class Layout:
    """The columns that are written, in order: their names over there → fields of ours; `key` tells rows apart."""

    what: What
    columns: Mapping[str, Field]
    key: str

    @property
    def schema(self) -> pl.Schema:
        """Name over there → Polars type."""
        return pl.Schema({name: field.kind for name, field in self.columns.items()})


def find_map(name: str, settings: Settings) -> ExportMap:
    """The map of that name in `[export.maps]`, else the one that ships with Remora.

    Raises SettingsError, naming those there are.
    """
    if name in settings.export.maps:
        return settings.export.maps[name]
    shipped = {file.stem: file for file in _SHIPPED.glob("*.toml")}
    if name not in shipped:
        known = ", ".join(sorted({*settings.export.maps, *shipped}))
        raise SettingsError(f"--map {name}: no such map; write [export.maps.{name}], or choose one of {known}")
    return ExportMap.model_validate(tomllib.loads(shipped[name].read_text(encoding="utf-8")))


def layout_of(what: What, fields: Mapping[str, Field], name: str | None, chosen: ExportMap | None) -> Layout:
    """The columns of an export of `what`: those that map `name` gives, else every usual field under its own name.

    Raises SettingsError with everything that is wrong with the map: a field that is not known, a name that two
    fields have or that cannot be a column's, no name for the key.
    """
    if chosen is None:
        return Layout(what, {each.name: each for each in fields.values() if each.usual}, KEYS[what])
    raise_all(SettingsError, [f"export map {name}: {problem}" for problem in _problems(what, fields, chosen.fields)])
    columns = {theirs: fields[ours] for ours, theirs in chosen.fields.items()}
    return Layout(what, columns, chosen.fields[KEYS[what]])


def _problems(what: What, fields: Mapping[str, Field], wanted: Mapping[str, str]) -> Iterator[str]:
    for ours in sorted(wanted.keys() - fields.keys()):
        yield f"{ours} is not a field of {what}; choose among {', '.join(fields)}"
    if KEYS[what] not in wanted:
        yield f"{KEYS[what]} has no name, so rows could not be told apart; add {KEYS[what]} = '…'"
    for name in sorted(set(_repeated([*wanted.values()]))):
        yield f"{name!r} names two fields; give each its own name"
    for name in wanted.values():
        if (
            not name.strip()
            or len(name.encode()) > _LONGEST
            or "\0" in name
            or pl.Series([name]).str.contains(FORMULA).any()
        ):
            yield f"{name!r} cannot be a column's name; use 1 to {_LONGEST} bytes that do not begin a formula"


def _repeated(names: Sequence[str]) -> Iterator[str]:
    """Names that differ at most in case count as one: some CRMs see no difference."""
    folded = [name.casefold() for name in names]
    return (name for name in names if folded.count(name.casefold()) > 1)
