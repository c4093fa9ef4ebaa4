"""Which alert conditions hold for whom (RULES §2), in long form: the one visible list of rules."""

from collections.abc import Collection, Sequence

import polars as pl

from models.rules.alerts import care, risk, service
from models.rules.alerts.case import Case, RuleAt
from models.rules.deadlines import WorkCalendar
from models.rules.fitted_segments import FittedSegments
from models.rules.pack import Lang, RulePack
from models.rules.schema.alert_rules import Kind

PURCHASED = ("order_first_at", "subscription_first_at")

RULES: dict[str, RuleAt] = {
    "high_churn_risk": RuleAt(risk.high_churn_risk, ("nps",)),
    "loss_risk": RuleAt(risk.loss_risk, (), any_of=("order_last_at", "subscription_first_at")),
    "early_warning": RuleAt(risk.early_warning, ("complaints_total", "feedback")),
    "silence": RuleAt(risk.silence, ("interaction_last_at", "interaction_gap_mean_days")),
    "falling_orders": RuleAt(risk.falling_orders, ("orders_90d", "orders_90d_before")),
    "repurchase_due": RuleAt(care.repurchase_due, ("order_last_at",)),
    "little_used_feature": RuleAt(care.little_used_feature, ("unused_features", "usage_last_at")),
    "survey_due": RuleAt(care.survey_due, ("survey_last_at",)),
    "low_satisfaction": RuleAt(service.low_satisfaction, ("satisfaction_last", "survey_last_at")),
    "ticket_acknowledge": RuleAt(service.ticket_acknowledge, ("ticket_at", "acknowledged"), of_tickets=True),
    "ticket_solution": RuleAt(service.ticket_solution, ("ticket_at", "solved"), of_tickets=True),
    "ticket_at_risk": RuleAt(service.ticket_at_risk, ("ticket_open_since",)),
    "anniversary": RuleAt(care.anniversary, ("loyal",)),
    "birthday_gift": RuleAt(care.birthday_gift, ("loyal", "birthday")),
    "birthday_mail": RuleAt(care.birthday_mail, ("segment_abc", "birthday")),
    "holiday_mail": RuleAt(care.holiday_mail, ("segment_abc",)),
    "thank_you": RuleAt(care.thank_you, (), any_of=PURCHASED),
    "first_call": RuleAt(care.first_call, (), any_of=PURCHASED),
    "value_report": RuleAt(care.value_report, (), any_of=PURCHASED),
}

CONDITION = {
    "customer_id": pl.String(), "rule": pl.String(), "enters": pl.Boolean(), "stays": pl.Boolean(),
    "anchor": pl.Int64(), "signs": pl.List(pl.String), "rank": pl.Float64(),
}  # fmt: skip


def conditions(
    rows: pl.DataFrame,
    pack: RulePack,
    as_of: int,
    tickets: pl.DataFrame | None = None,
    fitted: FittedSegments | None = None,
    calendar: WorkCalendar | None = None,
    kinds: Collection[Kind] | None = None,
) -> pl.DataFrame:
    """The enabled rules that hold, one row per customer and rule (per ticket and rule for tickets).

    `rows`: features, facts and, where known, `loyal`, `segment_abc`, `in_delivery`, `product_last`. `tickets`:
    customer_id, ticket_at, acknowledged, solved of open tickets. `kinds` leaves the other rules out. Returns:

    - customer_id, rule; enters: the condition holds; stays: it holds at least with the margin (every row's is true);
    - anchor: the event that began it (Int64 microseconds; null: none is known);
    - signs: keys for `alert_text`; rank: order inside a rule, by the number of signs, then by size.
    """
    whole, each = calendar or WorkCalendar(), []
    for key, rule in RULES.items():
        frame = tickets if rule.of_tickets else rows
        if frame is not None and _asked(key, pack, kinds) and not _lacking(rule, frame):
            each.append(_holding(key, rule, Case(frame, pack, as_of, fitted, whole)))
    return pl.concat([pl.DataFrame(schema=CONDITION), *pl.collect_all(each)])


def unassessed(rows: pl.DataFrame, pack: RulePack, tickets: pl.DataFrame | None = None) -> frozenset[str]:
    """Enabled rules that nothing can be said about, because a table they need is absent: their episodes wait."""
    lacking = (
        key
        for key, rule in RULES.items()
        if _asked(key, pack, None) and _lacking(rule, tickets if rule.of_tickets else rows)
    )
    return frozenset(lacking)


def alert_text(rule: str, signs: Sequence[str], pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads: the rule's message with its numbers, then the signs; an unknown rule is shown by its key."""
    entry = pack.alerts.rules.by_key.get(rule)
    message = entry.message.text(lang).format(**entry.numbers) if entry else rule
    if not signs:
        return message
    labels = pack.alerts.signs
    told = [labels[sign].text(lang) if sign in labels else sign.removeprefix("feature:") for sign in signs]
    joined = pack.alerts.between_signs.text(lang).join(told)
    return pack.alerts.with_signs.text(lang).format(message=message, signs=joined)


def role_label(role: str, pack: RulePack, lang: Lang = "en") -> str:
    """Who answers, as a person reads it."""
    entry = pack.alerts.roles.get(role)
    return entry.label.text(lang) if entry else role


def feedback_patterns(pack: RulePack) -> dict[str, tuple[str, ...]]:
    """Reason's key → the words that name it in either language, for `features.facts`."""
    return {key: (*reason.words.zh, *reason.words.en) for key, reason in pack.feedback.reasons.items()}


def reason_label(reason: str, pack: RulePack, lang: Lang = "en") -> str:
    """The reason of a loss as a person reads it."""
    entry = pack.feedback.reasons.get(reason)
    return entry.label.text(lang) if entry else reason


def _asked(key: str, pack: RulePack, kinds: Collection[Kind] | None) -> bool:
    rule = pack.alerts.rules.by_key[key]
    return rule.enabled and (kinds is None or rule.kind in kinds)


def _lacking(rule: RuleAt, frame: pl.DataFrame | None) -> bool:
    if frame is None or not set(rule.needs) <= set(frame.columns):
        return True
    return bool(rule.any_of) and not set(rule.any_of) & set(frame.columns)


def _holding(key: str, rule: RuleAt, case: Case) -> pl.LazyFrame:
    """The rows that hold, and only then their signs and rank: most customers hold no rule."""
    held = rule.hold(case)
    enters = held.enters.fill_null(False)
    size = held.size.fill_null(0.0).fill_nan(0.0).clip(0, 1e12)
    rank = held.signs.list.len().cast(pl.Float64) + size / (1 + size)
    return (
        case.rows.lazy()
        .filter(enters | held.stays.fill_null(False))
        .select(
            "customer_id",
            rule=pl.lit(key),
            enters=enters,
            stays=pl.lit(True),
            anchor=held.anchor,
            signs=held.signs.fill_null([]),
            rank=rank.fill_null(0.0),
        )
        .cast(CONDITION)  # type: ignore[arg-type]
    )
