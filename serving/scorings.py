"""What the latest scorings knew of each customer: one Parquet file of features a scoring, under REMORA_HOME/scorings.

The store keeps what was said, this the features it was said from: with the bundles, which are never changed, the
contributions of an earlier scoring can be worked out again to the last digit.
"""

import datetime as dt
import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
from polars import selectors

KEPT: Final = 8
"""Scorings of which the features are kept; older files go (some 200 MB each for a million customers)."""
_ROWS: Final = 20_000
"""Rows that are read together: few enough to find one customer quickly."""

log = logging.getLogger("remora.scorings")


def keep_features(folder: Path, wide: pl.DataFrame, as_of: dt.datetime, model: str) -> Path | None:
    """Write the features of `wide` as float32, as the models see them; scoring again replaces the file.

    The file appears whole or not at all. Scores that stand in the store are not lost for want of it: a failure is
    logged and gives None, and the next scoring of the date repairs it.
    """
    file = _file(folder, as_of, model)
    beside = file.with_name(f".{file.name}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        narrow = wide.sort("customer_id").with_columns(selectors.float().cast(pl.Float32))
        narrow.write_parquet(beside, compression="zstd", row_group_size=_ROWS)
        beside.replace(file)
        _prune(folder)
    except (OSError, pl.exceptions.PolarsError) as error:
        log.warning("%s: not written (%s); changes since this scoring will not be explained", file, error)
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        return None
    return file


def features_of(folder: Path, customer: str, as_of: dt.datetime, model: str) -> pl.DataFrame | None:
    """The features of one customer as that scoring saw them, one row; None where they are no longer, or not, kept."""
    try:
        kept = pl.scan_parquet(_file(folder, as_of, model)).filter(pl.col("customer_id") == customer).collect()
    except (OSError, pl.exceptions.PolarsError):
        return None
    return kept if kept.height else None


def _file(folder: Path, as_of: dt.datetime, model: str) -> Path:
    return folder / f"{as_of.astimezone(dt.UTC):%Y-%m-%dT%H%M%SZ}.{model}.parquet"


def _prune(folder: Path) -> None:
    """Only the KEPT latest dates stay: names begin with the date."""
    for file in sorted(folder.glob("*.parquet"))[:-KEPT]:
        file.unlink(missing_ok=True)
