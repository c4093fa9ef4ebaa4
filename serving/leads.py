"""`remora leads`: open leads, the best grade first."""

from typing import Any

import polars as pl

from features.language import Lang, translator
from models.rules.leads import lead_cleaning, score_leads, tag_label
from monitoring.conversion import high_value_share
from serving.explained import minute
from serving.reporting import Reporting, Told, add_row, chosen, new_table
from serving.terminal import UNKNOWN


def lead_list(of: Reporting, grade: str | None, tag: str | None, limit: int, lang: Lang) -> Told:
    """Open leads with grade, first contact, who and what next, and how many alike are of high value."""
    leads = of.needed("leads", "the list of leads")
    known = leads.select("lead_id", *_known(leads))
    scored = score_leads(leads, of.pack, of.as_of).join(known, on="lead_id", how="left", maintain_order="left")
    open_ones = scored.filter(pl.col("outcome").is_null()) if "outcome" in scored.columns else scored
    if grade is not None:
        open_ones = open_ones.filter(pl.col("grade") == chosen("--grade", grade, of.pack.leads.grades))
    if tag is not None:
        open_ones = open_ones.filter(pl.col("tags").list.contains(tag))
    open_ones = open_ones.join(_high_value(of, leads), on="lead_id", how="left", maintain_order="left")
    _ = translator(lang).gettext
    table = new_table(
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
        add_row(table, *_lead_cells(row, of, lang))
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


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"
