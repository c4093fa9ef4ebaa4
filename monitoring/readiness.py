"""`remora check`: what is there, what is missing, is it enough, what looks like a leak. Computes; prints nothing."""

import datetime as dt
import json

from features.asof import EVENT_TABLES, default_as_of, last_event
from features.at_stake import TABLE_OF
from features.clock import day_after, micros, moment
from features.engines import Source
from features.errors import RemoraError
from features.proposal.matching import resembling
from features.settings import Settings
from monitoring.findings import Outlook, ProfileFinding, Readiness, TableFinding
from monitoring.outlook import Prospect, prospect, value_question
from monitoring.profile_columns import currencies, declared_leaks, missing_columns, profile_finding
from monitoring.quality import Moments, customer_ids, table_finding


def readiness(source: Source, as_of: int | None, settings: Settings, now: dt.datetime) -> Readiness:
    """The report on `source` for a run at `as_of` (microseconds; None: the day after the last event).

    A section that cannot be computed says why; none loses the report.
    """
    day, reason = _as_of(source, as_of, settings, now)
    moments = Moments(micros(now), day, settings.company.zone)
    tables = tuple(_table(source, name, moments) for name in source.tables)
    outlook = prospect(source, day, settings) if day is not None else Prospect(Outlook(obstacles=(reason,)), {})
    profile = _profile(source, outlook, settings)
    money = currencies(source.tables["transactions"]) if "transactions" in source.tables else ()
    return Readiness(
        place=source.place,
        checked_at=now.astimezone(settings.company.zone),
        as_of=None if day is None else moment(day).astimezone(settings.company.zone),
        as_of_reason=reason,
        tables=tables,
        absent=source.absent,
        customers=customer_ids(source.tables),
        currencies=money,
        profile=profile,
        outlook=outlook.outlook,
        errors=tuple(_errors(tables, money, settings)),
        questions=tuple(_questions(source, outlook.outlook, profile, settings)),
        warnings=tuple(_warnings(source, tables, profile, outlook.outlook, settings)),
    )


def _as_of(source: Source, as_of: int | None, settings: Settings, now: dt.datetime) -> tuple[int | None, str]:
    if as_of is not None:
        return as_of, "as given"
    try:
        return micros(default_as_of(source, settings, now)), "the day after the last event that is not in the future"
    except RemoraError as error:
        return None, " ".join(error.problems)


def _table(source: Source, name: str, moments: Moments) -> TableFinding:
    origin, ignored = source.origins.get(name, name), source.ignored.get(name, ())
    try:
        return table_finding(name, source.tables[name], origin, ignored, source.tables.get("customers"), moments)
    except RemoraError as error:
        return TableFinding(table=name, origin=origin, rows=0, ignored=ignored, trouble=" ".join(error.problems))


def _profile(source: Source, found: Prospect, settings: Settings) -> ProfileFinding | None:
    if "customers" not in source.tables:
        return None
    dated = found.outlook.definition == "labelled"
    try:
        return profile_finding(source.tables["customers"], *found.latest, dated, settings)
    except RemoraError as error:
        return ProfileFinding(auc_note=" ".join(error.problems))


def _errors(tables: tuple[TableFinding, ...], money: tuple[str, ...], settings: Settings) -> list[str]:
    """What has to be corrected before anything is added up."""
    errors = [f"{each.table}: {each.trouble}" for each in tables if each.trouble]
    unrated = [code for code in money if code not in settings.value.rates]
    if len(money) > 1 and unrated:
        errors.append(f"transactions: amounts in {', '.join(money)} cannot be added up; set [value.rates] for "
                      f"{', '.join(unrated)}, in units of one currency, or bring one currency")  # fmt: skip
    return errors


