"""Stores for the tests of webhooks, on SQLite and on a real PostgreSQL."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.database import connect

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place for a store: a file that is not there yet, or a new database."""
    if request.param == "sqlite":
        yield str(tmp_path / "home" / "remora.db")
        return
    server, name = request.getfixturevalue("postgres_url"), f"effects_{next(_numbers)}"
    _run_sql(server, f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + f"/{name}"
    _run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def _run_sql(url: str, statement: str) -> None:
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)
        connection.commit()
    engine.dispose()
