"""The candidate next to the model that serves now, on the very same test rows.

The champion may have learnt from outcomes that the candidate is tested on (it was trained at a later date, or the
test cut-offs moved). Then only customers of fold 0 are compared, from whom no model of this program ever learns: a
fifth of the rows, a wider interval, but an honest one.

The rule, and why. A retraining brings a month of newer data and, as a rule, the same quality: "surely better than the
champion" would keep the stale model for ever, and "not surely worse" would let many small steps down pass unseen.
So the candidate must be shown to be *not worse by more than a margin*: lower bound of candidate − champion above
−margin in ROC AUC ([gate] champion_margin). A margin of 0 asks for surely better. Where the rows are too few to show
it, the refusal says so, and `--force "reason"` decides.

The margin of 0.02: between models of successive months the lower bound was −0.003 to +0.002 on online_retail_2 (4,500
rows), −0.011 to +0.002 on its customers of fold 0, and −0.019 on social_network's 51 churners: retraining as such
passes, and a model that ranks visibly worse does not.
"""

from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from features.clock import micros, moment
from features.errors import RemoraError
from models.bundle import Bundle
from training.bootstrap import Interval, paired_interval
from training.metrics import Floats, Values, roc_auc

CHAMPION_MARGIN = 0.02
UNKNOWN = Interval(estimate=None, low=None, high=None)


class Comparison(BaseModel):
    """`difference` is candidate − champion in ROC AUC on `rows` rows; `note` says on which, or why it is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    champion: str
    difference: Interval
    rows: int
    note: str = ""


def compare(folder: Path | None, test: pl.DataFrame, p: Values, question: tuple[str, int]) -> Comparison | None:
    """Compare predictions `p` of the rows `test` (customer_id, as_of, fold, churned, features) with the champion's.

    `folder`: the champion's bundle, None where there is none. `question`: definition and horizon_days of the
    candidate: a champion that answers another one is not comparable. What it learnt from is the
    manifest's learnt_until, or for want of that its as_of.
    """
    if folder is None:
        return None
    try:
        champion = Bundle.load(folder)
        asked = champion.manifest.churn.definition, champion.manifest.churn.horizon_days
        said = champion.predict(champion.matrix(test)).churn_probability
    except RemoraError as error:
        return Comparison(champion=folder.name, difference=UNKNOWN, rows=0, note=error.problems[0])
    if asked != question:
        other = f"it predicts {asked[0]} over {asked[1]} days, the candidate {question[0]} over {question[1]} days"
        return Comparison(champion=champion.id, difference=UNKNOWN, rows=0, note=other)
    until = champion.manifest.metrics.get("learnt_until") or micros(champion.manifest.as_of)
    return on_unseen(champion.id, test, np.asarray(p, dtype=float), said, until)


def on_unseen(champion: str, test: pl.DataFrame, p: Floats, said: Floats, learnt_until: int) -> Comparison:
    """The difference on rows whose outcome the champion cannot have learnt from; all arrays of shape (rows,)."""
    cutoff, note = min(test["as_of"].to_list(), default=learnt_until), ""
    fair = np.ones(test.height, dtype=bool)
    if learnt_until > cutoff:
        fair = (test["fold"] == 0).to_numpy()
        note = (
            f"it may have learnt from outcomes up to {moment(learnt_until):%Y-%m-%d}, after the test cut-off "
            f"{moment(cutoff):%Y-%m-%d}: compared on the customers that no model learns from"
        )
    rows = test.filter(pl.Series(fair))
    if rows.height == 0:
        return Comparison(champion=champion, difference=UNKNOWN, rows=0, note=note)
    y, customers = rows["churned"].to_numpy(), rows["customer_id"].to_numpy()
    difference = paired_interval(roc_auc, y, p[fair], said[fair], customers)
    return Comparison(champion=champion, difference=difference, rows=rows.height, note=note)
