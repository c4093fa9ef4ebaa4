"""From a request's features to the prediction of the output contract, with one bundle and its rule pack."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import polars as pl

from features.settings import Action
from models.action import is_priced, profit
from models.basis import basis_of
from models.bundle import Bundle, Predicted
from models.explain import reasons
from models.rules.composite import composite_score
from models.rules.fitted import FittedComposite
from models.rules.pack import RulePack, load_pack
from models.rules.tiers import band_starts, tier_playbook
from serving.curves import Float64, curve_points
from serving.layout import Layout
from serving.schemas import PredictedCustomer, PredictRequest

UNPRICED: Final = Action()


class Predictor:
    """Answers requests with one bundle. Immutable; may be used by several threads at once.

    `action` is what acting on a customer costs and saves; after `valid_days` an answer is out of date; `pack` is in
    force in place of the bundle's. Raises
    PackError when the bundle's rule pack is not a valid one, ActionError when `action` says half of what profit needs.
    """

    def __init__(
        self, bundle: Bundle, action: Action = UNPRICED, valid_days: int = 30, pack: RulePack | None = None
    ) -> None:
        self.bundle = bundle
        self.action, self._priced = action, is_priced(action)
        self._valid = dt.timedelta(days=valid_days)
        self.pack = pack or load_pack(bundle.folder / "pack.toml")
        fitted = bundle.manifest.fitted.get("composite")
        self.composite = FittedComposite.from_dict(fitted) if fitted else None
        starts = band_starts(bundle.manifest.churn.base_rate, self.pack)
        steps = sorted((start, name) for name, start in starts.items())
        self._starts, self._bands = [start for start, _ in steps], [name for _, name in steps]
        indicators = self.composite.indicators.values() if self.composite else ()
        self._layout = Layout(bundle, frozenset(indicator.feature for indicator in indicators))

    @property
    def kinds(self) -> dict[str, str]:
        """Every feature that may be given → "number" or "category": the models' and those of the composite score."""
        return self._layout.kinds

    @property
    def required(self) -> frozenset[str]:
        """The features that may not be left out."""
        return self._layout.required

    @property
    def model_version(self) -> str:
        """The bundle's id."""
        return self.bundle.id

    @cached_property
    def rules_version(self) -> str:
        """That of the pack in force."""
        return self.pack.rules_version

    def answer(self, request: PredictRequest, now: dt.datetime) -> dict[str, Any]:
        """A `schemas.PredictResponse` as plain data. Raises InvalidRequestError naming each feature that is wrong."""
        given = [customer.features for customer in request.customers]
        matrix, missing = self._layout.rows(given)
        rows = self._rows(self.bundle.predict(matrix, threads=1))
        for row, customer, left_out in zip(rows, request.customers, missing, strict=True):
            row["customer_id"], row["missing"] = customer.customer_id, left_out
        if request.explain:
            for row, told in zip(rows, reasons(self.bundle, matrix, threads=1), strict=True):
                row["reasons"] = [reason.__dict__ for reason in told]
        if "composite" in request.include:
            for row, composite in zip(rows, self._composites(given), strict=True):
                row |= composite
        return {**self.versions, **self.dates(request.as_of or now), "predictions": rows}

    @cached_property
    def versions(self) -> dict[str, str]:
        """What an answer rests on."""
        return {
            "model_version": self.model_version,
            "rules_version": self.rules_version,
            "bundle_version": self.bundle.manifest.seal,
        }

    def dates(self, as_of: dt.datetime) -> dict[str, dt.datetime]:
        """As of when an answer holds, and when the next one is due."""
        return {"as_of": as_of, "valid_until": as_of + self._valid}

    def risk_band(self, probability: float) -> str:
        """The band of a probability: the highest step that starts at or below it, as `rules.tiers.risk_band`."""
        return self._bands[max(bisect_right(self._starts, probability) - 1, 0)]

    @cached_property
    def _constant(self) -> dict[str, Any]:
        """A `schemas.PredictedCustomer` with what is the same in every row, and nothing where that differs."""
        manifest = self.bundle.manifest
        same: dict[str, Any] = {
            "churn_horizon_days": manifest.churn.horizon_days,
            "value_horizon_days": manifest.value.horizon_days if manifest.value else None,
            "basis": basis_of(manifest.churn.mixture),
            "reasons": [],
        }
        return dict.fromkeys(PredictedCustomer.model_fields) | same

    def _composites(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Score, coverage, tier and playbook of each row; nothing where the bundle has no composite score."""
        if self.composite is None:
            return [{}] * len(rows)
        wanted = {indicator.feature for indicator in self.composite.indicators.values()}
        columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.Float64) for name in wanted}
        frame = pl.DataFrame({"customer_id": [""] * len(rows), **columns})
        scored = composite_score(frame, self.composite, self.pack).select(
            "composite_score", "composite_coverage", "tier"
        )
        return [row | {"playbook": tier_playbook(row["tier"], self.pack)} for row in scored.to_dicts()]

    def _rows(self, predicted: Predicted) -> list[dict[str, Any]]:
        """The answer's row for each customer, as far as the models go; null where the bundle has no model of it."""
        churn, kept, curve = predicted.churn_probability, predicted.value_if_retained, predicted.churn_curve
        at_risk = None if kept is None else churn * kept
        columns = {**predicted._asdict(), "value_at_risk": at_risk, "expected_profit": self._profit(churn, kept)}
        told = {name: column.tolist() for name, column in columns.items() if column is not None}
        told["risk_band"] = [*map(self.risk_band, told["churn_probability"])]
        if curve is not None:
            told["churn_curve"] = [*map(self._points, curve)]
        return [self._constant | dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]

    def _profit(self, churn: Float64, kept: Float64 | None) -> Float64 | None:
        value = kept if self.action.value_saved is None else self.action.value_saved
        return None if value is None or not self._priced else profit(churn, value, self.action)

    def _points(self, probabilities: Float64) -> list[dict[str, float]]:
        assert self.bundle.manifest.curve
        return curve_points(self.bundle.manifest.curve.edges, probabilities)
