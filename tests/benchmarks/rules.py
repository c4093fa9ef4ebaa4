"""All documented rules on a million customers: `make bench-rules` prints seconds and peak memory.

The customers are drawn from the features' and facts' own contracts: every column, a tenth of its values missing. The
rules run in a process of its own, so that its peak memory is its own; making the customers is not counted.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from features.clock import DAY, micros, start_of
from features.facts import FACTS
from features.settings import Settings

END = "2026-07-01"
MISSING = 0.1
FEATURES = (
    "rfm_recency_days", "rfm_orders_count", "rfm_amount_sum", "rfm_amount_sum_180d", "rfm_orders_count_365d",
    "rfm_amount_sum_365d", "rfm_margin_rate_180d", "rfm_discount_mean_365d", "profile_tenure_days",
    "engagement_interactions_count_180d", "support_complaint_rate_365d", "usage_depth_90d",
    "profile_industry_growth_rate", "profile_size_fit", "nps_score_365d",
)  # fmt: skip
WORDS = {
    "feedback": ("price", "slow_service", "product_fit", "competitor", "need_changed"),
    "unused_features": ("reports", "export", "api", "alerts"),
}


def population(customers: int, seed: int = 7) -> pl.DataFrame:
    """A row a customer with every fact and the features that rules read."""
    rng, end = np.random.default_rng(seed), micros(start_of(END, Settings().company.zone))
    columns: dict[str, pl.Series] = {"customer_id": pl.Series(np.arange(customers)).cast(pl.String).str.zfill(8)}
    for name in FEATURES:
        columns[name] = pl.Series(_numbers(rng, name, customers))
    for name, fact in FACTS.items():
        columns[name] = _fact(rng, name, fact.kind, customers, end)
    frame = pl.DataFrame(columns)
    gone = {name: pl.Series(rng.random(customers) < MISSING) for name in frame.columns[1:]}
    return frame.with_columns(pl.when(~missing).then(pl.col(name)).alias(name) for name, missing in gone.items())


def _numbers(rng: np.random.Generator, name: str, size: int) -> np.ndarray:
    if any(word in name for word in ("rate", "share", "depth", "fit", "mean_365d")):
        return rng.random(size)
    return (
        rng.gamma(0.8, 400.0, size)
        if "days" in name or "amount" in name or "spend" in name
        else rng.poisson(3.0, size) * 1.0
    )


def _fact(rng: np.random.Generator, name: str, kind: object, size: int, end: int) -> pl.Series:
    if kind == pl.Int64:
        return pl.Series(end - (rng.exponential(200.0, size) * DAY).astype(np.int64))
    if kind == pl.Boolean:
        return pl.Series(rng.random(size) < 0.3)
    if isinstance(kind, pl.List):
        words = np.array(WORDS[name])
        return pl.Series([words[rng.random(len(words)) < 0.15].tolist() for _ in range(1000)]).gather(
            rng.integers(0, 1000, size)
        )
    if kind == pl.String:
        return pl.Series(np.array([f"{name} {i}" for i in range(12)])).gather(rng.integers(0, 12, size))
    return pl.Series(rng.normal(0, 60, size) if name == "nps" else _numbers(rng, name, size))


def run_part(file: Path) -> None:
    """What the child does: fit on a tenth, then every rule on every row."""
    from models.rules.apply import FittedRules, Rules, apply_rules, with_playbooks
    from models.rules.pack import load_pack
    from models.rules.reasons import rule_reasons

    rows, end, pack = pl.read_parquet(file), micros(start_of(END, Settings().company.zone)), load_pack()
    fitted = FittedRules.fit(rows.head(max(rows.height // 10, 100)), pack, end, "CNY", 100.0, ())
    started = time.perf_counter()
    ruled = apply_rules(rows, Rules(pack, fitted), end)
    told = rule_reasons(ruled.rows, fitted.composite, pack)
    done = with_playbooks(ruled.rows.with_columns(reasons=told, reason_family=pl.lit("rfm")), pack, end)
    figures = {
        "seconds": time.perf_counter() - started,
        "customers": done.height,
        "conditions": ruled.conditions.height,
    }
    figures["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(figures))


def report(customers: int) -> str:
    """One row of a table, in Markdown."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "rows.parquet"
        population(customers).write_parquet(file)
        child = [sys.executable, __file__, "--file", str(file)]
        done = subprocess.run(child, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout.splitlines()[-1])
    what = f"all rules on {told['customers']:,} customers ({told['conditions']:,} conditions met)"
    return f"| {what} | {told['seconds']:.1f} s | {told['gib']:.2f} GiB |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--small", action="store_true", help="a thousandth of the customers")
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    if asked.file:
        run_part(asked.file)
    else:
        print("| what | time | peak memory |\n|---|---|---|")
        print(report(asked.customers // 1000 if asked.small else asked.customers))
