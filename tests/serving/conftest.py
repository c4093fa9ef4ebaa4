from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.home import Home
from tests.serving.places import KINDS, new_place
from tests.serving.running import Running, fill, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a champion and scores, shared by tests that only read."""
    folder = tmp_path_factory.mktemp("service") / "home"
    fill(Home(folder))
    with running(folder) as started:
        started.wait_until(lambda ready: ready["ready"] is True)
        yield started


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place for a store of one's own."""
    with new_place(request, tmp_path) as made:
        yield made
