"""The few customers of one request, from raw rows to what batch scoring would say of them: the same code, no store."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from features.at_stake import TABLE_OF
from features.build import Fitted, build, steady
from features.clock import micros, moment
from features.currency import MixedCurrencies, require_one_currency
from features.given import given_tables, micros_in
from features.point_in_time import Tables, known_at
from features.settings import Settings
from features.sources import Kind
from serving.errors import InvalidRequestError
from serving.in_force import bundled_rules, calendar_of
from serving.predicting import Predictor
from serving.request_rows import LARGEST, LONGEST, SCORED_TABLES, Row, cells_of, extras_of, rows_of
from serving.schemas import invalid
from serving.schemas_score import MAX_ROWS, MAX_SCORED, ScoreRequest
from serving.scored import score_rows

Rows = Mapping[str, Sequence[Row]]
Problems = Iterator[tuple[str, str]]


class FewScorer:
    """Answers `POST /v1/score` with the bundle of one Predictor. Immutable; may be used by several threads at once.

    Raises OldBundleError, PackError or CalendarError where the bundle or the settings do not do for scoring.
    """

    def __init__(self, predictor: Predictor, settings: Settings) -> None:
        self._predictor, self._bundle, self._settings = predictor, predictor.bundle, settings
        self._rules = bundled_rules(self._bundle, settings)
        self._calendar = calendar_of(self._rules.pack, settings)
        self._fitted = Fitted.kept(self._bundle.manifest.fitted)
        self._versions = predictor.versions | {"rules_version": self._rules.pack.rules_version}

    def answer(self, request: ScoreRequest, now: dt.datetime) -> dict[str, Any]:
        """A `schemas_score.ScoreResponse` as plain data. Raises InvalidRequestError naming each cell that is wrong."""
        date = self._date(request.as_of, now)
        rows = self._rows(request.tables)
        tables = self._tables(rows, micros(date))
        wide = self._features(tables, micros(date))
        scored = score_rows(
            tables, wide, micros(date), self._bundle, self._rules, self._settings, now, self._calendar, threads=1
        )
        said = scored.rows.to_dicts()
        return {
            **self._versions,
            **self._predictor.dates(date),
            "tables_missing": sorted(self._known_tables - rows.keys()),
            "customers_unknown": sorted(customers_of(rows) - set(scored.rows["customer_id"])),
            "predictions": said if request.explain else [row | {"reasons": [], "points": []} for row in said],
        }

    def _date(self, asked: dt.datetime | None, now: dt.datetime) -> dt.datetime:
        """The date asked for; now, or the day of training where that is yet to end."""
        trained = self._bundle.manifest.as_of
        if asked is None:
            return max(now, trained)
        date = moment(micros_in(asked, self._settings.company.zone))
        if date < trained:
            why = f"lies before {trained.isoformat()}, the day the model was trained: it has seen what it would predict"
            raise InvalidRequestError(f"{why}; name a later date", fields=("as_of",))
        return date

    def _rows(self, tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[Row]]:
        """The rows as the contract has them. Raises InvalidRequestError with everything that is wrong."""
        problems = [*self._table_problems(tables)]
        if problems:
            raise invalid(problems)
        rows = {}
        for name, given in tables.items():
            rows[name], found = rows_of(name, given, f"tables.{name}")
            problems += found
        problems += self._extra_problems(rows.get("customers", []))
        if problems:
            raise invalid(problems)
        if not 0 < (count := len(customers_of(rows))) <= MAX_SCORED:
            raise InvalidRequestError(
                f"rows of {count} customers; give 1 to {MAX_SCORED} at a time", fields=("tables",)
            )
        return rows

    def _table_problems(self, tables: Mapping[str, Collection[Any]]) -> Problems:
        for name in tables.keys() - set(SCORED_TABLES):
            yield f"tables.{name}", f"not a table that scoring reads; these are: {', '.join(SCORED_TABLES)}"
        definition = self._bundle.manifest.churn.definition
        needed = TABLE_OF[definition]
        if definition != "labelled" and needed not in tables:
            yield f"tables.{needed}", "missing: it says who is at stake; give it, [] where there is nothing"
        if (count := sum(map(len, tables.values()))) > MAX_ROWS:
            yield "tables", f"{count} rows; at most {MAX_ROWS} at a time"

    def _extra_problems(self, customers: Sequence[Row]) -> Problems:
        """What is wrong with columns of `customers` that are not the contract's."""
        for i, row in enumerate(customers):
            for name, value in (row.model_extra or {}).items():
                if problem := _misfit(name, value, self._fitted.static, self._extras):
                    yield f"tables.customers.{i}.{name}", problem

    def _tables(self, rows: Rows, as_of: int) -> Tables:
        """The rows as tables until the date, with every column that the model's company has."""
        cells = {name: cells_of(name, each, self._columns.get(name)) for name, each in rows.items()}
        if "customers" in cells:
            extras = extras_of(rows["customers"])
            cells["customers"] |= {name: each for name, each in extras.items() if name in self._extras}
        tables = given_tables(cells, self._extras, self._settings)
        try:
            require_one_currency(tables, self._settings.value.rates)
        except MixedCurrencies as error:
            raise InvalidRequestError(*error.problems, fields=("tables.transactions",)) from None
        return known_at(tables, as_of)

    def _features(self, tables: Tables, as_of: int) -> pl.DataFrame:
        """Every feature as of the date; those of the model that nothing was given for are null."""
        wide = steady(build(tables, as_of, self._fitted))
        types = {column.name: pl.String if column.kind == "category" else pl.Float64
                 for column in self._bundle.manifest.features if column.name not in wide.columns}  # fmt: skip
        return wide.with_columns(pl.lit(None, kind).alias(name) for name, kind in types.items())

    @cached_property
    def _known_tables(self) -> frozenset[str]:
        """The tables that scoring reads and that training had rows of."""
        return frozenset(self._fitted.begins) & set(SCORED_TABLES)

    @cached_property
    def _columns(self) -> Mapping[str, Sequence[str]]:
        """Table → the columns that training had (see `features.given.columns_of`); nothing in a bundle of before."""
        columns: Mapping[str, Sequence[str]] = self._bundle.manifest.fitted.get("columns", {})
        return columns

    @cached_property
    def _extras(self) -> dict[str, Kind]:
        """Columns of `customers` that the contract does not have and that a feature is made of → kind."""
        named = {column.name.removeprefix("profile_"): column for column in self._bundle.manifest.features}
        static = (name for name in self._fitted.static if name in named)
        return {name: "text" if named[name].kind == "category" else "number" for name in static}


def customers_of(rows: Rows) -> set[str]:
    """The keys of everyone with a row."""
    return {row.customer_id for each in rows.values() for row in each}  # type: ignore[attr-defined]


def _misfit(name: str, value: object, static: Collection[str], kinds: Mapping[str, Kind]) -> str | None:
    if name not in static:
        return "neither a column of the contract nor one that the model knows; remove it or correct its name"
    kind = kinds.get(name)
    if value is None or kind is None:  # declared, but no feature was made of it
        return None
    if kind == "text":
        return None if type(value) is str and len(value) <= LONGEST else "must be text or null"
    fits = type(value) in (int, float, bool) and abs(value) <= LARGEST  # type: ignore[arg-type]
    return None if fits else "must be a finite number or null"
