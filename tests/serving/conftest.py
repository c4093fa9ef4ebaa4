from collections.abc import Iterator

import pytest

from serving.home import Home
from tests.serving.running import Running, fill, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a champion and scores, shared by tests that only read."""
    folder = tmp_path_factory.mktemp("service") / "home"
    fill(Home(folder))
    with running(folder) as started:
        started.wait_until(lambda ready: ready["ready"] is True)
        yield started
