"""Every number that RULES.md gives, as a literal: nobody changes one silently; and labels, and who stands at a bound.

The number is looked up in the shipped file, so that a moved or renamed entry is seen as well.
"""

import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
import pytest

from features.clock import DAY
from models.rules.conditions import conditions
from models.rules.pack import DEFAULT_PACK, load_pack
from models.rules.playbooks import recommend
from models.rules.strategies import progress
from tests.models.rules.segment_rows import AS_OF, ago, fitted, rows
from tests.models.rules.test_segments import one

PACK = load_pack()
RAW = tomllib.loads(DEFAULT_PACK.read_text(encoding="utf-8"))
P = "project default"

# Where the pack keeps it → the number (or the numbers of the entry), the document that gives it.
DOCUMENTED: dict[str, tuple[Any, str]] = {
    # §1
    "composite.minimum_coverage": (0.5, P),
    "composite.lower_percentile": (5, P),
    "composite.upper_percentile": (95, P),
    "composite.consistency_limit": (0.1, P),
    "composite.cadence_at_risk": (2, P),
    "composite.dimensions.current_value.share": (50, "D2"),
    "composite.dimensions.behaviour.share": (30, "D2"),
    "composite.dimensions.potential.share": (20, "D2"),
    "composite.indicators.spend.weight": (25, "D2"),
    "composite.indicators.spend.bounds": ({"low": 0, "high": 100_000, "currency": "CNY"}, "D2"),
    "composite.indicators.tenure.weight": (15, "D2"),
    "composite.indicators.tenure.bounds": ({"low": 0, "high": 1217.5}, "D2"),
    "composite.indicators.tenure.possible": ({"low": 0}, "D2"),
    "composite.indicators.margin.weight": (10, "D2"),
    "composite.indicators.margin.possible": ({"high": 1}, "D2"),
    "composite.indicators.interactions.weight": (15, "D2"),
    "composite.indicators.complaints.weight": (10, "D2"),
    "composite.indicators.depth.weight": (10, "D2"),
    "composite.indicators.depth.possible": ({"low": 0, "high": 1}, "D2"),
    "composite.indicators.industry_growth.weight": (8, "D2"),
    "composite.indicators.industry_growth.possible": ({"low": -1, "high": 1}, "D2"),
    "composite.indicators.size_fit.weight": (7, "D2"),
    "composite.indicators.size_fit.possible": ({"low": 0, "high": 1}, "D2"),
    "composite.indicators.esg.possible": ({"low": 0, "high": 1}, "D2"),
    "composite.tiers.strategic.score": ({"low": 90}, "D2"),
    "composite.tiers.strategic.cadence_days": (90, "D2"),
    "composite.tiers.key.score": ({"low": 70, "high": 90}, "D2"),
    "composite.tiers.key.cadence_days": (30, "D2"),
    "composite.tiers.regular.score": ({"low": 50, "high": 70}, "D2"),
    "composite.tiers.regular.cadence_days": (90, "D2"),
    "composite.tiers.watch.score": ({"high": 50}, "D2"),
    "composite.tiers.watch.cadence_days": (30, "D2"),
    "composite.tiers.watch.plan_days": (15, "D2"),
    # §2
    "health.rfm_share": (0.7, P),
    "health.nps_share": (0.3, P),
    "alerts.contacts_per_week": (1, P),
    "alerts.rules.high_churn_risk.deadline": ({"days": 30}, "D3"),
    "alerts.rules.high_churn_risk.nps_below": (0, "D5"),
    "alerts.rules.high_churn_risk.days": (90, "D5"),
    "alerts.rules.loss_risk.deadline": ({"days": 30}, "D3"),
    "alerts.rules.loss_risk.days": (180, "D3"),
    "alerts.rules.loss_risk.complaints": (2, "D3"),
    "alerts.rules.early_warning.complaints": (2, "D3"),
    "alerts.rules.silence.days": (90, P),
    "alerts.rules.silence.gaps": (2, P),
    "alerts.rules.falling_orders.share": (0.5, P),
    "alerts.rules.falling_orders.before": (2, P),
    "alerts.rules.repurchase_due.orders": (3, "D4"),
    "alerts.rules.survey_due.delivery_every_days": (30, "D1"),
    "alerts.rules.low_satisfaction.at_most": (2, P),
    "alerts.rules.ticket_acknowledge.deadline": ({"hours": 0.5}, "D5"),
    "alerts.rules.ticket_solution.deadline": ({"hours": 12}, "D5"),
    "alerts.rules.ticket_at_risk.deadline": ({"hours": 24}, "D3"),
    "alerts.rules.thank_you.deadline": ({"hours": 24}, "D5"),
    "alerts.rules.first_call.deadline": ({"days": 3}, "D5"),
    "alerts.rules.value_report.deadline": ({"days": 7}, "D5"),
    "deadlines.person_by": ({"time": "09:00"}, "D5"),
    "deadlines.next_day": ({"counts": "calendar"}, "D5"),
    # §3
    "segments.value.high": (500_000, "D3"),
    "segments.value.backbone": (100_000, "D3"),
    "segments.contribution.spend_weight": (25, P),
    "segments.contribution.tenure_weight": (15, P),
    "segments.contribution.core_share": (20, "D1"),
    "segments.contribution.potential_share": (30, "D1"),
    "segments.abc.sales_share": (80, "D5"),
    "segments.behaviour.frequent_per_month": (2, P),
    "segments.behaviour.dormant_days": (180, P),
    "segments.lifecycle.new_days": (180, P),
    "segments.lifecycle.at_risk_days": (180, "D3"),
    "segments.loyal.tenure_days": (730, "D1"),
    "segments.opportunity.enquiries": (3, P),
    "segments.reviews.customer_status.every_months": (3, "D3"),
    "segments.reviews.dimensions.every_months": (6, "D3"),
    "segments.reviews.strategy_results.every_months": (1, "D3"),
    "strategies.metrics.customers_reactivated.days": (90, P),
    "strategies.metrics.second_purchase_amount.days": (90, P),
    "strategies.rows.high.goals.0.target": (0.8, "D3"),
    "strategies.rows.high.goals.1.target": (0.1, "D3"),
    "strategies.rows.high.goals.2.target": (4.5, "D3"),
    "strategies.rows.backbone.goals.0.target": (0.9, "D3"),
    "strategies.rows.at_risk.due.days": (30, "D3"),
    "strategies.rows.at_risk.goals.0.target": (0.3, "D3"),
    "strategies.rows.dormant.goals.0.target": (0.3, "D3"),
    "strategies.rows.potential.goals.0.target": (0.25, "D3"),
    "strategies.company.retention_high.goals.0.target": (0.2, "D2"),
    "strategies.company.churn_small_and_mid.goals.0.target": (-0.15, "D2"),
    "strategies.company.vip_frequency.goals.0.target": (0.2, "D3"),
    # §4
    "leads.bant.components.budget": ({"low": 0, "high": 20}, "D1"),
    "leads.bant.components.authority": ({"low": 0, "high": 25}, "D1"),
    "leads.bant.components.need": ({"low": 0, "high": 30}, "D1"),
    "leads.bant.components.timing": ({"low": 0, "high": 25}, "D1"),
    "leads.bant.grades.high.score": ({"low": 70}, "D1"),
    "leads.bant.grades.medium.score": ({"low": 40, "high": 70}, "D1"),
    "leads.bant.grades.put_off.score": ({"high": 40}, "D1"),
    "leads.four.components.need_clarity": ({"low": 1, "high": 5}, "D4"),
    "leads.four.components.budget_match": ({"low": 1, "high": 5}, "D4"),
    "leads.four.components.decision_chain": ({"low": 1, "high": 5}, "D4"),
    "leads.four.components.urgency": ({"low": 1, "high": 5}, "D4"),
    "leads.four.grades.a.score": ({"low": 15}, "D4"),
    "leads.four.grades.b.score": ({"low": 10, "high": 15}, "D4"),
    "leads.four.grades.c.score": ({"high": 10}, "D4"),
    "leads.grades.a.contact_within_hours": (24, "D4"),
    "cross_sell.window_days": (90, "D5"),
    # §6
    "stage_actions.stages.relationship_building.actions.call.within": ({"days": 3}, "D1"),
    "stage_actions.stages.relationship_building.actions.industry_note.every": ({"days": 7}, "D1"),
    "stage_actions.stages.deep_cooperation.actions.progress_report.every": ({"days": 7}, "D1"),
    "stage_actions.stages.deep_cooperation.actions.survey.every": ({"days": 30}, "D1"),
    "stage_actions.stages.loyal.actions.executive_visit.every": ({"days": 365}, "D1"),
    "stage_actions.stages.loyal.actions.referral.every": ({"days": 30}, "D4"),
    "stage_actions.stages.trust_building.actions.thank_you.within": ({"hours": 24}, "D5"),
    "stage_actions.stages.trust_building.actions.call.within": ({"days": 3}, "D5"),
    "stage_actions.stages.trust_building.actions.value_report.within": ({"days": 7}, "D5"),
    "stage_actions.stages.consolidation.actions.visit.every": ({"days": 90}, "D5"),
    "stage_actions.stages.consolidation.actions.light_touch.every": ({"days": 30}, "D5"),
    "stage_actions.stages.consolidation.actions.needs_review.every": ({"days": 180}, "D5"),
    "stage_actions.stages.class_a.actions.strategy_talk.every": ({"days": 90}, "D5"),
    # §6, and what repeats the deadlines of §1 to §3
    "playbooks.rows.prevent_by_service.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.prevent_by_use.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.prevent_by_terms.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.prevent_by_listening.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.prevent.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.win_back_at_risk.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.build_relationship.first_deadline": ({"days": 3}, "D1"),
    "playbooks.rows.tier_strategic.first_deadline": ({"days": 90}, "D2"),
    "playbooks.rows.watch_service.first_deadline": ({"days": 30}, "D2"),
    "playbooks.rows.watch_product_fit.first_deadline": ({"days": 30}, "D2"),
    "playbooks.rows.watch_price.first_deadline": ({"days": 30}, "D2"),
    "playbooks.rows.tier_watch.first_deadline": ({"days": 30}, "D2"),
    "playbooks.rows.care_for_class_a.first_deadline": ({"days": 90}, "D5"),
    "playbooks.rows.care_for_high_value.first_deadline": ({"days": 90}, "D3"),
    "playbooks.rows.tier_key.first_deadline": ({"days": 30}, "D2"),
    "playbooks.rows.keep_backbone.first_deadline": ({"days": 30}, "D3"),
    "playbooks.rows.tier_regular.first_deadline": ({"days": 90}, "D2"),
    "playbooks.rows.build_trust.first_deadline": ({"days": 7}, "D5"),
    "playbooks.rows.consolidate.first_deadline": ({"days": 30}, "D5"),
    "playbooks.rows.cooperate_deeply.first_deadline": ({"days": 30}, "D1"),
    # §1 and §3, the review
    "review.win_back.window_days": (90, P),
}


