"""Examples of what goes in and what comes out, for the OpenAPI document: one company, one day, customer C-1042."""

from typing import Any, Final

_DAY: Final = "2026-06-01T00:00:00Z"
_SCORED: Final = "2026-06-01T04:12:09Z"
_VERSIONS: Final = {"model_version": "2026-05-01.ab12cd34", "rules_version": "2026.1+1f0c9a77"}
_ANSWER: Final = _VERSIONS | {
    "bundle_version": "9f2c1e7b64d05a83f1c6ee0b7a94d2358c417f60ab93de52c8710b46f5e9a3d1",
    "as_of": _DAY,
    "valid_until": "2026-07-01T00:00:00Z",
}  # fmt: skip
_REASON: Final = {
    "feature": "rfm_recency_days", "direction": "raises", "size": 0.46, "value": 74.0, "level": None,
    "text": "last purchase 74 days ago (raises the risk)",
}  # fmt: skip
_NUMBERS: Final = {
    "churn_probability": 0.62, "churn_horizon_days": 90, "risk_band": "high", "churn_curve": None,
    "expected_days": None, "expected_value": 1410.0, "value_low": 120.0, "value_high": 3900.0,
    "value_if_retained": 2950.0, "value_horizon_days": 90, "value_at_risk": 1829.0, "expected_profit": None,
    "composite_score": 58.4, "composite_coverage": 0.9, "tier": "key", "reasons": [_REASON],
    "playbook": "monthly in-depth conversation, tailored proposal (account manager, monthly)",
    "basis": "model: trees",
}  # fmt: skip
_ROW: Final = {"customer_id": "C-1042", "as_of": _DAY, "at_stake": True} | _NUMBERS | _VERSIONS | {
    "points": [], "health_score": 61.0, "health_basis": "use", "segments": ["abc_a"], "alerts": ["silent"],
    "playbook_key": "key", "playbook_owner": "account manager", "playbook_cadence": "monthly",
    "playbook_due": "2026-07-01T00:00:00Z", "playbook_because": "tier: key", "scored_at": _SCORED,
}  # fmt: skip
_ACCOUNT: Final = _ROW | {"name": "Nordwind Trading", "owner": "Ada", "backfill": False}
_PAST: Final = {
    name: _ROW[name]
    for name in ("as_of", "at_stake", "churn_probability", "risk_band", "expected_value", "value_at_risk",
                 "composite_score", "tier", "basis", "model_version", "rules_version", "scored_at")
}  # fmt: skip
_ALERT: Final = {
    "key": "C-1042:silent:1774915200000000", "customer_id": "C-1042", "name": "Nordwind Trading", "rule": "silent",
    "text": "no purchase for 74 days, where 21 are usual", "severity": 1, "state": "open", "owner": "Ada",
    "owner_role": "account manager", "anchor": "2026-03-18T00:00:00Z", "opened_as_of": _DAY,
    "due_at": "2026-06-03T00:00:00Z", "closed_as_of": None, "signs": [], "acknowledged_at": "2026-06-01T08:30:00Z",
    "acknowledged_by": "crm", "snoozed_until": None, "snooze_reason": None, "contacted_at": None,
    "contacted_by": None, "outcome": None, "outcome_at": None,
}  # fmt: skip
_LEAD: Final = {
    "lead_id": "L1", "bant_score": 85.0, "bant_grade": "high", "four_score": None, "four_grade": None, "grade": "a",
    "grade_label": "A lead", "grade_basis": "bant", "first_contact_due": "2026-06-02T09:00:00Z",
    "contacted_late": None, "owner_key": "experienced_seller", "owner": "experienced seller", "action_key": "contact",
    "action": "first contact in 24 hours", "tags": ["industry:retail"], "tag_labels": ["industry: retail"],
    "missing": [],
}  # fmt: skip

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "PredictRequest": {
        "one customer, with reasons": {
            "customers": [
                {"customer_id": "C-1042",
                 "features": {"rfm_recency_days": 74, "rfm_orders_count_365d": 9, "nps_score_last": None,
                              "profile_country": "Spain"}}
            ],
            "as_of": _DAY,
            "explain": True,
            "include": ["composite"],
        }
    },
    "PredictResponse": {
        "one customer, with reasons": _ANSWER
        | {"predictions": [{"customer_id": "C-1042"} | _NUMBERS | {"missing": ["nps_comment_length_last"]}]}
    },
    "ScoreResponse": {
        "one customer": _ANSWER
        | {"tables_missing": ["usage_events"], "customers_unknown": [], "predictions": [_ROW]}
    },
    "LeadsScoreResponse": {
        "one lead": {
            "as_of": "2026-06-01T10:00:00Z", "rules_version": _VERSIONS["rules_version"], "leads_unknown": [],
            "leads": [_LEAD],
        }
    },
    "CustomerResponse": {
        "a customer with an open alert": {
            "customer": _ACCOUNT, "valid_until": _ANSWER["valid_until"], "bundle_version": _ANSWER["bundle_version"],
            "history": [_PAST], "alerts": [_ALERT],
        }
    },
    "AtRiskResponse": {"the first page": {"total": 214, "accounts": [_ACCOUNT], "next": "WzE4MjkuMCwgIkMtMTA0MiJd"}},
    "AlertsResponse": {"all there are": {"alerts": [_ALERT], "next": None}},
    "AlertShown": {"an alert that was taken on": _ALERT},
    "AlertEvent": {
        "taken on": {"kind": "acknowledged"},
        "spoken to": {"kind": "contacted", "note": "called; wants an offer for next year"},
        "what came of it": {"kind": "outcome", "outcome": "retained", "note": "renewed for a year"},
    },
    "ModelResponse": {
        "a model": _VERSIONS
        | {
            "bundle_version": _ANSWER["bundle_version"], "trained_as_of": "2026-05-01T00:00:00Z",
            "created_at": "2026-05-01T03:20:11Z", "definition": "no_purchase", "churn_horizon_days": 90,
            "value_horizon_days": 90, "basis": "model: trees",
            "features": [{"name": "rfm_recency_days", "kind": "number", "levels": [], "required": True},
                         {"name": "profile_country", "kind": "category", "levels": ["France", "Spain"],
                          "required": False}],
            "metrics": {"auc": 0.84}, "card": "# Model card\n",
        }
    },
    "Live": {"it answers": {"live": True}},
    "Readiness": {
        "ready": {"ready": True, "model_version": _VERSIONS["model_version"], "problem": None},
        "not yet": {"ready": False, "model_version": None, "problem": "the model is being loaded"},
    },
}  # fmt: skip
"""Model → what an example shows → the example."""

PROBLEMS: Final[dict[int, tuple[str, str, str]]] = {
    400: ("invalid-request", "customers.0.features.rfm_recency_days", "must be a finite number or null"),
    401: ("unknown-key", "", "this key is not known, or has ended"),
    403: ("forbidden", "", "this key has not the scope 'predict'; ask for one that has"),
    404: ("unknown-customer", "customer_id", "customer 'C-9999' was never scored"),
    408: ("too-slow", "", "the body took over 10 s; send it at once"),
    409: ("idempotency-conflict", "Idempotency-Key",
          "came before with another request; take a new key for each change"),
    413: ("body-too-large", "", "the body exceeds 8388608 bytes; send fewer customers at a time"),
    415: ("not-json", "", "the body must be application/json, not text/plain"),
    421: ("misdirected", "", "the Host of the request is not this service; name it in [api] hosts, or make keys"),
    429: ("busy", "", "too much is asked at once; try again in a moment"),
    500: ("service-error", "", "an error of the service, which its log describes"),
    503: ("not-ready", "", "no model is promoted yet; run `remora promote`"),
}  # fmt: skip
"""Status → the kind of problem that its example shows, the field, the reason."""
