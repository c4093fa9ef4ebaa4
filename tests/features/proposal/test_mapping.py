"""The proposed remora.toml: it loads, the data opens with it, and what it says is what the data shows."""

import datetime as dt
import itertools
from pathlib import Path

import polars as pl
import pytest

from features.engines import Source, SourceError, open_source
from features.proposal.mapping import Proposal, propose
from features.proposal.matching import match_columns, match_tables
from features.proposal.raw_tables import raw_tables
from features.proposal.synonyms import COLUMN_NAMES, TABLE_NAMES, likeness
from features.settings import Settings, load_settings
from features.sources import TABLES
from monitoring.readiness import readiness
from tests.real_data import SETTINGS, real_data

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
CUSTOMERS = 60
KEYS = [*(f"{12000 + i}" for i in range(9)), None]  # the last one buys without a customer id


def taken(folder: Path, proposal: Proposal | None = None) -> tuple[Settings, Source]:
    """The proposal written, loaded, and the data opened with it."""
    file = folder.parent / f"{folder.name}.toml"
    file.write_text((proposal or propose(folder)).to_toml(), encoding="utf-8")
    settings = load_settings(file)
    return settings, open_source(folder, settings)


def mapping(folder: Path) -> dict[str, dict[str, str]]:
    return {match.table: {each.column: each.raw for each in match.mapped} for match in propose(folder).tables}


def folder(tmp_path: Path, **tables: pl.DataFrame) -> Path:
    place = tmp_path / "export"
    place.mkdir()
    for name, table in tables.items():
        table.write_csv(place / f"{name}.csv")
    return place


def uci_rows() -> pl.DataFrame:
    """Lines as in the UCI file: an invoice each 20 days, every third line a return, some without a customer."""
    lines = [
        (f"{'C' if line == 2 else ''}{customer}{day:03}", f"8{line}123A", 'MUG, "RED"', -1 if line == 2 else 6,
         dt.datetime(2010, 1, 1, 8, 26) + dt.timedelta(days=day), 2.55, KEYS[customer],
         "United Kingdom")
        for customer in range(10) for day in range(customer, 700, 20) for line in range(3)
    ]  # fmt: skip
    names = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    return pl.DataFrame(lines, schema=names, orient="row")


@pytest.fixture
def uci(tmp_path: Path) -> Path:
    return folder(tmp_path, online_retail_II=uci_rows().with_columns(pl.col("InvoiceDate").dt.strftime("%F %T")))


