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
from models.prediction import Reason
from models.rules.composite import composite_score
from models.rules.fitted import FittedComposite
from models.rules.pack import RulePack, load_pack
from models.rules.tiers import band_starts, tier_playbook
from serving.curves import Float64, curve_points
from serving.layout import Layout
from serving.schemas import PredictRequest

UNPRICED: Final = Action()
NUMBERS: Final = (
    "churn_probability", "expected_days", "expected_value", "value_low", "value_high", "value_if_retained"
)  # fmt: skip
"""What a bundle predicts in one number a row."""
NOTHING_KNOWN: dict[str, Any] = {"composite_score": None, "composite_coverage": None, "tier": None}


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
        numbers = self._numbers(self.bundle.predict(matrix, threads=1))
        told = reasons(self.bundle, matrix, threads=1) if request.explain else [()] * len(given)
        composites = self._composites(given) if "composite" in request.include else [NOTHING_KNOWN] * len(given)
        predictions = [
            self._row(customer.customer_id, numbers[i], composites[i], told[i], missing[i])
            for i, customer in enumerate(request.customers)
        ]
        return {**self.versions, **self.dates(request.as_of or now), "predictions": predictions}

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

    def _row(
        self,
        customer_id: str,
        numbers: dict[str, Any],
        composite: dict[str, Any],
        told: Sequence[Reason],
        missing: list[str],
    ) -> dict[str, Any]:
        return {
            "customer_id": customer_id,
            **numbers,
            **composite,
            **self._constant,
            "risk_band": self.risk_band(numbers["churn_probability"]),
            "reasons": [reason.__dict__ for reason in told],
            "playbook": tier_playbook(composite["tier"], self.pack),
            "missing": missing,
        }

    @cached_property
    def _constant(self) -> dict[str, Any]:
        """What is the same in every row."""
        manifest = self.bundle.manifest
        return {
            "churn_horizon_days": manifest.churn.horizon_days,
            "value_horizon_days": manifest.value.horizon_days if manifest.value else None,
            "basis": basis_of(manifest.churn.mixture),
        }

    def _composites(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if self.composite is None:
            return [NOTHING_KNOWN] * len(rows)
        wanted = {indicator.feature for indicator in self.composite.indicators.values()}
        columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.Float64) for name in wanted}
        frame = pl.DataFrame({"customer_id": [""] * len(rows), **columns})
        scored = composite_score(frame, self.composite, self.pack)
        return scored.select(*NOTHING_KNOWN).to_dicts()

    def _numbers(self, predicted: Predicted) -> list[dict[str, Any]]:
        """The numbers of each row, null where the bundle has no model of them or acting has no price."""
        churn, kept, curve = predicted.churn_probability, predicted.value_if_retained, predicted.churn_curve
        columns = {name: getattr(predicted, name) for name in NUMBERS}
        columns["value_at_risk"] = None if kept is None else churn * kept
        columns["expected_profit"] = self._profit(churn, kept)
        plain = {name: [None] * len(churn) if each is None else each.tolist() for name, each in columns.items()}
        plain["churn_curve"] = [None] * len(churn) if curve is None else [*map(self._points, curve)]
        return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]

    def _profit(self, churn: Float64, kept: Float64 | None) -> Float64 | None:
        value = kept if self.action.value_saved is None else self.action.value_saved
        return None if value is None or not self._priced else profit(churn, value, self.action)

    def _points(self, probabilities: Float64) -> list[dict[str, float]]:
        assert self.bundle.manifest.curve
        return curve_points(self.bundle.manifest.curve.edges, probabilities)
