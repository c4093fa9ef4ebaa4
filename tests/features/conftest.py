"""Every feature test runs on every engine: a literal table in, a dict by customer out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.build import Fitted, build
from features.engines import Engine
from features.point_in_time import Tables, known_before
from tests.literal import ENGINES, Rows, T, by_customer, source

Opened = Callable[..., Tables]
Values = dict[str, dict[str, Any]]
NOTHING = Fitted()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture
def opened(tmp_path: Path, engine: Engine) -> Opened:
    """Tables (keyword → rows) on the engine, as they are today."""
    return lambda **tables: source(tmp_path, engine, tables).tables


@pytest.fixture
def seen(opened: Opened) -> Opened:
    """Tables (keyword → rows) on the engine, as they were known before T."""
    return lambda **tables: known_before(opened(**tables), T)


@pytest.fixture
def built(opened: Opened) -> Callable[..., Values]:
    """Every feature as of T, feature → customer → value, of tables given as keywords."""

    def everything(fitted: Fitted = NOTHING, **tables: Rows | pl.DataFrame) -> Values:
        return by_customer(build(opened(**tables), T, fitted))

    return everything
