"""Which calibration a churn model gets: each is fitted and judged on the rows set aside, the simplest good one kept.

On few rows the flexible methods fit noise, so a method earns its place by cross-validated log loss by customer. Of
those that fit something a simpler one goes before the best where it is within one standard error (Breiman et al.
1984; here of the difference in loss, row by row, which is far sharper than that of one loss) or a thousandth of a nat.
Leaving the scores alone has no such credit, it must be the best: a trained score errs in one direction (too sure of
itself), and wherever the credit kept "none" on the windows before our test periods, Platt did better later.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from models.calibration import Calibration, Method, beta_columns, calibrate, sigmoid
from training.metrics import Floats
from training.split import Plan

ENOUGH_FOR_A_SLOPE = 20
"""Rows of either class below which only the level is calibrated."""
ENOUGH_ROWS_FOR_STEPS, ENOUGH_OF_A_CLASS_FOR_STEPS = 1000, 100
"""Below these isotonic regression over-fits: in Niculescu-Mizil and Caruana 2005, "Predicting good probabilities with
supervised learning", it does worse than Platt's two numbers up to about a thousand rows; a hundred of the rarer class
make ten steps of ten."""
NEGLIGIBLE = 0.001
"""Nats a row: a gain in log loss that is worth no further parameter."""
FOLDS, SEED = 5, 0
_SHIFT, _STEEPEST = 100.0, 100.0


class Compared(BaseModel):
    """One method as judged by cross-validation on the rows set aside.

    `behind`: mean log loss (nats) above that of the best method, with its standard error by customer. A method that
    was not tried has no numbers but `why_not`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: Method
    kept: bool = False
    log_loss: FiniteFloat | None = None
    behind: FiniteFloat | None = None
    standard_error: FiniteFloat | None = None
    why_not: str = ""


