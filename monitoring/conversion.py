"""Do leads become customers, where do they get lost and why, and do the scores tell (D1, D3, D4).

Every count is of leads as known at the cut-off. A period's leads are those that came in during it, so that won, lost
and open are parts of one whole; a young period has many open leads. Scores are taken as they stand: where sellers
score a lead again after its outcome, AUC and conversion by grade flatter the scores.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Literal, get_args

import polars as pl

from features.clock import DAY
from models.rules.leads import outcome_of, score_leads, size_band
from models.rules.pack import Lang, RulePack
from models.rules.proportions import wilson
from models.rules.rows import column
from models.rules.schema.entries import Interval
from models.rules.schema.leads import SchemeName
from monitoring.conversion_findings import (
    By,
    ConversionReport,
    Converted,
    Link,
    NotBetter,
    Period,
    Reason,
    Referrals,
    SchemeCheck,
    Share,
    Spell,
)
from training.bootstrap import interval
from training.metrics import roc_auc

OTHER, NOT_GIVEN = "other", "not_given"
DRAWS = 200
"""Draws of leads behind the interval of an AUC: its bounds only have to be good to a hundredth."""

TRUNCATED = {"all": None, "month": "1mo", "week": "1w"}


def conversion_report(
    leads: pl.DataFrame,
    lead_stages: pl.DataFrame | None,
    pack: RulePack,
    as_of: int,
    patterns: Mapping[str, Sequence[str]],
    *,
    zone: str = "UTC",
    interactions: pl.DataFrame | None = None,
    interventions: pl.DataFrame | None = None,
) -> ConversionReport:
    """Conversion by period, grade, stage and industry, weakest link, reasons, score checks, referrals, days to a deal.

    All tables: the contract's, as known before `as_of` (microseconds). `patterns`: reason key → words that name it.
    `zone`: of weeks (from Monday) and months.
    """
    rows = _judged(leads, pack, as_of)
    level = pack.leads.conversion.level.value
    entered, order, order_of = _stages(lead_stages, rows, pack)
    links = _links(entered, order, level)
    left = [link for link in links if link.of_decided.of >= pack.leads.conversion.minimum_leads.value]
    return ConversionReport(
        leads=rows.height,
        conversion=tuple(_conversion(rows, entered, zone, level)),
        stage_order=order_of,
        links=tuple(links),
        weakest_link=min(left, key=lambda link: link.of_decided.share or 0.0, default=None),
        reasons=(*_reasons(rows, "lost", "outcome_reason", patterns), *_reasons(rows, "won", "win_factor", patterns)),
        checks=tuple(_check(rows, scheme, pack) for scheme in get_args(SchemeName)),
        referrals=_referrals(rows, interactions, interventions, pack),
        enquiry_to_deal=_spell(rows),
    )


def high_value_share(leads: pl.DataFrame, customers: pl.DataFrame, pack: RulePack) -> pl.DataFrame:
    """For each lead: how many customers of its industry and size are of high value (D3, D4).

    `customers`: industry, employees, high_value (Boolean). Columns: lead_id, industry, size (the pack's band),
    customers, high_value, share, low, high (Wilson); share is null without such customers, or where the lead's
    industry or size is unknown.
    """
    kinds = ["industry", "size"]
    known = customers.filter(pl.col("high_value").is_not_null()).with_columns(
        size=size_band(column(customers, "employees"), pack), industry=column(customers, "industry", pl.String)
    )
    counted = known.group_by(kinds).agg(
        customers=pl.len().cast(pl.Int64), high_value=pl.col("high_value").sum().cast(pl.Int64)
    )
    mine = leads.select(
        "lead_id",
        industry=column(leads, "industry", pl.String),
        size=size_band(column(leads, "employees"), pack),
    )
    joined = mine.join(counted, on=kinds, how="left", maintain_order="left").with_columns(
        pl.col("customers", "high_value").fill_null(0)
    )
    low, high = wilson(joined["high_value"], joined["customers"], pack.leads.conversion.level.value)
    return joined.with_columns(
        share=pl.col("high_value") / pl.col("customers"), low=pl.Series(low), high=pl.Series(high)
    ).with_columns(pl.col("share", "low", "high").fill_nan(None))


def report_texts(report: ConversionReport, pack: RulePack, lang: Lang = "en") -> list[str]:
    """What the report points at, in sentences: the weakest link, and grades that do not convert better."""
    words, told = pack.leads.conversion, []
    if (link := report.weakest_link) is not None:
        share = link.of_decided
        told.append(
            words.weakest_link.text(lang).format(
                stage=stage_label(link.stage, pack, lang), moved=share.hits, decided=share.of, share=_percent(share)
            )
        )
    for check in report.checks:
        scheme = pack.leads.schemes[check.scheme]
        told += [
            words.not_better.text(lang).format(
                scheme=scheme.label.text(lang),
                grade=scheme.grades[flag.grade].label.text(lang),
                next=scheme.grades[flag.next_grade].label.text(lang),
                share=_percent(flag.of_decided),
                next_share=_percent(flag.next_of_decided),
            )
            for flag in check.not_better
        ]
    return told


def stage_label(stage: str, pack: RulePack, lang: Lang = "en") -> str:
    """What a person reads for a stage; one that the pack does not know is shown as it is."""
    return pack.leads.stages[stage].label.text(lang) if stage in pack.leads.stages else stage


def _percent(share: Share) -> str:
    return "–" if share.share is None else f"{share.share:.0%}"


def _share(hits: int, of: int, level: float) -> Share:
    if not of:
        return Share(hits=hits, of=of, share=None, low=None, high=None)
    low, high = wilson(hits, of, level)
    return Share(hits=hits, of=of, share=hits / of, low=float(low), high=float(high))


def _judged(leads: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """Leads with their scores, grades and `won` (Boolean, null while open); one row a lead_id."""
    one = leads.sort("created_at", "lead_id").unique("lead_id", keep="last", maintain_order=True)
    outcome = outcome_of(one, pack)
    texts = ("industry", "outcome_reason", "win_factor", "referred_by")
    rows = one.with_columns(
        outcome=outcome, won=outcome == "won", outcome_at=column(one, "outcome_at", pl.Int64),
        **{name: column(one, name, pl.String) for name in texts},
    )  # fmt: skip
    scored = ["lead_id", "grade", *(f"{s}_{what}" for s in get_args(SchemeName) for what in ("score", "grade"))]
    return rows.join(score_leads(one, pack, as_of).select(scored), on="lead_id", maintain_order="left")


def _conversion(rows: pl.DataFrame, entered: pl.DataFrame, zone: str, level: float) -> list[Converted]:
    """Every period × (all, grade, stage reached, industry); a lead counts in every stage that it entered."""
    stages = rows.join(entered.select("lead_id", "stage").unique(), on="lead_id")
    groups: dict[By, tuple[pl.DataFrame, pl.Expr]] = {
        "all": (rows, pl.lit(None, pl.String)),
        "grade": (rows, pl.col("grade")),
        "stage": (stages, pl.col("stage")),
        "industry": (rows, pl.col("industry")),
    }
    return [
        line
        for period in get_args(Period)
        for by, (frame, value) in groups.items()
        for line in _lines(frame.with_columns(value=value, start=_start(period, zone)), period, by, level)
    ]


def _start(period: Period, zone: str) -> pl.Expr:
    """The first day of the period that a lead came in."""
    every = TRUNCATED[period]
    if every is None:
        return pl.lit(None, pl.String)
    local = pl.from_epoch("created_at", "us").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return local.dt.date().dt.truncate(every).dt.to_string("%Y-%m-%d")


def _lines(rows: pl.DataFrame, period: Period, by: By, level: float) -> list[Converted]:
    counted = (
        rows.group_by("start", "value")
        .agg(leads=pl.len(), won=pl.col("won").sum(), decided=pl.col("won").count())
        .sort("start", "value", nulls_last=True)
    )
    return [
        Converted(
            period=period, start=row["start"], by=by, value=row["value"], leads=row["leads"], won=row["won"],
            lost=row["decided"] - row["won"], open=row["leads"] - row["decided"],
            of_decided=_share(row["won"], row["decided"], level), of_all=_share(row["won"], row["leads"], level),
        )
        for row in counted.to_dicts()
    ]  # fmt: skip


def _stages(
    lead_stages: pl.DataFrame | None, rows: pl.DataFrame, pack: RulePack
) -> tuple[pl.DataFrame, list[str], Literal["pack", "data"]]:
    """lead_id, stage (the pack's key, else as written), won, place of the stages entered, and the stages in order.

    Stages that only name the outcome are left out. With a stage that the pack does not know, the order is that of the
    mean place at which leads enter a stage.
    """
    keys = {word.lower(): key for key, stage in pack.leads.stages.items() for word in (key, *stage.words)}
    outcomes = {word.lower() for part in (pack.leads.conversion.won, pack.leads.conversion.lost) for word in part.words}
    schema = {"lead_id": pl.String, "stage": pl.String, "entered_at": pl.Int64}
    given = pl.DataFrame(schema=schema) if lead_stages is None else lead_stages.select(*schema)
    written = pl.col("stage").str.strip_chars()
    entered = (
        given.with_columns(written)
        .filter(pl.col("stage").str.to_lowercase().is_in(outcomes).not_())
        .with_columns(stage=pl.col("stage").str.to_lowercase().replace_strict(keys, default=pl.col("stage")))
        .group_by("lead_id", "stage")
        .agg(pl.col("entered_at").min())
        .join(rows.select("lead_id", "won"), on="lead_id")
        .with_columns(nth=pl.col("entered_at").rank("average").over("lead_id"))
    )
    found = set(entered["stage"])
    if found <= set(pack.leads.stages):
        return entered, [stage for stage in pack.leads.stages if stage in found], "pack"
    order = entered.group_by("stage").agg(pl.col("nth").mean()).sort("nth", "stage")["stage"].to_list()
    return entered, order, "data"


def _links(entered: pl.DataFrame, order: Sequence[str], level: float) -> list[Link]:
    """One a stage: of the leads that entered it, how many went on."""
    if not order:
        return []
    places = {stage: place for place, stage in enumerate(order)}
    placed = entered.with_columns(place=pl.col("stage").replace_strict(places, return_dtype=pl.Int64))
    furthest = placed.with_columns(furthest=pl.col("place").max().over("lead_id"))
    on = (pl.col("furthest") > pl.col("place")) | pl.col("won").fill_null(False)
    counted = furthest.group_by("place").agg(
        leads=pl.len(), moved=on.sum(), lost=(~on & pl.col("won").is_not_null()).sum()
    )
    return [
        Link(
            stage=order[row["place"]], onward=[*order[1:], "won"][row["place"]], leads=row["leads"],
            of_decided=_share(row["moved"], row["moved"] + row["lost"], level),
            of_all=_share(row["moved"], row["leads"], level),
        )
        for row in counted.sort("place").to_dicts()
    ]  # fmt: skip


def _reasons(
    rows: pl.DataFrame, outcome: Literal["lost", "won"], said_in: str, patterns: Mapping[str, Sequence[str]]
) -> list[Reason]:
    """How many lost (or won) leads name each reason, the most frequent first."""
    said = rows.filter(outcome=outcome)[said_in].str.strip_chars().str.to_lowercase()
    named = {key: _names(said, [key, key.replace("_", " "), *words]) for key, words in patterns.items()}
    empty = said.is_null() | (said == "").fill_null(True)
    other = ~empty
    for flags in named.values():
        other &= ~flags
    counts = {key: int(flags.sum()) for key, flags in {**named, OTHER: other, NOT_GIVEN: empty}.items()}
    most = sorted(counts.items(), key=lambda item: -item[1])
    return [Reason(outcome=outcome, reason=key, leads=n, share=n / len(said)) for key, n in most if n]


def _names(said: pl.Series, words: Sequence[str]) -> pl.Series:
    """Whether each text holds one of the words; null holds none."""
    return said.str.contains_any([word.lower() for word in words if word]).fill_null(False)


def _check(rows: pl.DataFrame, scheme: SchemeName, pack: RulePack) -> SchemeCheck:
    rules, level = pack.leads.schemes[scheme], pack.leads.conversion.level.value
    decided = rows.filter(pl.col("won").is_not_null(), pl.col(f"{scheme}_score").is_not_null()).sort("lead_id")
    counted = decided.group_by(f"{scheme}_grade").agg(pl.col("won").sum(), pl.len()).rows()
    shares = {grade: _share(won, of, level) for grade, won, of in counted}
    ranked = sorted(shares, key=lambda grade: _start_of(rules.grades[grade].score), reverse=True)
    flags = [
        NotBetter(grade=a, next_grade=b, of_decided=shares[a], next_of_decided=shares[b])
        for a, b in pairwise(ranked)
        if (shares[a].share or 0.0) <= (shares[b].share or 0.0)
    ]
    y, won = decided["won"].cast(pl.Float64).to_numpy(), int(decided["won"].sum())
    both = 0 < won < decided.height
    score, ids = decided[f"{scheme}_score"].to_numpy(), decided["lead_id"].to_numpy()
    auc = interval(roc_auc, y, score, ids, draws=DRAWS) if both else None
    return SchemeCheck(
        scheme=scheme, leads=decided.height, won=won, auc=auc, grades={grade: shares[grade] for grade in ranked},
        not_better=tuple(flags),
    )  # fmt: skip


def _start_of(score: Interval) -> float:
    return -inf if score.low is None else score.low


def _referrals(
    rows: pl.DataFrame, interactions: pl.DataFrame | None, interventions: pl.DataFrame | None, pack: RulePack
) -> Referrals:
    rules, level = pack.leads.referral, pack.leads.conversion.level.value
    asked = [
        frame.filter(pl.col(said).str.strip_chars().str.to_lowercase().is_in([word.lower() for word in words]))
        .group_by("customer_id")
        .agg(pl.col("occurred_at").min())
        for frame, said, words in (
            (interactions, "topic", rules.topics.words), (interventions, "playbook", rules.playbooks.words)
        )
        if frame is not None and said in frame.columns
    ]  # fmt: skip
    referred = rows.filter(pl.col("referred_by").is_not_null())
    won, decided = int(referred["won"].sum()), int(referred["won"].count())
    first = pl.concat(asked).group_by("customer_id").agg(pl.col("occurred_at").min()) if asked else None
    return Referrals(
        asked=None if first is None else first.height,
        brought_a_lead=None if first is None else _share(_brought(first, referred), first.height, level),
        leads=referred.height,
        of_decided=_share(won, decided, level),
        of_all=_share(won, referred.height, level),
    )


def _brought(asked: pl.DataFrame, referred: pl.DataFrame) -> int:
    """Customers of whom a referred lead came in at or after the first time they were asked."""
    found = referred.join(asked, left_on="referred_by", right_on="customer_id")
    return found.filter(pl.col("created_at") >= pl.col("occurred_at"))["referred_by"].n_unique()


def _spell(rows: pl.DataFrame) -> Spell:
    won = rows.filter(pl.col("won"), pl.col("outcome_at").is_not_null())
    days = (won["outcome_at"] - won["created_at"]).cast(pl.Float64) / DAY
    lower, median, upper = (days.quantile(part, "linear") for part in (0.25, 0.5, 0.75))
    return Spell(deals=len(days), lower=lower, median=median, upper=upper)
