"""Stage actions: every line of RULES §6 with its deadline."""

import pytest

from features.clock import DAY
from models.rules.pack import load_pack
from models.rules.stages import HOUR, stage_actions, stage_table, stages_of

PACK = load_pack()

# stage, action, owner, within, every, document
LINES = [
    ("lead_identification", "score", "sales representative", None, None, "D1"),
    ("lead_identification", "tag", "sales representative", None, None, "D4"),
    ("lead_identification", "best_first", "sales representative", None, None, "D1"),
    ("first_contact", "prepare", "sales representative", None, None, "D1"),
    ("first_contact", "note", "sales representative", None, None, "D1"),
    ("relationship_building", "proposal", "account manager + product", None, None, "D1"),
    ("relationship_building", "call", "account manager + product", 3 * DAY, None, "D1"),
    ("relationship_building", "industry_note", "account manager + product", None, 7 * DAY, "D1"),
    ("deep_cooperation", "progress_report", "implementation team", None, 7 * DAY, "D1"),
    ("deep_cooperation", "training", "implementation team", None, None, "D1"),
    ("deep_cooperation", "survey", "dedicated success manager", None, 30 * DAY, "D1"),
    ("deep_cooperation", "feature_advice", "dedicated success manager", None, None, "D1"),
    ("loyal", "senior_lead", "senior account manager", None, None, "D1"),
    ("loyal", "executive_visit", "senior account manager", None, 365 * DAY, "D1"),
    ("loyal", "gifts", "senior account manager", None, None, "D1"),
    ("loyal", "events", "senior account manager", None, None, "D1"),
    ("loyal", "referral", "senior account manager", None, 30 * DAY, "D4"),
    ("trust_building", "thank_you", "sales representative", 24 * HOUR, None, "D5"),
    ("trust_building", "call", "sales representative", 3 * DAY, None, "D5"),
    ("trust_building", "value_report", "sales representative", 7 * DAY, None, "D5"),
    ("consolidation", "visit", "sales representative", None, 90 * DAY, "D5"),
    ("consolidation", "light_touch", "sales representative", None, 30 * DAY, "D5"),
    ("consolidation", "needs_review", "sales representative", None, 180 * DAY, "D5"),
    ("growing_together", "workshop", "account team", None, None, "D5"),
    ("growing_together", "joint_events", "account team", None, None, "D5"),
    ("class_a", "team", "dedicated seller", None, None, "D5"),
    ("class_a", "strategy_talk", "dedicated seller", None, 90 * DAY, "D5"),
    ("class_a", "service_pack", "dedicated seller", None, None, "D5"),
    ("class_a", "own_channel", "dedicated seller", None, None, "D5"),
    ("class_b", "industry_solutions", "sales representative", None, None, "D5"),
    ("class_b", "expert_trust", "sales representative", None, None, "D5"),
    ("class_c", "mail_care", "automation", None, None, "D5"),
    ("problem_solved", "improvement_report", "service", None, None, "D5"),
    ("serious_failure", "apology", "executive", None, None, "D5"),
    ("serious_failure", "compensation", "executive", None, None, "D5"),
]


def test_every_line_and_no_other() -> None:
    found = [
        (row.stage, row.action, row.owner.en, row.within, row.every, row.document)
        for stage in PACK.stage_actions.stages
        for row in stage_actions(stage, PACK)
    ]
    assert found == LINES


def test_the_table_has_d1_s_columns_in_both_languages() -> None:
    for lang in ("zh", "en"):
        table = stage_table(PACK, lang)
        assert table.columns == ["stage", "goal", "key_action", "output", "owner", "due", "document"]
        assert table.height == len(LINES)
        assert table.null_count().sum_horizontal().item() == 0
    assert stage_table(PACK, "zh").row(17)[2:6] == ("首单后致谢", "感谢信", "销售代表", "首单后24小时内")


def test_stages_of_a_customer() -> None:
    assert stages_of(["value:low", "abc:A", "stage:loyal"], PACK) == ["loyal", "class_a"]
    assert stages_of([], PACK) == []
    with pytest.raises(KeyError):
        stage_actions("made_up", PACK)
