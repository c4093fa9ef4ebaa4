"""The reports behind `remora report` and `remora leads`: each gives data for machines, then what people see."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from features.clock import DAY, micros, moment
from features.engines import Source
from features.errors import RemoraError
from features.language import Lang, translator
from features.point_in_time import known_before
from features.rfm import orders
from features.settings import Settings
from models.bundle import Bundle
from models.rules.apply import apply_rules
from models.rules.changes import reviews_due
from models.rules.conditions import feedback_patterns, reason_label
from models.rules.leads import lead_cleaning, score_leads, tag_label
from models.rules.pack import RulePack
from models.rules.stages import stage_table
from models.rules.strategies import progress, strategy_due, strategy_table
from monitoring.conversion import conversion_report as convert
from monitoring.conversion import high_value_share, report_texts
from monitoring.pipeline import left_by_settings, outcomes
from monitoring.review import disagreement_table, disagreements, monthly, monthly_tables, quarterly, quarterly_tables
from serving.champion import promoted
from serving.explained import minute
from serving.home import Home
from serving.opening import date_of, opened
from serving.ruling import pack_of, rules_of
from serving.score import population_of, steady_features
from serving.store import Store, open_store
from serving.terminal import UNKNOWN
from training.cross_sell import bought, cross_sell, offer_texts, offers, rule_texts
from training.rules import rule_rows
from training.value_curve import curve_texts, proposed_now, purchase_values, subscription_values, value_curve

SHOWN = 20


class NoTableError(RemoraError):
    """A report asks for a table that the data does not have."""


class UnknownChoiceError(RemoraError):
    """An option names something that the rule pack does not have."""


@dataclass(frozen=True)
class Reporting:
    """What a report is made from."""

    source: Source
    as_of: int
    settings: Settings
    bundle: Bundle | None
    pack: RulePack
    store: Store

    @classmethod
    @contextmanager
    def opened(cls, data: str, config: Path | None, day: str | None) -> "Iterator[Reporting]":
        """Open data and store; the store is closed again."""
        settings, source = opened(data, config)
        home = Home.of(settings)
        bundle = promoted(home)
        with open_store(home.store) as store:
            at = micros(date_of(source, settings, day))
            yield cls(source, at, settings, bundle, pack_of(bundle, settings), store)

    def table(self, name: str) -> pl.DataFrame | None:
        """A table as known before the date, in memory; None where it is absent."""
        if name not in self.source.tables:
            return None
        frame = known_before({name: self.source.tables[name]}, self.as_of)[name]
        native: pl.DataFrame = frame.collect(backend="polars").to_native()
        return native

    def needed(self, name: str, what: str) -> pl.DataFrame:
        """The same; raises NoTableError where it is absent."""
        found = self.table(name)
        if found is None:
            raise NoTableError(f"no table {name}: {what} rests on it; add it to the data, or map it in remora.toml")
        return found


Told = tuple[Any, ...]


def review_report(of: Reporting, days: int, lang: Lang, done: str | None) -> Told:
    """The monthly figures, the check of the score against outcomes, disagreements, and which reviews are due."""
    date = moment(of.as_of)
    history = of.store.history(moment(of.as_of + 1), also=("risk_band", "segments", "points", "reasons"))
    month = monthly(of.source.tables, history, history, of.as_of - days * DAY, of.as_of, of.pack, as_of=of.as_of)
    check = quarterly(history, _outcomes(of, history), of.pack)
    apart = disagreements(history, of.pack, SHOWN, lang)
    today = date.astimezone(of.settings.company.zone).date()
    if done is not None:
        of.store.log.review_done(_chosen("--done", done, of.pack.segments.reviews), today)
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


def conversion_report(of: Reporting, lang: Lang) -> Told:
    """Conversion of leads by grade, stage and industry, with the weakest link, reasons and the scores' own check."""
    leads = of.needed("leads", "the conversion report")
    found = convert(
        leads, of.table("lead_stages"), of.pack, of.as_of, feedback_patterns(of.pack),
        zone=of.settings.company.timezone, interactions=of.table("interactions"),
        interventions=of.table("interventions"),
    )  # fmt: skip
    _ = translator(lang).gettext
    whole = [row for row in found.conversion if row.start is None]
    table = _table(_("Conversion"), (_("by"), _("value"), _("leads"), _("won"), _("of decided"), _("interval (95 %)")))
    for row in whole:
        share = row.of_decided
        _row(table, row.by, row.value, str(row.leads), str(row.won), *_share(share.share, share.low, share.high))
    reasons = _table(_("Reasons"), (_("outcome"), _("reason"), _("leads"), _("share")))
    for reason in found.reasons:
        label = reason_label(reason.reason, of.pack, lang)
        _row(reasons, reason.outcome, label, str(reason.leads), f"{reason.share:.0%}")
    return found.model_dump(mode="json"), table, reasons, *map(Text, report_texts(found, of.pack, lang))


