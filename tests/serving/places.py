"""Places for stores: a file that is not there yet, or a new database of a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from serving.database import connect

KINDS = ["sqlite", "postgresql"]

_numbers = count()


@contextmanager
def new_place(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """An empty place of the kind `request.param`; the database is dropped afterwards."""
    if request.param == "sqlite":
        yield str(folder / "home" / "remora.db")
        return
    server, name = request.getfixturevalue("postgres_url"), f"store_{next(_numbers)}"
    run_sql(server, f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + f"/{name}"
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def run_sql(place: str, *statements: str) -> Any:
    """Run statements outside of any transaction of ours; gives the rows of the last one, if it has any."""
    engine, rows = connect(place), None
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = result.fetchall() if result.returns_rows else None
        connection.commit()  # on SQLite, "autocommit" leaves the transaction that our engine began
    engine.dispose()
    return rows
