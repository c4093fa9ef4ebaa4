"""The reports behind `remora report` and `remora leads`: each gives data for machines, then what people see."""

import polars as pl
from rich.text import Text

from features.clock import DAY, moment
from features.language import Lang, translator
from features.point_in_time import known_before
from features.rfm import orders
from models.rules.apply import apply_rules
from models.rules.changes import reviews_due
from models.rules.fact_rows import rule_rows
from models.rules.stages import stage_table
from models.rules.strategies import progress, strategy_due, strategy_table
from monitoring.pipeline import left_by_settings, outcomes
from monitoring.review import disagreement_table, disagreements, monthly, monthly_tables, quarterly, quarterly_tables
from serving.reporting import NoTableError, Reporting, Told, add_row, chosen, new_table
from serving.ruling import rules_of
from serving.score import population_of, steady_features
from training.cross_sell import bought, cross_sell, offer_texts, offers, rule_texts
from training.value_curve import curve_texts, proposed_now, purchase_values, subscription_values, value_curve

SHOWN = 20


def review_report(of: Reporting, days: int, lang: Lang, done: str | None) -> Told:
    """The monthly figures, the check of the score against outcomes, disagreements, and which reviews are due."""
    date = moment(of.as_of)
    history = of.store.history(moment(of.as_of + 1), also=("risk_band", "segments", "points", "reasons"))
    month = monthly(of.source.tables, history, history, of.as_of - days * DAY, of.as_of, of.pack, as_of=of.as_of)
    check = quarterly(history, _outcomes(of, history), of.pack)
    apart = disagreements(history, of.pack, SHOWN, lang)
    today = date.astimezone(of.settings.company.zone).date()
    if done is not None:
        of.store.log.review_done(chosen("--done", done, of.pack.segments.reviews), today)
    due = reviews_due(of.store.log.reviews(), today, of.pack, lang)
    data = {
        "monthly": month.model_dump(mode="json"), "quarterly": check.model_dump(mode="json"),
        "disagreements": apart.to_dicts(), "reviews_due": [review._asdict() for review in due],
    }  # fmt: skip
    _ = translator(lang).gettext
    words = [Text("• " + _("{review}: due since {day}").format(review=each.label, day=each.due)) for each in due]
    return (
        data,
        *monthly_tables(month, of.pack, lang),
        *quarterly_tables(check, of.pack, lang),
        *disagreement_table(apart, of.pack, lang),
        *words,
    )


def value_curve_report(of: Reporting, lang: Lang) -> Told:
    """Value by month of the relationship, where its level shifts, what came before rises, and who is there now."""
    values = _values(of)
    contacts = of.table("interactions")
    curve = value_curve(values, of.pack, of.as_of, contacts)
    now = proposed_now(values, curve, of.as_of, contacts)
    _ = translator(lang).gettext
    table = new_table(_("Value by month of the relationship"), (_("month"), _("customers"), _("value"), _("active")))
    for month in curve.months:
        add_row(table, str(month.month), f"{month.customers:,}", f"{month.value:,.2f}", f"{month.active:.0%}")
    told = curve_texts(curve, of.pack, lang) or [_("The level does not shift.")]
    note = _("{count} customers are at such a month now").format(count=f"{now.height:,}")
    data = curve.model_dump(mode="json") | {"proposed_now": now.to_dicts()}
    return data, table, *map(Text, told), Text(note)


def cross_sell_report(of: Reporting, limit: int, lang: Lang) -> Told:
    """What is bought after what, and who to offer it to now."""
    purchases = bought(of.table("transactions"), of.table("subscriptions"))
    found = cross_sell(purchases, of.pack, of.as_of)
    offered = offers(purchases, found, of.pack, of.as_of)
    _ = translator(lang).gettext
    sure, shown = found.filter("significant"), offered.head(limit)
    if purchases.is_empty():
        return {"rules": [], "offers": [], "total_offers": 0}, Text(
            _("No named product was bought: there is nothing to learn from.")
        )
    counts = _("{rules} rules hold for sure of {pairs} with enough buyers; {offers} offers to {customers} customers")
    head = counts.format(
        rules=sure.height, pairs=found.height, offers=offered.height, customers=offered["customer_id"].n_unique()
    )
    rules = [Text("• " + text) for text in rule_texts(sure.head(limit), of.pack, lang)]
    pairs = zip(shown["customer_id"], offer_texts(shown, of.pack, lang), strict=True)
    data = {"rules": sure.head(limit).to_dicts(), "offers": shown.to_dicts(), "total_offers": offered.height}
    return data, Text(head), *rules, *(Text(f"→ {customer}: {text}") for customer, text in pairs)


