"""Fitting BG/NBD and Gamma-Gamma by maximum likelihood.

References: those of `bg_nbd` and `gamma_gamma`; the likelihoods are Eq 6 of [1] there, and Eq 1a of the note.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from features.errors import RemoraError, raise_all
from models.bg_nbd import BgNbd
from models.derived import BASE, Float32, Rhythm, histories
from models.gamma_gamma import GammaGamma

Vector = NDArray[np.float64]
Likelihood = Callable[[Vector], tuple[float, Vector]]
"""Logarithms of the parameters → mean log-likelihood of a customer, and its gradient."""

Fitted = TypeVar("Fitted")

WIDEST: Final = 9.0
"""Parameters, times and amounts measured by their averages, lie within exp(±9): beyond them it is its own limit."""
FLAT: Final = 1e-5
"""Gradient below which a fit stands on the top."""
FEWEST: Final = 30
"""Customers who must have bought again before `fit_rhythm` believes in a rhythm."""


class RhythmError(RemoraError):
    """The purchases tell no rhythm, or the amounts no spread."""


def fit_bg_nbd(frequency: Vector, recency: Vector, age: Vector, weights: Vector | None = None) -> BgNbd:
    """Fit on arrays (n,) as `BgNbd` takes them, times in days; `weights` counts customers a row (default 1).

    Everyone who ever bought belongs in, once: leaving out who bought only once, or who has long been silent, bends all
    four. Raises RhythmError where nobody bought twice, an element is impossible, or no maximum is found.
    """
    rows, counts = _distinct(frequency, recency, age, weights=weights)
    x, last, now = rows.T
    _refuse_histories(x, last, now)
    unit = float(np.average(now, weights=counts))
    start = np.log([0.5, 0.5 * float(counts.sum() / (counts @ x)), 0.5, 2.0])
    r, alpha, a, b = np.exp(_climb(_bg_nbd(x, last / unit, now / unit, counts), start, "BG/NBD"))
    return BgNbd(r=float(r), alpha=float(alpha * unit), a=float(a), b=float(b))


def fit_gamma_gamma(frequency: Vector, mean_amount: Vector) -> GammaGamma:
    """Fit on (n,) counts of amounts and their means, in money; customers without a positive mean are left out.

    Raises RhythmError where fewer than two customers are left, all their means are equal, or no maximum is found.
    """
    known = (frequency > 0) & (mean_amount > 0)
    rows, counts = _distinct(frequency[known], mean_amount[known])
    if len(np.unique(rows[:, 1])) < 2:
        raise RhythmError(
            "transactions.amount: all customers pay the same on average, or none pays at all; "
            "there is no spread to learn: take that amount for everyone"
        )
    x, mean = rows.T
    unit = float(np.average(mean, weights=counts))
    p, over, gamma = np.exp(_climb(_gamma_gamma(x, mean / unit, counts), np.log([2.0, 2.0, 1.0]), "Gamma-Gamma"))
    return GammaGamma(p=float(p), q=float(1.0 + over), gamma=float(gamma * unit))


def fit_rhythm(matrix: Float32, names: Sequence[str], churn_days: int, value_days: int) -> Rhythm | None:
    """Fit on (n, f) with columns `names`: everyone known at one cut-off, once each, at stake or not.

    None where the columns are not there, fewer than 30 customers bought again, or no best fit is found: models do
    without then. `amounts` is None where amounts do not differ, or find no best fit.
    """
    if not set(BASE) <= set(names):
        return None
    orders, last, age, mean = histories(matrix, names)
    bought = np.isfinite(orders)
    if (orders[bought] > 1).sum() < FEWEST:
        return None
    process = _unless_refused(lambda: fit_bg_nbd(orders[bought] - 1.0, last[bought], age[bought]))
    if process is None:
        return None
    amounts = _unless_refused(lambda: fit_gamma_gamma(orders, mean))
    return Rhythm(process=process, amounts=amounts, churn_days=churn_days, value_days=value_days)


def bg_nbd_log_likelihood(model: BgNbd, frequency: Vector, recency: Vector, age: Vector) -> float:
    """Sum over customers, in the unit of time of `model`: another unit shifts it by log(unit) a repeat purchase."""
    counts = np.ones(len(frequency))
    parameters = np.log([model.r, model.alpha, model.a, model.b])
    return _bg_nbd(frequency, recency, age, counts)(parameters)[0] * len(frequency)


def gamma_gamma_log_likelihood(model: GammaGamma, frequency: Vector, mean_amount: Vector) -> float:
    """Sum over customers, with amounts in the unit of `model`."""
    counts = np.ones(len(frequency))
    parameters = np.log([model.p, model.q - 1.0, model.gamma])
    return _gamma_gamma(frequency, mean_amount, counts)(parameters)[0] * len(frequency)


def _bg_nbd(x: Vector, last: Vector, now: Vector, counts: Vector) -> Likelihood:
    from scipy.special import digamma, gammaln

    numbers, where = np.unique(x, return_inverse=True)  # the special functions are dear: one call a number
    again, total = x > 0, counts.sum()

    def likelihood(logs: Vector) -> tuple[float, Vector]:
        r, alpha, a, b = np.exp(logs)
        gammas = gammaln(r + numbers) - gammaln(r)
        betas = gammaln(a + b) + gammaln(b + numbers) - gammaln(b) - gammaln(a + b + numbers)
        before = np.maximum(b + x - 1.0, b)
        log_now, log_last = np.log(alpha + now), np.log(alpha + last)
        alive = -(r + x) * log_now
        gone = np.where(again, logs[2] - np.log(before) - (r + x) * log_last, -np.inf)
        both = np.logaddexp(alive, gone)
        found = (gammas + betas)[where] + r * logs[1] + both
        g = np.exp(gone - both)  # the chance of having stopped
        slope_r = (digamma(r + numbers) - digamma(r))[where] + logs[1] - (1 - g) * log_now - g * log_last
        slope_alpha = r / alpha - (r + x) * ((1 - g) / (alpha + now) + g / (alpha + last))
        slope_a = (digamma(a + b) - digamma(a + b + numbers))[where] + g / a
        digammas = digamma(a + b) + digamma(b + numbers) - digamma(b) - digamma(a + b + numbers)
        slope_b = digammas[where] - g / before
        slopes = np.array([counts @ slope for slope in (slope_r, slope_alpha, slope_a, slope_b)])
        return float(counts @ found / total), slopes * np.exp(logs) / total

    return likelihood


def _gamma_gamma(x: Vector, mean: Vector, counts: Vector) -> Likelihood:
    from scipy.special import digamma, gammaln

    spent, total = x * mean, counts.sum()

    def likelihood(logs: Vector) -> tuple[float, Vector]:
        p, over, gamma = np.exp(logs)
        q = 1.0 + over
        px, log_all = p * x, np.log(gamma + spent)
        found = gammaln(px + q) - gammaln(px) - gammaln(q) + q * logs[2] + px * np.log(spent) - np.log(mean)
        found -= (px + q) * log_all
        slope_p = x * (digamma(px + q) - digamma(px) + np.log(spent) - log_all)
        slope_q = digamma(px + q) - digamma(q) + logs[2] - log_all
        slope_gamma = q / gamma - (px + q) / (gamma + spent)
        slopes = np.array([counts @ slope for slope in (slope_p, slope_q, slope_gamma)])
        return float(counts @ found / total), slopes * np.exp(logs) / total

    return likelihood


def _climb(likelihood: Likelihood, start: Vector, model: str) -> Vector:
    """Where `likelihood` is largest within ±WIDEST; raises RhythmError where nothing is found."""
    from scipy.optimize import minimize

    def fall(logs: Vector) -> tuple[float, Vector]:
        value, slope = likelihood(logs)
        return -value, -slope

    bounds = [(-WIDEST, WIDEST)] * len(start)
    begin = np.clip(start, -WIDEST, WIDEST)
    steep = minimize(fall, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9})
    end: Vector = steep.x
    pull = np.clip(end - fall(end)[1], -WIDEST, WIDEST) - end  # what is left of the slope at a bound
    if steep.success or np.abs(pull).max() < FLAT:
        return end
    # on a ridge the gamma functions' rounding hides the slope; the values still tell
    careful = {"xatol": 1e-2, "fatol": 1e-7, "maxiter": 2000, "maxfev": 4000}
    found = minimize(lambda logs: fall(logs)[0], end, method="Nelder-Mead", bounds=bounds, options=careful)
    if not found.success:
        raise RhythmError(f"transactions: {model} finds no best fit ({found.message}); bring more history")
    climbed: Vector = found.x
    return climbed


def _unless_refused(fitting: Callable[[], Fitted]) -> Fitted | None:
    try:
        return fitting()
    except RhythmError:
        return None


def _distinct(*columns: Vector, weights: Vector | None = None) -> tuple[Vector, Vector]:
    """Distinct rows of `columns`, (m, k), and how many customers each stands for, (m,)."""
    table = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    rows, where = np.unique(table, axis=0, return_inverse=True)
    return rows, np.bincount(where.reshape(-1), weights=weights, minlength=len(rows)).astype(np.float64)


def _refuse_histories(x: Vector, last: Vector, now: Vector) -> None:
    """Raise RhythmError for every way in which histories are impossible or tell nothing."""
    if not np.isfinite([x, last, now]).all():
        raise RhythmError("transactions: frequency, recency and age must be numbers; leave out who never bought")
    problems = []
    if (x < 0).any() or (x != np.floor(x)).any():
        problems.append("transactions: frequency must be a whole number of purchases after the first, from 0 on")
    if (last < 0).any() or (last > now).any():
        problems.append("transactions: recency must lie between 0 and age; count both from the first purchase")
    if not problems and not (x > 0).any():
        problems.append("transactions: nobody bought twice, so there is no rhythm to learn; bring more history")
    if not problems and not (now > 0).any():
        problems.append("transactions: everyone's first purchase is today; bring more history")
    raise_all(RhythmError, problems)
