"""The model card of a real small training."""

import datetime as dt
import re

import pytest

from features.engines import fingerprint
from tests.company import MLFLOW, Trained
from training.bootstrap import Interval
from training.card import card
from training.fairness import Group
from training.repeat import Provenance, provenance

pytestmark = pytest.mark.filterwarnings(MLFLOW)

MADE = dt.datetime(2026, 8, 1, 12, 30, tzinfo=dt.UTC)
GROUPS = (
    Group(column="region", level="North|East", rows=120, churners=30, roc_auc=0.7,
          auc_gap=Interval(estimate=-0.05, low=-0.1, high=0.02)),
    Group(column="region", level="South", rows=12, churners=3),
)  # fmt: skip


@pytest.fixture(scope="module")
def rested_on(trained: Trained) -> Provenance:
    bundle, data = trained.candidate.bundle, fingerprint(trained.source.until(trained.as_of).tables)
    tuned = {"max_depth": 4, "learning_rate": 0.05}
    return provenance(trained.settings, trained.date, "/data", data, bundle.pack_text, bundle.id, tuned)


@pytest.fixture(scope="module")
def text(trained: Trained, rested_on: Provenance) -> str:
    chosen = {"rung": "trees, beyond logistic regression", "refit": "no: not surely better"}
    return card(trained.candidate, trained.settings, MADE, rested_on, chosen, GROUPS)


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def cells(text: str, first: str) -> list[str]:
    """The cells of the table row that begins with `first`."""
    (line,) = re.findall(rf"(?m)^\| {re.escape(first)} \| .*$", text)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_it_is(trained: Trained, text: str) -> None:
    found = section(text, "What it is")
    assert text.startswith("# Churn and value as of 2026-07-01\n")
    assert "probability of churn within 90 days (cancelled: at stake: a subscription runs on the date" in found
    assert "none runs 90 days later, nor in 14 days more)" in found
    assert "revenue of transactions over 90 days" in found
    assert "tested at: 2026-03-19" in found
    assert f"Bundle: {trained.candidate.bundle.id}, made 2026-08-01 12:30 UTC" in found
    for refusal in trained.candidate.decision.refusals:
        assert refusal in found


def test_the_data_and_their_fingerprint(trained: Trained, rested_on: Provenance, text: str) -> None:
    found = section(text, "Data")
    assert f"{trained.candidate.training_rows:,} rows train" in found
    for name, of in rested_on.data.items():
        assert cells(found, name)[1:2] + cells(found, name)[4:] == [f"{of['rows']:,}", str(of["hash"])]
    rows = trained.source.until(trained.as_of).tables["transactions"].collect("polars").to_native()["occurred_at"]
    day = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=rows.min())
    assert cells(found, "transactions")[2] == f"{day:%Y-%m-%d}"


def test_metrics_stand_beside_the_baselines_with_intervals(trained: Trained, text: str) -> None:
    report = trained.candidate.churn
    found = cells(section(text, "Churn"), "ROC AUC")
    scores = [report.model, *report.baselines.values()]
    wanted = [
        f"{s.roc_auc.estimate:.3f} ({s.roc_auc.low:.3f} to {s.roc_auc.high:.3f})" for s in scores
    ]  # fmt: skip
    assert found == ["ROC AUC", *wanted]
    assert cells(section(text, "Churn"), "metric") == ["metric", "model", *report.baselines]
    value = trained.candidate.value
    assert value is not None
    gini = value.model.normalised_gini
    assert cells(section(text, "Value"), "normalised Gini")[1].startswith(f"{gini.estimate:.3f} ({gini.low:.3f} to ")
    assert report.split_reason in section(text, "Churn")


def test_the_range_of_value_beside_its_aim(trained: Trained, text: str) -> None:
    report, found = trained.candidate.value, section(text, "Value")
    assert f"inside the 80 % range: {report.covered.estimate:.3f} (" in found
    assert f"; aim {report.coverage_aim:.3f}." in found
    rows = [line for line in found.split("mean width")[1].splitlines() if line.startswith("| ")]
    assert [float(row.split(" | ")[1]) for row in rows] == [round(row.coverage, 3) for row in report.coverage]


def test_calibration_is_a_table_of_the_test_rows(trained: Trained, text: str) -> None:
    lines = [line for line in section(text, "Calibration").splitlines() if line.startswith("| ")][1:]
    report = trained.candidate.churn
    assert len(lines) == len(report.reliability)
    assert lines[0] == (
        f"| {report.reliability[0].rows:,} | {report.reliability[0].mean_predicted:.1%} "
        f"| {report.reliability[0].observed:.1%} |"
    )
    assert "plots/reliability.png" in section(text, "Calibration")


def test_slices_and_groups(trained: Trained, text: str) -> None:
    found = section(text, "Slices")
    for part in trained.candidate.churn.four_way:
        assert cells(found, part.name)[1:3] == [f"{part.rows:,}", f"{part.churners:,}"]
    for cutoff in trained.candidate.churn.by_cutoff:
        assert cells(found, str(cutoff.as_of))[1] == f"{cutoff.rows:,}"
    assert "| region: North\\|East | 120 | 30 | 0.700 | -0.050 (-0.100 to 0.020) |" in found
    assert cells(found, "region: South")[3:] == ["—", "—"]


def test_how_it_was_chosen_and_how_to_do_it_again(trained: Trained, rested_on: Provenance, text: str) -> None:
    found, manifest = section(text, "How it was chosen"), trained.candidate.bundle.manifest
    assert f"- kind: {manifest.churn.mixture.kind}" in found
    assert manifest.churn.mixture.why in found
    assert f"- calibration: {manifest.churn.calibration.method}" in found
    assert manifest.value is not None
    assert f"- value: {manifest.value.mixture.kind}" in found
    assert "- rung: trees, beyond logistic regression" in found
    again = section(text, "Reproduce")
    assert "remora train --like RUN_ID" in again
    assert rested_on.commit in again
    assert f"lightgbm {rested_on.versions['lightgbm']}" in again
    assert "tuned parameters: max_depth = 4, learning_rate = 0.05" in again


def test_use_and_limits_are_said(trained: Trained, text: str) -> None:
    assert "Not to refuse a customer credit" in section(text, "Not intended")
    limits = section(text, "Limits")
    error = trained.candidate.churn.model.calibration_error
    assert error is not None
    assert f"off by {100 * error:.1f} percentage points" in limits
    for said in (*trained.candidate.targets.warnings, *trained.candidate.decision.notes):
        assert said in limits
    for name, why in trained.candidate.snapshots.left_out.items():
        assert f"`{name}`: {why}" in limits


def test_the_bundles_card_is_the_same_on_another_day(trained: Trained) -> None:
    """It names neither the bundle (its hash would hold itself) nor a moment, machine or commit."""
    plain = card(trained.candidate, trained.settings)
    assert trained.candidate.bundle.id not in plain
    assert "made 20" not in plain
    assert "commit" not in plain
    assert plain == card(trained.candidate, trained.settings)


def test_every_table_is_whole(text: str) -> None:
    for block in re.findall(r"(?m)(?:^\|.*\n)+", text):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block
