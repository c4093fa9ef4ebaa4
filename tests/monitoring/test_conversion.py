"""The conversion report of D4 on literal leads: every count by hand, and what must hold for any table."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from features.clock import DAY, micros
from models.rules import load_pack
from monitoring.conversion import conversion_report, high_value_share, report_texts, stage_label
from monitoring.conversion_findings import ConversionReport, Share

PACK = load_pack()
T = micros(dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
PATTERNS = {"price": ["too expensive", "价格"], "product_fit": ["missing", "不合适"], "competitor": ["竞争"]}
FOUR = ("need_clarity", "budget_match", "decision_chain", "urgency")
COLUMNS = {"lead_id": pl.String, "created_at": pl.Int64, "outcome": pl.String, "outcome_at": pl.Int64,
           "outcome_reason": pl.String, "win_factor": pl.String, "industry": pl.String, "employees": pl.Float64,
           "referred_by": pl.String, **dict.fromkeys(FOUR, pl.Float64)}  # fmt: skip


def on(day: str) -> int:
    return micros(dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC))


def lead(name: str, day: str = "2026-05-05", points: float | None = None, **more: Any) -> dict[str, Any]:
    return {"lead_id": name, "created_at": on(day), **dict.fromkeys(FOUR, points and points / 4), **more}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in COLUMNS} for row in rows], schema=COLUMNS)


def stages(**entered: str) -> pl.DataFrame:
    """Lead → the stages it entered, a day apart."""
    rows = [(name, stage, T + n * DAY) for name, told in entered.items() for n, stage in enumerate(told.split())]
    return pl.DataFrame(rows, schema={"lead_id": pl.String, "stage": pl.String, "entered_at": pl.Int64}, orient="row")


def report(leads: pl.DataFrame, lead_stages: pl.DataFrame | None = None, **more: Any) -> ConversionReport:
    return conversion_report(leads, lead_stages, PACK, T, PATTERNS, **more)


def counts(told: ConversionReport, period: str, by: str) -> list[tuple[Any, ...]]:
    lines = [line for line in told.conversion if (line.period, line.by) == (period, by)]
    return [(line.start, line.value, line.leads, line.won, line.lost, line.open) for line in lines]


def is_wilson(share: Share, hits: int, of: int) -> bool:
    other = binomtest(hits, of).proportion_ci(0.95, "wilson")
    return (share.hits, share.of, share.share) == (hits, of, hits / of) and (share.low, share.high) == pytest.approx(
        (other.low, other.high)
    )


LEADS = table(
    lead("a", "2026-05-04", 16, outcome="won", industry="Retail", outcome_at=on("2026-05-14")),  # a Monday
    lead("b", "2026-05-10", 16, outcome="lost", industry="Retail", outcome_reason="Too expensive"),
    lead("c", "2026-05-11", 12, outcome="lost", industry="Energy"),
    lead("d", "2026-05-31", 12, industry="Energy"),
    lead("e", "2026-06-01", 8, outcome="won", outcome_at=on("2026-06-21")),
    lead("f", "2026-06-02"),
)


# conversion


def test_by_period_grade_stage_and_industry() -> None:  # D4
    told = report(LEADS, stages(a="new qualified won", b="new lost", c="new contacted", d="new", f="contacted"))
    assert told.leads == 6
    assert counts(told, "all", "all") == [(None, None, 6, 2, 2, 2)]
    assert counts(told, "month", "all") == [("2026-05-01", None, 4, 1, 2, 1), ("2026-06-01", None, 2, 1, 0, 1)]
    assert counts(told, "week", "all") == [
        ("2026-05-04", None, 2, 1, 1, 0), ("2026-05-11", None, 1, 0, 1, 0), ("2026-05-25", None, 1, 0, 0, 1),
        ("2026-06-01", None, 2, 1, 0, 1),
    ]  # fmt: skip
    assert counts(told, "all", "grade") == [
        (None, "a", 2, 1, 1, 0), (None, "b", 2, 0, 1, 1), (None, "c", 1, 1, 0, 0), (None, None, 1, 0, 0, 1)
    ]  # fmt: skip
    assert counts(told, "all", "industry") == [
        (None, "Energy", 2, 0, 1, 1), (None, "Retail", 2, 1, 1, 0), (None, None, 2, 1, 0, 1)
    ]  # fmt: skip
    assert counts(told, "all", "stage") == [
        (None, "contacted", 2, 0, 1, 1), (None, "new", 4, 1, 2, 1), (None, "qualified", 1, 1, 0, 0)
    ]  # fmt: skip


def test_won_of_decided_and_won_of_all_with_wilson_intervals() -> None:
    whole = report(LEADS).conversion[0]
    assert is_wilson(whole.of_decided, 2, 4)
    assert is_wilson(whole.of_all, 2, 6)
    alone = report(table(lead("a"))).conversion[0]
    assert alone.of_decided == Share(hits=0, of=0, share=None, low=None, high=None)


def test_periods_begin_at_midnight_of_the_company() -> None:
    late = table(lead("a", "2026-05-31T17:00:00"))  # 01:00 of June 1 in Shanghai
    assert counts(report(late, zone="Asia/Shanghai"), "month", "all")[0][0] == "2026-06-01"
    assert counts(report(late), "month", "all")[0][0] == "2026-05-01"


# the weakest link


def many(**paths: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many leads a path such as new_contacted_won; a path without an outcome is open."""
    rows, entered = [], {}
    for path, number in paths.items():
        outcome = path.split("_")[-1]
        for n in range(number):
            rows.append(lead(f"{path}{n}", outcome=outcome if outcome in ("won", "lost") else None))
            entered[f"{path}{n}"] = path.replace("_", " ")
    return table(*rows), stages(**entered)


