"""The benchmarks still run: a look at a hundredth of the rows, asserting no times."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("script", "small", "lines"),
    [("speed.py", "--small", 5), ("serve.py", "--seconds=1", 12), ("rules.py", "--small", 2)],
)
def test_the_table_is_printed(script: str, small: str, lines: int) -> None:
    if script == "serve.py" and not shutil.which("wrk"):
        told = "wrk is absent; install Debian's package wrk"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    done = subprocess.run(
        [sys.executable, str(HERE / script), small],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith("| ")]) >= lines
