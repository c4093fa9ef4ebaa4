"""`remora promote` and `remora rollback`: which model serves."""

from typing import Annotated

import typer

from serving.options import Config, Json
from serving.terminal import steps, tell


def promote(
    version: Annotated[str | None, typer.Argument(help="Version number; default: the newest.")] = None,
    force: Annotated[str | None, typer.Option("--force", metavar="REASON", help="Promote although refused.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The gate, then the champion alias and the serving bundle."""
    from features.settings import load_settings
    from training.promote import promote as crown

    settings = load_settings(config)
    with steps("promote"):
        chosen = crown(settings.home, version, force)
    told = {"version": chosen.number, "bundle": chosen.bundle_id, "passed": chosen.passed, "forced": force}
    note = "" if chosen.passed else f", although refused: {'; '.join(chosen.refusals)} (forced: {force})"
    tell(as_json, told, f"Version {chosen.number} ({chosen.bundle_id}) is the champion{note}.")


def rollback(config: Config = None, as_json: Json = False) -> None:
    """Back to the bundle that served before; again, one further back."""
    from features.settings import load_settings
    from serving.home import Home
    from serving.rollback import follow, roll_back

    home = Home.of(load_settings(config))
    with steps("rollback") as step:
        came_from, now = roll_back(home)
        step("record")
        version, problem = follow(home, now)
    told = {"bundle": now, "was": came_from, "version": version, "record": problem}
    known = f" (version {version})" if version else ""
    shown = [f"{now}{known} is the champion again, after {came_from}."]
    tell(as_json, told, *shown, *([f"The record does not say so: {problem}"] if problem else []))
