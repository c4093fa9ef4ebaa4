"""`remora audit`: the log of who saw or changed what, verified and shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import Config, Json
from serving.terminal import tell

if TYPE_CHECKING:
    from rich.table import Table

    from features.settings import Settings
    from serving.access.audit import Record
    from serving.store import Store

audit_app = typer.Typer(
    name="audit",
    help="The audit log: verify that nothing was changed in it, and read it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@audit_app.command()
def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="SEQ:HASH", help="The last row, as an earlier verify printed it.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Follow the chain of hashes from the first row to the last; exit code 1 where it is broken.

    Keep what is printed somewhere else, and give it back with --expect: only so it shows that the end was cut off.
    """
    from features.settings import load_settings
    from serving.access.audit import AuditLog

    row = _row(expect) if expect else None
    with _store(load_settings(config)) as store:
        found = AuditLog(store.engine).verify(row)
    mark = f"{found.seq}:{found.hash}"
    words = f"BROKEN: {found.problem}. The last good row:" if found.problem else f"{found.rows:,} rows, none changed."
    tell(as_json, vars(found) | {"mark": mark}, words, mark)
    if found.problem:
        raise typer.Exit(1)


@audit_app.command()
def show(
    customer: Annotated[str | None, typer.Option(help="Only what concerns this customer.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows, the newest first.")] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The newest rows; customers are named by digests, which --customer finds."""
    from features.settings import load_settings
    from serving.access.audit import AuditLog

    settings = load_settings(config)
    with _store(settings) as store:
        found = AuditLog(store.engine).entries(customer, limit)
    tell(as_json, [vars(record) | {"at": record.at.isoformat()} for record in found], _table(found, settings))


def _store(settings: "Settings") -> "Store":
    from serving.home import Home
    from serving.store import open_store

    return open_store(Home.of(settings).store)


def _row(text: str) -> tuple[int, str]:
    from serving.errors import InvalidRequestError

    seq, _, digest = text.partition(":")
    if not seq.isascii() or not seq.isdigit() or len(digest) != 64:
        raise InvalidRequestError(f"--expect {text}: is not SEQ:HASH; give what `remora audit verify` printed")
    return int(seq), digest.lower()


def _table(found: "tuple[Record, ...]", settings: "Settings") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table("row", "at", "actor", "action", "customers", "detail")
    for each in found:
        at = f"{each.at.astimezone(settings.company.zone):%Y-%m-%d %H:%M:%S}"
        detail = ", ".join(f"{name} {value}" for name, value in each.detail.items() if value is not None)
        cells = (str(each.seq), at, each.actor, each.action, str(len(each.subjects)), detail)
        table.add_row(*map(escape, cells))
    return table
