"""Tables of a real PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as dbapi
import pytest

from features.engines import SourceError, open_source
from features.errors import RemoraError
from features.point_in_time import Frame
from features.postgres import DatabaseError, read_tables
from features.settings import Settings, TableMapping

SCHEMA = """
CREATE DOMAIN price AS numeric(10, 2);
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TABLE transactions (
    customer_id char(3), occurred_at timestamptz, amount numeric(12, 2), gross_margin price, quantity bigint,
    unit_price money, product text, gone int
);
ALTER TABLE transactions DROP COLUMN gone;
INSERT INTO transactions VALUES
    ('007', '2026-06-01 10:00+02', 12.50, 1.25, 3, 4, 'tea'),
    ('008', '2026-06-02 00:00+00', 'NaN', NULL, NULL, NULL, NULL);
CREATE TABLE subscriptions (customer_id uuid, started_at date, ended_at timestamptz, monthly_amount real);
INSERT INTO subscriptions VALUES ('00000000-0000-0000-0000-000000000007', '2026-01-01', 'infinity', 5.5);
CREATE TABLE customers (customer_id int, region colour, details jsonb, tags int[], active bool, signed_up_at timestamp);
INSERT INTO customers VALUES (7, 'red', '{"a": 1}', '{1,2}', true, '2026-06-01');
CREATE SCHEMA crm;
CREATE TABLE crm."Product Use" ("Customer" bigint, "when" date, feature varchar(9));
INSERT INTO crm."Product Use" VALUES (7, '2026-06-01', 'x');
"""


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    """The URL of a database with some tables of the contract."""
    name = "tables_of_features"
    with dbapi.connect(postgres_url, autocommit=True) as server, server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as inside:
            for statement in filter(str.strip, SCHEMA.split(";\n")):
                inside.execute(statement)
        yield url
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def rows(frame: Frame) -> list[dict[str, Any]]:
    return frame.collect("polars").rows(named=True)


def test_tables_are_read_as_the_contract(database: str) -> None:
    source = open_source(database, Settings())
    assert source.tables.keys() == {"transactions", "subscriptions", "customers"}
    assert source.origins["transactions"] == "table transactions"
    assert rows(source.tables["transactions"]) == [
        {"customer_id": "007", "occurred_at": 1_780_300_800_000_000, "amount": 12.5, "product": "tea", "quantity": 3,
         "unit_price": 4, "gross_margin": 1.25},
        {"customer_id": "008", "occurred_at": 1_780_358_400_000_000, "amount": None, "product": None, "quantity": None,
         "unit_price": None, "gross_margin": None},
    ]  # fmt: skip


def test_a_date_is_the_companys_and_infinity_is_no_end(database: str) -> None:
    source = open_source(database, Settings(company={"timezone": "Europe/Berlin"}))
    assert rows(source.tables["subscriptions"]) == [
        {"customer_id": "00000000-0000-0000-0000-000000000007", "started_at": 1_767_222_000_000_000, "ended_at": None,
         "monthly_amount": 5.5}
    ]  # fmt: skip


def test_further_columns_of_customers_are_kept_whatever_their_type(database: str) -> None:
    (customer,) = rows(open_source(database, Settings()).tables["customers"])
    assert customer == {
        "customer_id": "7", "signed_up_at": 1_780_272_000_000_000, "region": "red", "details": '{"a": 1}',
        "tags": "[1, 2]", "active": 1.0,
    }  # fmt: skip


def test_names_may_carry_a_schema_and_be_mapped(database: str) -> None:
    mapping = TableMapping.model_validate({"from": "crm.Product Use", "customer_id": "Customer", "occurred_at": "when"})
    source = open_source(database, Settings(tables={"usage_events": mapping}))
    assert rows(source.tables["usage_events"]) == [
        {"customer_id": "7", "occurred_at": 1_780_272_000_000_000, "feature": "x"}
    ]


def test_tables_that_are_missing_are_left_out(database: str) -> None:
    found = read_tables(database, {"transactions": "transactions", "tickets": "tickets", "labels": "crm.labels"})
    assert found.keys() == {"transactions"}


def test_a_mapping_to_a_missing_table_is_one_of_the_problems(database: str) -> None:
    settings = Settings(tables={"tickets": {"from": "issues"}, "usage_events": {"from": "crm.Product Use"}})
    with pytest.raises(SourceError) as raised:
        open_source(database, settings)
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["remora.toml"] + [
        "table crm.Product Use"
    ] * 2
    assert "from = 'issues' was not found" in raised.value.problems[0]
    assert "column customer_id is missing" in raised.value.problems[1]
    assert "column occurred_at is missing" in raised.value.problems[2]


@pytest.mark.parametrize("url", [
    "postgresql://someone:s3cret@127.0.0.1:1/crm",
    "postgresql://someone:s3cret@127.0.0.1:port/crm",
    "postgresql://someone:s3cret@[::1/crm",
    "postgresql://someone:s3cret%zz@127.0.0.1:1/crm",
    "postgresql://someone:s3cret s3cret@127.0.0.1:1/crm",
    "postgres://127.0.0.1:1/crm?user=someone&password=s3cret",
])  # fmt: skip
def test_a_wrong_url_gives_one_message_without_the_password(url: str) -> None:
    with pytest.raises(RemoraError) as raised:
        open_source(url, Settings())
    assert isinstance(raised.value, DatabaseError)
    (problem,) = raised.value.problems
    assert problem.startswith("database: ")
    assert problem.endswith("; check the URL, the server and the rights of its user")
    assert "s3cret" not in problem
    assert "\n" not in problem


def test_a_database_that_is_not_there(database: str) -> None:
    with pytest.raises(DatabaseError, match='database "nowhere" does not exist; check the URL'):
        open_source(urlsplit(database)._replace(path="/nowhere").geturl(), Settings())


def test_a_database_without_a_table_of_the_contract(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="none of the tables transactions, subscriptions, usage_events, labels is there"
    ):
        open_source(postgres_url, Settings())