def value_curve_report(of: Reporting, lang: Lang) -> Told:
    """Value by month of the relationship, where its level shifts, what came before rises, and who is there now."""
    values = _values(of)
    contacts = of.table("interactions")
    curve = value_curve(values, of.pack, of.as_of, contacts)
    now = proposed_now(values, curve, of.as_of, contacts)
    _ = translator(lang).gettext
    table = _table(_("Value by month of the relationship"), (_("month"), _("customers"), _("value"), _("active")))
    for month in curve.months:
        _row(table, str(month.month), f"{month.customers:,}", f"{month.value:,.2f}", f"{month.active:.0%}")
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
    table = _table(_("Strategy"), (_("segment"), _("goal"), _("measures"), _("owner"), _("due"), _("so far")))
    for row in goals.iter_rows(named=True):
        day = strategy_due(row["strategy"], moment(start).astimezone(of.settings.company.zone).date(), of.pack)
        due = f"{row['due']} ({day})" if day else row["due"]
        _row(table, row["segment"], row["goal"], row["measures"], row["owner"], due, texts.get(row["strategy"]))
    stages = stage_table(of.pack, lang)
    headings = (_("stage"), _("goal"), _("key action"), _("output"), _("owner"), _("due"), _("from"))
    actions = _table(_("Stage actions"), headings)
    for line in stages.iter_rows():
        actions.add_row(*line)
    data = {"goals": goals.to_dicts(), "progress": found.to_dicts(), "stage_actions": stages.to_dicts()}
    return {"since": moment(start).isoformat()} | data, table, actions


def lead_list(of: Reporting, grade: str | None, tag: str | None, limit: int, lang: Lang) -> Told:
    """Leads, the best grade first."""
    leads = of.needed("leads", "the list of leads")
    known = leads.select("lead_id", *_known(leads))
    scored = score_leads(leads, of.pack, of.as_of).join(known, on="lead_id", how="left", maintain_order="left")
    open_ones = scored.filter(pl.col("outcome").is_null()) if "outcome" in scored.columns else scored
    if grade is not None:
        open_ones = open_ones.filter(pl.col("grade") == _chosen("--grade", grade, of.pack.leads.grades))
    if tag is not None:
        open_ones = open_ones.filter(pl.col("tags").list.contains(tag))
    open_ones = open_ones.join(_high_value(of, leads), on="lead_id", how="left", maintain_order="left")
    _ = translator(lang).gettext
    table = _table(
        _("{shown} of {total} open leads").format(shown=min(limit, open_ones.height), total=f"{open_ones.height:,}"),
        (
            _("lead"),
            _("grade"),
            "BANT",
            _("four dimensions"),
            _("first contact by"),
            _("who and what"),
            _("tags"),
            _("high value alike"),
        ),
    )
    for row in open_ones.head(limit).iter_rows(named=True):
        _row(table, *_lead_cells(row, of, lang))
    clipped = lead_cleaning(leads, of.pack)
    data = {"total": open_ones.height, "leads": open_ones.head(limit).to_dicts(), "cleaning": clipped.to_dicts()}
    return data, table


def _lead_cells(row: dict[str, Any], of: Reporting, lang: Lang) -> tuple[str, ...]:
    rules = of.pack.leads
    grade = rules.grades[row["grade"]].label.text(lang) if row["grade"] else UNKNOWN
    due = minute(row["first_contact_due"], of.settings.company.zone)
    late = " !" if row["contacted_late"] else ""
    owner = rules.owners[row["recommended_owner"]].text(lang) if row["recommended_owner"] else UNKNOWN
    action = rules.actions[row["recommended_action"]].text(lang) if row["recommended_action"] else UNKNOWN
    tags = ", ".join(tag_label(tag, of.pack, lang) for tag in row["tags"])
    alike = UNKNOWN if row["high_value_share"] is None else f"{row['high_value_share']:.0%}"
    scores = _number(row["bant_score"]), _number(row["four_score"])
    return row["lead_id"], grade, *scores, due + late, f"{owner}: {action}", tags, alike


def _high_value(of: Reporting, leads: pl.DataFrame) -> pl.DataFrame:
    """lead_id and the share of high-value customers in the lead's industry and size (D3, D4); null where unknown."""
    customers, standing = of.table("customers"), of.store.log.segment_of("value")
    if customers is None or standing.is_empty():
        return leads.select("lead_id", high_value_share=pl.lit(None, pl.Float64))
    valued = customers.join(standing, on="customer_id", how="inner").with_columns(
        high_value=pl.col("segment") == "high"
    )
    return high_value_share(leads, valued, of.pack).select("lead_id", high_value_share="share")


def _known(leads: pl.DataFrame) -> list[str]:
    return [name for name in ("outcome", "owner", "created_at", "industry") if name in leads.columns]


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


def _chosen(option: str, key: str, known: Iterable[str]) -> str:
    if key not in known:
        raise UnknownChoiceError(f"{option} {key}: not known; choose one of {', '.join(known)}")
    return key


def _table(title: str, headings: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table


def _row(table: Table, *cells: str | None) -> None:
    """Data is shown as it is: rich would take "[b]" in a name for markup."""
    table.add_row(*(Text(cell or UNKNOWN) for cell in cells))


def _share(share: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    if share is None or low is None or high is None:
        return UNKNOWN, UNKNOWN
    return f"{share:.0%}", f"{low:.0%} – {high:.0%}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"
