"""How much each feature has to say: the share of all contributions, which every kind of model has."""

import numpy as np

from models.bundle import Bundle
from models.contributions import Contributions
from models.derived import BASE, DERIVED
from models.explain import churn_contributions, value_contributions
from training.metrics import Floats

ROWS = 2_000
"""Reference rows that are looked at."""


def importance(bundle: Bundle) -> dict[str, dict[str, float]]:
    """Model ("churn", "value") → feature → share of Σ |contribution| over the bundle's reference, largest first.

    What a column derived from purchases says is shared out to the features that it is read from.
    """
    matrix = bundle.matrix(bundle.reference().head(ROWS))
    found = {"churn": churn_contributions(bundle, matrix)}
    if bundle.manifest.value:
        found["value"] = value_contributions(bundle, matrix)
    return {model: _shares(parts) for model, parts in found.items()}


def _shares(given: Contributions) -> dict[str, float]:
    sizes: Floats = np.abs(given.parts).mean(axis=0)
    said = dict(zip(given.names, sizes.tolist(), strict=True))
    derived = sum(said.pop(name, 0.0) for name in DERIVED)
    for name in BASE if derived else ():
        said[name] += derived / len(BASE)
    total = sum(said.values()) or 1.0
    return dict(sorted(((name, size / total) for name, size in said.items()), key=lambda item: -item[1]))
