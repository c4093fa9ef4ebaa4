"""What tests of the export share: a store with rows, a database to export to, and what is in a table of it."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from features.settings import ExportMap
from serving.database import connect
from serving.export.fields import score_fields
from serving.export.mapping import layout_of
from serving.export.reading import Reading
from serving.store import open_store
from tests.serving.test_store import frame

_numbers = itertools.count()


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of a new database, on a real server."""
    name = f"crm_{next(_numbers)}"
    sql(postgres_url, f"CREATE DATABASE {name}")
    yield postgres_url.rpartition("/")[0] + f"/{name}"
    sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def sql(url: str, statement: str) -> list[dict[str, Any]]:
    """The rows of a statement, as dicts; it is committed at once."""
    with closing(psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row)) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def table(url: str, name: str = "churn_scores", key: str = "customer_id") -> dict[str, dict[str, Any]]:
    """Key → row of a table."""
    rows = sql(url, f"SELECT * FROM {name}")
    assert len({row[key] for row in rows}) == len(rows)
    return {row[key]: row for row in rows}


def saved(place: Path, *rows: dict[str, Any]) -> Path:
    """A store at `place` that holds `rows` (see `tests.serving.test_store.row`), each current."""
    with open_store(place) as store:
        store.save(frame(*rows))
    return place


@contextmanager
def reading(place: Path, batch: int = 2, fields: Mapping[str, str] | None = None, **chosen: Any) -> Iterator[Reading]:
    """What an export reads of the scores in a store: `fields` (ours → theirs), or the usual ones."""
    layout = layout_of("scores", score_fields(), "m", ExportMap.model_validate(fields) if fields else None)
    engine = connect(place)
    yield Reading(engine, layout, batch=batch, **chosen)
    engine.dispose()
