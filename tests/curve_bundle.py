"""Models for tests besides those of `small_bundle`: one of purchases alone without trees, and a churn curve."""

from functools import cache

import lightgbm
import numpy as np
import polars as pl

from models.bg_nbd import BgNbd
from models.calibration import Calibration
from models.churn_curve import ChurnCurve
from models.derived import BASE, Rhythm
from models.design import Design
from models.linear import Linear
from models.manifest import ChurnPart, FeatureColumn, ManifestParts
from models.mixture import Mixture
from tests.small_bundle import AS_OF, FEATURES, customers, parts

EDGES = (30, 60, 90, 180)


def rhythm_parts() -> ManifestParts:
    """BG/NBD alone: a linear predictor of one derived column, no trees and no value."""
    only = Linear(
        columns=("rhythm_no_purchase",), transforms=("logit",), centers=(0.0,), scales=(1.0,), weights=(1.0,),
        intercept=0.0,
    )  # fmt: skip
    churn = ChurnPart(
        definition="no_purchase", horizon_days=90, active_within_days=365, grace_days=0, base_rate=0.3,
        mixture=Mixture(kind="bg_nbd", trees_weight=0.0, linear_weight=1.0, linear=only),
        calibration=Calibration(method="platt", slope=0.9, intercept=-0.1),
    )  # fmt: skip
    process = BgNbd(r=0.6, alpha=40.0, a=0.9, b=3.0)
    rhythm = Rhythm(process=process, churn_days=90, value_days=90)
    return ManifestParts(
        as_of=AS_OF, churn=churn, features=tuple(FeatureColumn(name=name) for name in BASE), rhythm=rhythm
    )


def buyers() -> pl.DataFrame:
    """The features that `rhythm_parts` reads, of a few customers; the last never bought."""
    rows = [(4.0, 30.0, 300.0, 25.0), (1.0, 200.0, 200.0, 10.0), (9.0, 5.0, 700.0, 60.0), (0.0, None, None, None)]
    return pl.DataFrame(rows, schema=dict.fromkeys(BASE, pl.Float64), orient="row")


def curved_parts() -> ManifestParts:
    """The small models with a churn curve, which falls: churning is buying nothing."""
    curve = ChurnCurve(edges=EDGES, horizon_days=90, rising=False, calibration=Calibration())
    return parts().model_copy(update={"curve": curve})


@cache
def curve_text() -> str:
    """Its trees, in LightGBM's format: whoever bought lately is likelier to return in any interval."""
    matrix = Design(FEATURES).matrix(customers())
    rng, days = np.random.default_rng(13), np.array(EDGES, dtype=np.float32)
    rows = np.hstack([np.repeat(matrix, len(days), axis=0), np.tile(days, len(matrix))[:, None]])
    returned = rng.random(len(rows)) < 1 / (1 + np.exp(rows[:, 0] / 90 - 0.5))
    params = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 1}
    return str(lightgbm.train(params, lightgbm.Dataset(rows, returned.astype(float)), 20).model_to_string())
