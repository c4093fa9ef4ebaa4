"""The benchmarks still run: a look at a hundredth of the rows, asserting no times."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(("script", "lines"), [("speed.py", 5), ("answering.py", 5), ("rules.py", 2)])
def test_the_table_is_printed(script: str, lines: int) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), "--small"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith("| ")]) >= lines
