"""`remora serve`: the API and the workbench, here or, with keys, for others."""

import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import RemoraError
from serving.options import Config, Json
from serving.terminal import tell

if TYPE_CHECKING:
    from features.settings import Settings


class OpenDoorError(RemoraError):
    """The service would listen to other machines while there are no keys."""


def serve(
    port: Annotated[int, typer.Option(help="Port.")] = 3000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on; any but the loopback's needs keys.")] = "127.0.0.1",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """API and workbench on 127.0.0.1, or on the address of --host once there are keys."""
    from features.settings import load_settings
    from serving.starting import serve as run

    settings = load_settings(config)
    if not _is_loopback(host):
        _require_keys(settings)
    url = f"http://{host}:{port}/"
    tell(as_json, {"url": url, "workers": workers}, f"Serving on {url} (Ctrl+C ends it)")
    sys.stdout.flush()
    run(settings, port, workers, host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_keys(settings: "Settings") -> None:
    from features.clock import now
    from serving.access.keys import Keys
    from serving.home import Home
    from serving.store import open_store

    with open_store(Home.of(settings).store) as store:
        if not any(key.state(now()) == "active" for key in Keys(store.engine).list()):
            raise OpenDoorError(
                "--host: other machines may ask only with a key, and there is none; "
                "make one: remora keys create --scope predict,read --label NAME"
            )
