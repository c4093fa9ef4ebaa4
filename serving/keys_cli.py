"""`remora keys`: API keys made, listed and revoked."""

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import Config, Json
from serving.terminal import UNKNOWN, tell

if TYPE_CHECKING:
    from rich.table import Table

    from features.settings import Settings
    from serving.access.keys import Key
    from serving.store import Store

keys_app = typer.Typer(
    name="keys",
    help="API keys: who may ask the service for what, and until when.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@keys_app.command()
def create(
    scope: Annotated[str, typer.Option(help="What it may do, comma-separated: predict, read, act, admin.")],
    label: Annotated[str, typer.Option(help="Who will use it.")],
    expires: Annotated[str | None, typer.Option(help="In so many days (90d), or on a date (YYYY-MM-DD).")] = None,
    tenant: Annotated[str | None, typer.Option(help="It sees only the customers of this tenant.")] = None,
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute; default: [api] per_minute.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key and print its text, which is shown this once and kept nowhere."""
    from features.settings import load_settings
    from serving.access.keys import Keys
    from serving.access.operator import operator

    settings = load_settings(config)
    until = _until(expires, settings) if expires else None
    with _store(settings) as store:
        token = Keys(store.engine, operator()).create(_scopes(scope), label, until, tenant, per_minute)
    told = {"id": token.split("_")[1], "key": token, "expires_at": until and until.isoformat()}
    tell(as_json, told, token, "Keep it now: it is not shown again. Send it as `Authorization: Bearer KEY`.")


@keys_app.command("list")
def list_keys(config: Config = None, as_json: Json = False) -> None:
    """Every key ever made, without its text."""
    from features.clock import now
    from features.settings import load_settings
    from serving.access.keys import Keys

    settings = load_settings(config)
    with _store(settings) as store:
        keys = Keys(store.engine).list()
    at = now()
    tell(as_json, [vars(key) | {"state": key.state(at)} for key in keys], _table(keys, at, settings))


@keys_app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `remora keys list` shows it.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a key for good; running services refuse it within seconds."""
    from features.settings import load_settings
    from serving.access.keys import Keys
    from serving.access.operator import operator

    with _store(load_settings(config)) as store:
        Keys(store.engine, operator()).revoke(key)
    tell(as_json, {"revoked": key}, f"Key {key} is revoked.")


def _store(settings: "Settings") -> "Store":
    from serving.home import Home
    from serving.store import open_store

    return open_store(Home.of(settings).store)


def _scopes(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _until(text: str, settings: "Settings") -> dt.datetime:
    from features.clock import now, start_of

    days = re.fullmatch(r"(\d{1,5})d", text)
    return now() + dt.timedelta(days=int(days[1])) if days else start_of(text, settings.company.zone)


def _table(keys: "tuple[Key, ...]", at: dt.datetime, settings: "Settings") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "label", "scopes", "tenant", "per minute", "state", "expires")
    for key in keys:
        expires = f"{key.expires_at.astimezone(settings.company.zone):%Y-%m-%d %H:%M}" if key.expires_at else UNKNOWN
        limit = UNKNOWN if key.per_minute is None else f"{key.per_minute:,}"
        cells = (key.id, key.label, ", ".join(key.scopes), key.tenant or UNKNOWN, limit, key.state(at), expires)
        table.add_row(*map(escape, cells))
    return table
