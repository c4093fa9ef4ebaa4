"""Every notebook runs from top to bottom without a word on stderr, and is kept without outputs.

All six read one simulated company, made once for all workers; each is work enough for a worker by itself.
"""

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import polars as pl
import pytest
from filelock import FileLock
from nbclient import NotebookClient

from features.demo import simulate
from tests.company import ROOT, UNUSED

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 120

PLACES = re.compile(
    r"https?://|\b\d{1,3}(\.\d{1,3}){3}\b|\w@\w+\.\w|\b[A-Za-z]:\\|(?<![\w./:])/(home|root|tmp|work|Users|var|mnt|opt|usr)\b"
)
"""Addresses, and absolute paths of somebody's machine."""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """500 customers over 30 months, over 80 churners in training; use of one weekday only, for speed."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent  # pytest-xdist gives each worker a folder below one
    folder = shared / "notebooks-company"
    with FileLock(shared / "notebooks-company.lock"):
        if not (folder / "remora.toml").exists():
            simulate(folder, customers=500)
            for name in UNUSED:
                (folder / f"{name}.parquet").unlink()
            use = pl.read_parquet(folder / "usage_events.parquet").filter(pl.col("occurred_at").dt.weekday() == 1)
            use.write_parquet(folder / "usage_events.parquet")
    return folder


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a kernel of this very interpreter, whatever kernels are registered on the machine."""
    folder = tmp_path / "jupyter" / "kernels" / "this-interpreter"
    folder.mkdir(parents=True)
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec | {"display_name": folder.name}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return folder.name


def test_all_six_are_there() -> None:
    assert [file.stem[:2] for file in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_runs_from_top_to_bottom(file: Path, small: Path, kernel: str, tmp_path: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name=kernel)
    client.execute(cwd=str(tmp_path), env=_environment(small, tmp_path))  # raises on the first error
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_is_kept_without_outputs_and_places(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    text = "\n".join(cell.source for cell in notebook.cells)
    assert [found[0] for found in PLACES.finditer(text)] == []


def _environment(data: Path, home: Path) -> dict[str, str]:
    """One thread a library: products this small wait for other threads longer than they compute."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    told = {"PYTHONPATH": str(ROOT), "REMORA_NOTEBOOK_DATA": str(data), "IPYTHONDIR": str(home / "ipython")}
    return {**os.environ, **single, **told}
