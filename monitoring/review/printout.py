"""The review for the terminal: what each figure says, then its table; in Chinese or English."""

from collections.abc import Iterable, Sequence

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from models.rules.pack import RulePack
from models.rules.schema.entries import Label, Lang
from monitoring.review.acquisition import Acquisition, Worth
from monitoring.review.complaints import Complaints
from monitoring.review.figures import Share, percent, segment_name, tier_name
from monitoring.review.follow_ups import FollowUps
from monitoring.review.monthly import MonthlyReview
from monitoring.review.movement import Movement
from monitoring.review.plans import Plans
from monitoring.review.win_back import WinBack

UNKNOWN = "–"
Parts = list[Table | str]


class Words:
    """The pack's words in one language."""

    def __init__(self, pack: RulePack, lang: Lang) -> None:
        self.pack, self.lang = pack, lang

    def of(self, label: Label) -> str:
        """A label, safe for rich."""
        return escape(label.text(self.lang))

    def heading(self, name: str, **values: object) -> str:
        """A word of `review.headings`."""
        return escape(self.pack.review.headings[name].text(self.lang).format(**values))

    def interval(self) -> str:
        """The heading over intervals of the review's level."""
        return self.heading("interval", level=f"{self.pack.review.level.value:.0%}")

    def table(self, texts: Sequence[str], numbers: Sequence[str] = (), title: str = "") -> Table:
        """An empty table; columns of text left, of numbers right."""
        table = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for name in texts:
            table.add_column(name, overflow="fold")
        for name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        return table

    def share_headings(self, name: str) -> tuple[str, str, str]:
        """Over the cells of `share_cells`."""
        return self.heading(name), self.heading("share"), self.interval()


def monthly_tables(report: MonthlyReview, pack: RulePack, lang: Lang = "en") -> Parts:
    """The monthly review as tables and lines of rich markup, in reading order."""
    words, rules = Words(pack, lang), pack.review
    head = f"[bold]{words.of(rules.label)}[/bold]  {report.month_start} – {report.month_end}  ({report.rules_version})"
    figures: list[tuple[Label, Label, list[Table]]] = [
        (rules.follow_ups.label, report.follow_ups.text, _follow_ups(report.follow_ups, words)),
        (rules.win_back.label, report.win_back.text, _win_back(report.win_back, words)),
        (rules.plans.label, report.plans.text, _plans(report.plans, words)),
        (rules.complaints.label, report.complaints.text, _complaints(report.complaints, words)),
        (rules.acquisition.label, report.acquisition.text, _acquisition(report.acquisition, words)),
        (rules.movement.label, report.movement.text, _movement(report.movement, words)),
    ]
    parts: Parts = [head]
    for label, text, tables in figures:
        parts += [f"[bold]{words.of(label)}[/bold]: {words.of(text)}", *tables]
    return parts


def share_cells(share: Share) -> tuple[str, str, str]:
    """Of how many, the share, its interval."""
    interval = UNKNOWN if share.low is None else f"{percent(share.low)} – {percent(share.high)}"
    return f"{share.hits:,} / {share.of:,}", percent(share.share), interval


def _follow_ups(found: FollowUps, words: Words) -> list[Table]:
    if found.all is None:
        return []
    table = words.table(
        [words.heading("playbook")], [words.heading("with_outcome"), *words.share_headings("succeeded")]
    )
    for row in (*found.playbooks, found.all):
        name = words.heading("all") if row.playbook is None else escape(row.playbook)
        table.add_row(name, f"{row.decided.hits:,} / {row.decided.of:,}", *share_cells(row.succeeded))
    return [table]


def _win_back(found: WinBack, words: Words) -> list[Table]:
    if not found.groups:
        return []
    rule = words.pack.review.win_back
    labels = {"contacted": rule.contacted, "held_back": rule.held_back, "left_alone": rule.left_alone}
    table = words.table([words.heading("group")], words.share_headings("came_back"))
    for name, share in found.groups.items():
        table.add_row(words.of(labels[name]), *share_cells(share))
    return [table]


def _plans(found: Plans, words: Words) -> list[Table]:
    if found.on_time is None:
        return []
    table = words.table([], [*words.share_headings("on_time"), words.heading("late"), words.heading("missing")])
    table.add_row(*share_cells(found.on_time), f"{found.late:,}", f"{found.missing:,}")
    return [table]