def slice_rows(rows: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """The rows of `rows` (as_of, fold) that calibrate: customers who never train, at every training cut-off.

    At every one, not only the latest: the model was trained on them all, several times as many churners are seen, and
    the level of one season is not carried into the next. On windows before our test periods the log loss was lower in
    seven of eight.
    """
    aside = 0 if plan.later_period else 1
    return rows.filter(pl.col("as_of").is_in(plan.training) & (pl.col("fold") == aside))


def fit_calibration(
    raw_logodds: Floats, churned: Floats, customers: npt.ArrayLike, seed: int = SEED
) -> tuple[Calibration, tuple[Compared, ...]]:
    """The calibration of raw log-odds (n,) with outcomes (n,) of 0 and 1, and what was compared, simplest first.

    `customers` (n,) are the ids that fall into one fold together. With fewer than 20 rows of either class only the
    level is fitted (Platt with slope 1), with a single class nothing is; then nothing is compared. The answer depends
    on the set of rows and the seed, not on the order of the rows.
    """
    z, y, ids = np.asarray(raw_logodds, np.float64), np.asarray(churned, np.float64), np.asarray(customers)
    if not z.shape == y.shape == ids.shape:
        raise ValueError(f"every row needs its score, outcome and customer, got {z.shape}, {y.shape}, {ids.shape}")
    order = np.lexsort((y, z, ids))
    z, y, ids = z[order], y[order], ids[order]
    fewest = int(min(y.sum(), len(y) - y.sum()))
    if fewest == 0:
        return Calibration(), ()
    if fewest < ENOUGH_FOR_A_SLOPE:
        return fit_level(z, y), ()
    compared = _compare(z, y, ids, _tried(len(y), fewest), seed)
    kept = next(row.method for row in compared if row.kept)
    return FITS[kept](z, y), compared


def fit_level(raw: Floats, churned: Floats) -> Calibration:
    """The shift of all raw log-odds (n,) after which as many churn as did; both classes must occur."""
    from scipy.optimize import brentq

    def excess(shift: float) -> float:
        return float(sigmoid(raw + shift).mean() - churned.mean())

    far = _SHIFT + float(np.abs(raw).max())
    return Calibration(method="platt", slope=1.0, intercept=float(brentq(excess, -far, far)))


def fit_platt(raw: Floats, churned: Floats) -> Calibration:
    """Slope and intercept by maximum likelihood; only the level where no slope keeps the order of the scores."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(raw[:, None], churned)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(method="platt", slope=slope, intercept=intercept) if slope > 0 else fit_level(raw, churned)


def fit_beta(raw: Floats, churned: Floats) -> Calibration:
    """Both slopes and the intercept of beta calibration by maximum likelihood, slopes from 0 to a bound.

    The bound keeps the numbers finite where the two classes are apart. Columns are brought to one scale first: with
    rare churn −ln(1 − s) is tiny next to ln s. Only the level where no slope keeps the order of the scores.
    """
    from scipy.optimize import minimize

    columns = np.column_stack([*beta_columns(raw)])
    centre, spread = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-9)
    design = np.column_stack([(columns - centre) / spread, np.ones(len(raw))])

    def loss(at: Floats) -> tuple[float, Floats]:
        odds = design @ at
        excess = sigmoid(odds) - churned
        return float((np.logaddexp(0.0, odds) - churned * odds).mean()), design.T @ excess / len(odds)

    bounds = [(0.0, _STEEPEST), (0.0, _STEEPEST), (None, None)]
    found = minimize(loss, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options=_PRECISE)
    low, high = found.x[:2] / spread
    if low + high <= 0:
        return fit_level(raw, churned)
    intercept = float(found.x[2] - centre @ [low, high])
    return Calibration(method="beta", slope_low=float(low), slope_high=float(high), intercept=intercept)


def fit_isotonic(raw: Floats, churned: Floats) -> Calibration:
    """The non-decreasing step function of least squares, with a knot at both ends of each step.

    A first step of m rows without a churner would promise 0: it gets (0 + 1) / (m + 2), a last one with nothing else
    (m + 1) / (m + 2) (Laplace's rule of succession), but no more than the second and no less than the last but one.
    """
    from scipy.optimize import isotonic_regression

    s, group, rows = np.unique(sigmoid(raw), return_inverse=True, return_counts=True)
    fitted = isotonic_regression(np.bincount(group, churned) / rows, weights=rows)
    first, last = fitted.blocks[:-1], fitted.blocks[1:] - 1
    level = _inside(fitted.x[first], np.add.reduceat(rows, first))
    knots = np.unique(np.concatenate([first, last]))
    step = np.searchsorted(first, knots, side="right") - 1
    return Calibration(method="isotonic", raw=tuple(s[knots].tolist()), probability=tuple(level[step].tolist()))


def _inside(level: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Steps (k,) of so many rows, kept off 0 and 1 at either end."""
    level = level.copy()
    if level[0] <= 0:
        level[0] = min(1 / (rows[0] + 2), *level[1:2], 1.0)
    if level[-1] >= 1:
        level[-1] = max(1 - 1 / (rows[-1] + 2), *level[-2:-1], 0.0)
    return level


FITS: Mapping[Method, Callable[[Floats, Floats], Calibration]] = {
    "none": lambda raw, churned: Calibration(),
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
"""Simplest first."""
_PRECISE = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}


def cross_validated(raw: Floats, churned: Floats, customers: npt.ArrayLike, method: Method, seed: int = SEED) -> Floats:
    """Log loss (nats) of each row, shape (n,), under `method` fitted on the customers of the other folds."""
    fold, loss = customer_folds(customers, churned, seed), np.empty(len(raw))
    for each in range(FOLDS):
        held = fold == each
        p = calibrate(raw[held], FITS[method](raw[~held], churned[~held]))
        loss[held] = -np.log(np.where(churned[held] == 1, p, 1 - p))
    return loss


def customer_folds(customers: npt.ArrayLike, churned: Floats, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Fold 0..4 of each row, shape (n,): a customer in one, those who ever churned spread evenly."""
    ids, customer_of = np.unique(np.asarray(customers), return_inverse=True)
    ever = np.bincount(customer_of, churned) > 0
    order = np.lexsort((np.random.default_rng(seed).random(len(ids)), ever))
    fold = np.empty(len(ids), dtype=np.int64)
    fold[order] = np.arange(len(ids)) % FOLDS
    return fold[customer_of]


def _tried(rows: int, fewest: int) -> dict[Method, str]:
    """Method → why it is not tried ("" where it is)."""
    few = rows < ENOUGH_ROWS_FOR_STEPS or fewest < ENOUGH_OF_A_CLASS_FOR_STEPS
    needs = f"needs {ENOUGH_ROWS_FOR_STEPS:,} rows and {ENOUGH_OF_A_CLASS_FOR_STEPS} of each class, has {rows:,}"
    return {method: f"{needs} and {fewest}" if few and method == "isotonic" else "" for method in FITS}


def _compare(
    z: Floats, y: Floats, ids: npt.NDArray[np.object_], tried: Mapping[Method, str], seed: int
) -> tuple[Compared, ...]:
    losses = {method: cross_validated(z, y, ids, method, seed) for method, why in tried.items() if not why}
    best = min(losses, key=lambda method: float(losses[method].mean()))
    gaps = {method: _gap(loss - losses[best], ids) for method, loss in losses.items()}
    kept = next(m for m in gaps if m == best or (m != "none" and gaps[m][0] <= max(gaps[m][1], NEGLIGIBLE)))
    return tuple(
        Compared(
            method=method,
            kept=method == kept,
            log_loss=float(losses[method].mean()),
            behind=gaps[method][0],
            standard_error=gaps[method][1],
        )
        if not why
        else Compared(method=method, why_not=why)
        for method, why in tried.items()
    )


def _gap(difference: Floats, ids: npt.NDArray[np.object_]) -> tuple[float, float]:
    """Mean of a difference (n,) and its standard error, the rows of one customer counted as one observation."""
    mean, customer_of = float(difference.mean()), np.unique(ids, return_inverse=True)[1]
    by_customer = np.bincount(customer_of, difference - mean)
    return mean, float(np.sqrt((by_customer**2).sum()) / len(difference))
