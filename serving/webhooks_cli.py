"""`remora webhooks`: who is told of what, what did not arrive, and another try."""

import signal
from threading import Event as Signal
from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import Config, Json

if TYPE_CHECKING:
    from serving.webhooks.deliverer import Deliverer

webhooks_app = typer.Typer(
    name="webhooks",
    help="Tell other systems of new alerts and changed tiers; see `[webhooks]` in remora.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@webhooks_app.command("list")
def list_targets(config: Config = None, as_json: Json = False) -> None:
    """The targets, whether they can be sent to, and how many deliveries are in which state."""
    from features.settings import load_settings
    from serving.home import Home
    from serving.store import open_store
    from serving.terminal import tell
    from serving.webhooks.printout import listed
    from serving.webhooks.queue import Queue

    settings = load_settings(config)
    with open_store(Home.of(settings).store) as store:
        tell(as_json, *listed(settings.webhooks, Queue(store.engine).counts()))


@webhooks_app.command()
def dead(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50, config: Config = None, as_json: Json = False
) -> None:
    """Deliveries that were given up, the oldest first."""
    from features.settings import load_settings
    from serving.home import Home
    from serving.store import open_store
    from serving.terminal import tell
    from serving.webhooks.printout import given_up
    from serving.webhooks.queue import Queue

    with open_store(Home.of(load_settings(config)).store) as store:
        tell(as_json, *given_up(Queue(store.engine).dead(limit)))


@webhooks_app.command()
def replay(
    event: Annotated[str | None, typer.Argument(metavar="[ID]", help="The event's id, see `dead`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that was given up.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try again what was given up: of one event, or all."""
    from features.settings import load_settings
    from serving.errors import InvalidRequestError
    from serving.home import Home
    from serving.store import open_store
    from serving.terminal import tell
    from serving.webhooks.queue import Queue

    if (event is None) == (not everything):
        raise InvalidRequestError("replay: name one event, or give --all", fields=("ID",))
    with open_store(Home.of(load_settings(config)).store) as store:
        count = Queue(store.engine).replay(event)
    if event is not None and not count:
        raise InvalidRequestError(f"replay {event}: nothing was given up of it; see `remora webhooks dead`")
    tell(as_json, {"replayed": count}, f"{count:,} deliveries will be tried again.")


@webhooks_app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The target's name.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send one event of the kind `test` to a target, now."""
    from uuid import uuid4

    from features.clock import now
    from features.settings import load_settings
    from serving.terminal import tell
    from serving.webhooks.addresses import RefusedTargetError
    from serving.webhooks.deliverer import courier_of, send
    from serving.webhooks.outbox import Event
    from serving.webhooks.targets import ready

    webhooks = load_settings(config).webhooks
    target, event = ready(name, webhooks), Event(str(uuid4()), "test", "test", now(), {})
    answer = send(event, target, 1, webhooks.source, courier_of(webhooks))
    if answer.problem is not None:
        raise RefusedTargetError(f"webhook target {name}: {answer.problem}; see that it answers a POST with 2xx")
    tell(as_json, {"target": name, "status": answer.status}, f"{name} took it in (HTTP {answer.status}).")


@webhooks_app.command()
def deliver(
    once: Annotated[bool, typer.Option("--once", help="What is due now, then end.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Deliver events, until interrupted; the service does so too, and both may run."""
    from features.settings import load_settings
    from serving.home import Home
    from serving.store import open_store
    from serving.terminal import tell
    from serving.webhooks.deliverer import Deliverer

    settings = load_settings(config)
    with open_store(Home.of(settings).store) as store:
        deliverer = Deliverer(store.engine, settings.webhooks)
        if not once:
            _until_interrupted(deliverer)
            return
        taken, failed = deliverer.drain()
    tell(as_json, {"delivered": taken, "failed": failed}, f"{taken:,} delivered, {failed:,} failed.")


def _until_interrupted(deliverer: "Deliverer") -> None:
    ended = Signal()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    deliverer.start()
    ended.wait()
    deliverer.stop()
