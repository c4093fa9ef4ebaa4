"""The few leads of one request: grade, deadline and what to do, as `remora leads` tells them; nothing is stored."""

from typing import Any

import polars as pl

from features.clock import micros, moment, now
from features.given import given_tables, micros_in
from features.language import Lang
from features.point_in_time import known_before
from features.settings import Settings
from models.rules.leads import score_leads, tag_label
from models.rules.pack import RulePack
from serving.request_rows import Row, cells_of, rows_of
from serving.schemas import invalid
from serving.schemas_score import LeadsScoreRequest


def score_leads_few(pack: RulePack, request: LeadsScoreRequest, settings: Settings) -> dict[str, Any]:
    """A `schemas_score.LeadsScoreResponse` as plain data. Raises InvalidRequestError naming each cell that is wrong."""
    rows, problems = rows_of("leads", request.leads, "leads")
    if problems:
        raise invalid(problems)
    as_of = micros(now()) if request.as_of is None else micros_in(request.as_of, settings.company.zone)
    known = _known(rows, as_of, settings)
    scored = score_leads(known, pack, as_of)
    asked = {row.lead_id for row in rows}  # type: ignore[attr-defined]
    return {
        "as_of": moment(as_of),
        "rules_version": pack.rules_version,
        "leads_unknown": sorted(asked - set(known["lead_id"])),
        "leads": [_told(row, pack, request.lang) for row in scored.iter_rows(named=True)],
    }


def _known(rows: list[Row], as_of: int, settings: Settings) -> pl.DataFrame:
    """The leads that had come in before `as_of`, as they were known then."""
    tables = given_tables({"leads": cells_of("leads", rows, None)}, {}, settings)
    known: pl.DataFrame = known_before(tables, as_of)["leads"].collect(backend="polars").to_native()
    return known


def _told(row: dict[str, Any], pack: RulePack, lang: Lang) -> dict[str, Any]:
    rules, due = pack.leads, row["first_contact_due"]
    grade, owner, action = row["grade"], row["recommended_owner"], row["recommended_action"]
    return {
        **{name: row[name] for name in ("lead_id", "bant_score", "bant_grade", "four_score", "four_grade")},
        "grade": grade,
        "grade_label": rules.grades[grade].label.text(lang) if grade else None,
        "grade_basis": row["grade_basis"],
        "first_contact_due": None if due is None else moment(due),
        "contacted_late": row["contacted_late"],
        "owner_key": owner,
        "owner": rules.owners[owner].text(lang) if owner else None,
        "action_key": action,
        "action": rules.actions[action].text(lang) if action else None,
        "tags": row["tags"],
        "tag_labels": [tag_label(tag, pack, lang) for tag in row["tags"]],
        "missing": row["missing"],
    }
