"""Predictions of a backtest on disk: a file a date, valid while settings, code and what was known then are the same.

FOLDER/<hash of settings and code>/<date>.<hash of what was known at the date>.parquet. A file appears whole or not at
all, so a run that was stopped goes on where it stopped.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from features.engines import Source, fingerprint
from features.settings import Settings
from models.rules import DEFAULT_PACK
from training.reports import Report

ROOMS = ("features", "models", "training")
"""Code that may change a prediction."""

LIBRARIES = ("lightgbm", "numpy", "polars", "duckdb", "narwhals", "scipy", "scikit-learn")
ELSEWHERE = {"home", "store", "memory_limit", "rules"}
"""Settings that say where things lie; the rule pack counts by its text."""

_FACTS = "remora"


class Facts(Report):
    """How predictions came about; `refusal` says why there is no model."""

    trained: bool
    refusal: str = ""
    training_rows: int = 0
    training_churners: int = 0


@dataclass(frozen=True)
class Kept:
    """`rows`: customer_id of everyone at stake, then `churn: NAME` and `value: NAME` of every score, Float64."""

    rows: pl.DataFrame
    facts: Facts


def keep(folder: Path, date: str, past: Source, make: Callable[[], Kept]) -> Kept:
    """The predictions of `date` as kept below `folder` for just this `past`, else made and kept."""
    file = folder / f"{date}.{_short(fingerprint(past.tables))}.parquet"
    if file.exists():
        return read(file)
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    made.rows.write_parquet(beside, metadata={_FACTS: made.facts.model_dump_json()})
    beside.replace(file)
    return made


def read(file: Path) -> Kept:
    """What `keep` wrote."""
    return Kept(pl.read_parquet(file), Facts.model_validate_json(pl.read_parquet_metadata(file)[_FACTS]))


def settings_key(settings: Settings) -> str:
    """A hash of all that predictions rest on besides the data: settings, rule pack, code and libraries."""
    pack = (settings.rules.pack or DEFAULT_PACK).read_text(encoding="utf-8")
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return _short([settings.model_dump(mode="json", exclude=ELSEWHERE), pack, libraries, _code()])


@cache  # what runs is what was loaded, whatever is edited meanwhile
def _code() -> dict[str, str]:
    root = Path(__file__).parents[1]
    files = sorted(file for room in ROOMS for file in (root / room).rglob("*.py"))
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _short(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
