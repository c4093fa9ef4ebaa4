"""One recommended playbook: a row for each line of the documents."""

import tomllib
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.clock import DAY
from models.rules.pack import DEFAULT_PACK, load_pack
from models.rules.playbooks import (
    because,
    because_text,
    cadence_text,
    first_deadline,
    owner_text,
    playbook_text,
    recommend,
)
from models.rules.schema.playbooks import Playbooks, reference_problems

PACK = load_pack()
AS_OF = 20_000 * DAY
HOUR = DAY // 24
RAW = tomllib.loads(DEFAULT_PACK.read_text(encoding="utf-8"))

# document, what is known of the customer, playbook, owner, cadence, first deadline
Line = tuple[str, dict[str, Any], str, str, str | None, int]
LINES: list[Line] = [
    # §1, the tiers
    ("D2", {"tier": "strategic"}, "tier_strategic", "sales_director", "quarterly", 90 * DAY),
    ("D2", {"tier": "key"}, "tier_key", "account_manager", "monthly", 30 * DAY),
    ("D2", {"tier": "regular"}, "tier_regular", "sales_representative", "quarterly", 90 * DAY),
    ("D2", {"tier": "watch"}, "tier_watch", "customer_success_lead", "monthly", 30 * DAY),
    ("D2", {"tier": "watch", "reason_family": "support"}, "watch_service", "customer_success_lead", "monthly",
     30 * DAY),
    ("D2", {"tier": "watch", "reason_family": "usage"}, "watch_product_fit", "customer_success_lead", "monthly",
     30 * DAY),
    ("D2", {"tier": "watch", "reason_family": "subscription"}, "watch_price", "customer_success_lead", "monthly",
     30 * DAY),
    # §2, the alerts
    ("D5", {"alerts": ["ticket_acknowledge"]}, "acknowledge_ticket", "service", None, HOUR // 2),
    ("D5", {"alerts": ["ticket_solution"]}, "solve_ticket", "service", None, 12 * HOUR),
    ("D3", {"alerts": ["ticket_at_risk", "loss_risk"]}, "solve_legacy_problems", "service", None, 24 * HOUR),
    ("D5", {"alerts": ["high_churn_risk"]}, "save", "sales_representative", "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["high_churn_risk"], "reason_family": "support"}, "save_by_service",
     "sales_representative", "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["high_churn_risk"], "reason_family": "usage"}, "save_by_use",
     "sales_representative", "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["high_churn_risk"], "reason_family": "subscription"}, "save_by_terms",
     "sales_representative", "fortnightly", 30 * DAY),
    ("D3", {"alerts": ["loss_risk"]}, "win_back", "sales_representative", "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["loss_risk"], "segment_value": "high"}, "win_back_high_value", "account_manager",
     "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["loss_risk"], "reason_family": "support"}, "win_back_by_service",
     "sales_representative", "fortnightly", 30 * DAY),
    ("project default", {"alerts": ["low_satisfaction"]}, "answer_dissatisfaction", "service", None, 24 * HOUR),
    ("project default", {"alerts": ["early_warning"]}, "heed_complaints", "sales_representative", "monthly", 14 * DAY),
    ("D4", {"alerts": ["falling_orders"]}, "stop_the_fall", "sales_representative", "monthly", 14 * DAY),
    ("D4", {"alerts": ["silence"]}, "break_the_silence", "sales_representative", "monthly", 14 * DAY),
    # a high risk by the model comes before care
    ("project default", {"risk_band": "high"}, "prevent", "customer_success", "monthly", 30 * DAY),
    ("project default", {"risk_band": "high", "reason_family": "support"}, "prevent_by_service", "customer_success",
     "monthly", 30 * DAY),
    ("project default", {"risk_band": "high", "reason_family": "usage"}, "prevent_by_use", "customer_success",
     "monthly", 30 * DAY),
    ("project default", {"risk_band": "high", "reason_family": "subscription"}, "prevent_by_terms", "account_manager",
     "monthly", 30 * DAY),
    ("project default", {"risk_band": "high", "reason_family": "nps"}, "prevent_by_listening", "customer_success",
     "monthly", 30 * DAY),
    ("D4", {"alerts": ["repurchase_due"]}, "offer_repurchase", "customer_success", None, 7 * DAY),
    ("D5", {"alerts": ["thank_you"]}, "thank_for_first_order", "sales_representative", None, 24 * HOUR),
    ("D5", {"alerts": ["first_call"]}, "call_after_first_order", "sales_representative", None, 3 * DAY),
    ("D5", {"alerts": ["value_report"]}, "report_first_value", "sales_representative", None, 7 * DAY),
    ("D1", {"alerts": ["little_used_feature"]}, "advise_on_features", "customer_success", None, 14 * DAY),
    ("D1", {"alerts": ["survey_due"]}, "send_survey", "customer_success", None, 7 * DAY),
    ("D1", {"alerts": ["anniversary"]}, "give_anniversary_gift", "senior_account_manager", None, DAY),
    ("D1", {"alerts": ["birthday_gift"]}, "give_birthday_gift", "senior_account_manager", None, DAY),
    ("D5", {"alerts": ["birthday_mail"]}, "mail_for_birthday", "automation", None, DAY),
    ("D5", {"alerts": ["holiday_mail"]}, "mail_for_holiday", "automation", None, DAY),
    # §3, the strategy table
    ("D3", {"segment_value": "high"}, "care_for_high_value", "account_manager", "quarterly", 90 * DAY),
    ("D3", {"segment_value": "backbone"}, "keep_backbone", "sales_representative", "monthly", 30 * DAY),
    ("D3", {"segment_lifecycle": "at_risk", "segment_behaviour": "dormant"}, "win_back_at_risk",
     "sales_representative", "monthly", 30 * DAY),
    ("D3", {"segment_behaviour": "dormant"}, "reactivate", "sales_representative", "monthly", 30 * DAY),
    ("D3", {"segment_opportunity": "potential", "segment_stage": "first_contact"}, "nurture", "marketing", "monthly",
     30 * DAY),
    # §6, the stages
    ("D1", {"segment_stage": "lead_identification"}, "identify_lead", "sales_representative", "monthly", 7 * DAY),
    ("D1", {"segment_stage": "first_contact"}, "make_first_contact", "sales_representative", "monthly", 7 * DAY),
    ("D1", {"segment_stage": "relationship_building"}, "build_relationship", "account_manager", "weekly", 3 * DAY),
    ("D1", {"segment_stage": "deep_cooperation"}, "cooperate_deeply", "dedicated_success_manager", "monthly", 30 * DAY),
    ("D1", {"segment_stage": "loyal"}, "keep_loyal", "senior_account_manager", "quarterly", 90 * DAY),
    ("D1", {"segment_stage": "loyal", "segment_contribution": "core"}, "care_for_core", "senior_account_manager",
     "quarterly", 90 * DAY),
    ("D5", {"segment_cooperation": "trust_building"}, "build_trust", "sales_representative", "weekly", 7 * DAY),
    ("D5", {"segment_cooperation": "consolidation"}, "consolidate", "sales_representative", "monthly", 30 * DAY),
    ("D5", {"segment_cooperation": "growing_together"}, "grow_together", "account_team", "quarterly", 90 * DAY),
    ("D5", {"segment_abc": "A"}, "care_for_class_a", "dedicated_seller", "quarterly", 90 * DAY),
    ("D5", {"segment_abc": "B"}, "build_up_class_b", "sales_representative", "monthly", 30 * DAY),
    ("D5", {"segment_abc": "C"}, "mail_class_c", "automation", "quarterly", 90 * DAY),
    ("project default", {"segment_lifecycle": "prospect"}, "win_prospect", "sales_representative", "monthly", 30 * DAY),
]  # fmt: skip

KINDS: dict[str, Any] = {"alerts": pl.List(pl.String)}


def rows(*customers: dict[str, Any]) -> pl.DataFrame:
    names = dict.fromkeys(name for customer in customers for name in customer)
    data = {name: [customer.get(name) for customer in customers] for name in names}
    kinds = {name: KINDS.get(name, pl.String) for name in names}
    return pl.DataFrame({"customer_id": [str(n) for n in range(len(customers))], **data}, schema_overrides=kinds)


def one(known: dict[str, Any]) -> dict[str, Any]:
    return recommend(rows(known), PACK, AS_OF).row(0, named=True)


@pytest.mark.parametrize(("line"), LINES, ids=[f"{line[0]} {line[2]}" for line in LINES])
def test_each_line_of_the_documents(line: Line) -> None:
    document, known, key, owner, cadence, deadline = line
    assert one(known) == {
        "customer_id": "0",
        "playbook_key": key,
        "playbook_owner": owner,
        "playbook_cadence": cadence,
        "playbook_due": AS_OF + deadline,
        "playbook_because": because(key, PACK),
    }
    assert PACK.playbooks.rows[key].source == document


def test_a_high_risk_comes_before_care_and_after_alerts_of_risk() -> None:
    assert one({"risk_band": "high", "alerts": ["birthday_mail"]})["playbook_key"] == "prevent"
    assert one({"risk_band": "high", "alerts": ["silence"]})["playbook_key"] == "break_the_silence"
    assert one({"risk_band": "medium", "alerts": ["birthday_mail"]})["playbook_key"] == "mail_for_birthday"


def test_the_table_has_a_line_for_every_playbook_alert_and_tier() -> None:
    assert sorted(line[2] for line in LINES) == sorted(PACK.playbooks.rows)
    asked = {alert for _, known, *_ in LINES for alert in known.get("alerts", [])}
    assert asked == set(PACK.alerts.rules.by_key)
    assert {known.get("tier") for _, known, *_ in LINES} - {None} == set(PACK.composite.tiers)
    reached = {stage.segment for stage in PACK.stage_actions.stages.values()} - {None}
    named = {
        f"{name.removeprefix('segment_')}:{value}"
        for _, known, *_ in LINES
        for name, value in known.items()
        if name.startswith("segment_")
    }
    assert reached <= named
    assert {name for row in PACK.strategies.rows.values() for name in row.segments} <= named


def test_all_in_one_batch_as_one_by_one() -> None:
    known = [line[1] for line in LINES]
    assert recommend(rows(*known), PACK, AS_OF)["playbook_key"].to_list() == [line[2] for line in LINES]


@pytest.mark.parametrize("known", [{}, {"alerts": []}, {"tier": None, "alerts": None, "segment_value": None}])
def test_nothing_known_is_said(known: dict[str, Any]) -> None:
    got = one(known)
    assert (got["playbook_key"], got["playbook_because"]) == ("nothing_known", "nothing_known")
    assert because_text("nothing_known", PACK) == "nothing is known about this customer"


def test_something_known_that_asks_for_nothing() -> None:
    assert one({"segment_value": "low"})["playbook_because"] == "otherwise"


def test_the_higher_role_owns() -> None:
    assert one({"alerts": ["high_churn_risk"], "tier": "strategic"})["playbook_owner"] == "sales_director"
    assert one({"alerts": ["high_churn_risk"], "tier": "regular"})["playbook_owner"] == "sales_representative"
    assert one({"segment_abc": "A", "tier": "key"})["playbook_owner"] == "dedicated_seller"
    assert one({"alerts": ["ticket_acknowledge"], "tier": "strategic"})["playbook_owner"] == "service"


@pytest.mark.parametrize(
    ("known", "cadence"),
    [
        ({"alerts": ["thank_you"], "tier": "key"}, "monthly"),  # the tier's, where the playbook has none
        ({"segment_contribution": "core", "tier": "key"}, "monthly"),  # the tighter of both
        ({"alerts": ["high_churn_risk"], "tier": "strategic"}, "fortnightly"),
        ({"alerts": ["ticket_at_risk", "loss_risk"], "tier": "strategic"}, "every_45_days"),  # doubled
        ({"alerts": ["silence"], "tier": "strategic"}, "monthly"),  # a warning is no open risk
        ({"alerts": ["ticket_acknowledge", "high_churn_risk"], "tier": "watch"}, "fortnightly"),
    ],
)
def test_cadence(known: dict[str, Any], cadence: str) -> None:
    assert one(known)["playbook_cadence"] == cadence


@pytest.mark.parametrize(
    ("known", "key"),
    [
        ({"alerts": ["survey_due", "loss_risk", "ticket_acknowledge"], "tier": "key"}, "acknowledge_ticket"),
        ({"alerts": ["survey_due", "loss_risk"], "tier": "strategic"}, "win_back"),
        ({"alerts": ["survey_due"], "tier": "strategic"}, "send_survey"),
        ({"segment_lifecycle": "prospect", "tier": "watch"}, "win_prospect"),
        ({"segment_contribution": "core", "segment_abc": "A", "segment_value": "high"}, "care_for_core"),
        ({"tier": "strategic", "segment_abc": "A"}, "tier_strategic"),
        ({"tier": "regular", "segment_abc": "C"}, "tier_regular"),
        ({"tier": "made_up", "segment_abc": "C"}, "mail_class_c"),
    ],
)
def test_the_first_row_that_holds_wins(known: dict[str, Any], key: str) -> None:
    assert one(known)["playbook_key"] == key


def test_executive_visits_are_two_a_year() -> None:
    """The stricter of D2 (two) and D1 (one)."""
    for key in ("tier_strategic", "care_for_core"):
        assert "two executive visits a year" in playbook_text(key, PACK)
        assert "每年2次高层拜访" in playbook_text(key, PACK, "zh")


def test_texts() -> None:
    assert playbook_text("mail_class_c", PACK) == "mail care for class C: automatic mail care (birthdays, holidays)"
    assert because_text("alert:loss_risk+segment:value:high", PACK) == "alert: risk of loss; high value (value)"
    assert because_text("tier:watch+reason:support", PACK, "zh") == "综合评分层级：观察客户；模型主要原因：服务支持"
    assert owner_text("dedicated_seller", PACK) == "dedicated seller"
    assert cadence_text("every_45_days", PACK, "zh") == "每45天"
    for key in [*PACK.playbooks.rows, "otherwise", "nothing_known"]:
        assert all(playbook_text(key, PACK, lang) for lang in ("zh", "en"))
        assert all(because_text(because(key, PACK), PACK, lang) for lang in ("zh", "en"))
        assert first_deadline(key, PACK) > 0


known = st.fixed_dictionaries(
    {
        "tier": st.sampled_from([None, *PACK.composite.tiers]),
        "alerts": st.none() | st.lists(st.sampled_from([*PACK.alerts.rules.by_key]), max_size=3, unique=True),
        "reason_family": st.sampled_from([None, *PACK.playbooks.reason_families]),
        **{
            f"segment_{scheme}": st.sampled_from([None, *entry.segments])
            for scheme, entry in PACK.segments.schemes.items()
        },
    }
)


@settings(deadline=None, max_examples=15)
@given(st.lists(known, min_size=1, max_size=10))
def test_everyone_gets_one_whoever_else_is_there(customers: list[dict[str, Any]]) -> None:
    frame = rows(*customers)
    together = recommend(frame, PACK, AS_OF)
    assert together.drop("playbook_cadence").null_count().sum_horizontal().item() == 0
    assert_frame_equal(pl.concat([recommend(frame[n], PACK, AS_OF) for n in range(frame.height)]), together)
    assert_frame_equal(recommend(frame.reverse(), PACK, AS_OF), together.reverse())


def test_the_shipped_pack_names_what_it_has() -> None:
    assert list(reference_problems(RAW)) == []


def test_names_that_do_not_exist_are_told() -> None:
    raw = tomllib.loads(DEFAULT_PACK.read_text(encoding="utf-8"))
    raw["playbooks"]["rows"]["tier_key"]["when"]["tier"] = "gold"
    raw["playbooks"]["rows"]["save"]["when"]["alert"] = ["shouting"]
    raw["stage_actions"]["stages"]["class_a"]["segment"] = "abc:D"
    raw["strategies"]["rows"]["dormant"]["unless"] = ["lifecycle:lost"]
    assert sorted(problem.split(":")[0] for problem in reference_problems(raw)) == [
        "playbooks.rows.save.when.alert",
        "playbooks.rows.tier_key.when.tier",
        "stage_actions.stages.class_a.segment",
        "strategies.rows.dormant.unless",
    ]
    assert list(reference_problems({"playbooks": 1, "strategies": {"rows": []}})) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": "king"}, "rows.tier_key.owner: no role 'king'"),
        ({"cadence": "hourly"}, "rows.tier_key.cadence: no cadence 'hourly'"),
        ({"when": {"segment": ["abc:A"], "tier": "key"}}, "rows.tier_key: never reached, rows.care_for_class_a"),
        ({"when": {}}, "give at least one of"),
        ({"first_deadline": None}, "only a row for an alert may leave it out"),
        ({"first_deadline": {"hours": 1, "days": 1, "from": "D2"}}, "give either hours or days"),
    ],
)
def test_wrong_rows_are_refused(change: dict[str, Any], message: str) -> None:
    raw = tomllib.loads(DEFAULT_PACK.read_text(encoding="utf-8"))["playbooks"]
    raw["rows"]["tier_key"] |= change
    with pytest.raises(ValueError, match=message):
        Playbooks.model_validate(raw)
