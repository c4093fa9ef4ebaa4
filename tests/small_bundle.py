"""A small real bundle for tests: tiny LightGBM models fitted on seeded customers."""

import datetime as dt
from functools import cache
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from features.clock import micros
from models.bundle import Bundle, write_bundle
from models.calibration import Calibration
from models.manifest import ChurnPart, FeatureColumn, Manifest, ManifestParts, ValuePart, sha256
from models.rules.apply import FittedRules
from models.rules.pack import DEFAULT_PACK, load_pack
from models.value_range import ValueRange, squeezed

AS_OF = dt.datetime(2011, 6, 30, tzinfo=dt.UTC)
LEVELS = ("France", "Germany", "Spain")
FEATURES = (
    FeatureColumn(name="rfm_recency_days"),
    FeatureColumn(name="rfm_orders_count_90d"),
    FeatureColumn(name="rfm_orders_count_365d"),
    FeatureColumn(name="rfm_amount_sum_180d"),
    FeatureColumn(name="nps_score_last"),
    FeatureColumn(name="profile_country", kind="category", levels=LEVELS),
)
SCALE = 30.0
NAMES = [feature.name for feature in FEATURES]


@cache
def customers(n: int = 1000) -> pl.DataFrame:
    """Features of n customers, some missing."""
    rng = np.random.default_rng(11)
    orders = rng.poisson(3, n)
    frame = pl.DataFrame(
        {
            "rfm_recency_days": rng.integers(1, 365, n).astype(float),
            "rfm_orders_count_90d": orders,
            "rfm_orders_count_365d": orders * 3 + rng.poisson(1, n),
            "rfm_amount_sum_180d": np.round(rng.gamma(2, 300, n), 2),
            "nps_score_last": np.where(rng.random(n) < 0.5, np.nan, rng.integers(0, 11, n)),
            "profile_country": rng.choice(LEVELS, n),
        }
    )
    return frame.with_columns(pl.col("nps_score_last").fill_nan(None))


def with_ids() -> pl.DataFrame:
    """The same with customer_id: C0, C1, …"""
    frame = customers()
    return frame.with_columns(customer_id=pl.format("C{}", pl.int_range(pl.len())))


@cache
def texts() -> tuple[str, dict[str, str]]:
    """The churn model and the value models by name, in LightGBM's format."""
    frame = customers()
    rng = np.random.default_rng(12)
    odds = frame["rfm_recency_days"].to_numpy() / 90 - frame["rfm_orders_count_90d"].to_numpy() * 0.5 - 1
    churned = (rng.random(len(frame)) < 1 / (1 + np.exp(-odds))).astype(float)
    amount = frame["rfm_amount_sum_180d"].to_numpy() * rng.gamma(5, 0.1, len(frame)) + 1
    value = {
        "any": _fit("binary", 1 - churned),
        "amount": _fit("gamma", amount),
        "retained": _fit("gamma", amount * 1.2),
        "low": _fit("quantile", squeezed(amount, SCALE), alpha=0.1),
        "high": _fit("quantile", squeezed(amount, SCALE), alpha=0.9),
    }
    return _fit("binary", churned), value


def _fit(objective: str, target: np.ndarray, **parameters: float) -> str:
    frame = customers().with_columns(pl.col("profile_country").replace_strict(LEVELS, list(range(len(LEVELS)))))
    rows = frame.select(NAMES).cast(pl.Float32).to_numpy()
    params = {"objective": objective, "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 1} | parameters
    data = lightgbm.Dataset(rows, target, categorical_feature=[NAMES.index("profile_country")])
    return str(lightgbm.train(params, data, num_boost_round=20).model_to_string())


def parts(value: bool = True) -> ManifestParts:
    """What training would say about these models."""
    bounds = ValueRange(scale=SCALE, low=-0.1, high=0.1, high_from_zero=0.2)
    return ManifestParts(
        as_of=AS_OF,
        churn=ChurnPart(
            definition="no_purchase",
            horizon_days=90,
            active_within_days=365,
            grace_days=0,
            base_rate=0.3,
            calibration=Calibration(method="platt", slope=0.9, intercept=-0.1),
        ),
        value=ValuePart(source="transactions", measure="revenue", horizon_days=90, range=bounds) if value else None,
        features=FEATURES,
    )


def write_small_bundle(folder: Path, *, value: bool = True, rules: bool = False, **metrics: object) -> Bundle:
    """Write it to `folder`, with the shipped rule pack if `rules`; `metrics` go into its manifest, and so its id."""
    churn, values = texts()
    pack = load_pack()
    fitted = FittedRules.fit(with_ids(), pack, micros(AS_OF), "GBP", None, ()).model_dump(mode="json") if rules else {}
    return write_bundle(
        folder,
        parts(value).model_copy(update={"fitted": fitted, "metrics": metrics}),
        churn=churn,
        value=values if value else {},
        pack=DEFAULT_PACK.read_text(encoding="utf-8") if rules else "# no rules\n",
        reference=customers().head(200),
        created_at=dt.datetime(2011, 7, 1, tzinfo=dt.UTC),
    )


def rehash(folder: Path) -> None:
    """Make the manifest vouch for what is there now, as a faulty writer would."""
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    hashes = {name: sha256(folder / name) for name in manifest.sha256}
    (folder / "manifest.json").write_text(manifest.model_copy(update={"sha256": hashes}).with_id().to_json())


def make_it_abort(folder: Path) -> None:
    """Damage the churn model so that using it aborts the process, behind a manifest that vouches for it."""
    churn = folder / "churn.txt"
    lines = churn.read_text().splitlines()
    broken = ["left_child=999999 -1" if line.startswith("left_child=") else line for line in lines]
    churn.write_text("\n".join(broken))
    rehash(folder)
