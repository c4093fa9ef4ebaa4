"""`remora rank`: the accounts with the most value at risk, or those on whom acting pays."""

from typing import Annotated

import typer

from serving.options import Config, Json


def rank(
    limit: Annotated[int, typer.Option(min=1, help="How many accounts.")] = 20,
    tier: Annotated[str | None, typer.Option(help="Only this tier.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this account owner.")] = None,
    worth_acting: Annotated[
        bool, typer.Option("--worth-acting", help="Only where acting is expected to earn, the highest profit first.")
    ] = False,
    style: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The accounts with the most value at risk."""
    from features.settings import load_settings
    from serving.accounts import ranked
    from serving.errors import require_price
    from serving.home import Home
    from serving.ranking import Wanted
    from serving.store import open_store

    settings = load_settings(config)
    if worth_acting:
        require_price(settings.action, "--worth-acting")
    wanted = Wanted(tier=tier, owner=owner, worth_acting=worth_acting)
    with open_store(Home.of(settings).store) as store:
        accounts, total = store.at_risk(wanted, limit).accounts, store.count_at_risk(wanted)
    ranked(accounts, total, "json" if as_json else style, worth_acting)
