"""What an engine makes of the order in which it happens to add up never shows."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.at_stake import at_stake
from features.build import Fitted, build, steady
from features.engines import Engine
from features.settings import Churn
from tests.literal import ENGINES, T, ago, rows, source

BUYS = "customer_id occurred_at amount order_id"
LINES = (10.1, 20.2, 0.3, -30.6)
"""They add up to 0; in floating point to 0 or ±4e-15, by their order."""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_an_order_given_back_whole_is_a_purchase_of_nothing(engine: Engine, seed: int, tmp_path: Path) -> None:
    lines = random.Random(seed).sample(LINES, len(LINES))
    some = rows(BUYS, *(("a", ago(10), amount, "o1") for amount in lines))
    tables = source(tmp_path, engine, {"transactions": some}).tables
    assert at_stake(tables, T, "no_purchase", Churn())["customer_id"].to_list() == ["a"]
    found = steady(build(tables, T, Fitted())).row(0, named=True)
    assert (found["rfm_orders_count"], found["rfm_amount_sum"]) == (1.0, 0.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("price", [0.1, 49.99, 1234567.89])
def test_equal_amounts_have_no_spread(engine: Engine, price: float, tmp_path: Path) -> None:
    some = rows(BUYS, *(("a", ago(day), price, None) for day in range(1, 40)))
    found = steady(build(source(tmp_path, engine, {"transactions": some}).tables, T, Fitted())).row(0, named=True)
    assert found["rfm_amount_std"] == 0.0
    assert found["rfm_gap_std_days"] == 0.0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_rows_does_not_matter(engine: Engine, tmp_path: Path) -> None:
    """Not even for what cancels: trends of equal sums, spreads of equal amounts."""
    some = rows(BUYS, *(("a", ago(day), amount, None) for day in range(1, 60) for amount in (0.1, 0.7, 33.3)))
    first, *others = (steady(wide) for wide in shuffled(tmp_path, engine, "transactions", some))
    for other in others:
        assert_frame_equal(other, first, check_exact=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_rows_does_not_matter_for_a_rhythm(engine: Engine, tmp_path: Path) -> None:
    """Weekly use at almost the same hour: without rounding too, for the spread keeps few digits of the squares."""
    drawn = random.Random(4)
    used = [(f"c{n % 40}", ago(n // 40 * 7 + drawn.random() / 5), "x") for n in range(40 * 60)]
    events = rows("customer_id occurred_at feature", *used)
    first, *others = shuffled(tmp_path, engine, "usage_events", events)
    for other in others:
        assert_frame_equal(other, first, check_exact=True)


def shuffled(folder: Path, engine: Engine, table: str, some: list[dict[str, Any]]) -> Iterator[pl.DataFrame]:
    """The features of the same rows in several orders."""
    for seed in range(4):
        (place := folder / str(seed)).mkdir()
        mixed = random.Random(seed).sample(some, len(some))
        yield build(source(place, engine, {table: mixed}).tables, T, Fitted())


@pytest.mark.parametrize("cents", [12_345_678_945, 12_000_000_005])
def test_a_half_of_the_last_digit_is_off_the_edge_of_rounding(cents: int) -> None:
    exact = cents / 100 / 2  # ends in 5
    noise = [exact * (1 + part * 2.0**-52) for part in range(-20, 21)]
    assert steady(pl.DataFrame({"x": noise}))["x"].n_unique() == 1


def test_steady_keeps_null_and_text_and_says_zero_once() -> None:
    found = steady(pl.DataFrame({"customer_id": ["a", "b", "c", "d"], "x": [1e-17, -3e-10, None, 1 / 3]}))
    assert found["x"].to_list() == [0.0, 0.0, None, 0.3333333333]
    assert "-" not in str(found["x"][1])
    assert found["customer_id"].to_list() == ["a", "b", "c", "d"]
