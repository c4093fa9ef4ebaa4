"""`remora init`: proposes a `remora.toml` for data whose names differ from the contract, each line with its reason.

What a name or a figure says for sure stands as a setting. What only the user can know stands as a comment that begins
with `# ?`, and what keeps the data from being read as one that begins with `# !`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from features.engines import open_source
from features.errors import RemoraError
from features.proposal.choices import Choice, choices
from features.proposal.matching import TableMatch, match_tables, misread, resembling
from features.proposal.raw_tables import RawTable, raw_tables
from features.settings import Company, Settings, TableMapping
from features.sources import ONE_OF, TABLES

WHO = ("customer_id", "signed_up_at", "birthday", "acquisition_cost")
"""Columns of customers that are no description."""


@dataclass(frozen=True)
class Proposal:
    """A mapping of tables and columns, settings that suit what is in them, and what is open."""

    place: str
    timezone: str
    tables: tuple[TableMatch, ...]
    unused: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    problems: tuple[str, ...] = ()
    terms: dict[str, str] = field(default_factory=dict)

    def to_toml(self) -> str:
        """The text of `remora.toml`."""
        return "\n".join([*self._head(), *self._company(), *self._sections(), *self._tables(), *self._tail(), ""])

    def _head(self) -> Iterator[str]:
        yield f"# Proposed by `remora init` for {Path(self.place).name or self.place}. Read every line once."
        yield "# '# ?' asks you something; a line without a mark is what names and figures say."
        yield from (f"# ! {problem}" for problem in self.problems)

    def _company(self) -> Iterator[str]:
        yield from ("", "[company]")
        yield f"timezone = {_quoted(self.timezone)}  # ? the zone of dates and of times that carry none"
        yield '# currency = "EUR"  # ? printed beside money'

    def _sections(self) -> Iterator[str]:
        for section in dict.fromkeys(choice.section for choice in self.choices):
            yield from ("", f"[{section}]")
            yield from (choice.line() for choice in self.choices if choice.section == section)

    def _tables(self) -> Iterator[str]:
        plain = []
        for match in self.tables:
            lines = [*_table_lines(match), *([self.terms[match.table]] if match.table in self.terms else [])]
            plain += [] if lines else [match.table]
            yield from ("", f"[tables.{match.table}]", *lines) if lines else ()
        yield from ("", f"# read as they are: {', '.join(plain)}") if plain else ()

    def _tail(self) -> Iterator[str]:
        if self.unused:
            yield from ("", f"# ? nothing reads these tables: {', '.join(self.unused)}")


def propose(place: str | Path, timezone: str = "UTC", memory_limit: str = "1400MB") -> Proposal:
    """Propose settings for a folder of Parquet or CSV files, or a PostgreSQL database.

    Raises SourceError when there is nothing to look at. Data that cannot be read with the proposal does not raise:
    `problems` says why.
    """
    raw = raw_tables(place, memory_limit)
    matches = match_tables(raw)
    proposal = Proposal(str(place), timezone, tuple(matches), _unused(raw, matches), problems=_troubles(raw))
    if not any(match.table in ONE_OF for match in matches):
        return replace(proposal, problems=(*proposal.problems, *_nothing(raw)))
    try:
        chosen, terms = choices(open_source(place, _settings(matches, timezone, memory_limit)))
    except RemoraError as error:
        return replace(proposal, problems=(*proposal.problems, *error.problems))
    return replace(proposal, choices=tuple(chosen), terms=terms)


def _settings(matches: list[TableMatch], timezone: str, memory_limit: str) -> Settings:
    """The settings that the mapping alone makes, free of files and variables around."""
    tables = {match.table: TableMapping(**{"from": match.raw.name}, **{each.column: each.raw for each in match.mapped})
              for match in matches}  # fmt: skip
    return Settings.model_construct(tables=tables, company=Company(timezone=timezone), memory_limit=memory_limit)


def _table_lines(match: TableMatch) -> Iterator[str]:
    """Lines of one `[tables.NAME]` section."""
    if match.raw.name != match.table:
        yield f"from = {_quoted(match.raw.name)}  # {'its name says so' if match.sure else '? its columns say so'}"
    for each in match.mapped:
        example = match.raw.columns[each.raw].example or ""
        doubt = "" if each.sure else f"? {each.why}; "
        yield f"{each.column} = {_quoted(each.raw)}  # {doubt}e.g. {_shown(example)}"
    if match.table == "transactions" and "amount" not in {each.column for each in match.columns} | set(match.missing):
        yield "# amount is quantity × unit_price"
    yield from (f"# ! {name} is missing: {TABLES[match.table].columns()[name].meaning}" for name in match.missing)
    if match.table != "customers" and (described := resembling("customers", match.unread, WHO)):
        yield f"# {_shown(', '.join(described.values()), 200)} would belong to a table of customers, one row each"
    if match.unread:
        what = "kept as they are, for [profile]" if TABLES[match.table].extra else "not read"
        yield f"# {what}: {_shown(', '.join(match.unread), 200)}"


def _unused(raw: list[RawTable], matches: list[TableMatch]) -> tuple[str, ...]:
    used = {match.raw.name for match in matches}
    return tuple(each.name for each in raw if each.name not in used)


def _troubles(raw: list[RawTable]) -> tuple[str, ...]:
    return tuple(_shown(each.trouble, 300) for each in raw if each.trouble)


def _nothing(raw: list[RawTable]) -> list[str]:
    """Why no table could be recognised, as far as names tell."""
    seen = "; ".join(f"{each.label} ({', '.join(each.columns)})" for each in raw)
    found = f"none of {', '.join(ONE_OF)} was recognised in {seen}; map one by hand: [tables.NAME] from = …"
    return [_shown(problem, 2000) for problem in (found, *misread(raw, ONE_OF))]


def _quoted(text: str) -> str:
    """`text` as a TOML string.

    >>> _quoted('the "net" amount')
    '"the \\\\"net\\\\" amount"'
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _shown(text: str, at_most: int = 40) -> str:
    """`text` on one line of a comment, cut where it is long."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= at_most else f"{line[: at_most - 1]}…"
