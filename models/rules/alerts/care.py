"""Rules of care: repurchase, features, surveys, dates of the year, and the steps after a first order (D1, D4, D5)."""

import datetime as dt

import polars as pl

from features.clock import DAY, micros, moment, start_of
from models.rules.alerts.case import NO_TIME, Case, Held, listed, lowered, raised
from models.rules.rows import column
from models.rules.schema.alert_rules import AfterFirstOrder, CareDate
from models.rules.standing import days_since_first_purchase, in_delivery, subscribed


def repurchase_due(case: Case) -> Held:
    """D4: longer since the last order than the own median gap (3 orders or more) or the product's interval."""
    rule = case.rules.repurchase_due
    passed = case.days("order_last_at")
    own = pl.when(case.number("orders_total") >= rule.orders.value).then(case.number("order_gap_median_days"))
    intervals = {product: days.value for product, days in rule.products.items()}
    product = column(case.rows, "product_last", pl.String).replace_strict(
        intervals, default=None, return_dtype=pl.Float64
    ) if intervals else pl.lit(None, pl.Float64)  # fmt: skip
    buys = ~subscribed(case.rows)
    interval = pl.min_horizontal(own, product).clip(1.0, None)  # several orders of one day are no rhythm
    return Held(
        enters=buys & (passed > interval),
        stays=buys & (passed > interval * (1 - rule.margin.value)),
        anchor=case.time("order_last_at"),
        signs=listed({"own_gap": passed > own.clip(1.0, None), "product_interval": passed > product}),
        size=passed / interval,
    )


def little_used_feature(case: Case) -> Held:
    """D1: the product is used, but not all of its core features; these are the signs."""
    rule = case.rules.little_used_feature
    unused = column(case.rows, "unused_features", pl.List(pl.String))
    used = case.days("usage_last_at")
    some = unused.list.len() > 0
    return Held(
        enters=some & (used < rule.used_within_days.value),
        stays=some & (used < raised(rule.used_within_days, rule.margin)),
        signs=unused.list.eval("feature:" + pl.element()),
    )


def survey_due(case: Case) -> Held:
    """D1: every month during delivery; D4: regularly after a sale. Not before the sale is as old as that."""
    rule = case.rules.survey_due
    asked = pl.max_horizontal(case.time("survey_last_at"), _first_purchase_at(case))
    passed = (case.as_of - asked).cast(pl.Float64) * (1 / DAY)
    delivery = in_delivery(case.rows, case.pack, case.as_of)
    lately = subscribed(case.rows) | (case.days("order_last_at") < rule.bought_within_days.value).fill_null(False)
    after = lately & (passed >= rule.after_sale_days.value)
    still = lately & (passed >= lowered(rule.after_sale_days, rule.margin))
    return Held(
        enters=(delivery & (passed >= rule.delivery_every_days.value)) | after,
        stays=(delivery & (passed >= lowered(rule.delivery_every_days, rule.margin))) | still,
        anchor=asked,
        signs=listed({"in_delivery": delivery, "after_sale": ~delivery}),
        size=passed / rule.delivery_every_days.value,
    )


def anniversary(case: Case) -> Held:
    """D1: a year or more of the relationship, at the loyal stage."""
    began = pl.coalesce(case.time("signed_up_at"), _first_purchase_at(case))
    return _date(case, case.rules.anniversary, began, case.flag("loyal"))


def birthday_gift(case: Case) -> Held:
    """D1: at the loyal stage."""
    return _date(case, case.rules.birthday_gift, case.time("birthday"), case.flag("loyal"))


def birthday_mail(case: Case) -> Held:
    """D5: class C."""
    return _date(case, case.rules.birthday_mail, case.time("birthday"), _class_c(case))


def holiday_mail(case: Case) -> Held:
    """D5: class C, on the first day of public holidays of the company's country."""
    days = _ahead(case, case.rules.holiday_mail)
    first = next((day for day in days if case.calendar.begins_holiday(day)), None)
    to_all = pl.lit(first is not None) & _class_c(case)
    return Held(to_all, to_all, NO_TIME if first is None else pl.lit(_midnight(case, first), pl.Int64))


def thank_you(case: Case) -> Held:
    """D5: in 24 hours of the first order."""
    return _after_first_order(case, case.rules.thank_you)


def first_call(case: Case) -> Held:
    """D5: 3 days after the first order."""
    return _after_first_order(case, case.rules.first_call)


def value_report(case: Case) -> Held:
    """D5: 7 days after the first order."""
    return _after_first_order(case, case.rules.value_report)


def _first_purchase_at(case: Case) -> pl.Expr:
    """The first order or subscription."""
    return pl.min_horizontal(case.time("order_first_at"), case.time("subscription_first_at"))


def _class_c(case: Case) -> pl.Expr:
    return (column(case.rows, "segment_abc", pl.String) == "C").fill_null(False)


def _after_first_order(case: Case, rule: AfterFirstOrder) -> Held:
    """A first subscription is a first order."""
    soon = days_since_first_purchase(case.rows, case.as_of) < rule.within_days.value
    return Held(soon, soon, _first_purchase_at(case))


def _date(case: Case, rule: CareDate, began: pl.Expr, whom: pl.Expr) -> Held:
    """The day of the year of `began` lies ahead; it is the event. 29 February is told on the 28th of other years."""
    local = pl.from_epoch(began, "us").dt.replace_time_zone("UTC").dt.convert_time_zone(case.calendar.zone.key)
    day = local.dt.month().cast(pl.Int32) * 100 + local.dt.day()
    due = {number: _midnight(case, date) for date in _ahead(case, rule) for number in _numbers(date)}
    anchor = day.replace_strict(due, default=None, return_dtype=pl.Int64)
    later = whom & anchor.is_not_null() & (case.as_of - began >= 300 * DAY)
    return Held(later, later, anchor)


def _ahead(case: Case, rule: CareDate) -> list[dt.date]:
    today = moment(case.as_of).astimezone(case.calendar.zone).date()
    return [today + dt.timedelta(days=days) for days in range(int(rule.ahead_days.value))]


def _numbers(date: dt.date) -> list[int]:
    """month · 100 + day of the dates told on `date`."""
    leap_too = (date + dt.timedelta(days=1)).day == 1 and (date.month, date.day) == (2, 28)
    return [date.month * 100 + date.day, *([229] if leap_too else [])]


def _midnight(case: Case, date: dt.date) -> int:
    return micros(start_of(date, case.calendar.zone))
