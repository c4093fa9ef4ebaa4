"""The benchmarks still run: a look at a hundredth of the rows, asserting no times."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("script", ["speed.py", "answering.py"])
def test_the_table_is_printed(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), "--small"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith("| ")]) >= 5
