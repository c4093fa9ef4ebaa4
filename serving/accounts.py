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
PROFIT = "acting earns"
"""The column of the expected profit, shown where it is known of any."""


STYLES = ("table", "csv", "json")


def ranked(accounts: Sequence[Account], total: int, style: str, worth_acting: bool = False) -> None:
    """Print ranked accounts as a table, CSV or JSON. Raises InvalidRequestError for any other style.

    `worth_acting`: they are those on whom acting is expected to earn something, the highest profit first.
    """
    if style not in STYLES:
        raise InvalidRequestError(f"--format {style}: not known; choose one of {', '.join(STYLES)}")
    if style == "table":
        out.print(rank_table(accounts, total, worth_acting))
    elif style == "csv":
        sys.stdout.write(_flat(accounts).write_csv())
    else:
        rows = [account.prediction.model_dump_json() for account in accounts]
        sys.stdout.write("[" + ",\n".join(rows) + "]\n")


def rank_table(accounts: Sequence[Account], total: int, worth_acting: bool = False) -> Table:
    """Who, why and what to do; risk, worth, value at risk, what acting earns where that is known, tier."""
    what = "accounts worth acting on" if worth_acting else "accounts at stake"
    first = "Most profitable to act on" if worth_acting else "Most value at risk"
    title = f"{first}: {len(accounts)} of {total:,} {what}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    priced = any(account.prediction.expected_profit is not None for account in accounts)
    for heading in (*NUMBERS, PROFIT) if priced else NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("who, why, and what to do", ratio=1)
    for place, account in enumerate(accounts, 1):
        row = account.prediction
        amounts = [percent(row.churn_probability), money(row.value_if_retained), money(row.value_at_risk)]
        amounts += [money(row.expected_profit)] if priced else []
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
        | {"churn_curve": _points(account.prediction)}
        | {"reasons": "; ".join(reason.text for reason in account.prediction.reasons)}
        for account in accounts
    ]
    return pl.DataFrame(rows, schema=None if rows else _FLAT, infer_schema_length=None)


_LISTS = {"reasons", "segments", "alerts", "points", "churn_curve"}
_FLAT = [name for name in Prediction.model_fields if name not in _LISTS]
_FLAT += ["name", "owner", "segments", "alerts", "churn_curve", "reasons"]


def _points(row: Prediction) -> str | None:
    """The churn curve in one cell; nothing where none is known."""
    points = (f"{point.days} days {point.probability:.4f}" for point in row.churn_curve or ())
    return "; ".join(points) or None


def _raising_first(reasons: Sequence[Reason]) -> list[Reason]:
    """On a list of risks what raises the risk comes first, else what is largest."""
    return sorted(reasons, key=lambda reason: reason.direction != "raises")
