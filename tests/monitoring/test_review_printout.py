"""The review as people read it, in Chinese and English, full and empty; and a wrong copy of its section refused."""

import tomllib
from io import StringIO
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from models.rules import DEFAULT_PACK, Lang, load_pack
from models.rules.schema.review import Review
from monitoring.review import (
    check,
    disagreement_table,
    disagreements,
    monthly,
    monthly_tables,
    quarterly_tables,
)
from monitoring.review.acquisition import Acquisition
from monitoring.review.monthly import MonthlyReview
from tests.literal import T, at
from tests.monitoring.test_review_disagreement import FOUR
from tests.monitoring.test_review_monthly import NONE, company
from tests.monitoring.test_review_score import EXPECTED, literal

PACK = load_pack()
FULL: MonthlyReview = company()
EMPTY = monthly({}, None, NONE, at(30), T, PACK)


def printed(parts: list[Any]) -> str:
    out = StringIO()
    console = Console(width=400, file=out)
    for part in parts:
        console.print(part)
    return out.getvalue()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_figure_is_shown_in_the_language_asked_for(lang: Lang) -> None:
    text = printed(monthly_tables(FULL, PACK, lang))
    for name in ("follow_ups", "win_back", "complaints", "acquisition", "movement", "plans"):
        assert getattr(PACK.review, name).label.text(lang) in text
        assert getattr(FULL, name).text.text(lang).split("; ")[0].split("；")[0] in text
    tier = PACK.composite.tiers["key"].label.text(lang)
    assert f"{PACK.review.headings['tier'].text(lang)} {FULL.movement.before} → {FULL.movement.after}" in text
    assert tier in text
    assert "10 / 20" in text
    assert "2026.1+" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_quarterly_check_is_shown(lang: Lang) -> None:
    text = printed(quarterly_tables(EXPECTED, PACK, lang))
    assert EXPECTED.beside is not None
    assert f"{EXPECTED.beside.model.auc.estimate:.3f} (" in text
    assert f"{EXPECTED.beside.auc_difference.estimate:+.3f} (" in text
    assert PACK.review.proposal.label.text(lang) in text
    for weight in EXPECTED.proposal.weights:
        assert PACK.composite.indicators[weight.indicator].label.text(lang) in text


def test_nothing_known_is_sentences_without_tables() -> None:
    assert all(isinstance(part, str) for part in monthly_tables(EMPTY, PACK))
    assert all(isinstance(part, str) for part in quarterly_tables(check(literal(), PACK), PACK))
    assert isinstance(EMPTY.acquisition, Acquisition)
    only_score = quarterly_tables(check(literal(("a", 50.0, None, 0), ("b", 40.0, None, 1)), PACK, draws=20), PACK)
    assert PACK.review.score.no_model.en in printed(only_score)


def test_disagreements_are_shown_side_by_side() -> None:
    text = printed(disagreement_table(disagreements(FOUR, PACK), PACK, "zh"))
    assert "评分高而模型风险高" in text
    assert "战略客户 (95.0)" in text
    assert "高风险 (90.0%)" in text
    assert PACK.review.disagreement.none.en in printed(disagreement_table(disagreements(FOUR.clear(), PACK), PACK))


WRONG: tuple[tuple[str, Any, str], ...] = (
    ("level.value", 1.0, "level: must lie between 0 and 1"),
    ("win_back.window_days.value", 0.0, "win_back.window_days: must be above 0"),
    ("headings.tier", None, "headings.tier: missing; add it"),
    ("headings.colour", {"zh": "色", "en": "colour"}, "headings.colour: unknown key; remove or correct it"),
    ("follow_ups.decided.en", "{hits} of {all}", "use the same placeholders"),
    ("movement.pack_changed", {"zh": "{x}", "en": "{x}"}, "unknown placeholders x; use only none"),
    ("complaints.none.zh", None, "Field required"),
)


@pytest.mark.parametrize(("path", "value", "problem"), WRONG)
def test_a_wrong_copy_of_the_section_is_refused(path: str, value: Any, problem: str) -> None:
    raw = tomllib.loads(DEFAULT_PACK.read_text(encoding="utf-8"))["review"]
    *way, last = path.split(".")
    place = raw
    for name in way:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(ValidationError) as error:
        Review.model_validate(raw)
    assert problem in str(error.value)
