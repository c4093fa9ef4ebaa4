"""The readiness report for the terminal: what is there, what to look at, what to answer, the verdict last."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from monitoring.findings import ColumnFinding, Outlook, ProfileFinding, Readiness, TableFinding

UNKNOWN = "—"


def readiness_tables(report: Readiness) -> list[Table | str]:
    """The report as tables and lines, in reading order; text is rich markup."""
    parts: list[Table | str] = [_heading(report), found_table(report.tables), *_absent(report)]
    parts += [missing_table(report.tables)] if any(_holes(each) for each in report.tables) else []
    if report.profile and report.profile.columns:
        parts += [profile_table(report.profile)] if _told(report.profile) else []
        parts += _untold(report.profile)
    if report.outlook.cutoffs:
        parts.append(cutoff_table(report.outlook))
    parts += _listed("Look at", "yellow", report.warnings)
    parts += _listed("Answer in remora.toml", "cyan", report.questions)
    return [*parts, *_verdict(report)]


def found_table(tables: Iterable[TableFinding]) -> Table:
    """A row a table of the source: where it comes from, how much there is, what does not add up."""
    table = _table("Tables", ["table", "from"], ["rows", "customers", "first", "last", "no id", "copies", "in future"])
    for each in tables:
        table.add_row(
            each.table,
            escape(each.origin),
            f"{each.rows:,}",
            f"{each.customers:,}",
            f"{each.first:%Y-%m-%d}" if each.first else UNKNOWN,
            f"{each.last:%Y-%m-%d}" if each.last else UNKNOWN,
            _count(each.without_customer),
            _count(each.duplicate_rows),
            _count(each.future),
        )
    return table


def missing_table(tables: Iterable[TableFinding]) -> Table:
    """Share of missing values: one row a table, its columns with holes, the emptiest first."""
    table = _table("Missing values", ["table", "columns (share of rows without a value)"], [])
    for each in tables:
        holes = sorted(_holes(each).items(), key=lambda hole: -hole[1])
        complete = len(each.missing) - len(holes)
        shown = ", ".join(f"{escape(name)} {_percent(share)}" for name, share in holes) or "none"
        table.add_row(each.table, f"{shown}  [dim]({complete} complete)[/dim]" if holes else f"[dim]{shown}[/dim]")
    return table


def profile_table(profile: ProfileFinding) -> Table:
    """A row a column of customers that needs a word; the rest stands below in one line."""
    table = _table("Profile columns", ["column"], ["distinct", "AUC"])
    table.caption, table.caption_justify = profile.auc_note or None, "left"
    table.add_column("looks")
    table.add_column("why", overflow="fold")
    table.add_column("use", no_wrap=True)
    for each in _told(profile):
        auc = UNKNOWN if each.auc is None else f"{each.auc:.3f}"
        marks = f"[yellow]{', '.join(each.marks)}[/yellow]"
        table.add_row(escape(each.column), f"{each.distinct:,}", auc, marks, escape(each.why), each.use)
    return table


def cutoff_table(outlook: Outlook) -> Table:
    """A row a cut-off: who is at stake, who churns within the horizon, what the rows are for."""
    title = f"Churn: {outlook.definition}, {outlook.horizon_days} days ahead"
    table = _table(title, ["cut-off"], ["at stake", "churners", "rate"])
    table.add_column("for")
    for each in outlook.cutoffs:
        rate = f"{each.churners / each.at_stake:.1%}" if each.at_stake else UNKNOWN
        table.add_row(f"{each.as_of:%Y-%m-%d}", f"{each.at_stake:,}", f"{each.churners:,}", rate, each.part)
    table.caption, table.caption_justify = _enough(outlook), "left"
    return table


def _heading(report: Readiness) -> str:
    when = f"{report.as_of:%Y-%m-%d}" if report.as_of else "unknown"
    return (f"[bold]{escape(report.place)}[/bold]  {report.customers:,} customers, tables: {len(report.tables)}\n"
            f"as of [bold]{when}[/bold] ({escape(report.as_of_reason)})")  # fmt: skip


def _absent(report: Readiness) -> list[str]:
    ignored = [f"{each.table}: {', '.join(each.ignored)}" for each in report.tables if each.ignored]
    lines = [f"[dim]Absent, and so are their features: {', '.join(report.absent)}[/dim]"] if report.absent else []
    return lines + ([f"[dim]Columns nothing reads: {escape('; '.join(ignored))}[/dim]"] if ignored else [])


def _told(profile: ProfileFinding) -> list[ColumnFinding]:
    """Columns with a mark, those that tell most of churn first."""
    return sorted((each for each in profile.columns if each.marks), key=lambda each: -(each.auc or 0))


def _untold(profile: ProfileFinding) -> list[str]:
    plain = sorted((each for each in profile.columns if not each.marks), key=lambda each: -(each.auc or 0))
    if not plain:
        return []
    names = [f"{each.column} ({each.auc:.2f})" if each.auc is not None else each.column for each in plain]
    what = "profile columns, with their AUC" if plain[0].auc is not None else "profile columns"
    return [f"[dim]Nothing against these {what}: {escape(', '.join(names))}[/dim]"]


def _enough(outlook: Outlook) -> str:
    days = f"{outlook.history_days:,} days of history; " if outlook.history_days is not None else ""
    if outlook.training_churners is None:
        return f"{days}no training set can be drawn"
    value = "no value data"
    if outlook.value_source:
        value = f"value over {outlook.value_horizon_days} days from {outlook.value_source}"
    return f"{days}{outlook.training_churners:,} churners to train on, {outlook.needed_churners:,} needed; {value}"


def _listed(title: str, colour: str, lines: Iterable[str]) -> list[str]:
    points = "\n".join(f"  • {escape(line)}" for line in lines)
    return [f"[bold {colour}]{title}[/bold {colour}]\n{points}"] if points else []


def _verdict(report: Readiness) -> list[str]:
    rules = "Rules-only scoring works." if report.rules_work else "Rules-only scoring has no customer to score."
    if report.ready:
        return [f"[bold green]Ready for training.[/bold green] {rules}"]
    points = "\n".join(f"  • {escape(line)}" for line in report.obstacles)
    return [f"[bold red]Not ready for training.[/bold red] {rules}\n{points}"]


def _table(title: str, texts: list[str], numbers: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for heading in texts:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _holes(found: TableFinding) -> dict[str, float]:
    return {name: share for name, share in found.missing.items() if share > 0}


def _count(number: int) -> str:
    return f"{number:,}" if number else UNKNOWN


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"
