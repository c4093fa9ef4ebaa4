"""The border to Evidently's tests: two columns in, a p-value and an effect size out. pandas goes no further than here.

The registered tests are called one column at a time instead of through a Report: 0.5 s against 3 s for 20 000 × 60
(a Report draws every column), and a column that raises loses itself alone. Evidently is imported on the first
comparison (10 s, 264 MiB), not with this module.

What is compared, and why not with Evidently's defaults:

- numbers, p: Kolmogorov–Smirnov. Effect: Wasserstein distance of the pooled ranks, normed by their spread in the
  reference. On bell-shaped data it reads like a shift in standard deviations (0.3 σ gives 0.3); unlike the distance
  of the values it neither sleeps nor wakes because of a few huge customers, and like the trees it ignores scale.
- categories, p: chi-square of homogeneity. Evidently's own "chisquare" and "g_test" take the reference for the exact
  truth, which doubles the statistic between samples of one size: ours is registered beside them. Effect:
  Jensen–Shannon distance in nats (about 0.035 when 5 of 100 customers move between two equal groups).
"""

import os
import warnings
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Kind = Literal["number", "category"]
Counts = npt.NDArray[np.float64]

Subject = Literal["number", "category", "missing"]

HOMOGENEITY = "homogeneity"
METHODS: dict[Subject, tuple[str, str]] = {
    "number": ("ks", "wasserstein"),
    "category": (HOMOGENEITY, "jensenshannon"),
    "missing": (HOMOGENEITY, "difference"),
}
"""What is compared → the test that gives p and the distance that gives the effect, by Evidently's names."""
_FEWEST_EXPECTED = 5


class Comparison(NamedTuple):
    """p: chance of such a difference between two samples of one population; effect: its size, 0 for none."""

    subject: Subject
    p: float
    effect: float


def compare_numbers(reference: pl.Series, current: pl.Series) -> Comparison:
    """Compare two series of finite floats, neither empty."""
    p = _run("ks", "num", reference, current)
    ranks = pl.concat([reference.rename("x"), current.rename("x")]).rank("average") / (len(reference) + len(current))
    return Comparison("number", p, _run("wasserstein", "num", ranks.head(len(reference)), ranks.tail(len(current))))


def compare_categories(reference: pl.Series, current: pl.Series) -> Comparison:
    """Compare two series of strings without nulls, neither empty.

    Raises ValueError where no category is frequent enough to compare.
    """
    p, effect = (_run(method, "cat", reference, current) for method in METHODS["category"])
    return Comparison("category", p, effect)


def compare_missing(reference: pl.Series, current: pl.Series) -> Comparison:
    """Compare the shares of nulls: two-proportion test; the effect is the difference of the shares (0..1)."""
    p = _run(HOMOGENEITY, "cat", reference.is_null().cast(pl.String), current.is_null().cast(pl.String))
    return Comparison("missing", p, abs(reference.null_count() / len(reference) - current.null_count() / len(current)))


def homogeneity(counts: Counts) -> float:
    """p of the chi-square test that rows of counts, shape (2, categories), come from one population.

    Categories expected fewer than five times in the smaller sample are counted together. Raises ValueError where
    that leaves nothing to compare.
    """
    from scipy.stats import chi2_contingency  # type: ignore[import-untyped, unused-ignore]  # ships no types

    if counts.shape[1] == 1:
        return 1.0
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < _FEWEST_EXPECTED
    if rare.all():
        raise ValueError("no category is frequent enough to compare")
    pooled = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)]) if rare.any() else counts
    return float(chi2_contingency(pooled, correction=False).pvalue)


@cache
def evidently() -> Any:
    """Evidently's module of registered tests, ours among them.

    Its import warns of its own and its dependencies' habits, which we cannot mend; those alone are silenced. Its
    tracker sits in the user interface, which nothing here loads; DO_NOT_TRACK makes sure.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import registry
    _register_homogeneity(registry)
    return registry


def _register_homogeneity(registry: Any) -> None:
    def test(reference: Any, current: Any, feature_type: Any, threshold: float) -> tuple[float, bool]:
        del feature_type
        values = np.concatenate([reference.to_numpy(dtype=str), current.to_numpy(dtype=str)])
        labels, at = np.unique(values, return_inverse=True)
        halves = at[: len(reference)], at[len(reference) :]
        p = homogeneity(np.array([np.bincount(half, minlength=len(labels)) for half in halves], dtype=float))
        return p, p <= threshold

    kinds = [registry.ColumnType.Categorical]
    about = registry.StatTest(HOMOGENEITY, "chi-square of homogeneity p_value", kinds)
    registry.register_stattest(about, default_impl=test)


def _run(method: str, kind: str, reference: pl.Series, current: pl.Series) -> float:
    """The score of one registered test. Raises ValueError where it is not a number."""
    column_type = evidently().ColumnType(kind)
    test = evidently().get_registered_stattest(method, column_type)
    with warnings.catch_warnings():  # scipy falls back from the exact to the asymptotic p, which is what we want then
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        score = float(test(reference.to_pandas(), current.to_pandas(), column_type, None).drift_score)
    if not np.isfinite(score):
        raise ValueError(f"{method} gave no number")
    return score
