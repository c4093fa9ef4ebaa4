"""The composite score as a scikit-learn transformer, for data scientists; the rules themselves are `models.rules`."""

from typing import Any, Literal, Self

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from models.rules import RulePack, composite_score, fit_composite, load_pack

Floats = NDArray[np.float64]


class CompositeScore(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The composite score of D2: `fit` learns bounds and means once, `transform` scores each row by itself.

    `pack`: a RulePack (None: the one that ships). `method`: "dimension" or "points" (None: the pack's).
    `currency`: of the data, ISO 4217; bounds in another are fitted. `output`: "score" gives one column (0..100, NaN
    where nothing is known), "points" one column an indicator (they add up to the score; NaN where it has no data).

    X is a frame (Polars, pandas), read by feature name, other columns are left out; or an array, whose columns are
    the pack's enabled indicators in their order, further columns are left out. NaN is missing.

    Fitted: `pack_`, `fitted_` (FittedComposite), `n_features_in_`, and for frames `feature_names_in_`.
    """

    def __init__(
        self,
        pack: RulePack | None = None,
        method: Literal["dimension", "points"] | None = None,
        currency: str | None = None,
        output: Literal["score", "points"] = "score",
    ) -> None:
        self.pack = pack
        self.method = method
        self.currency = currency
        self.output = output

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Learn bounds and fill means from X (n × features). Raises ValueError for wrong parameters or data."""
        if self.output not in ("score", "points"):
            raise ValueError(f'output {self.output!r} is not known; use "score" or "points"')
        if self.method not in (None, "dimension", "points"):
            raise ValueError(f'method {self.method!r} is not known; use "dimension", "points" or None')
        pack = self.pack if self.pack is not None else load_pack()
        self.pack_ = pack if self.method is None else pack.using(self.method)
        self.fitted_ = fit_composite(self._frame(X, reset=True), self.pack_, self.currency)
        return self

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """(n, 1) scores, or (n, indicators) points."""
        check_is_fitted(self)
        scored = composite_score(self._frame(X, reset=False), self.fitted_, self.pack_)
        return scored.select(self._columns()).to_numpy().astype(np.float64, copy=True)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """The names of `transform`'s columns."""
        check_is_fitted(self)
        return np.array(self._columns(), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _columns(self) -> list[str]:
        if self.output == "score":
            return ["composite_score"]
        return [f"points_{name}" for name in self.pack_.composite.enabled]

    def _frame(self, X: Any, reset: bool) -> pl.DataFrame:  # noqa: N803
        """customer_id (the place in X) and the columns that the pack reads."""
        native = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(native, nw.DataFrame):
            validate_data(self, X, skip_check_array=True, reset=reset)
            read = native.select([name for name in native.columns if name in self._read()])
            frame = pl.DataFrame({name: read[name].to_numpy() for name in read.columns}) if read.columns else None
            frame = pl.DataFrame(height=len(native)) if frame is None else frame
        else:
            values = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
            first = [indicator.features[0] for indicator in self.pack_.composite.enabled.values()]
            frame = pl.DataFrame({name: values[:, place] for place, name in enumerate(first[: values.shape[1]])})
        return frame.with_columns(customer_id=pl.int_range(pl.len()).cast(pl.String))

    def _read(self) -> set[str]:
        composite = self.pack_.composite
        features = {name for indicator in composite.enabled.values() for name in indicator.features}
        return features | {profile.when.column for profile in composite.active_profiles.values()}
