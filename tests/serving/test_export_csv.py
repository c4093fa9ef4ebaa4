"""CSV and Parquet of an export: read back as they went in, and no text that a spreadsheet would run."""

import csv
import datetime as dt
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from serving.export.csv_file import guarded, write_csv
from serving.export.errors import ExportError
from serving.export.parquet_file import write_parquet

TRIGGERS = ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"]
FRONTS = ["", " ", "'", "''", "\u00a0", "\ufeff", "\x00", "\u200b\n", *TRIGGERS]
texts = st.builds("".join, st.tuples(st.sampled_from(FRONTS), st.sampled_from(FRONTS), st.text(max_size=8)))
usual = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def runs(cell: str) -> bool:
    """Whether a spreadsheet might take the cell for a formula: said without a regular expression."""
    blank = {"Zs", "Zl", "Zp", "Cc", "Cf"}
    first = next((char for char in cell if unicodedata.category(char) not in blank), "")
    return cell[:1] in {"\t", "\r", "\n"} or unicodedata.normalize("NFKC", first) in {"=", "+", "-", "@"}


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and runs(cell.lstrip("'")) else cell


def read(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [*csv.reader(stream, strict=True)]


@given(st.lists(texts, max_size=5))
@example(["=cmd|' /C calc'!A0", "＝1", " =1", "\t=1", "'=1", "''@x", "it's", "-", "'", ""])
@usual
def test_no_text_runs_and_each_comes_back(tmp_path: Path, cells: list[str]) -> None:
    file = tmp_path / "out.csv"
    write_csv(file, pl.Schema({"a": pl.String, "n": pl.Int32}), [pl.DataFrame({"a": cells, "n": range(len(cells))})])
    header, *rows = read(file)
    assert header == ["a", "n"]
    assert not any(runs(row[0]) for row in rows)
    assert [unguarded(row[0]) for row in rows] == cells


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=1, max_size=5))
@usual
def test_numbers_stay_numbers_to_the_last_digit(tmp_path: Path, numbers: list[float | None]) -> None:
    file, schema = tmp_path / "out.csv", pl.Schema({"n": pl.Float64, "t": pl.Boolean})
    write_csv(file, schema, [pl.DataFrame({"n": numbers, "t": [True] * len(numbers)}, schema)])
    assert [float(row[0]) if row[0] else None for row in read(file)[1:]] == numbers
    assert pl.read_csv(file, schema=schema)["n"].to_list() == numbers


def test_it_is_rfc_4180_in_the_order_of_the_batches(tmp_path: Path) -> None:
    schema = pl.Schema({"Größe": pl.String, "at": pl.Datetime("us", "UTC"), "yes": pl.Boolean})
    moment = dt.datetime(2026, 6, 1, 7, 30, 0, 123456, tzinfo=dt.UTC)
    batches = [pl.DataFrame({"Größe": ['a "b", c\nd'], "at": [moment], "yes": [True]}, schema),
               pl.DataFrame({"Größe": ["ü", None], "at": [None, None], "yes": [None, False]}, schema)]  # fmt: skip
    file = tmp_path / "out.csv"
    assert write_csv(file, schema, batches) == 3
    text = '"a ""b"", c\nd",2026-06-01T07:30:00.123Z,true\r\nü,,\r\n,,false\r\n'
    assert file.read_bytes() == f"Größe,at,yes\r\n{text}".encode()
    write_csv(file, schema, [], bom=True)
    assert file.read_bytes() == "\ufeffGröße,at,yes\r\n".encode()


def test_only_text_is_guarded() -> None:
    given = pl.DataFrame({"t": ["-5", None], "n": [-5.0, None], "b": [True, None]})
    assert guarded(given).rows() == [("'-5", -5.0, True), (None, None, None)]


def test_parquet_keeps_types_and_values(tmp_path: Path) -> None:
    schema = pl.Schema(
        {"k": pl.String, "n": pl.Float64, "i": pl.Int32, "at": pl.Datetime("us", "UTC"), "b": pl.Boolean}
    )
    now = dt.datetime(2026, 6, 1, 7, 30, 0, 123456, tzinfo=dt.UTC)
    batches = [
        pl.DataFrame([("=1", -0.1, 7, now, True)], schema, orient="row"),
        pl.DataFrame([(None,) * 5], schema, orient="row"),
    ]
    file = tmp_path / "out.parquet"
    assert write_parquet(file, schema, batches) == 2
    back = pl.read_parquet(file)
    assert back.schema == schema
    assert back.rows() == [row for batch in batches for row in batch.rows()]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_what_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path, write: Any) -> None:
    schema, file = pl.Schema({"a": pl.String}), tmp_path / "out"
    write(file, schema, [pl.DataFrame({"a": ["old"]})])
    before = file.read_bytes()

    def breaking() -> Any:
        yield pl.DataFrame({"a": ["new"]})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(file, schema, breaking())
    assert file.read_bytes() == before
    assert [*tmp_path.glob(".*.new")] == []


def test_two_at_once_and_no_folder_are_said(tmp_path: Path) -> None:
    schema = pl.Schema({"a": pl.String})
    with FileLock(tmp_path / ".out.csv.lock"), pytest.raises(ExportError, match="another export is writing it"):
        write_csv(tmp_path / "out.csv", schema, [])
    with pytest.raises(ExportError, match=r"gone/out\.csv: there is no folder .*; make it, or name another file"):
        write_csv(tmp_path / "gone" / "out.csv", schema, [])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ExportError, match=r"--to .*folder\.csv: Is a directory; name a file"):
        write_csv(tmp_path / "folder.csv", schema, [])
    assert not (tmp_path / ".folder.csv.new").exists()