def entry(path: str) -> Any:
    found: Any = RAW
    for key in path.split("."):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def numbers(part: dict[str, Any]) -> Any:
    """The numbers of an entry: the one called `value`, or those it has by name."""
    told = ("time", "counts", "currency")
    found = {
        name: value
        for name, value in part.items()
        if name in told or (isinstance(value, int | float) and not isinstance(value, bool))
    }
    return found["value"] if set(found) == {"value"} else found


def sourced(part: Any, path: str = "") -> Iterator[tuple[str, Any, str]]:
    """Path, numbers and document of every entry of the pack that has numbers and names where they come from."""
    if isinstance(part, dict) and "from" in part and numbers(part) != {}:
        yield path, numbers(part), part["from"]
    below = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in below:
        yield from sourced(value, f"{path}.{key}".removeprefix("."))


@pytest.mark.parametrize(("path", "value", "document"), [(path, *given) for path, given in DOCUMENTED.items()])
def test_each_number_and_its_document(path: str, value: Any, document: str) -> None:
    assert (numbers(entry(path)), entry(path)["from"]) == (value, document)


def test_a_number_that_names_a_document_is_in_the_table() -> None:
    found = {path: (value, document) for path, value, document in sourced(RAW) if document != P}
    assert found == {path: given for path, given in DOCUMENTED.items() if given[1] != P}


