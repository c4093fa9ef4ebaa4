"""The reports, the list of alerts and the list of leads: for people in two languages, and for machines."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.demo import simulate
from models.rules import load_pack
from serving.store import open_store
from tests.literal import ago, rows, written
from tests.serving.small_company import ask, orders

PACK = load_pack()
ODD = "[bold]x[/bold] [/red]"
AS_OF = "2026-07-01"
REPORTS = ("review", "conversion", "value-curve", "cross-sell", "strategy")


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of 150 customers over 14 months, with odd names wherever data can have a name; only for reading."""
    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(folder, customers=150, months=14)
    uses = pl.read_parquet(folder / "usage_events.parquet")
    uses.filter(pl.col("occurred_at").dt.weekday() == 1).write_parquet(folder / "usage_events.parquet")
    odd = {
        "customers": ("name", "account_owner", "industry", "preferred_channel", "acquisition_channel"),
        "leads": ("industry", "tags", "competitor", "owner", "source"),
        "lead_stages": (),
        "tickets": ("category",),
        "transactions": ("product",),
        "interactions": ("topic", "channel"),
        "interventions": ("playbook", "owner"),
    }
    for name, columns in odd.items():
        table = pl.read_parquet(folder / f"{name}.parquet")
        third = pl.int_range(pl.len()) % 3 == 0
        mixed = [pl.when(third).then(pl.lit(ODD)).otherwise(pl.col(column)).alias(column) for column in columns]
        table.with_columns(mixed).write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="session")