def _complaints(found: Complaints, words: Words) -> list[Table]:
    """Segments and categories; of their combinations, only concentrations."""
    shown = [rate for rate in found.rates if rate.concentrated or rate.kind != "segment and category"]
    if not shown:
        return []
    texts = [words.heading("segment"), words.heading("category")]
    table = words.table(
        texts, [*words.share_headings("complaints"), words.heading("overall"), words.heading("concentration")]
    )
    for rate in shown:
        segment = "" if rate.segment is None else words.of(segment_name(rate.segment, words.pack))
        unknown = words.heading("not_given") if rate.kind == "category" else ""
        category = unknown if rate.category is None else escape(rate.category)
        mark = words.heading("yes") if rate.concentrated else ""
        table.add_row(segment, category, *share_cells(rate.complaints), percent(rate.overall), mark)
    return [table]


def _acquisition(found: Acquisition, words: Words) -> list[Table]:
    unknown = words.heading("not_given")
    channels = [(unknown if each.channel is None else escape(each.channel), each) for each in found.channels]
    bands = [(f"{each.low:,.0f} – {each.high:,.0f}", each) for each in found.bands]
    return [
        _worth(words.heading(name), rows, words) for name, rows in (("channel", channels), ("cost_from", bands)) if rows
    ]


def _worth(heading: str, rows: Iterable[tuple[str, Worth]], words: Words) -> Table:
    names = ("customers", "cost", "spend", "spend_per_customer", "spend_per_cost", "expected_value")
    table = words.table([heading], [words.heading(name) for name in names])
    for name, each in rows:
        table.add_row(
            name, f"{each.customers:,}", f"{each.cost:,.0f}", f"{each.spend:,.0f}", f"{each.spend_per_customer:,.0f}",
            number(each.spend_per_cost, 2), number(each.expected_value_per_customer, 0),
        )  # fmt: skip
    return table


def _movement(found: Movement, words: Words) -> list[Table]:
    """The matrix: a row for the tier before, a column for the tier after."""
    if not found.moves:
        return []
    known: list[str | None] = [*found.tiers]
    others = {tier for move in found.moves for tier in (move.before, move.after)} - set(known)
    tiers = [*known, *sorted(others, key=lambda tier: (tier is None, tier or ""))]
    names = [words.of(tier_name(tier, words.pack)) for tier in tiers]
    counts = {(move.before, move.after): move.customers for move in found.moves}
    table = words.table([f"{words.heading('tier')} {found.before} → {found.after}"], names)
    for before, name in zip(tiers, names, strict=True):
        table.add_row(name, *(f"{counts[before, after]:,}" if (before, after) in counts else "" for after in tiers))
    return [table]


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A number with thousands separated; a dash for unknown."""
    return UNKNOWN if value is None else f"{value:{sign},.{digits}f}"


def disagreement_table(rows: pl.DataFrame, pack: RulePack, lang: Lang = "en") -> Parts:
    """`disagreements` as a table: both sides of each customer, next to each other."""
    words, rule = Words(pack, lang), pack.review.disagreement
    title = f"[bold]{words.of(rule.label)}[/bold]"
    if rows.is_empty():
        return [f"{title}: {words.of(rule.none)}"]
    names = ("customer", "conflict", "tier", "reasons_score", "band", "reasons_model", "rank_score", "rank_model")
    table = words.table([words.heading(name) for name in names[:-2]], [words.heading(name) for name in names[-2:]])
    for row in rows.iter_rows(named=True):
        conflict = words.of(rule.conflicts[row["conflict"]].label) if row["conflict"] else ""
        tier = f"{words.of(tier_name(row['tier'], pack))} ({row['composite_score']:.1f})"
        band = f"{_band(row['risk_band'], words)} ({row['churn_probability']:.1%})".strip()
        why = [escape("\n".join(row[name])) for name in ("score_reasons", "model_reasons")]
        ranks = [percent(row[name], 0) for name in ("score_rank", "model_rank")]
        table.add_row(escape(row["customer_id"]), conflict, tier, why[0], band, why[1], *ranks)
    return [title, table]


def _band(band: str | None, words: Words) -> str:
    found = words.pack.risk_bands.get(band or "")
    return words.of(found.label) if found else escape(band or "")
