"""`remora demo`, whole: a company is simulated, learnt from, scored and watched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

from models.prediction import SCHEMA


def test_the_demo_tells_who_to_call_first(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("remora")
    told = {name: value for name, value in os.environ.items() if not name.startswith("REMORA_")}
    done = subprocess.run([program, "demo", "--json"], cwd=tmp_path, capture_output=True, text=True, env=told)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert sum(figures["rows"].values()) >= 1_000_000
    assert figures["training"]["gate"]["passed"]
    assert figures["training"]["churn"]["baselines"]["recency rule"]["difference"]["low"] > 0
    scores = pl.read_parquet(tmp_path / "demo-company" / "scores.parquet")
    assert scores.schema == pl.Schema(SCHEMA)
    assert scores.filter("at_stake")["value_at_risk"].is_not_null().all()
    assert list((tmp_path / "demo-company" / ".remora" / "monitoring").rglob("drift.json"))
