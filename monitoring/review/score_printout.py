"""The quarterly check for the terminal: score against outcome, beside the model; stay-rates; proposed weights."""

from rich.table import Table

from models.rules.pack import RulePack
from models.rules.schema.entries import Lang
from monitoring.review.figures import tier_name
from monitoring.review.printout import UNKNOWN, Parts, Words, number, share_cells
from monitoring.review.proposal import Proposal
from monitoring.review.quarterly import QuarterlyReview, TierStay
from training.bootstrap import Interval


def quarterly_tables(report: QuarterlyReview, pack: RulePack, lang: Lang = "en") -> Parts:
    """The quarterly check as tables and lines of rich markup, in reading order."""
    words, rules = Words(pack, lang), pack.review
    dates = " – ".join(sorted({report.dates[0], report.dates[-1]})) if report.dates else UNKNOWN
    parts: Parts = [
        f"[bold]{words.of(rules.quarterly)}[/bold]  {dates}  ({report.rules_version})",
        f"[bold]{words.of(rules.score.label)}[/bold]: {words.of(report.text)}",
    ]
    parts += [outcome_table(report, pack, lang)] if report.score else []
    parts += [stay_table(report.tiers, words)] if report.tiers else []
    parts.append(f"[bold]{words.of(rules.proposal.label)}[/bold]: {words.of(report.proposal.text)}")
    return parts + ([weight_table(report.proposal, words)] if report.proposal.weights else [])


def outcome_table(report: QuarterlyReview, pack: RulePack, lang: Lang = "en") -> Table:
    """Score against outcome: a column for the score and, on the same rows, for the model and their difference."""
    words, found = Words(pack, lang), report.beside
    lift = words.heading("lift", share=f"{pack.review.score.lowest_share.value:.0%}")
    names = ["score", "model", "difference"] if found else ["score"]
    title = f"{words.of(pack.review.score.label)} ({words.interval()})"
    table = words.table([words.heading("figure")], [words.heading(name) for name in names], title)
    rows = found.rows if found else report.rows
    customers, left = (found.customers, found.left) if found else (report.customers, report.left)
    counts = f"{rows - left:,} / {rows:,}"
    table.add_row(words.heading("customers"), f"{customers:,}")
    table.add_row(words.heading("stayed"), counts)
    if found:
        each, gaps = (found.score, found.model), (found.auc_difference, found.lift_difference)
        table.add_row(words.heading("auc"), *(cell(one.auc, 3) for one in each), cell(gaps[0], 3, "+"))
        table.add_row(lift, *(cell(one.lift, 2) for one in each), cell(gaps[1], 2, "+"))
    elif report.score:
        table.add_row(words.heading("auc"), cell(report.score.auc, 3))
        table.add_row(lift, cell(report.score.lift, 2))
    return table


def stay_table(tiers: tuple[TierStay, ...], words: Words) -> Table:
    """Who stayed, by tier, the highest first."""
    table = words.table([words.heading("tier")], [*words.share_headings("stayed"), words.heading("not_better")])
    for each in tiers:
        below = each.not_better_than
        mark = words.of(tier_name(below, words.pack)) if below else ""
        table.add_row(words.of(tier_name(each.tier, words.pack)), *share_cells(each.stayed), mark)
    return table


def weight_table(proposal: Proposal, words: Words) -> Table:
    """Proposed weights beside today's."""
    composite = words.pack.composite
    table = words.table(
        [words.heading("dimension"), words.heading("indicator")], [words.heading("today"), words.heading("proposed")]
    )
    for each in proposal.weights:
        dimension, indicator = composite.dimensions[each.dimension].label, composite.indicators[each.indicator].label
        table.add_row(words.of(dimension), words.of(indicator), number(each.today, 1), number(each.proposed, 1))
    return table


def cell(interval: Interval, digits: int, sign: str = "") -> str:
    """0.721 (0.708 – 0.734)."""
    low, high = number(interval.low, digits, sign), number(interval.high, digits, sign)
    return f"{number(interval.estimate, digits, sign)} ({low} – {high})"
