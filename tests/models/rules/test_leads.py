"""Lead scores of D1 and D4: every number just below and just above, and what must hold for any lead."""

from math import inf, nan
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.clock import DAY
from models.rules import DEFAULT_PACK, PackError, load_pack
from models.rules.leads import HOUR, lead_cleaning, outcome_of, score_leads, size_band, tag_label

PACK = load_pack()
T = 20_000 * DAY
BANT = {"budget": 20, "authority": 25, "need": 30, "timing": 25}  # D1
FOUR = ("need_clarity", "budget_match", "decision_chain", "urgency")  # D4


def bant(points: float) -> dict[str, float]:
    return {name: points * most / 100 for name, most in BANT.items()}


def four(points: float) -> dict[str, float]:
    return dict.fromkeys(FOUR, points / 4)


def leads(*rows: dict[str, Any]) -> pl.DataFrame:
    """Leads created ten days before the cut-off, named by their place."""
    columns = {name: pl.Float64 for row in rows for name in row if name in (*BANT, *FOUR)}
    named = [{"lead_id": f"L{n}", "created_at": T - 10 * DAY, **row} for n, row in enumerate(rows)]
    return pl.DataFrame(named, schema_overrides=columns, infer_schema_length=None)


def score(as_of: int = T, **row: Any) -> dict[str, Any]:
    return score_leads(leads(row), PACK, as_of).row(0, named=True)


# the numbers of the documents


@pytest.mark.parametrize(
    ("source", "points", "grade", "counts_as"),
    [
        ("D1", 100, "high", "a"), ("D1", 70, "high", "a"), ("D1", 69.99, "medium", "b"), ("D1", 40, "medium", "b"),
        ("D1", 39.99, "put_off", "c"), ("D1", 0, "put_off", "c"),
        ("D4", 20, "a", "a"), ("D4", 15, "a", "a"), ("D4", 14.99, "b", "b"), ("D4", 10, "b", "b"),
        ("D4", 9.99, "c", "c"), ("D4", 4, "c", "c"),
    ],
)  # fmt: skip
def test_grades_just_below_and_at_each_bound(source: str, points: float, grade: str, counts_as: str) -> None:
    scheme, row = ("bant", bant(points)) if source == "D1" else ("four", four(points))
    got = score(**row)
    assert got[f"{scheme}_score"] == pytest.approx(points)
    assert (got[f"{scheme}_grade"], got["grade"], got["grade_basis"]) == (grade, counts_as, scheme)
    begins = {70: "D1", 40: "D1", 15: "D4", 10: "D4"}
    assert begins.get(points, source) == source


@pytest.mark.parametrize(("name", "most"), BANT.items())
def test_bant_components_go_up_to_their_maximum(name: str, most: float) -> None:  # D1
    others = dict.fromkeys(BANT, 0.0)
    for value in (most - 1, most, most + 1, inf):
        assert score(**others | {name: value})["bant_score"] == min(value, most)
    assert score(**others | {name: -5.0})["bant_score"] == 0


@pytest.mark.parametrize("name", FOUR)
def test_four_dimensions_go_from_1_to_5(name: str) -> None:  # D4
    for value, counted in ((0.0, 1), (1, 1), (4.9, 4.9), (5, 5), (6, 5)):
        assert score(**dict.fromkeys(FOUR, 2.0) | {name: value})["four_score"] == 6 + counted


@pytest.mark.parametrize(
    ("points", "owner", "action", "deadline"),
    [
        (15, "experienced_seller", "contact", 24 * HOUR),  # D4
        (14, "marketing", "nurture", None),
        (9, "sales_representative", "put_off", None),
    ],
)
def test_what_to_do_with_a_grade(points: float, owner: str, action: str, deadline: int | None) -> None:
    got = score(**four(points))
    assert (got["recommended_owner"], got["recommended_action"]) == (owner, action)
    assert got["first_contact_due"] == (None if deadline is None else T - 10 * DAY + deadline)


@pytest.mark.parametrize(
    ("created", "contacted", "outcome", "late"),
    [
        (T - 3 * DAY, T - 2 * DAY, None, False),  # exactly 24 hours: in time
        (T - 3 * DAY, T - 2 * DAY + 1, None, True),
        (T - DAY, None, None, False),  # due now
        (T - DAY - 1, None, None, True),
        (T - DAY, T, None, False),  # a contact that is not known yet
        (T - 3 * DAY, None, "won", None),  # decided, no contact on record
        (T - 3 * DAY, T - DAY, "won", True),
    ],
)
def test_first_contact_in_24_hours(created: int, contacted: int | None, outcome: str | None, late: bool | None) -> None:
    row = {"created_at": created, "first_contacted_at": contacted, "outcome": outcome}  # D4
    assert score(**four(16), **row)["contacted_late"] is late
    assert score(**four(12), **row)["contacted_late"] is None


