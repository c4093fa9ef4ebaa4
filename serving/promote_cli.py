"""`remora promote` and `remora rollback`: which model serves."""

from typing import TYPE_CHECKING, Annotated

import typer

from serving.options import Config, Json
from serving.terminal import steps, tell

if TYPE_CHECKING:
    from serving.access.chain import Detail


def promote(
    version: Annotated[str | None, typer.Argument(help="Version number; default: the newest.")] = None,
    force: Annotated[str | None, typer.Option("--force", metavar="REASON", help="Promote although refused.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The gate, then the champion alias and the serving bundle."""
    from features.settings import load_settings
    from serving.access.operator import note_done
    from serving.home import Home
    from training.promote import promote as crown

    settings = load_settings(config)
    with steps("promote"):
        chosen = crown(settings.home, version, force)
    done: Detail = {"version": chosen.number, "bundle": chosen.bundle_id, "passed": chosen.passed, "forced": force}
    unaudited = note_done(Home.of(settings), "model.promoted", done)
    note = "" if chosen.passed else f", although refused: {'; '.join(chosen.refusals)} (forced: {force})"
    shown = f"Version {chosen.number} ({chosen.bundle_id}) is the champion{note}."
    tell(as_json, {**done, "audit": unaudited}, shown, *_unaudited(unaudited))


def rollback(config: Config = None, as_json: Json = False) -> None:
    """Back to the bundle that served before; again, one further back."""
    from features.settings import load_settings
    from serving.access.operator import note_done
    from serving.home import Home
    from serving.rollback import follow, roll_back

    home = Home.of(load_settings(config))
    with steps("rollback") as step:
        came_from, now = roll_back(home)
        step("record")
        version, problem = follow(home, now)
    unaudited = note_done(home, "model.rolled_back", {"bundle": now, "was": came_from})
    told = {"bundle": now, "was": came_from, "version": version, "record": problem, "audit": unaudited}
    known = f" (version {version})" if version else ""
    shown = [f"{now}{known} is the champion again, after {came_from}."]
    shown += [f"The record does not say so: {problem}"] if problem else []
    tell(as_json, told, *shown, *_unaudited(unaudited))


def _unaudited(problem: str | None) -> list[str]:
    return [f"The audit log does not say so: {problem}"] if problem else []
