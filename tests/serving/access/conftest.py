from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.store import Store, open_store


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Store]:
    """A store in a file, for what does not depend on the kind of database."""
    with open_store(tmp_path / "home" / "remora.db") as opened:
        yield opened