def test_without_contacts_nobody_is_late() -> None:
    assert score(**four(16))["contacted_late"] is None


# which grade counts, and what is missing


def test_d4_counts_where_both_have_a_grade_and_the_other_where_one_has() -> None:
    both = score(**bant(90), **four(8))
    assert (both["bant_grade"], both["four_grade"], both["grade"], both["grade_basis"]) == ("high", "c", "c", "four")
    one = score(**bant(90), **four(8) | {"urgency": None})
    assert (one["four_score"], one["four_grade"], one["grade"], one["grade_basis"]) == (None, None, "a", "bant")
    assert one["missing"] == ["urgency"]


@pytest.mark.parametrize("unknown", [None, nan])
@pytest.mark.parametrize("name", BANT)
def test_a_missing_component_is_no_score(name: str, unknown: float | None) -> None:
    got = score(**bant(100) | {name: unknown})
    assert [got[c] for c in ("bant_score", "bant_grade", "grade", "recommended_action")] == [None] * 4
    assert got["missing"] == [name]


def test_missing_names_the_schemes_in_use_or_all() -> None:
    frame = leads(bant(50))
    assert score_leads(frame.drop("need"), PACK, T)["missing"].to_list() == [["need"]]
    nothing = score_leads(leads({}), PACK, T).row(0, named=True)
    assert nothing["missing"] == [*BANT, *FOUR]
    assert (nothing["grade"], nothing["grade_basis"], nothing["contacted_late"]) == (None, None, None)


def test_sorted_by_grade_then_score_then_age_then_key() -> None:
    frame = leads(
        four(9), {}, four(16), bant(100), four(12), four(16) | {"created_at": T - 11 * DAY}, four(19), four(16)
    )
    assert score_leads(frame, PACK, T)["lead_id"].to_list() == ["L3", "L6", "L5", "L2", "L7", "L4", "L0", "L1"]


def test_cleaning_counts_what_is_out_of_range() -> None:
    frame = leads(bant(50) | {"budget": 21.0}, bant(50) | {"budget": -1.0, "need": None}, bant(50) | {"need": nan})
    counts = {row["component"]: row for row in lead_cleaning(frame, PACK).to_dicts()}
    assert counts["budget"] == {"scheme": "bant", "component": "budget", "leads": 3, "missing": 0, "clipped": 2}
    assert (counts["need"]["missing"], counts["need"]["clipped"]) == (2, 0)
    assert (counts["urgency"]["missing"], counts["urgency"]["clipped"]) == (3, 0)


def test_an_empty_table_is_scored() -> None:
    assert score_leads(leads({}).clear(), PACK, T).height == 0
    assert lead_cleaning(leads(bant(1)).clear(), PACK)["leads"].to_list() == [0] * 8


# tags and outcomes


def test_tags_are_kept_and_filterable() -> None:  # D4
    row = {"tags": " api, pilot，api ;, ", "industry": "Retail", "employees": 50.0, "enquiries": 3.0}
    got = score(**four(16), **row)
    assert got["tags"] == ["api", "pilot", "industry:Retail", "size:medium", "clear_need", "strong_intent"]
    assert score(tags=None, industry=" ", **four(15.9))["tags"] == []
    frame = score_leads(leads(row, {"tags": "pilot"}, {"tags": None}), PACK, T)
    assert sorted(frame.filter(pl.col("tags").list.contains("pilot"))["lead_id"]) == ["L0", "L1"]


@pytest.mark.parametrize(
    ("employees", "band"),
    [(0.0, "small"), (49, "small"), (50, "medium"), (499, "medium"), (500, "large"), (None, None), (nan, None)],
)
def test_size_bands(employees: float | None, band: str | None) -> None:  # project default
    assert pl.select(size_band(pl.lit(employees, pl.Float64), PACK)).item() == band


@pytest.mark.parametrize(
    ("column", "below", "at", "tag"), [("need_clarity", 3.9, 4, "clear_need"), ("enquiries", 2.9, 3, "strong_intent")]
)
def test_levels(column: str, below: float, at: float, tag: str) -> None:  # project default
    assert tag not in score(**{column: below})["tags"]
    assert tag in score(**{column: at})["tags"]


