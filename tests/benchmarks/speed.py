"""The table of speeds: `make bench-speed` prints it. Ratios come from one run; `--small` is a hundredth, for a look.

Each part runs in a process of its own, so that its peak memory is its own; wall time excludes Python's start. Parts
that a ratio compares run REPEAT times in turn and the fastest of each counts: others' work only ever adds time.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from features.clock import DAY, micros, start_of
from features.point_in_time import known_before
from features.settings import Settings

END = "2026-07-01"
DAYS = 730
REPEAT = 3


def generate(folder: Path, rows: int, customers: int, seed: int = 7) -> None:
    """Transactions of a shop over two years: customer_id, occurred_at, amount."""
    folder.mkdir(parents=True)
    rng, part = np.random.default_rng(seed), 5_000_000
    for number, start in enumerate(range(0, rows, part)):
        size = min(part, rows - start)
        frame = pl.DataFrame({
            "customer_id": rng.integers(0, customers, size),
            "occurred_at": as_of() - rng.integers(1, DAYS * DAY, size),
            "amount": np.round(rng.gamma(2.0, 20.0, size), 2),
        })  # fmt: skip
        frame.with_columns(
            pl.col("customer_id").cast(pl.String).str.zfill(8), pl.col("occurred_at").cast(pl.Datetime("us"))
        ).write_parquet(folder / f"{number}.parquet")


def as_of() -> int:
    """The cut-off, in microseconds."""
    return micros(start_of(END, Settings().company.zone))


def opened(data: Path):  # type: ignore[no-untyped-def]
    """The tables as Remora reads them."""
    from features.engines import open_source

    return open_source(data, Settings()).tables


def remora_rfm(data: Path) -> int:
    """The whole family at one cut-off."""
    from features.build import collected
    from features.rfm import rfm

    frame = collected(rfm(known_before(opened(data), as_of()), as_of()))
    assert frame is not None
    return frame.width - 1


def query(data: Path) -> int:
    """The cheapest thing one can ask of the same rows."""
    import duckdb

    connection = duckdb.connect()
    found = connection.sql(
        f"SELECT customer_id, count(*), max(occurred_at), sum(amount) FROM '{data}/transactions/*.parquet' GROUP BY 1"
    )
    return len(found.to_arrow_table().column_names) - 1


def pandas_rfm(data: Path) -> int:
    """18 columns of the family as one would write them in pandas."""
    import pandas as pd

    rows = pd.read_parquet(data / "transactions").sort_values(["customer_id", "occurred_at"])
    end = pd.Timestamp(END)
    by = rows.groupby("customer_id")
    day = pd.Timedelta(days=1)
    out = pd.DataFrame({"frequency": by.size(), "sum": by["amount"].sum(), "mean": by["amount"].mean(),
                        "std": by["amount"].std(), "recency": (end - by["occurred_at"].max()) / day,
                        "tenure": (end - by["occurred_at"].min()) / day})  # fmt: skip
    rows["gap"] = by["occurred_at"].diff() / day
    gaps = rows.groupby("customer_id")["gap"]
    out["gap_mean"], out["gap_std"] = gaps.mean(), gaps.std()
    for days in (30, 90, 180, 365):
        inside = rows[rows["occurred_at"] >= end - days * day].groupby("customer_id")["amount"]
        out[f"count_{days}d"], out[f"sum_{days}d"] = inside.size(), inside.sum()
    before = rows[(rows["occurred_at"] < end - 90 * day) & (rows["occurred_at"] >= end - 180 * day)]
    for name, earlier in (("count", before.groupby("customer_id").size()),
                          ("sum", before.groupby("customer_id")["amount"].sum())):  # fmt: skip
        now, then = out[f"{name}_90d"].fillna(0), earlier.reindex(out.index).fillna(0)
        out[f"{name}_trend_90d"] = (now - then) / (now + then)
    return out.shape[1]


def snapshots(data: Path, count: int) -> int:
    """Every feature at `count` monthly cut-offs."""
    from features.build import Fitted, build_many

    cutoffs = [as_of() - back * 30 * DAY for back in reversed(range(count))]
    return sum(frame.height for frame in build_many(opened(data), cutoffs, Fitted()))


def scoring(data: Path) -> int:
    """Scores with reasons for every customer, by models trained on the same shop."""
    from features.clock import moment, now
    from features.engines import open_source
    from features.settings import Churn
    from serving.score import score
    from training.pipeline import train

    settings = Settings.model_construct(
        **dict(Settings()) | {"churn": Churn(definition="no_purchase", horizon_days=30)}
    )
    source = open_source(data, settings)
    bundle = train(source, as_of(), settings, now()).bundle
    started, spent = time.perf_counter(), cpu()
    rows = score(source, as_of(), bundle, settings, moment(as_of())).rows
    told["seconds"], told["cpu"] = time.perf_counter() - started, cpu() - spent
    return rows.height


PARTS: dict[str, Callable[[Path], int]] = {
    "remora_rfm": remora_rfm,
    "query": query,
    "pandas_rfm": pandas_rfm,
    "one_snapshot": lambda data: snapshots(data, 1),
    "twelve_snapshots": lambda data: snapshots(data, 12),
    "scoring": scoring,
}

told: dict[str, float] = {}


def measured(part: str, data: Path) -> dict[str, float]:
    """Run one part in a process of its own: seconds, seconds of CPU, GiB at the peak, and what it counted."""
    command = [sys.executable, __file__, "--part", part, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part}: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    shown = f"{figures['seconds']:.1f} s, {figures['cpu']:.1f} s of CPU, {figures['gib']:.2f} GiB"
    print(f"  {part}: {shown}", file=sys.stderr, flush=True)
    return figures


def compared(repeat: int, *parts: tuple[str, Path]) -> list[dict[str, float]]:
    """The fastest run of each part, taken in turn so that all meet the same machine."""
    turns = [[measured(part, data) for part, data in parts] for _ in range(repeat)]
    fastest = [min(runs, key=lambda run: run["seconds"]) for runs in zip(*turns, strict=True)]
    return [
        run | {"cpu": min(r["cpu"] for r in runs), "gib": max(r["gib"] for r in runs)}
        for run, runs in zip(fastest, zip(*turns, strict=True), strict=True)
    ]


def cpu() -> float:
    """Seconds of CPU of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def run_part(part: str, data: Path) -> None:
    """What the child does: imports first, then the clock."""
    import features.build
    import features.engines  # noqa: F401

    started, spent = time.perf_counter(), cpu()
    told["count"] = PARTS[part](data)
    told.setdefault("seconds", time.perf_counter() - started)
    told.setdefault("cpu", cpu() - spent)
    told["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(told))


def report(folder: Path, scale: int) -> Iterator[str]:
    """The table, in Markdown."""
    large, middle, small, many = (folder / name for name in ("large", "middle", "small", "many"))
    generate(large / "transactions", 50_000_000 // scale, 1_000_000 // scale)
    generate(small / "transactions", 5_000_000 // scale, 100_000 // scale)
    generate(middle / "transactions", 10_000_000 // scale, 200_000 // scale)
    generate(many / "transactions", 1_000_000 // scale, 100_000 // scale)
    repeat = REPEAT if scale == 1 else 1
    yield "| what | seconds | of CPU | peak memory | ratio |"
    yield "|---|---|---|---|---|"
    floor, rfm, less = compared(repeat, ("query", large), ("remora_rfm", large), ("remora_rfm", small))
    pandas = measured("pandas_rfm", large)
    rows, customers = f"{50 // scale or 50 / scale:g} M", f"{1_000_000 // scale:,}"
    yield line(f"RFM family ({rfm['count']:.0f} columns), {rows} transactions of {customers} customers", rfm, "")
    yield line("count, max, sum by customer in DuckDB, same rows", floor, times(rfm, floor, "the family takes"))
    yield line("18 of the columns in pandas, same rows", pandas, times(pandas, rfm, "of the family's time:"))
    yield line("RFM family, a tenth of the rows", less, times(rfm, less, "ten times the rows take"))
    one, twelve = compared(repeat, ("one_snapshot", middle), ("twelve_snapshots", middle))
    yield line("one snapshot, 10 M transactions" if scale == 1 else "one snapshot", one, "")
    yield line("twelve monthly snapshots, same rows", twelve, times(twelve, one, "of one snapshot:"))
    scored = measured("scoring", many)
    yield line(f"{scored['count']:,.0f} customers scored with reasons", scored, "")


def line(what: str, figures: dict[str, float], ratio: str) -> str:
    """One row of the table."""
    return f"| {what} | {figures['seconds']:.1f} | {figures['cpu']:.1f} | {figures['gib']:.2f} GiB | {ratio} |"


def times(a: dict[str, float], b: dict[str, float], words: str) -> str:
    """A ratio of wall times in words, and of CPU."""
    return f"{words} {a['seconds'] / b['seconds']:.1f} × (CPU {a['cpu'] / b['cpu']:.1f} ×)"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    if asked.part:
        run_part(asked.part, asked.data)
    else:
        with tempfile.TemporaryDirectory() as place:
            for row in report(Path(place), 100 if asked.small else 1):
                print(row, flush=True)
