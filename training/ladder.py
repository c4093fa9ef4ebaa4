"""How much model the data can carry: rules, then a logistic regression, then trees.

Measured by `make bench-ladder` on customers drawn from real data, windows before the final test only; mean ROC AUC of
ten draws (eight at 40 churners of social_network, which has no more). "both" is half of either on the log-odds:

    churners          10     20     40     80    160    320    640   1000
    online_retail_2, rule 0.710
      logistic     0.765  0.779  0.781  0.784  0.789  0.791  0.790  0.792
      trees        0.500  0.647  0.757  0.771  0.769  0.776  0.784  0.786
      both         0.765  0.779  0.779  0.785  0.786  0.789  0.792  0.793
    social_network, rule 0.522
      logistic     0.715  0.746  0.759
      trees        0.725  0.732  0.737
      both         0.733  0.750  0.758
    telco, no rule
      logistic     0.761  0.791  0.811  0.826  0.830  0.833  0.835  0.836
      trees        0.500  0.815  0.849  0.869  0.882  0.891  0.898  0.901
      both         0.761  0.819  0.844  0.859  0.870  0.876  0.882  0.884

- From 20 churners on the logistic regression was above the rule in every draw of every data set; at 10 in 29 of 30, at
  5 in 23 of 30. So 20 is the least that `[gate] min_churners` should be set to. Its default of 50 asks for more,
  because the gate has to *show* on the test rows that the model is better, which fewer churners seldom can.
- Where all features are numbers trees alone never overtook it, and at 40 mixing them in helped in 7 of 18 draws only.
  From 80 on a mixture cost at most 0.003 there (and gained from 640 on), while telco, whose categories only trees
  read, gained 0.03 to 0.05. So from 80 on trees may be chosen, by comparison on an earlier period
  (`training.churn_choice`). Below 80 telco would have been better off with trees: the price of one rule for all.
- A drawn training set holds a customer once. Several cut-offs repeat the same customers, so trees ask for customers
  too: as many as the smallest draw with 80 churners had, in round numbers.

Whichever outcome is rarer counts, churners or stayers: a model learns from both.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

TREES_FROM = 80
"""Rows of the rarer outcome from which trees may be chosen."""
CUSTOMERS_FOR_TREES = 160
"""Different customers in training from which trees may be chosen."""
NEEDED = 50
"""The default of `[gate] min_churners`: below it nothing is fitted and the rules speak."""

Kind = Literal["rules", "logistic", "trees"]


class Rung(BaseModel):
    """What may be fitted, and the sentence that says why; "trees" allows the simpler ones and mixtures too."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind
    why: str


def rung(churners: int, stayers: int, customers: int, needed: int = NEEDED) -> Rung:
    """The rung that so many training rows of either outcome, of so many different customers, can carry.

    `needed`: `[gate] min_churners`.

    >>> rung(12, 400, 300).kind, rung(60, 900, 700).kind, rung(500, 900, 1000).kind
    ('rules', 'logistic', 'trees')
    """
    rarer, fewer = ("churners", churners) if churners <= stayers else ("customers who stayed", stayers)
    if fewer < max(needed, 1):
        return Rung(kind="rules", why=f"{fewer:,} {rarer} of the {max(needed, 1):,} needed to train: the rules speak")
    if fewer < TREES_FROM:
        why = f"{fewer:,} {rarer} in training: enough for a logistic regression, trees need {TREES_FROM}"
        return Rung(kind="logistic", why=why)
    if customers < CUSTOMERS_FOR_TREES:
        why = f"{customers:,} customers in training: enough for a logistic regression, trees need {CUSTOMERS_FOR_TREES}"
        return Rung(kind="logistic", why=why)
    return Rung(kind="trees", why=f"{fewer:,} {rarer} of {customers:,} customers in training: enough for trees")
