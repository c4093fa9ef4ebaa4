"""What the command line shows: progress on stderr, results on stdout, mistakes in one line each."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.errors import RemoraError

out = Console(soft_wrap=False)
err = Console(stderr=True)

UNKNOWN = "—"


def tell(as_json: bool, data: Any, *shown: RenderableType) -> None:
    """Print `data` as JSON for machines, or `shown` for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2, default=str, ensure_ascii=False) + "\n")
        return
    for item in shown:
        out.print(item)


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """A progress bar for `what`; the function it gives names the step that begins now."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda step: progress.update(task, description=f"{what}: {step}")
    seconds = progress.tasks[0].elapsed or 0.0
    err.print(f"[dim]{what}: {seconds:.1f} s[/dim]")


def fail(error: RemoraError) -> None:
    """Print every problem of a user's mistake, one line each, without a traceback."""
    for problem in error.problems:
        err.print(f"remora: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)


def money(amount: float | None) -> str:
    """An amount without decimals; a dash for none."""
    return UNKNOWN if amount is None else f"{amount:,.0f}"


def percent(share: float | None) -> str:
    """A share as a percentage; a dash for none."""
    return UNKNOWN if share is None else f"{share:.0%}"