def strategy_report(of: Reporting, days: int, lang: Lang) -> Told:
    """The strategy table with the progress of each goal over the period."""
    start = of.as_of - days * DAY
    at_start, before = _segments_at(of, start, start - days * DAY)
    bought_ever = _orders(of)
    found = progress(
        at_start, bought_ever, of.table("subscriptions"), of.as_of, start, of.pack, before=before,
        contacts=_moments(of, "interactions", "topic"), surveys=_moments(of, "satisfaction_surveys", "score"),
        grace_days=of.settings.churn.grace_days, lang=lang,
    )  # fmt: skip
    _ = translator(lang).gettext
    goals = strategy_table(of.pack, lang)
    texts = dict(found.group_by("strategy").agg(pl.col("text").str.join("\n")).iter_rows())
    table = new_table(_("Strategy"), (_("segment"), _("goal"), _("measures"), _("owner"), _("due"), _("so far")))
    for row in goals.iter_rows(named=True):
        day = strategy_due(row["strategy"], moment(of.as_of).astimezone(of.settings.company.zone).date(), of.pack)
        due = f"{row['due']} ({day})" if day else row["due"]
        add_row(table, row["segment"], row["goal"], row["measures"], row["owner"], due, texts.get(row["strategy"]))
    stages = stage_table(of.pack, lang)
    headings = (_("stage"), _("goal"), _("key action"), _("output"), _("owner"), _("due"), _("from"))
    actions = new_table(_("Stage actions"), headings)
    for line in stages.iter_rows():
        actions.add_row(*line)
    data = {"goals": goals.to_dicts(), "progress": found.to_dicts(), "stage_actions": stages.to_dicts()}
    return {"since": moment(start).isoformat()} | data, table, actions


def _segments_at(of: Reporting, *dates: int) -> tuple[pl.DataFrame, ...]:
    """Everyone's segments as of earlier dates, by what a scoring of today rests on; nothing is learnt of the past."""
    now = of.source.until(of.as_of)
    fitted = population_of(now, of.as_of, of.bundle, of.settings)
    rules = rules_of(of.bundle, now, steady_features(now, of.as_of, fitted), of.as_of, of.settings, fitted)

    def ruled(at: int) -> pl.DataFrame:
        past = of.source.until(at)
        return apply_rules(rule_rows(past.tables, steady_features(past, at, fitted), at, rules), rules, at).rows

    return tuple(ruled(at) for at in dates)


def _orders(of: Reporting) -> pl.DataFrame:
    """customer_id, t, net of every purchase."""
    if "transactions" not in of.source.tables:
        return pl.DataFrame(schema={"customer_id": pl.String, "t": pl.Int64, "net": pl.Float64})
    rows = orders(known_before({"transactions": of.source.tables["transactions"]}, of.as_of)["transactions"])
    native: pl.DataFrame = rows.select("customer_id", "t", "net").collect(backend="polars").to_native()
    return native.filter(pl.col("net") >= 0)


def _moments(of: Reporting, name: str, *keep: str) -> pl.DataFrame | None:
    found = of.table(name)
    if found is None:
        return None
    return found.select("customer_id", pl.col("occurred_at").alias("t"), *(c for c in keep if c in found.columns))


def _values(of: Reporting) -> pl.DataFrame:
    sales, paid = of.table("transactions"), of.table("subscriptions")
    if sales is not None:
        return purchase_values(sales)
    if paid is not None:
        return subscription_values(paid, of.as_of)
    raise NoTableError(
        "no table transactions or subscriptions: the value curve rests on one of them; "
        "add one to the data, or map it in remora.toml"
    )


def _outcomes(of: Reporting, history: pl.DataFrame) -> pl.DataFrame:
    """Who left after each scored date whose window has closed; without a model, by the settings' definition."""
    if of.bundle is not None:
        return outcomes(of.source, of.as_of, of.bundle, of.settings, history)
    return left_by_settings(of.source, of.as_of, of.settings, history)
