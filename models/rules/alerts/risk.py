"""Rules about customers who may leave: high churn risk, loss risk and early warnings (D3, D4, D5)."""

import polars as pl

from features.clock import DAY
from models.rules.alerts.case import Case, Held, listed, lowered, raised
from models.rules.fitted_segments import middling_spend
from models.rules.standing import days_since_purchase, last_purchase_at, no_order_for


def high_churn_risk(case: Case) -> Held:
    """D5: NPS below 0 and no repurchase for 3 months. Begun by the last order or answer."""
    rule = case.rules.high_churn_risk
    nps, limit = case.number("nps"), rule.nps_below.value
    return Held(
        enters=(nps < limit) & _no_order(case, rule.days.value),
        stays=(nps < limit + rule.nps_margin.value) & _no_order(case, lowered(rule.days, rule.margin)),
        anchor=pl.max_horizontal(last_purchase_at(case.rows), case.time("nps_last_at")),
        size=days_since_purchase(case.rows, case.as_of) / rule.days.value - (nps - limit) * 0.01,
    )


def loss_risk(case: Case) -> Held:
    """D3: no order for 6 months; with `strict` also complaints, such feedback, a cheaper competitor, middling spend."""
    rule = case.rules.loss_risk
    signs = _signs(case, rule.complaints.value)
    persona = pl.lit(True)
    if rule.strict:
        unhappy = signs["price"] | signs["service"]
        persona = signs["complaints"] & unhappy & signs["competitor"] & signs["middling_spend"]
    return Held(
        enters=_no_order(case, rule.days.value) & persona,
        stays=_no_order(case, lowered(rule.days, rule.margin)) & persona,
        anchor=last_purchase_at(case.rows),
        signs=listed(signs),
        size=days_since_purchase(case.rows, case.as_of) / rule.days.value,
    )


def early_warning(case: Case) -> Held:
    """Complaints and feedback about price or service, lately, without the 6 months (project default)."""
    rule, loss = case.rules.early_warning, case.rules.loss_risk
    signs = _signs(case, rule.complaints.value)
    begun = pl.max_horizontal(case.time("complaint_last_at"), case.time("feedback_last_at"))
    age = (case.as_of - begun).cast(pl.Float64) * (1 / DAY)
    unhappy = signs["complaints"] & (signs["price"] | signs["service"]) & ~_no_order(case, loss.days.value)
    return Held(
        enters=unhappy & (age < rule.within_days.value),
        stays=unhappy & (age < raised(rule.within_days, rule.margin)),
        anchor=begun,
        signs=listed({name: there for name, there in signs.items() if name != "middling_spend"}),
        size=case.number("complaints_total") / rule.complaints.value,
    )


def silence(case: Case) -> Held:
    """D4: no interaction for 90 days and twice the customer's own usual gap."""
    rule = case.rules.silence
    quiet, gap = case.days("interaction_last_at"), case.number("interaction_gap_mean_days")
    return Held(
        enters=(quiet >= rule.days.value) & (quiet >= rule.gaps.value * gap),
        stays=(quiet >= lowered(rule.days, rule.margin)) & (quiet >= lowered(rule.gaps, rule.margin) * gap),
        anchor=case.time("interaction_last_at"),
        size=quiet / rule.days.value,
    )


def falling_orders(case: Case) -> Held:
    """D4: orders of the last 90 days at most half of the 90 before, of which there were 2 or more."""
    rule = case.rules.falling_orders
    now, before = case.number("orders_90d"), case.number("orders_90d_before")
    share, least = rule.share.value + rule.share_margin.value, rule.before.value - rule.before_margin.value
    return Held(
        enters=(now <= rule.share.value * before) & (before >= rule.before.value),
        stays=(now <= share * before) & (before >= least) & (before > 0),
        anchor=case.time("order_last_at"),
        size=before - now,
    )


def _no_order(case: Case, days: float) -> pl.Expr:
    """Boolean, never null: bought before, not for `days`; what is unknown never makes a rule true."""
    return no_order_for(case.rows, days, case.as_of).fill_null(False)


def _signs(case: Case, complaints: float) -> dict[str, pl.Expr]:
    """D3's signs of loss, each Boolean and never null."""
    middling = middling_spend(case.rows, case.fitted) if case.fitted else pl.lit(False)
    return {
        "complaints": (case.number("complaints_total") >= complaints).fill_null(False),
        **{reason: case.says(reason) for reason in ("price", "service", "competitor")},
        "middling_spend": middling.fill_null(False),
    }
