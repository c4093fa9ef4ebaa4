"""The export as a whole: what leaves, under which names, and where to."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.language import Lang
from features.settings import Settings, SettingsError
from serving.access.audit import AuditLog, Entry
from serving.access.operator import operator
from serving.database import connect
from serving.export.csv_file import write_csv
from serving.export.database_target import update_table
from serving.export.errors import ExportError
from serving.export.fields import Field, What, alert_fields, score_fields
from serving.export.mapping import Layout, find_map, layout_of
from serving.export.parquet_file import write_parquet
from serving.export.reading import Reading
from serving.home import Home
from serving.migrations import migrate

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Request:
    """What `remora export` was asked: `to` is a file ending in one of SUFFIXES, or a postgresql:// URL.

    `what` and `table` have defaults: what the map is for, else scores; and `churn_scores` or `churn_alerts`.
    """

    to: str
    what: What | None = None
    table: str | None = None
    since: dt.datetime | None = None
    map_name: str | None = None
    tenant: str | None = None
    lang: Lang = "en"


def run_export(request: Request, settings: Settings, step: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Do what was asked, and tell: what, rows; for a database also changed, deleted, resumed (see `Updated`).

    The audit log has it before the first row leaves. Raises SettingsError for a map that does not fit, StoreError when
    the store cannot be read, ExportError when the target cannot be written; what people read there is then as it was.
    """
    write, layout = _writer(request, settings), _layout(request, settings)
    engine = connect(Home.of(settings).store)
    try:
        migrate(engine)
        AuditLog(engine).record(Entry(operator(), "exported", detail=_said(request, layout)))
        told = Reading(engine, layout, request.since, request.tenant, lambda rows: step(f"{rows:,} rows"))
        return {"what": layout.what, **write(told)}
    finally:
        engine.dispose()


def _said(request: Request, layout: Layout) -> dict[str, str | None]:
    """What the audit log says of an export, before the first row leaves: no name or password of an account."""
    target = re.sub("//.*@", "//", request.to).partition("?")[0] if "://" in request.to else request.to
    begin = request.since.isoformat() if request.since else None
    return {
        "what": layout.what, "to": target, "table": request.table, "map": request.map_name,
        "tenant": request.tenant, "since": begin,
    }  # fmt: skip


def _writer(request: Request, settings: Settings) -> Callable[[Reading], dict[str, int]]:
    """What writes to where `to` says."""
    if "://" in request.to:
        return lambda reading: _to_database(request, reading)
    file = Path(request.to)
    if file.suffix not in SUFFIXES:
        raise ExportError(f"--to {file}: not a target; name a .csv or .parquet file, or write postgresql://…")
    if request.table is not None:
        raise ExportError(f"--table {request.table}: {file} has no tables; leave it out, or name a database with --to")
    return lambda reading: _to_file(file, reading, settings.export.bom)


def _to_file(file: Path, reading: Reading, bom: bool) -> dict[str, int]:
    schema = reading.layout.schema
    with reading.batches() as batches:
        is_csv = file.suffix == ".csv"
        rows = write_csv(file, schema, batches, bom) if is_csv else write_parquet(file, schema, batches)
    return {"rows": rows}


def _to_database(request: Request, reading: Reading) -> dict[str, int]:
    return update_table(request.to, request.table or f"churn_{reading.layout.what}", reading)._asdict()


def _layout(request: Request, settings: Settings) -> Layout:
    chosen = find_map(request.map_name, settings) if request.map_name else None
    what = request.what or (chosen.what if chosen else "scores")
    if chosen and chosen.what != what:
        raise SettingsError(f"--map {request.map_name}: is for {chosen.what}; leave --what {what} out")
    return layout_of(what, _fields(what, request, settings), request.map_name, chosen)


def _fields(what: What, request: Request, settings: Settings) -> Mapping[str, Field]:
    if what == "scores":
        return score_fields()
    from serving.champion import promoted  # half a second that scores have no need of
    from serving.in_force import pack_of

    return alert_fields(pack_of(promoted(Home.of(settings)), settings), request.lang)