def _questions(source: Source, outlook: Outlook, profile: ProfileFinding | None, settings: Settings) -> list[str]:
    """What only the user can answer, each with the setting that holds the answer."""
    questions = []
    if settings.churn.definition is None and len(outlook.possible) > 1:
        questions.append(f"Who counts as gone? Set [churn] definition to one of {', '.join(outlook.possible)}.")
    if question := value_question(source.tables, settings):
        questions.append(question)
    proposed = [each.column for each in profile.columns if each.use == "propose"] if profile else []
    if proposed:
        questions.append("Which of these stay the same for as long as someone is a customer? Declare those: "
                         f"[profile] static = {_toml(proposed)}")  # fmt: skip
    questions += [f"Is {raw} of {name} its {column}? Then map it: [tables.{name}] {column} = {json.dumps(raw)}"
                  for name, ignored in source.ignored.items()
                  for column, raw in resembling(name, ignored, _present(source, name)).items()]  # fmt: skip
    out = [each.column for each in profile.columns if each.use == "leave out"] if profile else []
    if out and outlook.definition == "labelled":
        questions.append("The labels date the profile, so every column trains unless excluded. Leave these out? "
                         f"[features] exclude = {_toml(out)}")  # fmt: skip
    return questions


def _warnings(source: Source, tables: tuple[TableFinding, ...], profile: ProfileFinding | None, outlook: Outlook,
              settings: Settings) -> list[str]:  # fmt: skip
    """What to look at, most dangerous first: leaks, tables that stop, dates, ids, duplicates."""
    warnings = declared_leaks(profile) if profile else []
    if "customers" in source.tables:
        warnings += missing_columns(source.tables["customers"], settings)
    own = next((table for name, table in TABLE_OF.items() if name == outlook.definition), None)
    for each in tables:
        warnings += [f"{each.table}: no row at all; bring rows, or take the file away"] if not each.rows else []
        warnings += [f"{each.table}: {each.stopped}{_advice(source, each, own, settings)}"] if each.stopped else []
    warnings += outlook.warnings
    if outlook.cutoffs and not outlook.later_period:
        warnings.append("history has room for no embargo: the model would be tested on customers set aside, not on a "
                        "later period")  # fmt: skip
    return warnings + [remark for each in tables for remark in _remarks(each)]


def _advice(source: Source, found: TableFinding, own: str | None, settings: Settings) -> str:
    """What to do about the churn definition's own table when it stops before the as-of date."""
    if found.table != own or found.last is None or found.table not in EVENT_TABLES:
        return "; what customers did since is not seen"
    last = last_event(source.tables[found.table], found.table, micros(found.last))
    assert last is not None
    return f"; it defines churn, so check again with --as-of {day_after(last, settings.company.zone):%Y-%m-%d}"


def _remarks(found: TableFinding) -> list[str]:
    """Sentences about one table's rows: what, how many, what follows."""
    share = found.late_share or 0.0
    remarks = [
        ("dates in the future", found.future, "no run reads them before their date"),
        ("rows without a customer id", found.without_customer * (found.table != "leads"), "left out"),
        (f"values of ({', '.join(found.key)}) in several rows", found.duplicate_keys, _merged(found.table)),
        ("customers that are not in customers", found.strangers, "they have no profile"),
        ("rows before their customer's sign-up", found.before_sign_up, "one of the dates is wrong"),
        ("exact copies of another row", found.duplicate_rows, "each counts; remove them if they are mistakes"),
        *((f"impossible values, {each.what}", each.rows, "correct them") for each in found.impossible),
        ("rows recorded over a day late", round(share * found.rows), "they count from the day they were recorded"),
    ]
    return [f"{found.table}: {what}: {count:,}{_share(what, count, found.rows)}; {follows}"
            for what, count, follows in remarks if count]  # fmt: skip


def _merged(table: str) -> str:
    return "one value of each column counts" if table in ("customers", "labels") else "each row counts"


def _share(what: str, part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if "rows" in what and part >= 0.01 * whole else ""


def _present(source: Source, table: str) -> list[str]:
    return source.tables[table].collect_schema().names()


def _toml(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