LABELS: list[tuple[str, str, str]] = [  # where, Chinese, English: the words of RULES.md
    ("composite.dimensions.current_value.label", "当前价值", "current value"),
    ("composite.dimensions.behaviour.label", "行为特征", "behaviour"),
    ("composite.dimensions.potential.label", "潜力空间", "potential"),
    ("composite.indicators.spend.label", "近6个月消费金额", "spend in the last 6 months"),
    ("composite.indicators.tenure.label", "合作时长", "tenure"),
    ("composite.indicators.margin.label", "毛利率贡献", "gross margin rate"),  # a rate: "contribution" reads as money
    ("composite.indicators.interactions.label", "最近互动频次", "interactions in the last 6 months"),
    ("composite.indicators.complaints.label", "投诉率", "complaint rate"),
    ("composite.indicators.depth.label", "产品使用深度", "depth of product use"),
    ("composite.indicators.industry_growth.label", "所属行业增长率", "growth of the customer's industry"),
    ("composite.indicators.size_fit.label", "企业规模匹配度", "fit of the company's size"),
    ("composite.tiers.strategic.label", "战略客户", "strategic"),
    ("composite.tiers.key.label", "重点客户", "key"),
    ("composite.tiers.regular.label", "普通客户", "regular"),
    ("composite.tiers.watch.label", "观察客户", "watch"),
    ("composite.tiers.strategic.owner", "销售总监", "sales director"),
    ("composite.tiers.key.owner", "客户经理", "account manager"),
    ("composite.tiers.regular.owner", "销售代表", "sales representative"),
    ("composite.tiers.watch.owner", "客户成功负责人", "customer success lead"),
    ("composite.tiers.strategic.cadence", "每季度", "quarterly"),
    ("composite.tiers.key.cadence", "每月", "monthly"),
    ("composite.tiers.regular.cadence", "每季度", "quarterly"),
    ("composite.tiers.watch.cadence", "每月", "monthly"),
    ("segments.schemes.contribution.segments.core.label", "核心客户(贡献)", "core (contribution)"),
    ("segments.schemes.contribution.segments.potential.label", "潜力客户(贡献)", "potential (contribution)"),
    ("segments.schemes.opportunity.segments.potential.label", "潜力客户(未成交)", "potential (no deal yet)"),
    ("segments.schemes.abc.segments.A.label", "核心客户(A类)", "core (class A)"),
    ("segments.schemes.abc.segments.B.label", "潜力客户(B类)", "potential (class B)"),
    ("segments.schemes.value.segments.high.label", "高价值客户(价值)", "high value (value)"),
    ("leads.bant.grades.high.label", "高价值线索(BANT)", "high-value lead (BANT)"),
    ("strategies.rows.high.relation", "稳固合作", "solid"),
    ("strategies.rows.backbone.relation", "稳定维护", "stable"),
    ("strategies.rows.at_risk.relation", "需重点挽回", "win back"),
    ("strategies.rows.potential.relation", "需培育转化", "nurture"),
    ("strategies.rows.high.owner", "客户经理", "account manager"),
    ("strategies.rows.backbone.owner", "销售代表", "sales representative"),
    ("strategies.rows.at_risk.owner", "销售代表与客服", "sales representative + service"),
    ("strategies.rows.dormant.owner", "销售代表", "sales representative"),
    ("strategies.rows.potential.owner", "市场部", "marketing"),
]


