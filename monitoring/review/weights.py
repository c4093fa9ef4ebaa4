"""Weights out of outcomes: a logistic regression of staying that leans on today's weights."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from training.metrics import Floats

_NOTHING = 1e-6
"""Coefficients of a dimension that add up to less have learnt nothing."""


def learn(x: Floats, stayed: Floats, prior: Floats, penalty: float) -> Floats:
    """Coefficients, shape (indicators,), of a logistic regression of staying on `x` (rows, indicators), none below 0.

    Minimises −log-likelihood + penalty / 2 · Σ(w − s·prior)² over w ≥ 0, s ≥ 0 and an intercept: with little evidence
    the coefficients keep the proportions of `prior`, today's weights.
    """
    signs = 2 * stayed - 1

    def loss(theta: Floats) -> tuple[float, Floats]:
        intercept, scale, w = theta[0], theta[1], theta[2:]
        margin, away = signs * (intercept + x @ w), w - scale * prior
        slope = -signs * expit(-margin)
        value = float(np.logaddexp(0, -margin).sum() + penalty / 2 * (away @ away))
        gradient = np.concatenate([[slope.sum(), -penalty * float(prior @ away)], x.T @ slope + penalty * away])
        return value, gradient

    start = np.concatenate([[0.0, 1.0], prior])
    bounds = [(None, None), *[(0.0, None)] * (len(prior) + 1)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000})
    coefficients: Floats = found.x[2:]
    return coefficients


def inside(coefficients: Floats, dimensions: Sequence[str], prior: Floats) -> Floats:
    """Weights inside their dimension, adding up to 1 in each; those of `prior` where a dimension learnt nothing."""
    names = np.asarray(dimensions)
    shares = np.empty(len(coefficients))
    for dimension in np.unique(names):
        own = names == dimension
        learnt = coefficients[own] if coefficients[own].sum() > _NOTHING else prior[own]
        shares[own] = learnt / learnt.sum()
    return shares
