"""Rules that answer a customer: open tickets (D5, D3) and low satisfaction."""

import polars as pl

from models.rules.alerts.case import Case, Held, raised
from models.rules.alerts.risk import high_churn_risk, loss_risk
from models.rules.schema.alert_rules import OpenTicket


def low_satisfaction(case: Case) -> Held:
    """The last satisfaction answer is at most 2 of 5 (project default), and not old."""
    rule = case.rules.low_satisfaction
    score, age = case.number("satisfaction_last"), case.days("survey_last_at")
    return Held(
        enters=(score <= rule.at_most.value) & (age < rule.within_days.value),
        stays=(score <= rule.at_most.value + rule.at_most_margin.value) & (age < raised(rule.within_days, rule.margin)),
        anchor=case.time("survey_last_at"),
        size=rule.at_most.value - score.clip(None, rule.at_most.value),
    )


def ticket_acknowledge(case: Case) -> Held:
    """D5: a ticket without a first answer."""
    return _waiting(case, case.rules.ticket_acknowledge, "acknowledged")


def ticket_solution(case: Case) -> Held:
    """D5: a ticket without a first solution."""
    return _waiting(case, case.rules.ticket_solution, "solved")


def ticket_at_risk(case: Case) -> Held:
    """D3: a customer at risk has a ticket open. One opened later, while at risk, is treated the same."""
    risks = [hold(case) for hold, rule in _RISKS.items() if getattr(case.rules, rule).enabled]
    since = case.time("ticket_open_since")
    return Held(
        enters=since.is_not_null() & pl.any_horizontal(pl.lit(False), *(risk.enters for risk in risks)),
        stays=since.is_not_null() & pl.any_horizontal(pl.lit(False), *(risk.stays for risk in risks)),
        anchor=since,
        size=case.days("ticket_open_since"),
    )


_RISKS = {high_churn_risk: "high_churn_risk", loss_risk: "loss_risk"}


def _waiting(case: Case, rule: OpenTicket, done: str) -> Held:
    """Rows are tickets; whether one is done may be unknown, which opens nothing."""
    waits = ~pl.col(done).fill_null(True)
    age = case.days("ticket_at")
    return Held(enters=waits & (age < rule.within_days.value), stays=waits, anchor=case.time("ticket_at"), size=age)
