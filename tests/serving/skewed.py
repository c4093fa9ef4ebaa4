"""For the tests of skew: models that use every feature, and raw rows as a request brings them."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from features.at_stake import TABLE_OF
from features.build import Fitted, beginnings, build, steady
from features.catalog import kinds
from features.clock import micros, moment
from features.engines import Source
from features.given import columns_of
from features.point_in_time import known_before
from features.settings import Definition, Settings
from features.sources import TABLES
from models.bundle import Bundle, write_bundle
from models.manifest import ChurnPart, FeatureColumn, ManifestParts, ValuePart
from models.matrix import to_matrix
from models.rules.fact_rows import core_features
from models.rules.pack import DEFAULT_PACK, load_pack
from models.value_range import ValueRange, squeezed
from serving.schemas_score import MAX_ROWS, SCORED_TABLES
from training.rules import fit_rules

SCALE = 30.0
MOST_LEVELS = 20
"""Most levels of a text column that becomes a category."""


class Learnt:
    """What a population teaches, and trees grown on noise: they split on every feature, so any skew shows."""

    def __init__(self, source: Source, date: dt.datetime, settings: Settings) -> None:
        self.date, self.as_of, self.settings = date, micros(date), settings
        self.past = source.until(self.as_of)
        known = known_before(self.past.tables, self.as_of)
        core = core_features(self.past.tables, self.as_of, load_pack())
        self.fitted = Fitted(core, settings.profile.static, beginnings(known))
        self.wide = steady(build(self.past.tables, self.as_of, self.fitted))

    @cached_property
    def columns(self) -> tuple[FeatureColumn, ...]:
        levels = {name: tuple(self.wide[name].drop_nulls().unique().sort()) for name in self.wide.columns[1:]}
        return tuple(
            FeatureColumn(name=name, kind=kind, levels=levels[name] if kind == "category" else ())  # type: ignore[arg-type]
            for name, kind in kinds(self.wide).items()
            if kind == "number" or len(levels[name]) <= MOST_LEVELS
        )

    @cached_property
    def texts(self) -> dict[str, str]:
        """Name → LightGBM's text."""
        rng = np.random.default_rng(5)
        amount = rng.gamma(2.0, 50.0, self.wide.height)
        value = {"any": ("binary", rng.integers(0, 2, len(amount))), "amount": ("gamma", amount),
                 "retained": ("gamma", amount * 2), "low": ("quantile", squeezed(amount, SCALE)),
                 "high": ("quantile", squeezed(amount * 3, SCALE))}  # fmt: skip
        churn = {"churn": ("binary", rng.integers(0, 2, len(amount)))}
        return {name: self._grown(*each) for name, each in {**churn, **value}.items()}

    def _grown(self, objective: str, target: Any) -> str:
        parameters = {"objective": objective, "num_leaves": 31, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1,
                      "seed": 1, "feature_fraction": 0.5}  # fmt: skip
        categories = [place for place, column in enumerate(self.columns) if column.kind == "category"]
        data = lightgbm.Dataset(to_matrix(self.wide, self.columns), target, categorical_feature=categories)
        return str(lightgbm.train(parameters, data, num_boost_round=60).model_to_string())

    def bundle(self, folder: Path, definition: Definition) -> Bundle:
        """These models, who is at stake as `definition` says."""
        rules = fit_rules(self.past.tables, self.wide, self.as_of, load_pack(), self.settings, self.fitted)
        found = {"static": list(self.fitted.static), "begins": dict(self.fitted.begins),
                 "columns": columns_of(self.past.tables)}  # fmt: skip
        said = ManifestParts(
            as_of=self.date,
            churn=ChurnPart(definition=definition, horizon_days=90, active_within_days=90, grace_days=0, base_rate=0.3),
            value=ValuePart(source="transactions", measure="revenue", horizon_days=90,
                            range=ValueRange(scale=SCALE, low=-0.1, high=0.1, high_from_zero=0.2)),
            features=self.columns,
            fitted=rules.model_dump(mode="json") | found,
        )  # fmt: skip
        value = {name: text for name, text in self.texts.items() if name != "churn"}
        return write_bundle(folder, said, churn=self.texts["churn"], value=value, reference=self.wide.head(200),
                            pack=DEFAULT_PACK.read_text(encoding="utf-8"), created_at=self.date)  # fmt: skip


class Raw:
    """Contract rows by customer, as a caller of the API would have them."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self._rows = {
            name: self._by_customer(source, name, settings) for name in SCORED_TABLES if name in source.tables
        }

    def requests(self, customers: list[str], at_once: int = 100) -> Iterator[dict[str, Any]]:
        """`tables` of requests of at most `at_once` customers and as many rows as one takes, through JSON."""
        batch: list[str] = []
        rows = 0
        for customer in customers:
            size = sum(len(each.get(customer, [])) for each in self._rows.values())
            if batch and (len(batch) == at_once or rows + size > MAX_ROWS):
                yield self.tables(batch)
                batch, rows = [], 0
            batch.append(customer)
            rows += size
        yield self.tables(batch)

    def tables(self, customers: list[str]) -> dict[str, Any]:
        """All tables with the rows of these customers; what is null is left out, unless it must be there."""
        chosen = {name: [row for who in customers for row in rows.get(who, [])] for name, rows in self._rows.items()}
        told: dict[str, Any] = json.loads(json.dumps(chosen, allow_nan=False))
        return told

    def _by_customer(self, source: Source, name: str, settings: Settings) -> Mapping[str, list[dict[str, Any]]]:
        table = TABLES[name]
        contract, required = table.columns(), table.required()
        frame: pl.DataFrame = source.tables[name].collect(backend="polars").to_native()
        times = [column for column in frame.columns if column in contract and contract[column].kind == "time"]
        flags = [column for column in frame.columns if column in contract and contract[column].kind == "flag"]
        kept = [column for column in frame.columns if column in contract or column in settings.profile.static]
        told = frame.select(kept).with_columns(pl.col(flags).cast(pl.Boolean)).drop_nulls("customer_id")
        found: dict[str, list[dict[str, Any]]] = {}
        for row in told.iter_rows(named=True):
            plain = {key: moment(value).isoformat() if key in times and value is not None else value
                     for key, value in row.items() if value is not None or key in required}  # fmt: skip
            found.setdefault(row["customer_id"], []).append(plain)
        return found


DEFINITIONS = tuple(TABLE_OF)