def home(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored by the rules three months ago and today; tests that write take another one."""
    place = tmp_path_factory.mktemp("reports") / "home"
    for day in ("2026-04-01", AS_OF):
        told = ask(place, "score", simulated, "--as-of", day)
        assert told.code == 0, told.err
    return place


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("report", REPORTS)
def test_each_report_is_a_page_for_people(home: Path, simulated: Path, report: str, lang: str) -> None:
    told = ask(home, "report", report, simulated, "--as-of", AS_OF, "--lang", lang)
    assert told.code == 0, told.err
    assert len(told.out) > 30
    for broken in ("None", "nan", "inf", "Traceback", "{", "}"):
        assert not re.search(rf"(?<![a-z]){re.escape(broken)}(?![a-z])", told.out), told.out


def test_the_language_is_the_one_asked_for(home: Path, simulated: Path) -> None:
    label = PACK.review.label
    pages = [ask(home, "report", "review", simulated, "--as-of", AS_OF, "--lang", lang).out for lang in ("en", "zh")]
    assert [(label.en in page, label.zh in page) for page in pages] == [(True, False), (False, True)]


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_is_whole_json_without_nan(home: Path, simulated: Path, report: str) -> None:
    keys = {
        "review": {"monthly", "quarterly", "disagreements", "reviews_due"},
        "conversion": {"conversion", "reasons"},
        "value-curve": {"months", "proposed_now"},
        "cross-sell": {"rules", "offers", "total_offers"},
        "strategy": {"since", "goals", "progress"},
    }
    told = ask(home, "report", report, simulated, "--as-of", AS_OF, "--json").json  # `json` refuses NaN and Infinity
    assert keys[report] <= set(told)
    if report == "strategy":
        assert told["since"] == "2026-04-02T00:00:00+00:00"
        assert {row["strategy"] for row in told["progress"]} >= {goal["strategy"] for goal in told["goals"]} != set()


def test_the_reports_count_what_the_tables_hold(home: Path, simulated: Path) -> None:
    leads = pl.read_parquet(simulated / "leads.parquet").filter(pl.col("created_at") < pl.lit(dt.datetime(2026, 7, 1)))
    told = ask(home, "report", "conversion", simulated, "--as-of", AS_OF, "--json").json
    whole = next(row for row in told["conversion"] if row["by"] == "all" and row["start"] is None)
    assert (whole["leads"], whole["won"]) == (leads.height, leads.filter(pl.col("outcome") == "won").height)
    curve = ask(home, "report", "value-curve", simulated, "--as-of", AS_OF, "--json").json
    customers = [month["customers"] for month in curve["months"]]
    assert customers == sorted(customers, reverse=True)
    assert 100 < customers[0] <= 150


def test_odd_names_are_shown_as_they_are(home: Path, simulated: Path) -> None:
    """Rich would take [bold] for markup, and fail on [/red]."""
    assert ODD in ask(home, "report", "conversion", simulated, "--as-of", AS_OF).out
    assert ODD in ask(home, "report", "review", simulated, "--as-of", AS_OF).out
    assert ODD in ask(home, "leads", simulated, "--as-of", AS_OF).out
    assert ODD in ask(home, "alerts").out


def test_reviews_are_due_until_they_are_done(simulated: Path, tmp_path: Path) -> None:
    def due(*more: str) -> dict[str, str]:
        told = ask(tmp_path / "home", "report", "review", simulated, "--as-of", AS_OF, "--json", *more).json
        return {each["kind"]: each["due"] for each in told["reviews_due"]}

    kinds = list(PACK.segments.reviews)
    assert due() == dict.fromkeys(kinds, AS_OF)
    assert list(due("--done", kinds[0])) == kinds[1:]
    assert list(due()) == kinds[1:]
    refused = ask(tmp_path / "home", "report", "review", simulated, "--as-of", AS_OF, "--done", "spring")
    assert refused.problems == [f"--done spring: not known; choose one of {', '.join(kinds)}"]
    with open_store(tmp_path / "home" / "remora.db") as store:
        assert store.log.reviews() == {kinds[0]: dt.date(2026, 7, 1)}


def test_alerts_are_a_list_by_severity_and_deadline(home: Path) -> None:
    told = ask(home, "alerts", "--limit", 5, "--json").json
    assert told["as_of"] == "2026-07-01T00:00:00+00:00"
    assert len(told["alerts"]) == 5 < told["total"]
    every = ask(home, "alerts", "--limit", 10_000, "--json").json["alerts"]
    assert len(every) == told["total"]
    assert every[:5] == told["alerts"]
    order = [(each["severity"], each["due_at"] or "9") for each in every]
    assert order == sorted(order)
    assert {each["state"] for each in every} == {"open"}
    chinese = ask(home, "alerts", "--limit", 5, "--json", "--lang", "zh").json["alerts"]
    assert [each["key"] for each in chinese] == [each["key"] for each in every[:5]]
    assert all(re.search("[一-鿿]", each["text"]) for each in chinese)
    assert not any(re.search("[一-鿿]", each["text"]) for each in every)


def test_alerts_are_filtered(home: Path) -> None:
    every = ask(home, "alerts", "--limit", 10_000, "--json").json["alerts"]
    one = every[0]
    for option, name in (("--rule", "rule"), ("--customer", "customer_id"), ("--owner", "owner_role")):
        found = ask(home, "alerts", "--limit", 10_000, "--json", option, one[name]).json["alerts"]
        assert found == [each for each in every if each[name] == one[name]] != every
    assert ask(home, "alerts", "--customer", "nobody", "--json").json["alerts"] == []
    page = ask(home, "alerts", "--limit", 3, "--lang", "zh")
    assert (page.code, page.err) == (0, "")
    assert len([line for line in page.out.splitlines() if " 00:00" in line or re.search(r"\d\d:\d\d", line)]) == 3


def test_what_is_held_back_is_told(home: Path) -> None:
    told = ask(home, "alerts", "--held-back", "--limit", 10_000, "--json").json
    assert sum(told["held_back"].values()) == told["total"] == len(told["alerts"]) > 0
    assert {each["state"] for each in told["alerts"]} == {"held_back"}
    counted: dict[str, int] = {}
    for each in told["alerts"]:
        who = each["owner"] or each["owner_role"]
        counted[who] = counted.get(who, 0) + 1
    assert counted == told["held_back"]
    assert f"{told['total']} alerts are held back" in ask(home, "alerts").out


def test_leads_come_with_the_best_grade_first(home: Path, simulated: Path) -> None:
    told = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 7, "--json").json
    every = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 10_000, "--json").json
    assert len(told["leads"]) == 7 < told["total"] == every["total"] == len(every["leads"])
    assert told["leads"] == every["leads"][:7]
    ranks = [list(PACK.leads.grades).index(each["grade"]) if each["grade"] else 99 for each in every["leads"]]
    assert ranks == sorted(ranks)
    table = pl.read_parquet(simulated / "leads.parquet").filter(pl.col("outcome").is_null())
    assert {each["lead_id"] for each in every["leads"]} == set(table["lead_id"])
    page = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 7)
    assert (page.code, [each["lead_id"] in page.out for each in told["leads"]]) == (0, [True] * 7)
    assert every["leads"][7]["lead_id"] not in page.out
    chinese = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 7, "--lang", "zh").out
    assert PACK.leads.grades[told["leads"][0]["grade"]].label.zh in chinese


def test_leads_are_filtered_by_grade_and_tag(home: Path, simulated: Path) -> None:
    every = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 10_000, "--json").json["leads"]
    grade = every[0]["grade"]
    found = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 10_000, "--grade", grade, "--json").json["leads"]
    assert found == [each for each in every if each["grade"] == grade] != every
    tagged = ask(home, "leads", simulated, "--as-of", AS_OF, "--limit", 10_000, "--tag", ODD, "--json").json["leads"]
    assert tagged == [each for each in every if ODD in each["tags"]] != []
    refused = ask(home, "leads", simulated, "--as-of", AS_OF, "--grade", "Z")
    assert refused.problems == [f"--grade Z: not known; choose one of {', '.join(PACK.leads.grades)}"]


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company that uses a product and has no other table."""
    folder = tmp_path_factory.mktemp("bare")
    return written(folder, {"usage_events": rows("customer_id occurred_at feature", ("A", ago(3), "x"))})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report", "conversion"), "no table leads: the conversion report rests on it; add it to the data, or map it"),
        (("leads",), "no table leads: the list of leads rests on it; add it to the data, or map it in remora.toml"),
        (
            ("report", "value-curve"),
            "no table transactions or subscriptions: the value curve rests on one of them; add",
        ),
    ],
)
def test_an_absent_table_is_one_line_with_its_name_and_the_remedy(
    bare: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    told = ask(tmp_path / "home", *arguments, bare, "--as-of", AS_OF)
    assert len(told.problems) == 1
    assert told.problems[0].startswith(says)
    assert "remora.toml" in told.problems[0]


@pytest.mark.parametrize("report", ["review", "cross-sell", "strategy"])
def test_what_can_be_said_of_little_is_said(bare: Path, tmp_path: Path, report: str) -> None:
    for more in (("--json",), ("--lang", "zh")):
        told = ask(tmp_path / "home", "report", report, bare, "--as-of", AS_OF, *more)
        assert told.code == 0, told.err


def test_without_any_scoring_the_list_of_alerts_is_empty(tmp_path: Path) -> None:
    told = ask(tmp_path / "home", "alerts", "--json").json
    assert told == {"as_of": None, "total": 0, "alerts": [], "held_back": {}, "snoozed": 0}
    assert ask(tmp_path / "home", "alerts").code == 0


def test_a_report_leaves_the_later_scoring_as_it_would_have_been(simulated: Path, home: Path, tmp_path: Path) -> None:
    """A report looks at the past; what the score learns once must not come from there."""
    first, then = tmp_path / "first", "2026-04-01"
    assert ask(first, "report", "strategy", simulated, "--as-of", then, "--days", 180).code == 0
    assert ask(first, "score", simulated, "--as-of", then).code == 0
    learnt = [file.read_text() for place in (first, home) for file in (place / "rules").iterdir()]
    assert len(learnt) == 2
    assert learnt[0] == learnt[1]


def test_the_deadline_of_a_lead_is_by_the_companys_clock(tmp_path: Path) -> None:
    best = {"budget": 20, "authority": 25, "need": 30, "timing": 25, "need_clarity": 5, "budget_match": 5,
            "decision_chain": 5, "urgency": 5}  # fmt: skip
    data = tmp_path / "data"
    data.mkdir()
    written(data, {"leads": [{"lead_id": "L1", "created_at": ago(1), **best}], "transactions": orders(A=(10,))})
    told = ask(tmp_path / "home", "leads", data, "--as-of", AS_OF, settings='[company]\ntimezone = "Asia/Shanghai"\n')
    assert (told.code, "2026-07-01 00:00" in told.out) == (0, True), told.out + told.err
    json: dict[str, Any] = ask(tmp_path / "home", "leads", data, "--as-of", AS_OF, "--json").json
    assert [lead["lead_id"] for lead in json["leads"]] == ["L1"]
