"""What one worker of pytest-xdist runs together, and what begins first.

The tests of a file share what its fixtures make, so a file is one piece of work; the longest begin first, so that
no worker is left with one while the others are done. xdist's own groups are told by a mark, which pytest 9.2 loses on
the way (pytest-xdist's issue 1386).
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TRAINED = (
    "tests/monitoring/test_pipeline.py",
    "tests/serving/test_cli.py",
    "tests/serving/test_score.py",
    "tests/serving/test_skew.py::test_the_same_for_a_trained_bundle",
    "tests/training/test_card.py",
    "tests/training/test_fit.py",
    "tests/training/test_pipeline.py",
    "tests/training/test_promote.py",
    "tests/training/test_refit.py",
    "tests/training/test_registry.py",
    "tests/training/test_snapshots.py",
)
"""What uses the session's one training (the fixtures `trained` and `home_copy`): a piece, so that there is only one."""

PARTED = (
    "tests/acceptance/test_quality.py",
    "tests/benchmarks/test_small.py",
    "tests/notebooks/test_notebooks.py",
)
"""Files whose parameters share nothing: what is tested with the same parameter is a piece."""

LONGEST = (
    "tests/acceptance/test_demo.py",
    "trained",
    "tests/acceptance/test_readme.py",
    "tests/faults/test_service.py",
    "tests/serving/test_skew.py",
    "tests/faults/test_promote_kill.py",
    "tests/features/test_partials.py",
    "tests/benchmarks/test_small.py[serve.py",
    "tests/faults/test_slow_clients.py",
    "tests/acceptance/test_quality.py",
    "tests/acceptance/test_bento.py",
    "tests/notebooks/test_notebooks.py",
)
"""How the longest pieces begin, in the order in which they are dealt out."""


def piece_of(nodeid: str) -> str:
    """The piece that a test belongs to.

    >>> piece_of("tests/training/test_tune.py::test_a[2-7]")
    'tests/training/test_tune.py'
    >>> piece_of("tests/notebooks/test_notebooks.py::test_runs_from_top_to_bottom[01_demo]")
    'tests/notebooks/test_notebooks.py[01_demo]'
    >>> piece_of("tests/training/test_card.py::test_what_it_is")
    'trained'
    """
    if nodeid.startswith(TRAINED):
        return "trained"
    file, _, test = nodeid.partition("::")
    _, bracket, parameter = test.partition("[")
    return f"{file}{bracket}{parameter}" if file in PARTED else file


def place_of(nodeid: str) -> int:
    """Where a test stands in the order: the longest first, all others after them as they are."""
    piece = piece_of(nodeid)
    return next((place for place, long in enumerate(LONGEST) if piece.startswith(long)), len(LONGEST))


class Pieces(LoadScopeScheduling):
    """Whoever is free takes the next piece."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # xdist would begin with the pieces of the most tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces | None:
    """For `--dist loadgroup`."""
    return Pieces(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, where there are workers."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))
