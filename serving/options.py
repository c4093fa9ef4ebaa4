"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Data = Annotated[str, typer.Argument(metavar="DATA", help="Folder of Parquet or CSV files, or a postgresql:// URL.")]
DataOrNone = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]", help="Folder of Parquet or CSV files, or a postgresql:// URL.", show_default=False
    ),
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file (default: remora.toml here).")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD; default: the day after the last event.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Out = Annotated[Path | None, typer.Option("--out", help="Also write this Parquet file.")]
Language = Annotated[Literal["en", "zh"], typer.Option("--lang", help="Language of what people read.")]
