"""What a scoring knew is kept as the models saw it, whole or not at all, and only of the latest scorings."""

import datetime as dt
import logging
from pathlib import Path

import polars as pl
import pytest

from models.bundle import Bundle
from serving.scorings import KEPT, features_of, keep_features
from tests.small_bundle import NAMES, with_ids, write_small_bundle

DAY = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
WIDE = with_ids()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_small_bundle(tmp_path_factory.mktemp("home") / "b")


def test_what_is_kept_gives_the_same_matrix(bundle: Bundle, tmp_path: Path) -> None:
    """To the bit: the models see float32, and so it is kept; nulls and categories stay."""
    mixed = WIDE.sample(fraction=1, shuffle=True, seed=1)
    keep_features(tmp_path / "scorings", mixed, DAY, "m1")
    for customer in ("C0", "C17", "C999"):
        kept = features_of(tmp_path / "scorings", customer, DAY, "m1")
        assert kept is not None
        assert kept.height == 1
        expected = bundle.matrix(WIDE.filter(pl.col("customer_id") == customer).select(NAMES))
        assert bundle.matrix(kept).tobytes() == expected.tobytes()


def test_customers_dates_and_models_without_a_file(tmp_path: Path) -> None:
    keep_features(tmp_path, WIDE, DAY, "m1")
    assert features_of(tmp_path, "nobody", DAY, "m1") is None
    assert features_of(tmp_path, "C0", DAY, "m2") is None
    assert features_of(tmp_path, "C0", DAY + dt.timedelta(days=1), "m1") is None


def test_scoring_again_replaces_the_file(tmp_path: Path) -> None:
    keep_features(tmp_path, WIDE, DAY, "m1")
    zone = dt.timezone(dt.timedelta(hours=8))
    again = WIDE.with_columns(rfm_recency_days=pl.lit(7.0))
    keep_features(tmp_path, again, DAY.astimezone(zone), "m1")  # the same moment by another clock
    assert [file.name for file in tmp_path.iterdir()] == ["2026-07-01T000000Z.m1.parquet"]
    kept = features_of(tmp_path, "C0", DAY, "m1")
    assert kept is not None
    assert kept["rfm_recency_days"][0] == 7.0


def test_only_the_latest_stay(tmp_path: Path) -> None:
    days = [DAY + dt.timedelta(days=n) for n in range(KEPT + 3)]
    for day in [*days[1:], days[0]]:  # the oldest last: it goes at once
        keep_features(tmp_path, WIDE.head(1), day, "m1")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [f"{day:%Y-%m-%dT%H%M%SZ}.m1.parquet" for day in days[-KEPT:]]


def test_where_it_cannot_be_written_nothing_else_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "scorings").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert keep_features(tmp_path / "scorings", WIDE, DAY, "m1") is None
    assert "changes since this scoring will not be explained" in caplog.text
    assert features_of(tmp_path / "scorings", "C0", DAY, "m1") is None


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    file = keep_features(tmp_path, WIDE, DAY, "m1")
    assert file is not None
    file.write_bytes(file.read_bytes()[:100])
    assert features_of(tmp_path, "C0", DAY, "m1") is None
