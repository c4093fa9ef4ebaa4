"""`remora forget`: a customer removed wherever Remora keeps one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import Config, Json
from serving.terminal import steps, tell

if TYPE_CHECKING:
    from serving.access.forget import Forgotten


def forget(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    also: Annotated[list[str] | None, typer.Option(help="Search for this text too, e.g. an e-mail address.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a customer everywhere, and search every file and table for what may be left.

    First remove the customer from the data: the next scoring brings back whom it finds there.
    """
    from rich.text import Text

    from features.settings import load_settings
    from serving.access.forget import forget as remove
    from serving.access.operator import operator
    from serving.home import Home
    from serving.store import open_store

    home = Home.of(load_settings(config))
    if not yes:
        typer.confirm(f"Remove all that is kept of customer {customer}? It cannot be undone.", abort=True, err=True)
    with steps("forget"), open_store(home.store) as store:
        done = remove(customer, home, store, operator(), tuple(also or ()))
    tell(as_json, asdict(done), Text("\n".join(_lines(done))))
    done.require_none_left()


def _lines(done: "Forgotten") -> Iterator[str]:
    removed = {**done.rows, **done.files}
    yield from (f"{place}: {count:,} rows removed" for place, count in removed.items())
    if not removed:
        yield f"Nothing was kept of {done.customer}."
    chance = [trace for trace in done.traces if not trace.certain]
    yield f"Searched: {done.searched:,} files, and every column of text in the store."
    yield from (f"{trace.place}: {trace.text!r} {trace.count} times, which may be chance" for trace in chance)
    yield "Remove the customer from the data too, or the next scoring brings the rows back."
    yield "Exports and backups are out of reach."
