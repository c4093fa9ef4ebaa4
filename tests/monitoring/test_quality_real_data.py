"""The report on real input: what its README warns of is found."""

import datetime as dt

import pytest

from features.clock import micros, start_of
from features.engines import open_source
from features.settings import Settings
from monitoring.findings import ColumnFinding, Readiness, TableFinding
from monitoring.printout import readiness_tables
from monitoring.readiness import readiness
from tests.real_data import real_data, real_settings

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


def checked(name: str, as_of: str | None = None, settings: Settings | None = None) -> Readiness:
    chosen = settings or real_settings(name)
    moment = micros(start_of(as_of, chosen.company.zone)) if as_of else None
    report = readiness(open_source(real_data(name), chosen), moment, chosen, NOW)
    assert readiness_tables(report)
    assert Readiness.model_validate_json(report.model_dump_json()) == report
    return report


def table(report: Readiness, name: str) -> TableFinding:
    return next(each for each in report.tables if each.table == name)


def columns(report: Readiness) -> dict[str, ColumnFinding]:
    assert report.profile is not None
    return {each.column: each for each in report.profile.columns}


def test_online_retail() -> None:
    report = checked("online_retail_2", "2011-06-30")
    sales = table(report, "transactions")
    assert (sales.rows, sales.customers, sales.duplicate_rows) == (748_841, 5_106, 8_557)
    assert sales.missing["customer_id"] == pytest.approx(0.226, abs=0.001)
    test = report.outlook.cutoffs[-1]
    assert (f"{test.as_of:%Y-%m-%d}", test.at_stake, test.part) == ("2011-04-01", 4_332, "test")
    assert test.churners / test.at_stake == pytest.approx(0.62, abs=0.005)
    assert report.ready


def test_social_network_default_as_of_is_caught() -> None:
    report = checked("social_network")
    assert not report.ready
    assert any("subscriptions: no row after 2020-06-01" in each and "--as-of 2020-06-02" in each
               for each in report.warnings)  # fmt: skip
    assert report.outlook.cutoffs[-1].churners == report.outlook.cutoffs[-1].at_stake
    assert report.profile is not None
    assert report.profile.auc_note.endswith("who churned at 2020-04-30")  # the last cut-off where someone stayed


def test_social_network_at_the_date_of_its_readme() -> None:
    report = checked("social_network", "2020-06-01")
    assert report.ready, report.obstacles
    assert [each.churners for each in report.outlook.cutoffs] == [50, 29, 51]


def test_saas_crm() -> None:
    report = checked("saas_crm", "2023-04-01")
    assert report.ready, report.obstacles
    assert all(19 <= each.churners <= 52 for each in report.outlook.cutoffs)
    assert table(report, "subscriptions").ignored == ("quantity", "units", "bill_period_months")


def test_ravenstack_is_refused_and_its_oddities_named() -> None:
    report = checked("ravenstack")
    assert not report.ready
    assert "churners of the 50 needed" in report.obstacles[0]
    assert report.rules_work
    usage = table(report, "usage_events")
    assert usage.before_sign_up == pytest.approx(0.53 * usage.rows, rel=0.01)
    assert "label-like" in columns(report)["churn_flag"].marks


def test_telco_names_its_leaks() -> None:
    report = checked("telco")
    found = columns(report)
    assert all("label-like" in found[name].marks for name in ("satisfaction_score", "churn_score"))
    assert all("identifier-like" in found[name].marks for name in ("service_id", "status_id"))
    assert found["cltv"].marks == ("as of today",)
    assert report.profile is not None
    assert set(report.profile.exclude) == {"service_id", "status_id", "satisfaction_score", "churn_score", "cltv"}
    assert not report.outlook.later_period
    assert report.outlook.cutoffs[0].churners == 1_869


def test_cdnow() -> None:
    report = checked("cdnow_sample")
    assert f"{report.as_of:%Y-%m-%d}" == "1998-07-01"
    assert report.ready, report.obstacles