@pytest.fixture
def saas(tmp_path: Path) -> Path:
    """Accounts that prepay by the month and let go after a while, and their use of the product."""
    first = dt.date(2023, 1, 5)
    ids = [f"A-{i:03}" for i in range(CUSTOMERS)]
    accounts = pl.DataFrame({"id": ids, "company": [f"Firm {i}" for i in range(CUSTOMERS)],
                             "created_at": [first] * CUSTOMERS, "sector": ["retail", "health"] * (CUSTOMERS // 2),
                             "billing_email": [f"a{i}@example.com" for i in range(CUSTOMERS)],
                             "health_score": [50 + i % 7 for i in range(CUSTOMERS)],
                             "is_churned": [i % 3 == 0 for i in range(CUSTOMERS)]})  # fmt: skip
    starts = pl.date_range(first, dt.date(2024, 3, 5), "1mo", eager=True).to_list()
    subs = pl.DataFrame([(name, starts[n], starts[n + 1], 49.0, "pro", 3) for i, name in enumerate(ids)
                         for n in range(3 + i % 12)], orient="row",
                        schema=["account_id", "start_date", "end_date", "mrr", "plan", "seats"])  # fmt: skip
    events = pl.DataFrame([(name, dt.datetime(2023, 1, 6, 9) + dt.timedelta(days=day), "login", 2) for name in ids
                           for day in range(0, 300, 7)], orient="row",
                          schema=["account_id", "event_time", "event_name", "count"])  # fmt: skip
    return folder(tmp_path, accounts=accounts, subs=subs, events=events)


def test_uci_columns(uci: Path) -> None:
    assert mapping(uci) == {
        "transactions": {
            "customer_id": "Customer ID",
            "occurred_at": "InvoiceDate",
            "order_id": "Invoice",
            "product": "StockCode",
            "quantity": "Quantity",
            "unit_price": "Price",
        }
    }
    toml = propose(uci).to_toml()
    assert "amount is quantity × unit_price" in toml
    assert "# Country would belong to a table of customers" in toml


def test_uci_opens_and_checks(uci: Path) -> None:
    settings, source = taken(uci)
    lines = source.tables["transactions"].collect(backend="polars").to_native()
    assert lines["amount"].sum() == pytest.approx((uci_rows()["Quantity"] * uci_rows()["Price"]).sum())
    assert settings.churn.definition == "no_purchase"
    assert settings.churn.horizon_days == 31  # everyone comes back after 20 days
    assert settings.value.source == "transactions"
    report = readiness(source, None, settings, NOW)
    assert (report.errors, report.tables[0].without_customer) == ((), 35 * 3)


def test_uci_as_parquet_with_its_own_types(tmp_path: Path) -> None:
    place = tmp_path / "typed"
    place.mkdir()
    uci_rows().with_columns(pl.col("Customer ID").cast(pl.Float64)).write_parquet(place / "online_retail_II.parquet")
    _, source = taken(place)
    lines = source.tables["transactions"].collect(backend="polars").to_native()
    assert set(lines["customer_id"].drop_nulls()) == {f"{12000 + i}" for i in range(9)}


def test_saas_tables_and_columns(saas: Path) -> None:
    assert mapping(saas) == {
        "customers": {"customer_id": "id", "name": "company", "signed_up_at": "created_at", "industry": "sector"},
        "subscriptions": {
            "customer_id": "account_id",
            "started_at": "start_date",
            "ended_at": "end_date",
            "monthly_amount": "mrr",
            "product": "plan",
        },
        "usage_events": {
            "customer_id": "account_id",
            "occurred_at": "event_time",
            "feature": "event_name",
            "quantity": "count",
        },
    }


def test_saas_settings_open_and_check(saas: Path) -> None:
    settings, source = taken(saas)
    assert settings.tables["subscriptions"].ended_at_is_term
    assert (settings.churn.definition, settings.churn.horizon_days, settings.churn.grace_days) == ("cancelled", 31, 0)
    assert settings.value.source == "subscriptions"
    assert settings.profile.static == ("industry",)
    report = readiness(source, None, settings, NOW)
    assert not report.errors
    assert report.outlook.definition == "cancelled"


def test_leaks_are_left_out_with_their_reason(saas: Path) -> None:
    toml = propose(saas).to_toml()
    assert "# is_churned: left out, named after leaving (churned)" in toml
    assert "# health_score: left out, its name (health)" in toml
    assert "# billing_email: left out, " in toml


@pytest.mark.parametrize("running", [0, 1, 40])
def test_periods_are_prepaid_only_where_nearly_all_have_an_end(tmp_path: Path, running: int) -> None:
    starts = pl.date_range(dt.date(2023, 1, 1), dt.date(2024, 1, 1), "1mo", eager=True).to_list()
    periods = [(f"c{i}", a, b, 5.0) for i in range(40) for a, b in itertools.pairwise(starts)]
    periods += [(f"c{i}", starts[-1], None, 5.0) for i in range(running)]
    names = ["customer_id", "started_at", "ended_at", "monthly_amount"]
    settings, _ = taken(folder(tmp_path, subscriptions=pl.DataFrame(periods, schema=names, orient="row")))
    prepaid = "subscriptions" in settings.tables and settings.tables["subscriptions"].ended_at_is_term
    assert (prepaid, settings.churn.grace_days) == ((False, 14) if running == 40 else (True, 0))


def test_contracts_that_ended_for_good_are_no_prepaid_periods(tmp_path: Path) -> None:
    runs = pl.DataFrame({"customer_id": [f"c{i}" for i in range(40)], "started_at": dt.date(2023, 1, 1),
                         "ended_at": dt.date(2024, 1, 1), "monthly_amount": 5.0})  # fmt: skip
    settings, _ = taken(folder(tmp_path, subscriptions=runs))
    assert not settings.tables


def test_money_in_two_tables_is_left_to_the_user(tmp_path: Path) -> None:
    sales = pl.DataFrame({"client_id": ["a", "a"], "order_date": [dt.date(2024, 1, 1), dt.date(2024, 2, 1)],
                          "total": [1.0, 2.0]})  # fmt: skip
    runs = pl.DataFrame({"client_id": ["a"], "start_date": [dt.date(2023, 1, 1)], "end_date": ["2024-01-01"],
                         "mrr": [5.0]})  # fmt: skip
    place = folder(tmp_path, orders=sales, contracts=runs)
    settings, _ = taken(place)
    assert settings.value.source is None
    assert "# source: ? do transactions hold the invoices" in propose(place).to_toml()


def test_german_and_chinese_names(tmp_path: Path) -> None:
    dates = [dt.date(2024, 1, day) for day in range(1, 11)]
    sales = pl.DataFrame({"Kundennummer": ["007"] * 10, "Bestelldatum": dates, "Betrag": [1.5] * 10, "Währung": "EUR"})
    people = pl.DataFrame({"客户编号": ["007"], "行业": ["零售"], "注册日期": [dt.date(2023, 1, 1)]})
    place = folder(tmp_path, Bestellungen=sales, 客户=people)
    assert mapping(place) == {
        "customers": {"customer_id": "客户编号", "industry": "行业", "signed_up_at": "注册日期"},
        "transactions": {
            "customer_id": "Kundennummer",
            "occurred_at": "Bestelldatum",
            "amount": "Betrag",
            "currency": "Währung",
        },
    }
    _, source = taken(place)
    assert source.tables["transactions"].collect("polars")["customer_id"].to_list() == ["007"] * 10


def test_names_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    sales = pl.DataFrame({"customer id": ["a\nb"], "date": ["2024-01-01"], 'amount "net"\\': [1.0], "x\ny]": ["# !"]})
    place = folder(tmp_path, **{'my "sales"': sales})
    _, source = taken(place)
    assert source.tables["transactions"].collect("polars")["amount"].to_list() == [1.0]


def test_tables_of_the_contract_need_no_line(tmp_path: Path) -> None:
    sales = pl.DataFrame({"customer_id": ["a"], "occurred_at": ["2024-01-01"], "amount": [1.0]})
    place = folder(tmp_path, transactions=sales)
    assert mapping(place) == {"transactions": {}}
    assert "# read as they are: transactions" in propose(place).to_toml()
    taken(place)


def test_a_guess_is_marked(tmp_path: Path) -> None:
    sales = pl.DataFrame({"customer": ["a", "a"], "when": ["2024-01-01", "2024-02-01"], "gross amount x": [1.0, 2.0]})
    place = folder(tmp_path, sales=sales)
    toml = propose(place).to_toml()
    assert 'occurred_at = "when"  # ? the only column that reads as a time' in toml
    assert 'amount = "gross amount x"  # ? part of the name' in toml
    taken(place)


def test_values_decide_between_names(tmp_path: Path) -> None:
    """A column named like a date that holds none is not the date."""
    sales = pl.DataFrame({"customer": ["a"], "date": ["soon"], "created_at": ["2024-01-01"], "amount": [1.0]})
    assert mapping(folder(tmp_path, sales=sales))["transactions"]["occurred_at"] == "created_at"


def test_dates_that_do_not_read_as_dates_are_named(tmp_path: Path) -> None:
    sales = pl.DataFrame({"Customer ID": ["a"], "InvoiceDate": ["12/31/2010 8:26"], "Quantity": [1], "Price": [2.0]})
    proposal = propose(folder(tmp_path, retail=sales))
    assert any("InvoiceDate looks like occurred_at" in each and "'12/31/2010 8:26'" in each
               for each in proposal.problems)  # fmt: skip
    assert load_settings_from(proposal, tmp_path) is not None


def load_settings_from(proposal: Proposal, place: Path) -> Settings:
    file = place / "x.toml"
    file.write_text(proposal.to_toml(), encoding="utf-8")
    return load_settings(file)


def test_a_contract_table_without_its_columns_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    sales = pl.DataFrame({"customer_id": ["a"], "occurred_at": ["2024-01-01"], "amount": [1.0]})
    place = folder(tmp_path, transactions=sales, tickets=pl.DataFrame({"colour": ["red"]}))
    proposal = propose(place)
    assert any("tickets.csv: column customer_id is missing" in each for each in proposal.problems)
    assert "# ! customer_id is missing" in proposal.to_toml()


def test_a_file_that_cannot_be_read_does_not_lose_the_rest(tmp_path: Path) -> None:
    sales = pl.DataFrame({"customer": ["a"], "date": ["2024-01-01"], "amount": [1.0]})
    place = folder(tmp_path, sales=sales)
    (place / "broken.parquet").write_bytes(b"no parquet")
    assert propose(place).problems[0].startswith("broken.parquet: cannot be read")
    taken(place)


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        propose(tmp_path / "absent")
    with pytest.raises(SourceError, match="no table"):
        propose(tmp_path)


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    place = folder(tmp_path)
    parts = place / "sales"
    parts.mkdir()
    for month in (1, 2):
        sales = pl.DataFrame({"customer": ["a"], "date": [dt.date(2024, month, 1)], "amount": [1.0]})
        sales.write_parquet(parts / f"{month}.parquet")
    _, source = taken(place)
    assert source.tables["transactions"].collect("polars").shape[0] == 2


def test_each_raw_table_and_column_is_used_once(saas: Path) -> None:
    matches = match_tables(raw_tables(saas))
    assert len({match.raw.name for match in matches}) == len(matches)
    for match in matches:
        columns = match_columns(match.raw, TABLES[match.table])
        assert len({each.raw for each in columns}) == len({each.column for each in columns}) == len(columns)


def test_synonyms_are_of_the_contract_and_no_two_tables_share_one() -> None:
    assert set(TABLE_NAMES) == set(TABLES)
    for table, columns in COLUMN_NAMES.items():
        assert set(columns) <= set(TABLES[table].columns()), table
    names = [name for synonyms in TABLE_NAMES.values() for name in synonyms]
    assert len(names) == len(set(names))


def test_likeness_prefers_equal_over_synonym_over_part() -> None:
    synonyms = ("invoice date", "date")
    scores = [likeness(name, "occurred_at", synonyms) for name in
              ("OccurredAt", "InvoiceDate", "date", "date of invoice", "colour")]  # fmt: skip
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0


@pytest.mark.parametrize("name", SETTINGS)
def test_real_data(name: str, tmp_path: Path) -> None:
    place = real_data(name)
    file = tmp_path / "remora.toml"
    proposal = propose(place)
    file.write_text(proposal.to_toml(), encoding="utf-8")
    settings = load_settings(file)
    open_source(place, settings)
    assert proposal.problems == ()
    assert settings.churn.definition == SETTINGS[name]["churn"].definition
    prepaid = name in ("social_network", "saas_crm")
    assert ("subscriptions" in settings.tables and settings.tables["subscriptions"].ended_at_is_term) == prepaid


def test_telco_leaks_are_proposed_for_exclusion(tmp_path: Path) -> None:
    settings = load_settings_from(propose(real_data("telco")), tmp_path)
    assert {"service_id", "status_id", "satisfaction_score", "churn_score", "cltv"} == set(settings.features.exclude)


def test_online_retail_horizon(tmp_path: Path) -> None:
    assert load_settings_from(propose(real_data("online_retail_2")), tmp_path).churn.horizon_days == 90


def test_a_database(postgres_url: str, tmp_path: Path) -> None:
    import adbc_driver_postgresql.dbapi as postgres

    with postgres.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE init_sales (client_no text, order_date timestamp, net_amount numeric)")
        cursor.execute("INSERT INTO init_sales VALUES ('007', '2024-01-01', 1.5), ('007', '2024-03-01', 2.5)")
        connection.commit()
    try:
        proposal = propose(postgres_url)
        settings = load_settings_from(proposal, tmp_path)
        assert settings.tables["transactions"].origin == "init_sales"
        assert open_source(postgres_url, settings).tables["transactions"].collect("polars").shape == (2, 3)
    finally:
        with postgres.connect(postgres_url) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE init_sales")
            connection.commit()
