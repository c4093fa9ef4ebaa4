"""Files opened as the contract: types, zones, mapping, and every problem at once."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.engines import Engine, Source, SourceError, held_by, is_url, open_source, table_files
from features.settings import Settings
from features.sources import TABLES
from tests.literal import ENGINES

NOON = 1_780_315_200_000_000  # 2026-06-01 12:00 UTC
MIDNIGHT = 1_780_272_000_000_000
HOUR = 3_600_000_000

HEADER = "customer_id,occurred_at,amount"


def opened(folder: Path, files: Mapping[str, str | bytes | pl.DataFrame], **settings: Any) -> Source:
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(place)
        else:
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_source(folder, Settings(**settings))


def rows(source: Source, table: str = "transactions") -> list[dict[str, Any]]:
    return source.tables[table].collect("polars").rows(named=True)


def column(source: Source, name: str, table: str = "transactions") -> list[Any]:
    return [row[name] for row in rows(source, table)]


def problems(folder: Path, files: Mapping[str, str | bytes | pl.DataFrame], **settings: Any) -> tuple[str, ...]:
    with pytest.raises(SourceError) as raised:
        opened(folder, files, **settings)
    return tuple(problem.replace(str(folder), "FOLDER") for problem in raised.value.problems)


def transactions(**columns: Any) -> pl.DataFrame:
    plain = {"customer_id": ["a"], "occurred_at": [dt.date(2026, 6, 1)], "amount": [1.0]}
    longest = max(len(values) for values in columns.values())
    return pl.DataFrame({name: values * longest for name, values in plain.items() if name not in columns} | columns)


# Files


def test_csv_and_parquet_are_the_same(tmp_path: Path) -> None:
    csv = f"{HEADER},order_id\n007,2026-06-01 12:00:00,12.5,0042\n,2026-06-01,,\n"
    parquet = pl.DataFrame(
        {"customer_id": ["007", None], "occurred_at": [dt.datetime(2026, 6, 1, 12), dt.datetime(2026, 6, 1)],
         "amount": [12.5, None], "order_id": ["0042", None]}
    )  # fmt: skip
    (tmp_path / "csv").mkdir()
    (tmp_path / "parquet").mkdir()
    expected = [
        {"customer_id": "007", "occurred_at": NOON, "amount": 12.5, "order_id": "0042"},
        {"customer_id": None, "occurred_at": MIDNIGHT, "amount": None, "order_id": None},
    ]
    assert rows(opened(tmp_path / "csv", {"transactions.csv": csv})) == expected
    assert rows(opened(tmp_path / "parquet", {"transactions.parquet": parquet})) == expected


def test_a_table_may_be_a_folder_of_files(tmp_path: Path) -> None:
    source = opened(tmp_path, {f"transactions/{n}.parquet": transactions(amount=[float(n)]) for n in (1, 2)})
    assert sorted(column(source, "amount")) == [1, 2]
    assert source.origins == {"transactions": "transactions/*.parquet"}
    assert [file.name for file in table_files(tmp_path, "transactions")] == ["1.parquet", "2.parquet"]


def test_what_is_absent_and_what_is_ignored_is_said(tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.csv": f"{HEADER},colour\na,2026-06-01,1,red\n", "notes.csv": "x\n1\n"})
    assert source.ignored == {"transactions": ("colour",)}
    assert source.absent == tuple(name for name in TABLES if name != "transactions")


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, {"transactions.csv": f"{HEADER}\n"})) == []


@pytest.mark.parametrize("csv", [
    "customer_id;occurred_at;amount\n007;2026-06-01;1\n", "\ufeffcustomer_id,occurred_at,amount\n007,2026-06-01,1\n",
    'customer_id,occurred_at,amount\n"007","2026-06-01","1"\n',
    "customer_id,occurred_at,amount\r\n007,2026-06-01,1\r\n",
])  # fmt: skip
def test_dialects_of_csv(csv: str, tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.csv": csv})
    assert rows(source) == [{"customer_id": "007", "occurred_at": MIDNIGHT, "amount": 1}]


# Types


@pytest.mark.parametrize(("raw", "expected"), [
    (["007", "7"], ["007", "7"]), ([7, None], ["7", None]), ([13085.0, 1.5], ["13085", "1.5"]),
    ([float("nan"), float("inf"), None], [None, None, None]), ([True], ["true"]),
])  # fmt: skip
def test_ids_are_text(raw: list[Any], expected: list[str | None], tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.parquet": transactions(customer_id=raw)})
    assert column(source, "customer_id") == expected


def test_nan_and_infinity_are_null(tmp_path: Path) -> None:
    strange = [1.0, float("nan"), float("inf"), -float("inf"), None]
    source = opened(tmp_path, {"transactions.parquet": transactions(amount=strange)})
    assert column(source, "amount") == [1.0, None, None, None, None]


def test_nan_and_infinity_are_null_in_csv(tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.csv": f"{HEADER}\na,2026-06-01,nan\na,2026-06-01,-inf\na,2026-06-01,2\n"})
    assert column(source, "amount") == [None, None, 2]


@pytest.mark.parametrize(("raw", "zone", "expected"), [
    ("2026-06-01", "UTC", MIDNIGHT),
    ("2026-06-01", "Europe/Berlin", MIDNIGHT - 2 * HOUR),
    ("2026-12-01", "Europe/Berlin", MIDNIGHT + 183 * 24 * HOUR - HOUR),  # winter time
    ("2026-06-01 12:00", "UTC", NOON),
    ("2026-06-01T12:00:00.000001", "UTC", NOON + 1),
    ("2026-06-01 12:00:00", "America/New_York", NOON + 4 * HOUR),
    ("2026-06-01 12:00:00Z", "America/New_York", NOON),
    ("2026-06-01T14:00:00+02:00", "America/New_York", NOON),
    ("2026-06-01 14:00:00+0200", "UTC", NOON),
    ("2026-06-01 14:00:00 +02", "UTC", NOON),
    ("2026-06-01 08:00:00-04", "UTC", NOON),
])  # fmt: skip
def test_times_of_csv(raw: str, zone: str, expected: int, tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.csv": f"{HEADER}\na,{raw},1\n"}, company={"timezone": zone})
    assert column(source, "occurred_at") == [expected]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_of_parquet(unit: Any, tmp_path: Path) -> None:
    moments = {"occurred_at": pl.Series([dt.datetime(2026, 6, 1, 12)], dtype=pl.Datetime(unit)),
               "recorded_at": pl.Series([dt.datetime(2026, 6, 1, 12)]).dt.replace_time_zone("UTC")}  # fmt: skip
    table = pl.DataFrame({"customer_id": ["a"], "amount": [1.0]} | moments)
    source = opened(tmp_path, {"transactions.parquet": table}, company={"timezone": "Europe/Berlin"})
    assert column(source, "occurred_at") == [NOON - 2 * HOUR]
    assert column(source, "recorded_at") == [NOON]


def test_a_date_of_parquet_is_the_companys(tmp_path: Path) -> None:
    source = opened(tmp_path, {"transactions.parquet": transactions(amount=[1.0])}, company={"timezone": "Asia/Tokyo"})
    assert column(source, "occurred_at") == [MIDNIGHT - 9 * HOUR]


def test_flags(tmp_path: Path) -> None:
    said = ["true", "Yes", " y ", "1", "1.0", "False", "no", "N", "0", ""]
    lines = "".join(f"a,2026-06-01,{flag}\n" for flag in said)
    source = opened(tmp_path, {"labels.csv": f"customer_id,as_of,churned\n{lines}"})
    assert column(source, "churned", "labels") == [1.0] * 5 + [0.0] * 4 + [None]


def test_further_columns_of_customers_have_types_of_their_own(tmp_path: Path) -> None:
    source = opened(tmp_path, {
        "labels.csv": "customer_id,as_of,churned\n",
        "customers.csv": "customer_id,postcode,score,colour,empty\na,007,1.5,red,\nb,1234,,blue,\n",
    })  # fmt: skip
    assert rows(source, "customers") == [
        {"customer_id": "a", "postcode": "007", "score": 1.5, "colour": "red", "empty": None},
        {"customer_id": "b", "postcode": "1234", "score": None, "colour": "blue", "empty": None},
    ]


# Mapping


def test_a_mapping_names_table_and_columns(tmp_path: Path) -> None:
    mapping = {"from": "sales", "customer_id": "Customer ID", "occurred_at": "InvoiceDate", "unit_price": "Price"}
    csv = "Customer ID,InvoiceDate,quantity,Price\n13085.0,2026-06-01,12,0.5\n13085.0,2026-06-01,-2,0.5\n"
    source = opened(tmp_path, {"sales.csv": csv}, tables={"transactions": mapping})
    assert column(source, "amount") == [6, -1]  # quantity × unit_price
    assert column(source, "customer_id") == ["13085.0"] * 2  # text of a CSV stays as it is
    assert source.origins == {"transactions": "sales.csv"}


def test_an_amount_that_is_there_is_not_derived(tmp_path: Path) -> None:
    csv = f"{HEADER},quantity,unit_price\na,2026-06-01,5,2,3\n"
    assert column(opened(tmp_path, {"transactions.csv": csv}), "amount") == [5]


def test_the_end_of_a_prepaid_period_is_its_term(tmp_path: Path) -> None:
    csv = "customer_id,started_at,ended_at,monthly_amount\na,2026-05-01,2026-06-01,1\n"
    files = {"subscriptions.csv": csv}
    assert "term_ends_at" not in rows(opened(tmp_path, files), "subscriptions")[0]
    prepaid = opened(tmp_path, files, tables={"subscriptions": {"ended_at_is_term": True}})
    assert (
        column(prepaid, "term_ends_at", "subscriptions") == column(prepaid, "ended_at", "subscriptions") == [MIDNIGHT]
    )


def test_a_term_that_is_known_stands(tmp_path: Path) -> None:
    csv = "customer_id,started_at,ended_at,monthly_amount,term_ends_at\na,2026-05-01,2026-05-09,1,2026-06-01\n"
    source = opened(tmp_path, {"subscriptions.csv": csv}, tables={"subscriptions": {"ended_at_is_term": True}})
    assert column(source, "term_ends_at", "subscriptions") == [MIDNIGHT]


# Engines


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_holds_the_same_rows_of_the_same_types(engine: Engine, tmp_path: Path) -> None:
    files = {"transactions.csv": f"{HEADER},product\n007,2026-06-01,1.5,\n,,,\n"}
    frame = opened(tmp_path, files).on(engine).tables["transactions"]
    expected = pl.DataFrame(
        {"customer_id": ["007", None], "occurred_at": [MIDNIGHT, None], "amount": [1.5, None], "product": [None, None]},
        schema={"customer_id": pl.String, "occurred_at": pl.Int64, "amount": pl.Float64, "product": pl.String},
    )
    assert frame.collect("polars").to_native().equals(expected)
    assert frame.collect("polars").to_native().schema == expected.schema


def test_duckdb_frames_stay_where_they_are(tmp_path: Path) -> None:
    frame = opened(tmp_path, {"transactions.csv": f"{HEADER}\n"}).tables["transactions"]
    assert held_by(frame, "duckdb") is frame


def test_until_reads_nothing_later(tmp_path: Path) -> None:
    lines = "a,2026-06-01 12:00:00,1\na,2026-06-01 12:00:00.000001,2\n"
    source = opened(tmp_path, {"transactions.csv": f"{HEADER}\n{lines}"}).until(NOON)
    assert column(source, "amount") == [1]


def test_urls_are_told_from_folders() -> None:
    assert is_url("postgresql://localhost/crm")
    assert is_url("postgres://localhost/crm")
    assert not is_url(Path("postgresql"))


# Problems


def test_all_problems_of_all_tables_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, {
        "transactions.csv": f"{HEADER},quantity\na,01.06.2026,x,1\na,2026-06-01,2,many\na,2026-02-30,3,\n",
        "usage_events.csv": "customer_id,when\na,2026-01-01\n",
        "labels.csv": "customer_id,as_of,churned\na,2026-06-01,maybe\n",
    })  # fmt: skip
    assert found == (
        "transactions.csv: column occurred_at: 2 values are not a time such as 2026-06-30 or 2026-06-30 14:05:00 "
        "(row 2: '01.06.2026', row 4: '2026-02-30'); correct them, or leave them empty, or map another column to "
        "occurred_at in remora.toml",
        "transactions.csv: column amount: 1 values are not a number such as 12.5 (row 2: 'x'); correct them, or leave "
        "them empty, or map another column to amount in remora.toml",
        "transactions.csv: column quantity: 1 values are not a number such as 12.5 (row 3: 'many'); correct them, or "
        "leave them empty, or map another column to quantity in remora.toml",
        "usage_events.csv: column occurred_at is missing (when it happened); the file has customer_id, when: map one "
        'with `occurred_at = "…"` under [tables.usage_events] in remora.toml',
        "usage_events.csv: column feature is missing (which part of the product); the file has customer_id, when: map "
        'one with `feature = "…"` under [tables.usage_events] in remora.toml',
        "labels.csv: column churned: 1 values are not true or false (row 2: 'maybe'); correct them, or leave them "
        "empty, or map another column to churned in remora.toml",
    )


def test_only_the_first_offending_rows_are_shown(tmp_path: Path) -> None:
    wrong = transactions(amount=["1", "x", "y", "2", "z", "late"])
    (problem,) = problems(tmp_path, {"transactions.parquet": wrong})
    assert "4 values are not a number such as 12.5 (row 2: 'x', row 3: 'y', row 5: 'z');" in problem


def test_a_mapped_column_is_named_as_in_the_file(tmp_path: Path) -> None:
    csv = "customer_id,occurred_at,Price\na,2026-06-01,free\n"
    (problem,) = problems(tmp_path, {"transactions.csv": csv}, tables={"transactions": {"amount": "Price"}})
    assert problem.startswith("transactions.csv: column Price: 1 values are not a number")
    assert problem.endswith("map another column to amount in remora.toml")


def test_numbers_are_no_times(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"transactions.parquet": transactions(occurred_at=[1_780_272_000])})
    assert "column occurred_at: 1 values are not a time" in problem


def test_a_folder_without_a_table_of_the_contract(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"sales.csv": "x\n1\n", "customers.csv": "customer_id\na\n"})
    assert problem == (
        "FOLDER: none of the tables transactions, subscriptions, usage_events, labels is there; name one so, or map it "
        "in remora.toml (`remora init` proposes the mapping)"
    )


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="nowhere: no such folder; give a folder of Parquet or CSV files, or a postgres"
    ):
        open_source(tmp_path / "nowhere", Settings())


def test_a_mapping_that_points_nowhere(tmp_path: Path) -> None:
    found = problems(tmp_path, {"transactions.csv": f"{HEADER}\na,2026-06-01,1\n"}, tables={
        "transactions": {"product": "Article", "colour": "amount"},
        "tickets": {"from": "issues"},
        "sails": {"from": "transactions"},
    })  # fmt: skip
    assert len(found) == 4
    assert found[0].startswith("remora.toml: tables.sails: no such table; the contract has customers, transactions")
    assert found[1] == "remora.toml: tables.tickets: from = 'issues' was not found in FOLDER"
    assert found[2] == (
        "remora.toml: tables.transactions.product: transactions.csv has no column 'Article'; it has customer_id, "
        "occurred_at, amount"
    )
    assert found[3].startswith(
        "remora.toml: tables.transactions.colour: no such column; the contract's transactions has"
    )


@pytest.mark.parametrize(("name", "content"), [
    ("transactions.parquet", b"PAR1 torn"),
    ("transactions.csv", f"{HEADER}\nM\xfcller,2026-06-01,1\n".encode("latin1")),
])  # fmt: skip
def test_a_file_that_cannot_be_read(name: str, content: bytes, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {name: content})
    assert problem.startswith(f"{name}: cannot be read: ")
    assert problem.endswith("; write it again as UTF-8 CSV or as Parquet")
