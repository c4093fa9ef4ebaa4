"""The report on disk: JSON that stands alone, a page that says the same and fetches nothing."""

import json
import re
import socket
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from monitoring import report as module
from monitoring.drift import DriftReport, drift
from monitoring.report import ReportError, write_report

ROWS = 500


@pytest.fixture(scope="module")
def report() -> DriftReport:
    rng = np.random.default_rng(0)
    reference = pl.DataFrame(
        {
            "steady": rng.normal(size=ROWS),
            "moved": rng.normal(size=ROWS),
            "luck": np.arange(ROWS) / ROWS,
            "plan": rng.choice(["basic", "pro"], ROWS),
            "constant": 1.0,
            "holed": rng.normal(size=ROWS),
            "empty": pl.Series([None] * ROWS, dtype=pl.Float64),
            "silent": rng.normal(size=ROWS),
            "infinite": [float("inf"), *rng.normal(size=ROWS - 1)],
        }
    )
    current = reference.with_columns(
        pl.col("moved") + 1,
        pl.col("luck") + 0.088,
        holed=pl.when(pl.int_range(pl.len()) > ROWS // 2).then("holed"),
        silent=pl.lit(None, pl.Float64),
    )
    kinds = dict.fromkeys(reference.columns, "number") | {"plan": "category", "gone": "number"}
    return drift(reference, current, kinds=kinds, gain=dict.fromkeys(kinds, 1.0))


def test_json_always_and_alone(report: DriftReport, tmp_path: Path) -> None:
    written = write_report(report, tmp_path / "new" / "folder")
    assert written == [tmp_path / "new" / "folder" / "drift.json"]
    assert list(written[0].parent.iterdir()) == written
    found = json.loads(written[0].read_text(encoding="utf-8"))
    assert [each["column"] for each in found["columns"] if each["status"] == "drifted"] == ["moved", "holed", "silent"]
    assert found["settings"]["false_discovery_rate"] == 0.05
    assert DriftReport.model_validate_json(written[0].read_bytes()).columns == report.columns


def verdicts(page: str) -> dict[str, str]:
    """Column → "detected" or "not detected", as the page states them."""
    said = re.findall(r"Drift in column '([^']*)'\", \"label\": \"Data drift (not detected|detected)\.", page)
    return dict(said)


def test_page_gives_the_reports_verdicts_and_fetches_nothing(
    report: DriftReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", pytest.fail)
    monkeypatch.setattr(socket, "getaddrinfo", pytest.fail)
    _, path = write_report(report, tmp_path, html=True)
    page = path.read_text(encoding="utf-8")
    luck = next(each.values for each in report.columns if each.column == "luck")
    assert luck.p < 0.05 < luck.adjusted_p  # Evidently alone would call it drift
    assert verdicts(page) == {
        "steady": "not detected", "luck": "not detected", "moved": "detected", "plan": "not detected",
        "constant": "not detected", "holed": "not detected", "infinite": "not detected",
        "holed (missing)": "detected", "silent (missing)": "detected",
    }  # fmt: skip
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=[\"']?(https?:)?//", page)


def test_names_and_categories_cannot_end_the_pages_script(tmp_path: Path) -> None:
    attack = "</script><script>alert(1)</script>"
    before = pl.DataFrame({"plan": ["basic"] * ROWS + [attack] * ROWS, attack: ["a", "b"] * ROWS})
    after = before.with_columns(pl.when(pl.int_range(pl.len()) > ROWS).then("plan").alias("plan"))
    report = drift(before, after, kinds=dict.fromkeys(before.columns, "category"), gain={})
    _, path = write_report(report, tmp_path, html=True)
    page = path.read_text(encoding="utf-8")
    assert r"\u2039script>alert(1)" in page
    assert "<script>alert(1)" not in page


def test_column_evidently_cannot_draw_costs_only_itself(
    report: DriftReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = module._drawn

    def stumbling(columns: list[module.ColumnDrift], sample: module.Sample) -> str:
        if any(each.column == "steady" for each in columns):
            raise ValueError("steady")
        return drawn(columns, sample)

    monkeypatch.setattr(module, "_drawn", stumbling)
    few = report.model_copy(update={"columns": report.columns[:3]})
    _, path = write_report(few, tmp_path, html=True)
    assert verdicts(path.read_text(encoding="utf-8")).keys() == {"moved", "luck"}


def test_page_of_an_earlier_run_does_not_stay_beside_a_newer_json(report: DriftReport, tmp_path: Path) -> None:
    (tmp_path / "drift.html").write_text("old")
    write_report(report, tmp_path)
    assert not (tmp_path / "drift.html").exists()


def test_page_of_a_report_read_from_json_is_refused(report: DriftReport, tmp_path: Path) -> None:
    back = DriftReport.model_validate_json(report.model_dump_json())
    with pytest.raises(ReportError, match="without its rows"):
        write_report(back, tmp_path, html=True)


def test_nothing_comparable_gives_json_only(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.0] * 5})
    written = write_report(drift(frame, frame, kinds={"x": "number"}, gain={}), tmp_path, html=True)
    assert [path.name for path in written] == ["drift.json"]
    assert json.loads(written[0].read_text())["status"] == "too few rows"
