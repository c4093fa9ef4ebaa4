"""A bundle predicts what its models say, and refuses to be loaded when anything in it changed."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest

from models.bundle import Bundle, BundleError, write_bundle
from models.golden import _sealed
from models.manifest import Manifest
from models.trial import trial_load
from tests import small_bundle
from tests.small_bundle import LEVELS, NAMES, customers, make_it_abort, rehash, texts, write_small_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_small_bundle(tmp_path / "bundles" / "one")


def test_predictions_recomputed_with_lightgbm(bundle: Bundle) -> None:
    frame = customers()
    codes = {level: i for i, level in enumerate(LEVELS)}
    x = frame.with_columns(pl.col("profile_country").replace_strict(codes)).select(NAMES).cast(pl.Float32).to_numpy()
    churn, value = texts()
    said = {name: lightgbm.Booster(model_str=text).predict(x) for name, text in value.items()}
    raw = lightgbm.Booster(model_str=churn).predict(x, raw_score=True)
    predicted = bundle.predict(bundle.matrix(frame))
    np.testing.assert_allclose(predicted.churn_probability, 1 / (1 + np.exp(-(0.9 * raw - 0.1))), rtol=1e-9)
    worth, p = said["any"] * said["amount"], predicted.churn_probability
    np.testing.assert_array_equal(predicted.expected_value, worth)
    np.testing.assert_array_equal(predicted.value_if_retained, np.clip(said["retained"], worth, worth / (1 - p)))
    inside = said["low"] >= 0.5
    np.testing.assert_allclose(
        predicted.value_low, np.where(inside, 30 * np.sinh(np.maximum(said["low"] - 0.1, 0)), 0), rtol=1e-9
    )
    assert predicted.value_low is not None
    assert predicted.value_high is not None
    assert (predicted.value_low < predicted.value_high).all()


def test_column_order_and_extra_columns_do_not_matter(bundle: Bundle) -> None:
    frame = customers()
    shuffled = frame.select(*reversed(frame.columns), pl.lit("x").alias("customer_id"))
    np.testing.assert_array_equal(bundle.matrix(shuffled), bundle.matrix(frame))


def test_matrix_of_a_literal_row(bundle: Bundle) -> None:
    row = {name: [1] for name in NAMES} | {"nps_score_last": [None], "profile_country": ["Spain"]}
    matrix = bundle.matrix(pl.DataFrame(row))
    assert (matrix.dtype, matrix.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(matrix, [[1, 1, 1, 1, np.nan, 2]])


@pytest.mark.parametrize("country", ["Atlantis", None])
def test_unknown_and_missing_categories_are_nan(bundle: Bundle, country: str | None) -> None:
    frame = customers(1000).head(2).with_columns(pl.lit(country, pl.String).alias("profile_country"))
    assert np.isnan(bundle.matrix(frame)[:, NAMES.index("profile_country")]).all()


def test_rows_equal_matrix(bundle: Bundle) -> None:
    frame = customers().head(30)
    np.testing.assert_array_equal(bundle.rows(frame.to_dicts()), bundle.matrix(frame))


def test_one_row_predicts_as_many(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers().head(20))
    many = bundle.predict(matrix)
    ones = [bundle.predict(matrix[i : i + 1]) for i in range(20)]
    assert [one.churn_probability[0] for one in ones] == many.churn_probability.tolist()
    assert many.value_high is not None
    assert [one.value_high[0] for one in ones if one.value_high is not None] == many.value_high.tolist()


def test_every_missing_and_misfitting_column_is_named(bundle: Bundle) -> None:
    frame = customers().drop("nps_score_last", "rfm_recency_days").with_columns(pl.lit(1).alias("profile_country"))
    with pytest.raises(BundleError) as error:
        bundle.matrix(frame)
    assert len(error.value.problems) == 3
    assert "rfm_recency_days is missing" in str(error.value)
    assert "nps_score_last is missing" in str(error.value)
    assert "profile_country holds Int32, the model takes a category" in str(error.value)


def test_without_value_data(tmp_path: Path) -> None:
    bundle = write_small_bundle(tmp_path / "b", value=False)
    assert not list((tmp_path / "b").glob("value_*"))
    assert bundle.predict(bundle.matrix(customers())).expected_value is None


def test_the_id_is_date_and_content(tmp_path: Path) -> None:
    one, same, other = (write_small_bundle(tmp_path / name, remark=name[0]) for name in ("a1", "a2", "b"))
    assert one.id == same.id != other.id
    assert one.id.startswith("2011-06-30.")
    assert len(one.id) == len("2011-06-30.ab12cd34")
    assert Manifest.model_validate_json((tmp_path / "a1" / "manifest.json").read_text()) == one.manifest


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="exists already"):
        write_small_bundle(tmp_path / "b")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="rfm_recency_days is missing"):
        write_bundle(
            tmp_path / "b",
            small_bundle.parts(value=False),
            churn=texts()[0],
            value={},
            pack="",
            reference=customers().drop("rfm_recency_days"),
            created_at=dt.datetime(2011, 7, 1, tzinfo=dt.UTC),
        )
    assert list(tmp_path.iterdir()) == []


def append(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b" ")


def set_manifest(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (append("churn.txt"), "churn.txt is damaged"),
        (append("value_amount.txt"), "value_amount.txt is damaged"),
        (append("pack.toml"), "pack.toml is damaged"),
        (append("reference.parquet"), "reference.parquet is damaged"),
        (append("golden.json"), "golden.json is damaged"),
        (lambda folder: (folder / "pack.toml").unlink(), "pack.toml is missing"),
        (lambda folder: (folder / "extra.txt").touch(), "extra.txt is not in the manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not readable"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json is not readable"),
        (set_manifest(schema=3), "schema 3, this version of Remora reads 4; train again"),
        (set_manifest(colour="red"), "colour: Extra inputs are not permitted"),
        (set_manifest(as_of="2012-01-01T00:00:00Z"), "manifest.json was changed"),
        (set_manifest(created_at="2012-01-01T00:00:00Z"), "manifest.json was changed"),
        (set_manifest(seal=""), "manifest.json was changed"),
        (append("manifest.json"), "manifest.json was changed"),
    ],
)
def test_damage_is_named_with_a_remedy(bundle: Bundle, damage: Callable[[Path], object], problem: str) -> None:
    damage(bundle.folder)
    with pytest.raises(BundleError, match=problem) as error:
        Bundle.load(bundle.folder)
    assert str(bundle.folder) in str(error.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        Bundle.load(tmp_path / "nowhere")


def test_trial_load_passes_a_whole_bundle(bundle: Bundle) -> None:
    trial_load(bundle.folder)


def test_trial_load_survives_a_model_that_aborts_the_process(bundle: Bundle) -> None:
    make_it_abort(bundle.folder)
    with pytest.raises(BundleError, match="trial in a child process failed: killed by signal"):
        trial_load(bundle.folder)


def test_trial_load_compares_the_golden_rows(bundle: Bundle) -> None:
    file = bundle.folder / "golden.json"
    golden = json.loads(file.read_text())
    del golden["seal"]
    assert 20 < len(golden["rows"]) <= 100
    golden["expected"]["churn_probability"][7] += 1e-4
    file.write_text(_sealed(golden))
    rehash(bundle.folder)
    with pytest.raises(BundleError, match="golden rows: churn_probability differs"):
        trial_load(bundle.folder)


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def last_digit(folder: Path) -> None:
    """Of a prediction: 1e-16, where 1e-9 is let pass."""
    golden = json.loads((folder / "golden.json").read_text())
    told = golden["expected"]["churn_probability"]
    told[0] = float(np.nextafter(told[0], 1))
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


def another_sample(folder: Path) -> None:
    frame = pl.read_parquet(folder / "reference.parquet")
    frame.with_columns(pl.col("rfm_recency_days") + 1).write_parquet(folder / "reference.parquet")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (edit("churn.txt", "leaf_weight=", "leaf_height="), "churn.txt is not what was written"),
        (edit("value_any.txt", "feature_infos=[1", "feature_infos=[2"), "value_any.txt is not what was written"),
        (edit("value_low.txt", "[seed: 1]", "[seed: 2]"), "value_low.txt is not what was written"),
        (append("pack.toml"), "pack.toml is not what was written"),
        (another_sample, "reference.parquet is not what was written"),
        (edit("manifest.json", '"active_within_days": 365', '"active_within_days": 364'), "manifest.json is not what"),
        (edit("manifest.json", '"metrics": {}', '"metrics": {"auc": 1.0}'), "manifest.json is not what was written"),
        (edit("golden.json", '"rfm_recency_days": ', '"rfm_recency_days": 1'), "golden.json was changed"),
        (last_digit, "golden.json was changed"),
        (append("golden.json"), "golden.json was changed"),
        (edit("golden.json", '"rows"', '"lost"'), "golden.json was changed"),
        (edit("golden.json", '"seal"', '"mark"'), "golden.json does not fit the models"),
        (edit("golden.json", '{"rows"', '["rows"'), "golden.json does not fit the models"),
    ],
)
def test_what_changes_no_prediction_is_told_though_hashes_and_seal_fit(
    bundle: Bundle, damage: Callable[[Path], object], problem: str
) -> None:
    damage(bundle.folder)
    rehash(bundle.folder)
    with pytest.raises(BundleError, match=f"golden rows: {problem}"):
        Bundle.load(bundle.folder).check_golden()


def test_a_hash_is_of_what_was_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that keeps something else is found out at once: no hash is of what it kept."""
    write = Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda file, content: write(file, content.replace(b"split_gain", b"split_pain"))
    )
    with pytest.raises(BundleError, match=r"churn\.txt is damaged"):
        write_small_bundle(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_manifest_and_models_must_agree_on_the_number_of_features(tmp_path: Path) -> None:
    short = small_bundle.parts(value=False).model_copy(update={"features": small_bundle.FEATURES[:-1]})
    with pytest.raises(BundleError, match=r"churn\.txt takes 6 features, the manifest makes 5"):
        write_bundle(
            tmp_path / "b",
            short,
            churn=texts()[0],
            value={},
            pack="",
            reference=customers(),
            created_at=dt.datetime(2011, 7, 1, tzinfo=dt.UTC),
        )
