"""What training reads as of a date does not depend on what is there after it, on any engine, to the last bit."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.build import beginnings, build, steady
from features.clock import micros, start_of
from features.engines import Engine, open_source
from features.point_in_time import known_before
from tests.company import quick
from tests.literal import ENGINES, written
from tests.training.later import EARLIER, as_it_may_become, as_it_was
from training.assembly import reference
from training.snapshots import Snapshots, fit_population, take
from training.targets import Targets, targets

CHANGES = {"whole": lambda table, rows: rows, "was": as_it_was, "becomes": as_it_may_become}


@pytest.fixture(scope="module")
def folders(company: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The company's tables by what became of them after D."""
    tables = {file.stem: pl.read_parquet(file) for file in company.glob("*.parquet")}
    return {
        name: written(tmp_path_factory.mktemp(name), {table: change(table, rows) for table, rows in tables.items()})
        for name, change in CHANGES.items()
    }


Read = tuple[Targets, Snapshots, pl.DataFrame, pl.DataFrame, dict[str, int]]


def read(folder: Path, company: Path, engine: Engine) -> Read:
    """Everything that a training as of D takes from the tables: targets, snapshots, features of D, the reference."""
    settings = quick(company, snapshots={"count": 1})
    as_of = micros(start_of(EARLIER, settings.company.zone))
    past = open_source(folder, settings).on(engine).until(as_of)
    aims = targets(past, as_of, settings)
    taken = take(past, aims, fit_population(past, aims.churn.calibration, aims.definition, settings), settings)
    today = steady(build(past.tables, as_of, taken.fitted))
    kept = reference(today, past, as_of, taken, aims, settings)
    return aims, taken, today, kept, beginnings(known_before(past.tables, as_of))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_training_takes_from_the_tables_is_the_same(
    folders: dict[str, Path], company: Path, engine: Engine
) -> None:
    """Polars adds up in another order when there are more rows, though it reads none of them."""
    (aims, taken, today, kept, begins), *others = (read(folder, company, engine) for folder in folders.values())
    assert taken.rows["at_stake"].any()
    for other_aims, other, other_today, other_kept, other_begins in others:
        assert (other_aims.churn, other_aims.value, other_aims.warnings) == (aims.churn, aims.value, aims.warnings)
        assert_frame_equal(other.rows, taken.rows, check_exact=True)
        assert (other.columns, other.left_out, other.fitted) == (taken.columns, taken.left_out, taken.fitted)
        assert_frame_equal(other_today, today, check_exact=True)
        assert_frame_equal(other_kept, kept, check_exact=True)
        assert other_begins == begins
