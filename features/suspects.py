"""Which columns of `customers` are not to be learnt from: keys, the label in disguise, what may change by tomorrow.

Names are only a suspicion, said as such; figures (distinct values, and where labels are known the AUC) weigh more.
"""

import re
from typing import Literal

import polars as pl

Mark = Literal["identifier-like", "label-like", "high-cardinality", "constant", "as of today", "may change"]

IDENTIFIER_SHARE = 0.9
"""A column with more distinct values than this share of its known rows is a key rather than a description."""

FEW_ROWS = 20
"""Below this many known rows a share of distinct values says nothing."""

MANY_LEVELS = 100
"""Text columns with more levels than this are keys rather than categories (training leaves them out)."""

LABEL_AUC = 0.9
"""A column that alone separates churners this well knows the label."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LABEL_WORDS = _set(
    "churn churned churner attrition cancel cancelled canceled cancellation terminated termination lapsed lost left "
    "gekündigt kündigung abgewandert 流失"
)
"""Words of a name that tell of the customer's leaving."""

TODAY_WORDS = _set(
    "score status cltv clv ltv lifetime risk probability propensity predicted prediction forecast health segment "
    "active inactive state stage"
)
"""Words of a name that tell of another model's output, or of how things stand today."""

CHANGING_WORDS = _set(
    "plan tier seats seat users trial tenure total balance last latest current recent owner months days count number "
    "usage revenue charge charges spend mrr arr age employees contract payment billing subscription product"
)
"""Words of a name that tell of what changes while someone is a customer."""

KEY_WORDS = _set("id key uuid guid number no nr code email phone iban nummer 编号")
"""Words of a name that tell of a key; a whole number is one only where it is named so."""


def words(name: str) -> tuple[str, ...]:
    """The lower-case words of a column's name, however it is written.

    >>> words("churnScore"), words("Customer ID"), words("plan-tier")
    (('churn', 'score'), ('customer', 'id'), ('plan', 'tier'))
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", spaced.lower()))


def suspicions(name: str, values: pl.Series, auc: float | None = None) -> dict[Mark, str]:
    """Mark → why the column deserves it; empty when there is nothing against it.

    `values`: one a customer; `auc`: how well the column alone tells churners apart, 0.5 to 1, None where not known.
    """
    known = values.drop_nulls()
    figures = _by_figures(name, known, known.n_unique(), auc)
    return figures if {"constant", "label-like"} & set(figures) else _by_name(name) | figures


def _by_figures(name: str, known: pl.Series, distinct: int, auc: float | None) -> dict[Mark, str]:
    found: dict[Mark, str] = {}
    if distinct <= 1:
        found["constant"] = "the same for everyone" if distinct else "empty"
    if auc is not None and auc >= LABEL_AUC:
        found["label-like"] = f"alone it tells churners apart with an AUC of {auc:.3f}"
    if _is_key(name, known, distinct):
        found["identifier-like"] = f"{distinct:,} different values in {known.len():,} known rows"
    elif known.dtype == pl.String and distinct > MANY_LEVELS:
        found["high-cardinality"] = f"{distinct:,} different texts"
    return found


def _is_key(name: str, known: pl.Series, distinct: int) -> bool:
    """Measured numbers differ from row to row by nature, so a number is a key only where it is whole and named so."""
    if known.len() < FEW_ROWS or distinct <= IDENTIFIER_SHARE * known.len():
        return False
    whole = known.dtype != pl.String and bool((known % 1 == 0).all())
    return known.dtype == pl.String or (whole and not KEY_WORDS.isdisjoint(words(name)))


def _by_name(name: str) -> dict[Mark, str]:
    for word in words(name):
        if word in LABEL_WORDS or word.startswith("churn"):
            return {"label-like": f"named after leaving ({word})"}
    for word in words(name):
        if word in TODAY_WORDS:
            return {"as of today": f"its name ({word}) suggests a score, a forecast or a state of today"}
        if word in CHANGING_WORDS:
            return {"may change": f"its name ({word}) suggests that it changes; declare it only if it does not"}
    return {}
