"""Cross-sell on online_retail_2: time and peak memory, printed. `python tests/benchmarks/cross_sell.py [FOLDER]`.

Wall time excludes Python's start and reading the file; the peak is that of the whole process.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import polars as pl

from features.clock import DAY
from models.rules import load_pack
from training.cross_sell import bought, cross_sell, offer_texts, offers, rule_texts

SECONDS, GIB = 60, 4


def lines(folder: Path) -> pl.DataFrame:
    """The transactions in the contract's types."""
    rows = pl.read_parquet(folder / "transactions.parquet")
    return rows.with_columns(pl.col("occurred_at").dt.epoch("us"))


def main(folder: Path) -> None:
    """Measure and print."""
    rows, pack = lines(folder), load_pack()
    as_of = rows["occurred_at"].max() // DAY * DAY + DAY  # type: ignore[operator]
    started = time.perf_counter()
    purchases = bought(rows)
    found = cross_sell(purchases, pack, as_of)
    ruled = time.perf_counter()
    offered = offers(purchases, found, pack, as_of)
    ended = time.perf_counter()
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{rows.height:,} lines, {purchases['product'].n_unique():,} products")
    print(f"{found.height:,} rules told, {found['significant'].sum():,} significant")
    print(f"{offered.height:,} offers to {offered['customer_id'].n_unique():,} customers")
    print(f"rules {ruled - started:.1f} s, offers {ended - ruled:.1f} s, peak memory {gib:.2f} GiB")
    print(*rule_texts(found.head(3), pack), *offer_texts(offered.head(3), pack, "zh"), sep="\n")
    if ended - started > SECONDS or gib > GIB:
        raise SystemExit(f"over the bound of {SECONDS} s and {GIB} GiB")


if __name__ == "__main__":
    default = (
        Path(os.environ.get("REMORA_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "online_retail_2"
    )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    main(parser.parse_args().folder)