@pytest.mark.parametrize(("path", "zh", "en"), LABELS)
def test_labels_are_those_of_the_documents(path: str, zh: str, en: str) -> None:
    assert entry(path) == {"zh": zh, "en": en}


def test_one_list_of_reasons_for_leads_churn_and_win_back() -> None:  # D2, D3, D4
    assert [*RAW["feedback"]] == ["price", "service", "product_fit", "competitor", "need_changed"]


class Bound(NamedTuple):
    """A customer just below and one at or just above a documented number; which rules then hold."""

    document: str
    rule: str
    what: str
    below: dict[str, Any]
    reached: dict[str, Any]


E = 1 / DAY  # one microsecond
ENDED = {"subscription_first_at": ago(800), "subscribed": False}
OLD_ORDER = {"order_first_at": ago(900), "order_last_at": ago(700)}

BOUNDS = [  # a subscription counts as buying, to its last day (RULES, conventions)
    Bound("D3", "loss_risk", "6 months after the subscription", ENDED | {"subscription_ended_at": ago(180 - E)},
          ENDED | {"subscription_ended_at": ago(180)}),
    Bound("D3", "loss_risk", "6 months after the later of order and subscription",
          ENDED | OLD_ORDER | {"subscription_ended_at": ago(180 - E)},
          ENDED | OLD_ORDER | {"subscription_ended_at": ago(180)}),
    Bound("D3", "loss_risk", "the order is the later",
          ENDED | {"subscription_ended_at": ago(300), "order_first_at": ago(500), "order_last_at": ago(180 - E)},
          ENDED | {"subscription_ended_at": ago(300), "order_first_at": ago(500), "order_last_at": ago(180)}),
    Bound("D5", "high_churn_risk", "3 months after the subscription",
          ENDED | {"nps": -100.0, "subscription_ended_at": ago(90 - E)},
          ENDED | {"nps": -100.0, "subscription_ended_at": ago(90)}),
    Bound("D5", "thank_you", "the first order is a subscription", {"subscription_first_at": ago(3)},
          {"subscription_first_at": ago(3 - E)}),
    Bound("D5", "first_call", "the first order is a subscription", {"subscription_first_at": ago(7)},
          {"subscription_first_at": ago(7 - E)}),
    Bound("D5", "value_report", "the first order is a subscription", {"subscription_first_at": ago(14)},
          {"subscription_first_at": ago(14 - E)}),
    Bound("D5", "thank_you", "of an old customer no order is the first",
          {"order_first_at": ago(1), "subscription_first_at": ago(400)},
          {"order_first_at": ago(1), "subscription_first_at": ago(1)}),
]  # fmt: skip


