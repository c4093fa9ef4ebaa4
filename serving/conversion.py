"""`remora report conversion`: how leads convert, by what, and whether their scores hold."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from features.language import N_, Lang, translator
from models.rules.conditions import feedback_patterns, reason_label
from models.rules.pack import RulePack
from monitoring.conversion import conversion_report as convert
from monitoring.conversion import report_texts, stage_label
from monitoring.conversion_findings import ConversionReport, Converted
from serving.reporting import Reporting, Told, add_row, new_table
from serving.terminal import UNKNOWN

WORDS = (N_("all"), N_("grade"), N_("stage"), N_("industry"), N_("won"), N_("lost"), N_("month"), N_("week"))
"""What the report's own keys are called."""

LATEST = 6
"""Weeks and months that a person is shown."""


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
    table = new_table(
        _("Conversion"), (_("by"), _("value"), _("leads"), _("won"), _("of decided"), _("interval (95 %)"))
    )
    for row in whole:
        share = row.of_decided
        counts = str(row.leads), str(row.won), *_share(share.share, share.low, share.high)
        add_row(table, _(row.by), _valued(row, of.pack, lang), *counts)
    reasons = new_table(_("Reasons"), (_("outcome"), _("reason"), _("leads"), _("share")))
    for reason in found.reasons:
        label = reason_label(reason.reason, of.pack, lang)
        add_row(reasons, _(reason.outcome), label, str(reason.leads), f"{reason.share:.0%}")
    parts = (_by_period(found, lang), _checks(found, of.pack, lang), *_referrals(found, lang))
    texts = map(Text, report_texts(found, of.pack, lang))
    return found.model_dump(mode="json"), table, reasons, *parts, *texts


def _valued(row: Converted, pack: RulePack, lang: Lang) -> str:
    """The grade, stage or industry of a line of the report."""
    if row.value is not None and row.by == "grade" and row.value in pack.leads.grades:
        return pack.leads.grades[row.value].label.text(lang)
    return stage_label(row.value, pack, lang) if row.by == "stage" and row.value else row.value or UNKNOWN


def _by_period(found: ConversionReport, lang: Lang) -> Table:
    """Conversion of all leads by week and month of their coming (D4), the latest first."""
    _ = translator(lang).gettext
    table = new_table(_("By period"), (_("period"), _("from"), _("leads"), _("won"), _("of decided")))
    rows = [line for line in found.conversion if line.start is not None and line.by == "all"]
    for period in ("month", "week"):
        for line in sorted((r for r in rows if r.period == period), key=lambda r: r.start or "", reverse=True)[:LATEST]:
            share = UNKNOWN if line.of_decided.share is None else f"{line.of_decided.share:.0%}"
            add_row(table, _(line.period), line.start, str(line.leads), str(line.won), share)
    return table


def _checks(found: ConversionReport, pack: RulePack, lang: Lang) -> Table:
    """The lead scores against what came of the leads: AUC, and how each grade converted."""
    _ = translator(lang).gettext
    table = new_table(_("Do the lead scores hold?"), (_("scheme"), _("leads"), "AUC", _("grades")))
    for check in found.checks:
        auc = check.auc
        told = UNKNOWN if auc is None or auc.low is None else f"{auc.estimate:.2f} ({auc.low:.2f} – {auc.high:.2f})"
        shares = [(pack.leads.schemes[check.scheme].grades[key].label.text(lang), s) for key, s in check.grades.items()]
        grades = _(", ").join(f"{label} {s.share:.0%}" for label, s in shares if s.share is not None)
        add_row(table, pack.leads.schemes[check.scheme].label.text(lang), str(check.leads), told, grades)
    return table


def _referrals(found: ConversionReport, lang: Lang) -> Iterator[Text]:
    """Referrals asked, brought and won (D4), and the days from enquiry to deal."""
    _, told, spell = translator(lang).gettext, found.referrals, found.enquiry_to_deal
    asked = UNKNOWN if told.asked is None else str(told.asked)
    yield Text(_("Referrals: asked {asked}, leads {leads}, won {won}").format(
        asked=asked, leads=told.leads, won=told.of_all.hits
    ))  # fmt: skip
    if spell.median is not None:
        days = _("From enquiry to deal: {days} days for half of {deals} deals")
        yield Text(days.format(days=f"{spell.median:.0f}", deals=spell.deals))


def _share(share: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    if share is None or low is None or high is None:
        return UNKNOWN, UNKNOWN
    return f"{share:.0%}", f"{low:.0%} – {high:.0%}"
