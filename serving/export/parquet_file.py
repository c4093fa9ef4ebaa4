"""Parquet with the types of the fields."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from serving.export.whole_file import appearing


def write_parquet(file: Path, schema: pl.Schema, batches: Iterable[pl.DataFrame]) -> int:
    """Write `batches`, one row group each; return the number of rows. Raises ExportError as `appearing` does."""
    kinds = pl.DataFrame(schema=schema).to_arrow().schema
    rows = 0
    with appearing(file) as stream, pq.ParquetWriter(stream, kinds, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(batch.to_arrow())
            rows += batch.height
    return rows