def entered(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = conditions(rows(facts), PACK, AS_OF, fitted=fitted())
    return {line["rule"]: line for line in found.filter("enters").iter_rows(named=True)}


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.document} {bound.rule}: {bound.what}")
def test_just_below_and_at_each_bound(bound: Bound) -> None:
    assert bound.rule not in entered(bound.below)
    assert bound.rule in entered(bound.reached)


def test_an_episode_begins_with_what_ended_last() -> None:
    lapsed = ENDED | OLD_ORDER | {"subscription_ended_at": ago(200)}
    assert entered(lapsed)["loss_risk"]["anchor"] == ago(200)
    assert one(lapsed)["metric_days_since_purchase"] == 200
    assert entered({"subscription_first_at": ago(1)})["thank_you"]["anchor"] == ago(1)


@pytest.mark.parametrize(("complaints", "sign"), [(1.0, False), (2.0, True)])
def test_two_complaints_are_a_sign(complaints: float, sign: bool) -> None:  # D3
    line = entered(OLD_ORDER | {"complaints_total": complaints})["loss_risk"]
    assert ("complaints" in line["signs"]) == sign


SUBSCRIBED = {"customer_id": pl.String, "started_at": pl.Int64, "ended_at": pl.Int64}
NO_ORDERS = pl.DataFrame(schema={"customer_id": pl.String, "t": pl.Int64, "net": pl.Float64})


@pytest.mark.parametrize(("day", "done"), [(90.0, 0), (90 - E, 1)])
@pytest.mark.parametrize(
    ("segment", "strategy", "metric"),
    [
        ("lifecycle:at_risk", "at_risk", "customers_reactivated"),
        ("behaviour:dormant", "dormant", "customers_reactivated"),
        ("opportunity:potential", "potential", "conversion"),
    ],
)
def test_who_subscribes_buys(segment: str, strategy: str, metric: str, day: float, done: int) -> None:
    """§3: reactivated are those who order within 90 days, converted those with a first order in the period."""
    scheme, _, name = segment.partition(":")
    start = pl.DataFrame({"customer_id": ["a"], f"segment_{scheme}": [name]})
    begun = pl.DataFrame([("a", ago(90 - day), None)], SUBSCRIBED, orient="row")
    table = progress(start, NO_ORDERS, begun, AS_OF, ago(90), PACK)
    got = table.filter(pl.col("strategy") == strategy, pl.col("metric") == metric).row(0, named=True)
    assert (got["customers"], got["done"], got["value"]) == (1, done, done)


def test_repurchase_is_unknown_where_nothing_is_ordered() -> None:
    start = pl.DataFrame({"customer_id": ["a"], "segment_value": ["high"]})
    table = progress(start, NO_ORDERS, None, AS_OF, ago(90), PACK)
    assert table["text"][0] == "repurchase rate: no data yet"


@pytest.mark.parametrize(
    ("times", "cadence"), [(1.0, "monthly"), (2.0, "fortnightly"), (2.01, "weekly"), (9.0, "weekly")]
)
def test_an_open_risk_doubles_the_cadence(times: float, cadence: str) -> None:
    """§1 (project default): a company that changes the number changes what happens."""
    number = PACK.composite.cadence_at_risk.model_copy(update={"value": times})
    pack = PACK.model_copy(update={"composite": PACK.composite.model_copy(update={"cadence_at_risk": number})})
    known = pl.DataFrame({"customer_id": ["a"], "alerts": [["loss_risk"]]})
    assert recommend(known, pack, AS_OF)["playbook_cadence"].item() == cadence
