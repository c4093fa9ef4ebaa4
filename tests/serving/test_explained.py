"""One customer on a page: every number of the row, in the reader's language, and nothing made up."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.engines import open_source
from features.settings import Settings
from models.prediction import Prediction
from models.rules import load_pack
from models.rules.pack import DEFAULT_PACK
from serving.store import open_store
from tests.literal import ago, rows, written
from tests.serving.small_company import Answer, ask, fitted_bundle, orders

MODELLED, RULED, ODD, CALLED = "K1", "K2", "K3", "[bold]x[/bold] [/red]"
PACK = load_pack()
SUM = re.compile(r"→ ([\d.]+) × ([\d.]+) = ([\d.]+)")
WORD = re.compile(r"[A-Za-z_]{2,}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """K1 buys on, K2 stopped 400 days ago, K3 has an odd name and comes to nothing at TODAY + 20 days."""
    people = rows(
        "customer_id name account_owner signed_up_at country preferred_channel preferred_form",
        (MODELLED, "甲公司", "李雷", ago(900), "Spain", "微信", "您"),
        (RULED, "乙公司", "李雷", ago(900), "Spain", None, None),
        (ODD, CALLED, "[/b]", ago(600), "Spain", None, None),
    )
    bought = orders(**{MODELLED: (700, 170, 40), RULED: (800, 400), ODD: (500, 165)})
    tables = {
        "customers": people,
        "transactions": bought,
        "nps_responses": rows("customer_id occurred_at score", (MODELLED, ago(30), 9.0)),
        "interactions": rows(
            "customer_id occurred_at channel", (MODELLED, ago(20), "电话"), (MODELLED, ago(400), "电话")
        ),
    }
    return written(tmp_path_factory.mktemp("literal"), tables)


@pytest.fixture(scope="module")
def home(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored twice by a small bundle and the rules; only for reading."""
    place = tmp_path_factory.mktemp("explained") / "home"
    fitted_bundle(place, open_source(data, Settings()))
    for day in ("2026-07-01", "2026-07-21"):
        assert ask(place, "score", data, "--as-of", day).code == 0
    return place


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of customers of whom only keys are known, scored by the rules alone."""
    folder, home = tmp_path_factory.mktemp("keys"), tmp_path_factory.mktemp("unknown") / "home"
    people = rows("customer_id", ("N1",), ("N2",))
    labels = rows("customer_id as_of churned", ("N1", ago(40), False), ("N2", ago(40), True))
    written(folder, {"customers": people, "labels": labels})
    assert ask(home, "score", folder, "--as-of", "2026-07-01").code == 0
    return home


def said(answer: Answer) -> str:
    """The page without its frame."""
    assert (answer.code, answer.err) == (0, "")
    return "\n".join(line.strip("│╭╮╰╯─ ") for line in answer.out.splitlines())


def row_of(home: Path, customer: str) -> Prediction:
    return Prediction.model_validate(ask(home, "explain", customer, "--json").json)


def test_a_modelled_customer(home: Path) -> None:
    page, row = said(ask(home, "explain", MODELLED)), row_of(home, MODELLED)
    assert row.basis == "model: trees"
    assert row.churn_probability is not None
    assert row.risk_band is not None
    assert row.composite_score is not None
    assert row.health_score is not None
    for words in (
        "甲公司 (K1)",
        "as of 2026-07-21 · at stake · rests on model: trees",
        f"Risk of leaving in 90 days: {row.churn_probability:.0%} ({PACK.risk_bands[row.risk_band].label.en})",
        f"Worth over 90 days: {row.expected_value:,.0f} (8 of 10 such customers: {row.value_low:,.0f} to "
        f"{row.value_high:,.0f})",
        f"If it stays: {row.value_if_retained:,.0f} · value at risk: {row.value_at_risk:,.0f}",
        f"Health: {row.health_score:.0f} of 100",
        f"composite score: {row.composite_score:.1f} of 100, from {row.composite_coverage:.0%} of what it asks",
        "Segments: ",
        "Wants to be reached by: 微信, 您",
        "What to do: ",
        "Who: ",
        "Because: ",
    ):
        assert words in page, page
    assert [f"• {reason.text} [{reason.size:.0%}]" in page for reason in row.reasons] == [True] * len(row.reasons)
    assert len(row.reasons) > 1


def test_a_customer_of_the_rules_alone(home: Path) -> None:
    page, row = said(ask(home, "explain", RULED)), row_of(home, RULED)
    assert (
        "not at stake · rests on rules: not at stake (no purchase in the period that makes a customer active)" in page
    )
    assert (row.at_stake, row.churn_probability) == (False, None)
    assert "Risk of leaving" not in page
    assert "Wants to be reached by" not in page
    assert "• no order for 180 days" in page
    assert "· 李雷 · by 2026-07-31 00:00" in page
    assert [f"• {reason.text} [{reason.size:.0%}]" in page for reason in row.reasons] == [True] * len(row.reasons)
    assert len(row.reasons) > 1


def test_a_change_of_segment_has_its_day_and_reason(home: Path) -> None:
    page = said(ask(home, "explain", ODD))
    assert re.search(r"• 2026-07-21: .*at risk of loss.*165 to 185|• 2026-07-21: .*165.*185", page), page
    changes = ask(home, "explain", ODD, "--json").json["segment_changes"]
    assert {change["as_of"] for change in changes} == {"2026-07-21T00:00:00+00:00"}
    assert ("lifecycle", "mature", "at_risk") in [(each["scheme"], each["before"], each["after"]) for each in changes]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("customer", [MODELLED, RULED, ODD])
def test_the_points_add_up_by_hand_to_the_score(home: Path, customer: str, lang: str) -> None:
    """From the digits on the page alone; each is rounded, so the last one may differ."""
    page, row = said(ask(home, "explain", customer, "--lang", lang)), row_of(home, customer)
    sums = [tuple(map(float, found)) for found in SUM.findall(page)]
    assert len(sums) == len(row.points) > 2
    for worth, most, points in sums:
        assert 0 <= worth <= 1
        assert worth * most == pytest.approx(points, abs=0.0005 * most + 0.01)
    assert sum(most for _, most, _ in sums) == pytest.approx(100, abs=0.005 * len(sums))
    shown = re.search(r"([\d.]+) of 100, from|综合评分：([\d.]+)分", page)
    assert shown is not None
    score = float(shown[1] or shown[2])
    assert sum(points for *_, points in sums) == pytest.approx(score, abs=0.05 + 0.005 * len(sums))
    for part in row.points:
        label = PACK.composite.indicators[part.indicator].label.text("zh" if lang == "zh" else "en")
        assert label in page


def test_what_is_not_known_is_said_in_its_place(home: Path) -> None:
    absent = [part for part in row_of(home, RULED).points if part.value is None]
    page = said(ask(home, "explain", RULED))
    assert page.count("not known, the average counts") == len(absent)
    assert said(ask(home, "explain", RULED, "--lang", "zh")).count("未知，按平均值计") == len(absent)


NAMES = {MODELLED, RULED, "Spain", "NPS", "RFM", "bold", "red", "N1"}


@pytest.mark.parametrize("customer", [MODELLED, RULED, ODD])
def test_the_chinese_page_holds_no_english(home: Path, customer: str) -> None:
    page = said(ask(home, "explain", customer, "--lang", "zh"))
    assert set(WORD.findall(page)) - NAMES - {customer} == set(), page
    for words in ("截至2026-07-21", "综合评分", "客户细分", "建议行动", "原因："):
        assert words in page


def test_the_chinese_page_of_the_unknown_holds_no_english(unknown: Path) -> None:
    page = said(ask(unknown, "explain", "N1", "--lang", "zh"))
    assert set(WORD.findall(page)) - NAMES == set(), page


def test_of_whom_nothing_is_known_the_page_says_so(unknown: Path) -> None:
    row, page = row_of(unknown, "N1"), said(ask(unknown, "explain", "N1"))
    assert (row.composite_score, row.tier, row.points, row.health_score, row.reasons) == (None, None, [], None, [])
    assert row.composite_coverage in (None, 0.0)
    assert "composite score: nothing is known that it could rest on" in page
    assert "rests on rules: no model has been promoted" in page
    for words in ("of 100", "Risk of leaving", "Worth over", "Why:", "Health", "None", "nan", "0 of 0"):
        assert words not in page, page
    assert "What to do:" in page


def test_names_with_markup_are_shown_as_they_are(home: Path) -> None:
    page = ask(home, "explain", ODD).out
    assert f"{CALLED} ({ODD})" in page
    assert "[/b]" in page  # the owner of the open alert
    listed = ask(home, "alerts").out
    assert f"{CALLED} ({ODD})" in listed


def test_the_times_are_the_companys(home: Path) -> None:
    """21 July, 00:00 UTC is 20 July in New York; the deadline is 20:00 there."""
    page = said(ask(home, "explain", RULED, settings='[company]\ntimezone = "America/New_York"\n'))
    assert "as of 2026-07-20" in page
    assert "by 2026-07-30 20:00" in page
    listed = ask(home, "alerts", "--customer", RULED, settings='[company]\ntimezone = "America/New_York"\n').out
    assert "2026-07-30 20:00" in listed


def test_json_is_all_that_the_page_tells(home: Path) -> None:
    told: dict[str, Any] = ask(home, "explain", MODELLED, "--json").json
    assert set(told) == {
        *Prediction.model_fields,
        "name",
        "owner",
        "preferences",
        "mismatch",
        "backfill",
        "axes",
        "drivers",
        "changed",
        "open_alerts",
        "segment_changes",
    }
    assert (told["name"], told["owner"], told["preferences"]) == ("甲公司", "李雷", ["微信", "您"])
    assert (told["mismatch"], told["backfill"]) == ("电话", False)
    assert ask(home, "explain", MODELLED, "--json", "--lang", "zh").json == told
    with open_store(home / "remora.db") as store:
        assert Prediction.model_validate(told) == store.customer(MODELLED)
        alerts = store.log.episodes(customer=RULED)
    listed = ask(home, "explain", RULED, "--json").json["open_alerts"]
    assert [alert["key"] for alert in listed] == alerts["key"].to_list() != []
    assert listed[0]["due_at"] == "2026-07-31T00:00:00+00:00"


def test_a_row_that_another_pack_scored_is_still_told(home: Path, tmp_path: Path) -> None:
    """Between a changed pack and the next scoring the tier, segment and playbook of a row may be gone from it."""
    with open_store(home / "remora.db") as store:
        known = store.customer(RULED)
    assert known is not None
    other = known.model_copy(
        update={
            "customer_id": "K9", "tier": "platinum", "segments": ["shelf:top"], "playbook_key": "party",
            "playbook_owner": "host", "playbook_cadence": "hourly", "playbook_because": "tier:platinum",
            "alerts": ["hunger"], "risk_band": "extreme", "churn_probability": 0.5,
        }
    )  # fmt: skip
    from models.prediction import SCHEMA

    place = tmp_path / "home"
    with open_store(place / "remora.db") as store:
        store.save(pl.DataFrame([other.model_dump()], schema=SCHEMA))
    page = said(ask(place, "explain", "K9"))
    for key in ("tier: platinum", "shelf:top", "party", "host", "hourly", "tier:platinum", "hunger", "(extreme)"):
        assert key in page, page


def test_a_row_of_before_playbooks_had_keys_keeps_its_playbook(home: Path, tmp_path: Path) -> None:
    with open_store(home / "remora.db") as store:
        known = store.customer(RULED)
    assert known is not None
    none = dict.fromkeys(("playbook_key", "playbook_owner", "playbook_cadence", "playbook_due", "playbook_because"))
    from models.prediction import SCHEMA

    place = tmp_path / "home"
    with open_store(place / "remora.db") as store:
        store.save(
            pl.DataFrame([known.model_copy(update={**none, "playbook": "call them"}).model_dump()], schema=SCHEMA)
        )
    page = said(ask(place, "explain", RULED))
    assert "What to do: call them" in page
    assert "nothing to recommend" not in page


def test_a_customer_never_scored_is_one_line(home: Path) -> None:
    problems = ask(home, "explain", "nobody").problems
    assert problems == ["customer nobody: never scored; run `remora score DATA` first, or check the key"]


def test_the_shipped_pack_is_what_the_page_used(home: Path) -> None:
    assert row_of(home, MODELLED).rules_version == load_pack(DEFAULT_PACK).rules_version
