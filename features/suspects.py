"""Which columns of `customers` are not to be learnt from: keys, the label in disguise, what may change by tomorrow.

Names are only a suspicion, said as such; figures (distinct values, and in `monitoring` the AUC) weigh more.
"""

import re

IDENTIFIER_SHARE = 0.9
"""A column with more distinct values than this share of its known rows is a key rather than a description."""

FEW_ROWS = 20
"""Below this many known rows a share of distinct values says nothing."""

LABEL_WORDS = frozenset(
    ["churn", "churned", "churner", "attrition", "cancel", "cancelled", "canceled", "cancellation", "terminated", "termination", "lapsed", "lost", "left", "gekündigt", "kündigung", "abgewandert", "流失"]
)
"""Words of a name that tell of the customer's leaving."""

TODAY_WORDS = frozenset(
    ["score", "status", "cltv", "clv", "ltv", "lifetime", "risk", "probability", "propensity", "predicted", "prediction", "forecast", "health", "segment", "active", "inactive", "state", "stage"]
)
"""Words of a name that tell of another model's output, or of how things stand today."""

CHANGING_WORDS = frozenset(
    ["plan", "tier", "seats", "seat", "users", "trial", "tenure", "total", "balance", "last", "latest", "current", "recent", "owner", "months", "days", "count", "number", "usage", "revenue", "charge", "charges", "spend", "mrr", "arr", "age", "employees", "contract", "payment", "billing", "subscription", "product"]
)
"""Words of a name that tell of what changes while someone is a customer."""

KEY_WORDS = frozenset(["id", "key", "uuid", "guid", "number", "no", "nr", "code", "email", "phone", "iban", "nummer", "编号"])


def words(name: str) -> tuple[str, ...]:
    """The lower-case words of a column's name, however it is written.

    >>> words("churnScore"), words("Customer ID"), words("plan-tier")
    (('churn', 'score'), ('customer', 'id'), ('plan', 'tier'))
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", spaced.lower()))


def named_after_label(name: str) -> str | None:
    """The word that makes `name` sound like the label; None when there is none."""
    return next((word for word in words(name) if word in LABEL_WORDS or word.startswith("churn")), None)


def named_after_today(name: str) -> str | None:
    """The word that makes `name` sound like a score or state as of today; None when there is none."""
    return next((word for word in words(name) if word in TODAY_WORDS), None)


def named_after_change(name: str) -> str | None:
    """The word that makes `name` sound like something that changes; None when there is none."""
    return next((word for word in words(name) if word in CHANGING_WORDS), None)


def identifier_like(name: str, known: int, distinct: int, is_text: bool, whole: bool = False) -> bool:
    """Whether a column with `distinct` values in `known` rows is a key.

    Measured numbers differ from row to row by nature, so a number is a key only where it is `whole` and named like one.
    """
    if known < FEW_ROWS or distinct <= IDENTIFIER_SHARE * known:
        return False
    return is_text or (whole and not KEY_WORDS.isdisjoint(words(name)))
