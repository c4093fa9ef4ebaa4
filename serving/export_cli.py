"""`remora export`: scores and alerts back into the CRM."""

from typing import Annotated, Literal

import typer

from serving.options import Config, Json, Language
from serving.terminal import steps, tell

What = Literal["scores", "alerts"]


def export(
    to: Annotated[str, typer.Option("--to", help="A .csv or .parquet file, or postgresql://USER@HOST:PORT/DATABASE.")],
    what: Annotated[What | None, typer.Option(help="Default: what the map is for, else scores.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Table of the database; default: churn_scores, churn_alerts.")
    ] = None,
    map_name: Annotated[
        str | None, typer.Option("--map", help="Fields and names: one of [export.maps], or salesforce, hubspot, …")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Only what was scored, opened or closed from then on.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only the customers of this tenant.")] = None,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Current scores, or alerts, for the CRM: a file that appears whole, or a table brought up to date at once."""
    from features.clock import start_of
    from features.settings import load_settings
    from serving.export.exporting import Request, run_export

    settings = load_settings(config)
    begin = start_of(since, settings.company.zone) if since else None
    request = Request(to, what, table, begin, map_name, tenant, lang)
    with steps("export") as step:
        told = run_export(request, settings, step)
    tell(as_json, told, _summary(told))


def _summary(told: dict[str, int | str]) -> str:
    done = f"{told['rows']:,} {told['what']} exported"
    if "changed" not in told:
        return done
    resumed = f"; {told['resumed']:,} had been staged by a run before" if told["resumed"] else ""
    return f"{done}: {told['changed']:,} new or changed, {told['deleted']:,} deleted{resumed}"
