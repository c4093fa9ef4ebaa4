"""CSV as RFC 4180 has it, in UTF-8, that a spreadsheet may open: no text in it can act as a formula."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import polars.selectors as cs

from serving.export.whole_file import appearing

FORMULA = r"^'*(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠﹦﹢﹣﹫]|[\t\r\n])"
"""A text that a spreadsheet may take for a formula, and one that is so but for leading apostrophes."""

_TIMES = "%Y-%m-%dT%H:%M:%S%.3fZ"
_BOM = b"\xef\xbb\xbf"


def guarded(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with an apostrophe before every text that FORMULA finds; numbers, dates and truth values stay.

    Taking one apostrophe off each text that FORMULA finds gives the texts back.
    """
    text = cs.string()
    return frame.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())


def write_csv(file: Path, schema: pl.Schema, batches: Iterable[pl.DataFrame], bom: bool = False) -> int:
    """Write `batches` with a header; null is an empty cell, times are UTC to the millisecond, `bom` is for Excel.

    Returns the number of rows. Raises ExportError as `appearing` does.
    """
    rows = 0
    with appearing(file) as stream:
        stream.write(_BOM if bom else b"")
        stream.write(_csv(pl.DataFrame(schema=schema), header=True))
        for batch in batches:
            stream.write(_csv(guarded(batch)))
            rows += batch.height
    return rows


def _csv(frame: pl.DataFrame, header: bool = False) -> bytes:
    text = frame.write_csv(include_header=header, line_terminator="\r\n", datetime_format=_TIMES)
    return text.encode()
