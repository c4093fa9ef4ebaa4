"""Money of several currencies, brought to one before anything is added up."""

import narwhals as nw

from features.errors import RemoraError
from features.point_in_time import Frame, Tables

MONEY = ("amount", "unit_price", "gross_margin")


class MixedCurrencies(RemoraError):
    """Transactions are in several currencies and nothing says what each is worth."""


def in_one_currency(lines: Frame, rates: dict[str, float]) -> Frame:
    """`lines` with every amount multiplied by `rates` of its currency; a currency without a rate makes it null.

    Without rates, or without a currency column, the lines stay as they are; a line without a currency counts as
    being in the company's own.
    """
    present = lines.collect_schema().names()
    if not rates or "currency" not in present:
        return lines
    rate = nw.when(nw.col("currency").is_null()).then(nw.lit(1.0))
    factor = rate.otherwise(nw.col("currency").replace_strict(rates, return_dtype=nw.Float64, default=None))
    money = [name for name in MONEY if name in present]
    rated = lines.with_columns(factor=factor).with_columns(nw.col(name) * nw.col("factor") for name in money)
    return rated.drop("factor")


def require_one_currency(tables: Tables, rates: dict[str, float]) -> None:
    """Raise MixedCurrencies when transactions hold currencies that `rates` does not make comparable."""
    missing = unrated(tables, rates)
    if missing:
        example = ", ".join(f"{currency} = 1.0" for currency in missing)
        raise MixedCurrencies(
            f"transactions: amounts in {', '.join(missing)} cannot be added up; say what one unit of each is worth in "
            f"the company's currency, for example `[value.rates]` with {example}"
        )


def unrated(tables: Tables, rates: dict[str, float]) -> list[str]:
    """Currencies of the transactions that have no rate; empty where there is a single currency and no rates."""
    if "transactions" not in tables or "currency" not in tables["transactions"].collect_schema().names():
        return []
    found = tables["transactions"].select("currency").unique().collect(backend="polars")["currency"].to_list()
    currencies = sorted(str(currency) for currency in found if currency is not None)
    return [currency for currency in currencies if currency not in rates] if rates or len(currencies) > 1 else []
