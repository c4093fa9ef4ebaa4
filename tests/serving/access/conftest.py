import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.database import connect
from serving.store import Store, open_store

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for a store of its own, since nothing is ever deleted from an audit log: a new file or database."""
    if request.param == "sqlite":
        yield str(tmp_path / "home" / "remora.db")
        return
    server, name = request.getfixturevalue("postgres_url"), f"access_{next(_numbers)}"
    run_sql(server, f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + f"/{name}"
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Store]:
    """A store in a file, for what does not depend on the kind of database."""
    with open_store(tmp_path / "home" / "remora.db") as opened:
        yield opened


def run_sql(url: str, *statements: str) -> None:
    """Run statements outside of any transaction of ours."""
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()
