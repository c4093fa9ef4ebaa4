"""The verdict: what stands in the way, what is asked, and that nothing loses the report."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from features.clock import micros
from features.engines import Source, open_source, without_password
from features.settings import Churn, Gate, Settings, Value
from monitoring.findings import Readiness
from monitoring.printout import readiness_tables
from monitoring.readiness import readiness
from tests.literal import TODAY, T, ago, rows, source
from training.fit import training_counts
from training.split import Plan
from training.targets import targets

NOW = TODAY.replace(tzinfo=dt.UTC)


def settings(**sections: Any) -> Settings:
    return Settings.model_construct(**sections)


def shop(folder: Path, customers: int = 40, **more: Any) -> Source:
    """Every customer buys each ten days; the odd ones stop at some day within the last year."""
    stops = {f"c{i}": 0 if i % 2 == 0 else 9 * i % 330 for i in range(customers)}
    sales = [(name, ago(day), 10.0) for name, stop in stops.items() for day in range(max(stop, 1), 500, 10)]
    return source(folder, "polars", {"transactions": rows("customer_id occurred_at amount", *sales), **more})


def printed(report: Readiness) -> str:
    page = io.StringIO()
    console = Console(width=300, file=page)
    for part in readiness_tables(report):
        console.print(part)
    return page.getvalue()


@pytest.fixture
def enough() -> Settings:
    return settings(churn=Churn(horizon_days=60, active_within_days=90), gate=Gate(min_churners=5))


def test_ready_and_what_training_would_find(tmp_path: Path, enough: Settings) -> None:
    opened = shop(tmp_path)
    report = readiness(opened, T, enough, NOW)
    assert report.ready, report.obstacles
    assert report.outlook.definition == "no_purchase"
    aims = targets(opened.until(T), T, enough)
    assert [micros(each.as_of) for each in report.outlook.cutoffs] == [*aims.churn.cutoffs]
    assert [each.churners for each in report.outlook.cutoffs] == [
        int(aims.outcomes[cutoff]["churned"].sum()) for cutoff in aims.churn.cutoffs
    ]
    assert [each.part for each in report.outlook.cutoffs][-2:] == ["calibration", "test"]
    assert "Ready for training." in printed(report)


@pytest.mark.parametrize("later_period", [True, False])
def test_churners_are_counted_as_training_counts_them(later_period: bool) -> None:
    everyone = pl.DataFrame({"customer_id": [f"c{i}" for i in range(200)], "churned": 1.0})
    plan = Plan(test=9, training=(1, 2), later_period=later_period)
    outcomes = dict.fromkeys(plan.cutoffs, everyone)
    assert 200 < training_counts(outcomes, plan)[0] < 400  # two cut-offs, without the customers set aside


def test_too_few_churners_refuse_with_both_numbers(tmp_path: Path, enough: Settings) -> None:
    report = readiness(shop(tmp_path), T, settings(churn=enough.churn, gate=Gate(min_churners=500)), NOW)
    assert not report.ready
    assert f"{report.outlook.training_churners} churners of the 500 needed" in report.obstacles[0]
    assert report.rules_work
    assert "Not ready for training. Rules-only scoring works." in printed(report)


def test_too_short_a_history_says_so_and_keeps_the_rest(tmp_path: Path) -> None:
    report = readiness(shop(tmp_path), T, settings(churn=Churn(horizon_days=600)), NOW)
    assert not report.ready
    assert "too short for a window of 600 days" in report.obstacles[0]
    assert report.tables[0].rows > 0


def test_two_definitions_are_a_question(tmp_path: Path) -> None:
    usage = rows("customer_id occurred_at feature", *(("c1", ago(day), "x") for day in range(1, 300)))
    report = readiness(shop(tmp_path, usage_events=usage), T, settings(), NOW)
    assert report.outlook.possible == ("no_purchase", "inactive")
    assert not report.ready
    assert any(question.startswith("Who counts as gone?") for question in report.questions)


def test_invoices_beside_subscriptions_are_a_question(tmp_path: Path, enough: Settings) -> None:
    runs = rows("customer_id started_at ended_at monthly_amount", *((f"c{i}", ago(500 - i), None, 5.0)
                                                                   for i in range(40)))  # fmt: skip
    opened = shop(tmp_path, subscriptions=runs)
    choice = Churn(definition="no_purchase", horizon_days=60, active_within_days=90)
    report = readiness(opened, T, settings(churn=choice, gate=enough.gate), NOW)
    assert any("[value] source" in question for question in report.questions)
    assert not report.ready
    assert len(report.outlook.cutoffs) > 1  # what there would be is shown all the same
    answered = readiness(opened, T, settings(churn=choice, gate=enough.gate, value=Value(source="both")), NOW)
    assert answered.ready, answered.obstacles
    assert not any("[value] source" in question for question in answered.questions)


def test_currencies_that_cannot_be_added_up_are_an_error(tmp_path: Path) -> None:
    sales = rows("customer_id occurred_at amount currency", ("a", ago(9), 1.0, "EUR"), ("b", ago(8), 1.0, "USD"))
    opened = source(tmp_path, "duckdb", {"transactions": sales})
    report = readiness(opened, T, settings(), NOW)
    assert report.currencies == ("EUR", "USD")
    assert "EUR, USD" in report.errors[0]
    assert report.errors[0] in report.obstacles
    rated = readiness(opened, T, settings(value=Value(rates={"EUR": 1.0, "USD": 0.9})), NOW)
    assert rated.errors == ()


def test_a_stopped_table_that_defines_churn_names_the_date_to_use(tmp_path: Path) -> None:
    usage = rows("customer_id occurred_at feature", *((f"c{i}", ago(day), "x") for i in range(30) for day in range(200)
                                                     if day >= 60))  # fmt: skip
    sales = rows("customer_id occurred_at amount", *(("c1", ago(day), 1.0) for day in range(1, 200)))
    opened = source(tmp_path, "duckdb", {"usage_events": usage, "transactions": sales})
    chosen = settings(churn=Churn(definition="inactive", horizon_days=31))
    report = readiness(opened, None, chosen, NOW)
    assert f"{report.as_of:%Y-%m-%d}" == "2026-07-01"
    assert any("usage_events: no row after 2026-05-02" in each and "--as-of 2026-05-03" in each
               for each in report.warnings)  # fmt: skip


def test_nothing_has_happened_yet(tmp_path: Path) -> None:
    sales = rows("customer_id occurred_at amount", ("a", ago(-5), 1.0))
    report = readiness(source(tmp_path, "duckdb", {"transactions": sales}), None, settings(), NOW)
    assert report.as_of is None
    assert "no row has a date up to 2026-07-01" in report.obstacles[0]
    assert report.tables[0].future == 1
    assert printed(report)


def test_empty_tables_do_not_lose_the_report(tmp_path: Path) -> None:
    report = readiness(source(tmp_path, "duckdb", {"transactions": [], "customers": []}), T, settings(), NOW)
    assert [each.rows for each in report.tables] == [0, 0]
    assert not report.ready
    assert not report.rules_work
    assert "has no customer to score" in printed(report)


def test_columns_nothing_reads_are_named_and_a_known_one_is_asked_about(tmp_path: Path) -> None:
    never = pl.Series([None], dtype=pl.Datetime)
    runs = pl.DataFrame({"customer_id": ["a"], "started_at": [ago(90)], "ended_at": never,
                         "monthly_amount": [5.0], "auto_renew": [True], "colour": ["red"]})  # fmt: skip
    runs.write_parquet(tmp_path / "subscriptions.parquet")
    report = readiness(open_source(tmp_path, settings()), T, settings(), NOW)
    assert report.tables[0].ignored == ("auto_renew", "colour")
    assert 'Is auto_renew of subscriptions its renews? Then map it: [tables.subscriptions] renews = "auto_renew"' in (
        report.questions
    )
    assert not any("colour" in question for question in report.questions)


def test_json_and_back(tmp_path: Path, enough: Settings) -> None:
    report = readiness(shop(tmp_path), T, enough, NOW)
    assert Readiness.model_validate_json(report.model_dump_json()) == report


def test_text_of_the_data_is_not_markup(tmp_path: Path) -> None:
    sales = rows("customer_id occurred_at amount", ("a", ago(9), 1.0))
    people = pl.DataFrame({"customer_id": ["a"], "[red]churn[/red]": ["x"]})
    report = readiness(source(tmp_path, "duckdb", {"transactions": sales, "customers": people}), T, settings(), NOW)
    assert "[red]churn[/red]" in printed(report)


def test_the_password_of_a_database_is_not_printed() -> None:
    assert "secret" not in without_password("postgresql://crm:secret@db.example/crm?sslmode=require")
