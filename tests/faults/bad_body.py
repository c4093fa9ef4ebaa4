"""What a body picked by hand is: where it goes, and the one answer that it must get. And sound ones, to start from."""

from typing import NamedTuple

from tests.faults.besieged import EVENTS, LEADS, PREDICT, SCORE

JSON = "application/json"
NOT_JSON = "Invalid JSON"
TIME, MOMENT = "must be a time such as", "must be a time with its timezone"
NUMBER = "valid number"


class Bad(NamedTuple):
    """One request; `kind` and `more` are its headers, `reason` is in the `detail` of a problem (or in the answer)."""

    name: str
    path: str
    body: bytes
    status: int
    reason: str
    kind: str | None = JSON
    more: tuple[tuple[str, str], ...] = ()


FEATURES = (
    '"rfm_recency_days": 300, "rfm_orders_count_90d": 1, "rfm_orders_count_365d": 5.0, "rfm_amount_sum_180d": 120.5, '
    '"nps_score_last": null, "profile_country": "Spain"'
)


def customer(who: str = '"a"', features: str = FEATURES, more: str = "") -> str:
    return f'{{"customer_id": {who}, "features": {{{features}}}{more}}}'


def predict(*customers: str, more: str = "") -> bytes:
    return f'{{"customers": [{", ".join(customers or [customer()])}]{more}}}'.encode()


def days(value: str) -> bytes:
    """A prediction whose recency is `value`."""
    return predict(customer(features=FEATURES.replace("300", value, 1)))


def bought(who: str = '"a"', at: str = '"2026-06-01"', amount: str = "10", more: str = "") -> str:
    return f'{{"customer_id": {who}, "occurred_at": {at}, "amount": {amount}{more}}}'


def score(*rows: str, more: str = "", as_of: str = '"2026-07-02"') -> bytes:
    return f'{{"as_of": {as_of}, "tables": {{"transactions": [{", ".join(rows or [bought()])}]{more}}}}}'.encode()


def lead(who: str = '"L1"', at: str = '"2026-06-01"', more: str = "") -> str:
    return f'{{"lead_id": {who}, "created_at": {at}{more}}}'


def leads(*rows: str, more: str = "") -> bytes:
    return f'{{"leads": [{", ".join(rows or [lead()])}]{more}}}'.encode()


def event(kind: str = "contacted", more: str = "") -> bytes:
    return f'{{"kind": "{kind}"{more}}}'.encode()


def snooze(until: str, more: str = "") -> bytes:
    return event("snoozed", f', "reason": "away", "until": {until}{more}')


GOOD = {PREDICT: predict(), SCORE: score(), LEADS: leads(), EVENTS: event()}
DONE = {PREDICT: 200, SCORE: 200, LEADS: 200, EVENTS: 201}


def everywhere(name: str, change: dict[str, bytes] | bytes, status: int, reason: str, kind: str | None = JSON,
                *more: tuple[str, str]) -> list[Bad]:  # fmt: skip
    """The same for every route that takes a body."""
    bodies = change if isinstance(change, dict) else dict.fromkeys(GOOD, change)
    return [Bad(f"{name}{path}", path, body, status, reason, kind, more) for path, body in bodies.items()]


def changed(old: bytes, new: bytes) -> dict[str, bytes]:
    return {path: body.replace(old, new, 1) for path, body in GOOD.items()}