@pytest.mark.parametrize(
    ("tag", "zh", "en"),
    [
        ("industry:Retail", "行业: Retail", "industry: Retail"),
        ("size:large", "规模: 大型", "size: large"),
        ("clear_need", "需求明确", "clear need"),
        ("pilot", "pilot", "pilot"),
        ("size:huge", "size:huge", "size:huge"),
    ],
)
def test_tags_are_told_in_both_languages(tag: str, zh: str, en: str) -> None:
    assert (tag_label(tag, PACK, "zh"), tag_label(tag, PACK, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("won", "won"), (" Won ", "won"), ("赢单", "won"), ("LOST", "lost"), ("open", None), (None, None), ("?", None)],
)
def test_outcomes(said: str | None, outcome: str | None) -> None:
    frame = leads({"outcome": said}).with_columns(pl.col("outcome").cast(pl.String))
    assert frame.select(outcome_of(frame, PACK)).item() == outcome


# the pack


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> Path:
    """A copy of the pack with other words in the section of leads."""
    whole = DEFAULT_PACK.read_text(encoding="utf-8")
    before, section, after = whole.partition("[leads]")
    for old, new in replacements:
        assert old in after
        after = after.replace(old, new, 1)
    file = tmp_path / "copy.toml"
    file.write_text(before + section + after, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("score = { low = 40, high = 70,", "score = { low = 45, high = 75,", "leads.bant: grades.put_off.score: high"),
        ("score = { high = 10,", "score = { low = 1, high = 10,", "leads.four: grades must cover every score"),
        ("score = { low = 15, f", "score = { low = 21, f", "leads.four: grades.b.score: high 15 must equal the 21"),
        ('high = 10, from = "D4" }, counts_as = "c"', 'high = 10, from = "D4" }, counts_as = "d"', "four.grades.c"),
        ('owner = "marketing"', 'owner = "nobody"', "leads: grades.b.owner: 'nobody' is none of experienced_seller"),
        ('column = "budget", low = 0, high = 20', 'column = "budget", low = 20, high = 20', "leads.bant.components.b"),
        ('prefer = ["four", "bant"]', 'prefer = ["five"]', "leads.prefer.0: Input should be 'bant' or 'four'"),
    ],
)  # fmt: skip
def test_a_wrong_copy_of_the_pack_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    file = changed(tmp_path, (old, new))
    with pytest.raises(PackError) as error:
        load_pack(file)
    assert any(expected in problem for problem in error.value.problems), error.value.problems


def test_a_grade_out_of_reach_is_refused(tmp_path: Path) -> None:
    file = changed(tmp_path, ("score = { low = 15, f", "score = { low = 21, f"), ("high = 15, f", "high = 21, f"))
    with pytest.raises(PackError, match=r"leads\.four: grades\.a\.score: begins at 21, but components add up to 4 to"):
        load_pack(file)


# properties

values = st.none() | st.floats(-50, 150) | st.sampled_from([nan, inf, -inf])
any_lead = st.fixed_dictionaries(
    dict.fromkeys((*BANT, *FOUR), values)
    | {
        "created_at": st.integers(T - 30 * DAY, T - 1),
        "first_contacted_at": st.none() | st.integers(T - 30 * DAY, T),
        "tags": st.none() | st.text("ab,， ", max_size=6),
        "industry": st.none() | st.text("xy ", max_size=2),
        "employees": values,
        "outcome": st.sampled_from([None, "won", "lost", "open"]),
    }
)


@given(rows=st.lists(any_lead, min_size=1, max_size=6), seed=st.integers(0, 9))
def test_no_lead_depends_on_another(rows: list[dict[str, Any]], seed: int) -> None:
    kinds = {"first_contacted_at": pl.Int64, "tags": pl.String, "industry": pl.String, "employees": pl.Float64}
    frame = leads(*rows).cast(kinds | {"outcome": pl.String})  # type: ignore[arg-type]
    batch = score_leads(frame, PACK, T)
    shuffled = score_leads(frame.sample(fraction=1, shuffle=True, seed=seed), PACK, T)
    assert_frame_equal(batch, shuffled, check_exact=True)
    alone = pl.concat(score_leads(frame[n], PACK, T) for n in range(frame.height))
    assert_frame_equal(batch.sort("lead_id"), alone.sort("lead_id"), check_exact=True)
    for row in batch.to_dicts():
        assert row["bant_score"] is None or 0 <= row["bant_score"] <= 100
        assert row["four_score"] is None or 4 <= row["four_score"] <= 20
        assert (row["grade"] is None) == (row["bant_score"] is None and row["four_score"] is None)
        assert (row["bant_score"] is None) == bool(set(row["missing"]) & set(BANT))


@given(
    row=st.fixed_dictionaries(dict.fromkeys(FOUR, st.floats(0, 6))), name=st.sampled_from(FOUR), more=st.floats(0, 6)
)
def test_more_points_never_make_a_worse_grade(row: dict[str, float], name: str, more: float) -> None:
    before, after = score(**row), score(**row | {name: row[name] + more})
    assert before["four_score"] <= after["four_score"]
    assert before["grade"] >= after["grade"]