def test_the_weakest_link_is_named() -> None:  # D4
    told = report(*many(new_contacted_proposal_won=6, new_contacted_lost=3, new_contacted_proposal_lost=12, new_lost=1,
                        new=5, new_contacted=4))  # fmt: skip
    assert [(k.stage, k.onward, k.leads, k.of_decided.hits, k.of_decided.of) for k in told.links] == [
        ("new", "contacted", 31, 25, 26),
        ("contacted", "proposal", 25, 18, 21),
        ("proposal", "won", 18, 6, 18),
    ]
    assert is_wilson(told.links[0].of_all, 25, 31)
    assert told.weakest_link == told.links[2]
    assert told.stage_order == "pack"
    assert report_texts(told, PACK)[0] == "weakest link: proposal, 6 of 18 leads went on (33%)"
    assert report_texts(told, PACK, "zh")[0] == "最薄弱环节：方案报价，18 条线索中 6 条进入下一步（33%）"


def test_a_stage_that_was_skipped_is_no_loss() -> None:
    told = report(*many(new_won=2, new_proposal=1, new_contacted_proposal_lost=1))
    assert [(k.stage, k.of_decided.hits, k.of_decided.of) for k in told.links] == [
        ("new", 4, 4), ("contacted", 1, 1), ("proposal", 0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(("left", "named"), [(9, False), (10, True)])
def test_minimum_leads_of_the_weakest_link(left: int, named: bool) -> None:  # project default
    assert (report(*many(new_lost=left, new=9)).weakest_link is not None) == named


def test_stages_that_the_pack_does_not_know_are_ordered_by_the_data() -> None:
    told = report(*many(Zulu_Alpha_Mike_won=3, Zulu_Alpha_lost=2, Zulu_Mike_won=1))
    assert told.stage_order == "data"
    assert [link.stage for link in told.links] == ["Zulu", "Alpha", "Mike"]
    assert (stage_label("Zulu", PACK), stage_label("new", PACK, "zh")) == ("Zulu", "新线索")


def test_stages_are_known_by_their_words() -> None:
    leads, entered = many(线索识别_首次接触_成交=1)
    told = report(leads, entered)
    assert [link.stage for link in told.links] == ["new", "contacted"]


# reasons


def test_reasons_are_counted_by_one_list() -> None:  # D2, D3, D4
    said = ["Too expensive", "price", "价格太高，功能 missing", "Product fit", "weather", " ", None]
    lost = [lead(f"l{n}", outcome="lost", outcome_reason=text) for n, text in enumerate(said)]
    won = [lead("w", outcome="won", win_factor="product_fit"), lead("o", outcome_reason="price")]
    told = report(table(*lost, *won))
    found = {(reason.outcome, reason.reason): (reason.leads, reason.share) for reason in told.reasons}
    assert found == {
        ("lost", "price"): (3, 3 / 7), ("lost", "product_fit"): (2, 2 / 7), ("lost", "not_given"): (2, 2 / 7),
        ("lost", "other"): (1, 1 / 7), ("won", "product_fit"): (1, 1.0),
    }  # fmt: skip


# the scores against conversion


def graded(**won_of: tuple[int, int]) -> pl.DataFrame:
    """Grade of the four dimensions → (won, decided)."""
    points = {"a": 16, "b": 12, "c": 8}
    return table(*(
        lead(f"{grade}{n}", points=points[grade] + n % 2, outcome="won" if n < won else "lost")
        for grade, (won, of) in won_of.items() for n in range(of)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("won_of", "flagged"),
    [
        ({"a": (8, 10), "b": (5, 10), "c": (1, 10)}, []),
        ({"a": (5, 10), "b": (5, 10), "c": (1, 10)}, [("a", "b")]),
        ({"a": (4, 10), "b": (5, 10), "c": (6, 10)}, [("a", "b"), ("b", "c")]),
        ({"a": (4, 10), "c": (5, 10)}, [("a", "c")]),  # the next one that has leads
        ({"a": (6, 11), "b": (6, 12)}, []),
    ],
)
def test_a_grade_that_converts_no_better_is_flagged(
    won_of: dict[str, tuple[int, int]], flagged: list[tuple[str, str]]
) -> None:  # RULES: lead scores
    check = report(graded(**won_of)).checks[1]
    assert (check.scheme, check.leads) == ("four", sum(of for _, of in won_of.values()))
    assert [(flag.grade, flag.next_grade) for flag in check.not_better] == flagged
    assert [*check.grades] == [*won_of]
    assert all(is_wilson(check.grades[grade], *shares) for grade, shares in won_of.items())


def test_a_flag_in_words() -> None:
    told = report(graded(a=(4, 10), b=(5, 10)))
    assert report_texts(told, PACK) == [
        "four dimensions: A (four dimensions) converts 40%, not better than B (four dimensions) with 50%"
    ]
    assert report_texts(told, PACK, "zh") == ["四维评分：A级(四维) 的转化率（40%）不高于 B级(四维)（50%）"]


def test_auc_of_each_scheme() -> None:
    rows = [lead(f"{n}", points=points, outcome=out) for n, (points, out) in enumerate(
        [(8, "lost"), (10, "lost"), (10, "won"), (16, "won"), (18, None)])]  # fmt: skip
    bant, four = report(table(*rows)).checks
    assert four.auc is not None
    assert (four.auc.estimate, four.leads, four.won) == (0.875, 4, 2)
    assert (bant.auc, bant.leads, bant.grades) == (None, 0, {})
    assert report(table(*rows[2:4])).checks[1].auc is None  # won only


# referrals, days to a deal, customers like the lead


def test_referrals_from_asking_to_winning() -> None:  # D4
    leads = table(
        lead("a", "2026-05-05", referred_by="x", outcome="won"), lead("b", "2026-05-05", referred_by="x"),
        lead("c", "2026-05-05", referred_by="y", outcome="lost"), lead("d", "2026-05-05", outcome="won"),
    )  # fmt: skip
    asked = pl.DataFrame(
        [("x", on("2026-05-05"), "Referral"), ("x", on("2026-06-05"), "referral"), ("y", on("2026-05-06"), "referral"),
         ("z", on("2026-05-01"), "enquiry")],
        schema=["customer_id", "occurred_at", "topic"], orient="row",
    )  # fmt: skip
    books = pl.DataFrame({"customer_id": ["w", "x"], "occurred_at": [on("2026-05-01")] * 2, "playbook": ["转介绍"] * 2})
    told = report(leads, interactions=asked).referrals
    assert (told.asked, told.leads) == (2, 3)  # y brought its lead before it was asked
    assert told.brought_a_lead is not None
    assert is_wilson(told.brought_a_lead, 1, 2)
    assert is_wilson(told.of_decided, 1, 2)
    assert is_wilson(told.of_all, 1, 3)
    both = report(leads, interactions=asked, interventions=books).referrals
    assert (both.asked, both.brought_a_lead and both.brought_a_lead.hits) == (3, 1)
    unknown = report(leads).referrals
    assert (unknown.asked, unknown.brought_a_lead, unknown.leads) == (None, None, 3)


def test_days_from_enquiry_to_deal() -> None:
    told = report(LEADS).enquiry_to_deal
    assert (told.deals, told.lower, told.median, told.upper) == (2, 12.5, 15.0, 17.5)
    assert report(table(lead("a"))).enquiry_to_deal.median is None


def test_customers_of_the_same_industry_and_size() -> None:  # D3, D4
    customers = pl.DataFrame(
        [("Retail", 60.0, True), ("Retail", 499.0, False), ("Retail", 500.0, True), ("Energy", 60.0, None)],
        schema=["industry", "employees", "high_value"], orient="row",
    )  # fmt: skip
    leads = table(lead("a", industry="Retail", employees=50.0), lead("b", industry="Retail", employees=9000.0),
                  lead("c", industry="Energy", employees=60.0), lead("d", industry="Retail"))  # fmt: skip
    found = high_value_share(leads, customers, PACK).rows(named=True)
    assert [(r["lead_id"], r["size"], r["customers"], r["high_value"], r["share"]) for r in found] == [
        ("a", "medium", 2, 1, 0.5), ("b", "large", 1, 1, 1.0), ("c", "medium", 0, 0, None), ("d", None, 0, 0, None)
    ]  # fmt: skip
    interval = binomtest(1, 2).proportion_ci(0.95, "wilson")
    assert (found[0]["low"], found[0]["high"]) == pytest.approx((interval.low, interval.high))
    assert found[2]["low"] is None


# any table


def test_nothing_at_all() -> None:
    told = report(table())
    assert (told.leads, told.links, told.weakest_link, told.reasons) == (0, (), None, ())
    few = pl.DataFrame({"lead_id": ["a"], "created_at": [T - DAY]})
    assert report(few, stages()).conversion[0].open == 1
    assert report_texts(told, PACK) == []


any_lead = st.fixed_dictionaries(
    {
        "created_at": st.integers(T - 60 * DAY, T - 1),
        "outcome": st.sampled_from([None, "won", "lost", "open", "?"]),
        "outcome_reason": st.sampled_from([None, "price", "missing", "竞争", "rain"]),
        "industry": st.sampled_from([None, "Retail", "Energy"]),
        "need_clarity": st.sampled_from([None, 1.0, 3.0, 5.0]),
        **dict.fromkeys(FOUR[1:], st.sampled_from([1.0, 3.0, 5.0])),
    }
)
paths = st.lists(st.sampled_from(["new", "contacted", "qualified", "proposal", "won", "lost"]), max_size=4)


@given(rows=st.lists(st.tuples(any_lead, paths), max_size=12), seed=st.integers(0, 9))
def test_parts_add_up_and_order_does_not_matter(rows: list[tuple[dict[str, Any], list[str]]], seed: int) -> None:
    leads = table(*({"lead_id": f"L{n}", **row} for n, (row, _) in enumerate(rows)))
    entered = stages(**{f"L{n}": " ".join(path) for n, (_, path) in enumerate(rows)})
    told = report(leads, entered)
    again = report(*(frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (leads, entered)))
    assert told == again
    assert ConversionReport.model_validate_json(told.model_dump_json()) == told
    for period in ("all", "month", "week"):
        for by in ("all", "grade", "industry"):
            lines = counts(told, period, by)
            assert sum(line[2] for line in lines) == leads.height
            assert all(line[2] == line[3] + line[4] + line[5] for line in lines)
    for link in told.links:
        assert link.of_decided.hits == link.of_all.hits <= link.of_decided.of <= link.leads
