"""Accounts as people see them in the terminal: the ranked list, and one customer on a page."""

import sys
from collections.abc import Sequence

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from models.prediction import Prediction, Reason
from serving.errors import InvalidRequestError
from serving.explained import who
from serving.store import Account
from serving.terminal import UNKNOWN, money, out, percent

NUMBERS = ("", "risk", "worth", "at risk")


STYLES = ("table", "csv", "json")


def ranked(accounts: Sequence[Account], total: int, style: str) -> None:
    """Print ranked accounts as a table, CSV or JSON. Raises InvalidRequestError for any other style."""
    if style not in STYLES:
        raise InvalidRequestError(f"--format {style}: not known; choose one of {', '.join(STYLES)}")
    if style == "table":
        out.print(rank_table(accounts, total))
    elif style == "csv":
        sys.stdout.write(_flat(accounts).write_csv())
    else:
        rows = [account.prediction.model_dump_json() for account in accounts]
        sys.stdout.write("[" + ",\n".join(rows) + "]\n")


def rank_table(accounts: Sequence[Account], total: int) -> Table:
    """Who, why and what to do; risk, worth, value at risk, tier."""
    title = f"Most value at risk: {len(accounts)} of {total:,} accounts at stake"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("who, why, and what to do", ratio=1)
    for place, account in enumerate(accounts, 1):
        row = account.prediction
        amounts = percent(row.churn_probability), money(row.value_if_retained), money(row.value_at_risk)
        table.add_row(str(place), *amounts, row.tier or UNKNOWN, _story(account))
    return table


def _story(account: Account) -> Text:
    """Name, first reason and playbook, a line each."""
    row = account.prediction
    first = next((reason.text for reason in _raising_first(row.reasons)), UNKNOWN)
    story = Text(who(account), style="bold")
    return story.append(f"\n{first}\n→ {row.playbook or UNKNOWN}\n", style="not bold")


def _flat(accounts: Sequence[Account]) -> pl.DataFrame:
    """One flat row an account, for a spreadsheet."""
    rows = [
        account.prediction.model_dump(exclude=_LISTS)
        | {"name": account.name, "owner": account.owner}
        | {name: "; ".join(getattr(account.prediction, name)) for name in ("segments", "alerts")}
        | {"reasons": "; ".join(reason.text for reason in account.prediction.reasons)}
        for account in accounts
    ]
    return pl.DataFrame(rows, schema=None if rows else _FLAT, infer_schema_length=None)


_LISTS = {"reasons", "segments", "alerts", "points"}
_FLAT = [name for name in Prediction.model_fields if name not in _LISTS]
_FLAT += ["name", "owner", "segments", "alerts", "reasons"]


def _raising_first(reasons: Sequence[Reason]) -> list[Reason]:
    """On a list of risks what raises the risk comes first, else what is largest."""
    return sorted(reasons, key=lambda reason: reason.direction != "raises")
