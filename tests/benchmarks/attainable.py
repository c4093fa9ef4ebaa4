"""What could be known at best: the simulated company's true risks, on the very rows that were tested."""

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import moment
from features.demo import Company
from training.bootstrap import Interval, percentile_interval, replicates
from training.judged_rows import ChurnRows
from training.metrics import Floats, roc_auc

CHANCE = 0.5


class Attained(BaseModel):
    """`share` is (AUC of the probabilities − 0.5) / (AUC of the true risks − 0.5); `distance` is mean |p − true risk|.

    `base_distance`: the same of the base rate, what one says who knows nothing. `mean_risk`, `mean_p`: over the rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: int
    true_auc: Interval
    share: Interval
    distance: FiniteFloat
    base_distance: FiniteFloat
    mean_risk: FiniteFloat
    mean_p: FiniteFloat


def attained(rows: ChurnRows, company: Company) -> Attained:
    """Compare `rows` with the true risks of `company`; every test row must have one."""
    y, p, risk = rows.y, rows.p, _true_risk(rows, company.truth)
    drawn = replicates(roc_auc, y, [p, risk], rows.customers)
    auc, best = roc_auc(y, p), roc_auc(y, risk)
    return Attained(
        rows=len(y),
        true_auc=percentile_interval(best, drawn[:, 1]),
        share=percentile_interval((auc - CHANCE) / (best - CHANCE), (drawn[:, 0] - CHANCE) / (drawn[:, 1] - CHANCE)),
        distance=float(np.mean(np.abs(p - risk))),
        base_distance=float(np.mean(np.abs(rows.baselines["base rate"] - risk))),
        mean_risk=float(np.mean(risk)),
        mean_p=float(np.mean(p)),
    )


def _true_risk(rows: ChurnRows, truth: pl.DataFrame) -> Floats:
    """The true probability of each row, shape (rows,)."""
    days = [moment(int(at)).date() for at in rows.as_of]
    asked = pl.DataFrame({"customer_id": rows.customers.tolist(), "as_of": days})
    found = asked.join(truth, on=["customer_id", "as_of"], how="left", maintain_order="left")["true_probability"]
    assert not found.null_count(), "true risks are known at the first of each month"
    return found.to_numpy()
