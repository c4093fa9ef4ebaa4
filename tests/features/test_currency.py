"""Money of several currencies: brought to one, or refused."""

from pathlib import Path

import polars as pl
import pytest

from features.currency import MixedCurrencies, require_one_currency
from features.engines import Engine, open_source
from features.settings import Settings, Value

LINES = {
    "customer_id": ["a", "b", "c"],
    "occurred_at": ["2026-01-01"] * 3,
    "amount": [10.0, 10.0, 10.0],
    "gross_margin": [4.0, 4.0, None],
    "currency": ["EUR", "USD", None],
}


def opened(folder: Path, rates: dict[str, float]) -> dict[str, pl.DataFrame]:
    pl.DataFrame(LINES).write_csv(folder / "transactions.csv")
    return open_source(folder, Settings.model_construct(value=Value(rates=rates))).tables


@pytest.mark.parametrize("engine", ["duckdb", "polars", "pandas"])
def test_amounts_are_in_one_currency(tmp_path: Path, engine: Engine) -> None:
    pl.DataFrame(LINES).write_csv(tmp_path / "transactions.csv")
    settings = Settings.model_construct(value=Value(rates={"EUR": 1.0, "USD": 0.5}))
    rows = open_source(tmp_path, settings).on(engine).tables["transactions"].collect(backend="polars")
    assert rows.sort("customer_id")["amount"].to_list() == [10.0, 5.0, 10.0]
    assert rows.sort("customer_id")["gross_margin"].to_list() == [4.0, 2.0, None]


def test_two_currencies_without_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MixedCurrencies, match=r"EUR, USD.*\[value.rates\]"):
        require_one_currency(opened(tmp_path, {}), {})


def test_a_currency_without_a_rate_is_named(tmp_path: Path) -> None:
    with pytest.raises(MixedCurrencies, match="amounts in USD"):
        require_one_currency(opened(tmp_path, {"EUR": 1.0}), {"EUR": 1.0})


def test_one_currency_needs_no_rate(tmp_path: Path) -> None:
    pl.DataFrame(LINES | {"currency": ["EUR"] * 3}).write_csv(tmp_path / "transactions.csv")
    require_one_currency(open_source(tmp_path, Settings()).tables, {})
