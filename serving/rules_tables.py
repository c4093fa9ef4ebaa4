"""Any section of a rule pack as tables for people: entry, key, value, and the document that a number comes from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from models.rules.schema.entries import Lang

HEADINGS = ("entry", "key", "value", "from")

Part = Mapping[str, Any]


class Line(NamedTuple):
    """One key of an entry; `source` is its document, "" where there is none."""

    key: str
    value: str
    source: str


def section_tables(name: str, part: Any, lang: Lang) -> Iterator[Table]:
    """The tables of one section as it is dumped from the pack; each title is the path inside the file."""
    if _is_collection(part):
        yield _table(name, _entries(part), lang)
        return
    plain = {key: value for key, value in part.items() if not _is_collection(value)}
    if plain:
        yield _table(name, [("", plain)], lang)
    for key, value in part.items():
        if key not in plain:
            yield _table(f"{name}.{key}", _entries(value), lang)


def lines(part: Part, lang: Lang) -> Iterator[Line]:
    """Every key of `part` and of what lies below it, with dotted paths."""
    for key, value in part.items():
        if key != "from":
            yield from _lines(key, value, str(part.get("from", "")), lang)


def _lines(key: str, value: Any, source: str, lang: Lang) -> Iterator[Line]:
    if _is_label(value):
        yield Line(key, value[lang], source)
    elif isinstance(value, dict) and _is_number(value):
        yield Line(key, _text({name: each for name, each in value.items() if name != "from"}), value["from"])
    elif isinstance(value, dict):
        for name, below in value.items():
            if name != "from":
                yield from _lines(f"{key}.{name}", below, str(value.get("from", source)), lang)
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for place, below in enumerate(value, 1):
            yield from _lines(f"{key}.{place}", below, source, lang)
    else:
        yield Line(key, _text(value), source)


def _table(title: str, entries: Iterable[tuple[str, Part]], lang: Lang) -> Table:
    named = list(entries)
    columns = HEADINGS if any(entry for entry, _ in named) else HEADINGS[1:]
    table = Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for entry, part in named:
        for place, line in enumerate(lines(part, lang)):
            first = entry if place == 0 else ""
            table.add_row(*(Text(cell) for cell in (first, *line)[-len(columns) :]))
        table.add_section()
    return table


def _entries(part: Any) -> list[tuple[str, Part]]:
    if isinstance(part, list):
        return [(str(place), entry) for place, entry in enumerate(part, 1)]
    return list(part.items())


def _is_collection(value: Any) -> bool:
    """Tables of tables of one kind: dimensions, indicators, tiers, …; not a number, not a label."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(entry, dict) for entry in value)
    if not isinstance(value, dict) or not value or "from" in value or _is_label(value):
        return False
    return all(isinstance(entry, dict) and not _is_label(entry) and not _is_number(entry) for entry in value.values())


def _is_label(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"zh", "en"}


def _is_number(value: Part) -> bool:
    """One or more plain values and their document: a number, an interval, two percentiles."""
    return "from" in value and not any(isinstance(each, dict) for each in value.values())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        if value.keys() == {"value"}:
            return _text(value["value"])
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
