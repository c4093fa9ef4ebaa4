"""The ctypes Booster gives what lightgbm.Booster gives, to the last bit."""

import ctypes
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from models import booster as booster_module
from models.booster import Booster, BoosterError


def data(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[:, 4] = rng.integers(0, 9, n)
    y = x[:, 0] + np.isin(x[:, 4], [2, 5, 7]) + rng.normal(size=n)
    x[rng.random((n, 5)) < 0.15] = np.nan
    return x, y


def fit(objective: str) -> lightgbm.Booster:
    x, y = data()
    target = {"binary": (y > 0.5).astype(float), "gamma": np.exp(y), "regression": y}[objective]
    params = {"objective": objective, "num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 1}
    return lightgbm.train(params, lightgbm.Dataset(x, target, categorical_feature=[4]), num_boost_round=20)


@pytest.fixture(scope="module", params=["binary", "gamma", "regression"])
def pair(request: pytest.FixtureRequest) -> tuple[lightgbm.Booster, Booster]:
    theirs = fit(request.param)
    return theirs, Booster.from_text(theirs.model_to_string())


@pytest.fixture
def ours() -> Booster:
    return Booster.from_text(fit("binary").model_to_string())


def test_the_models_have_categorical_splits_and_missing_values() -> None:
    text = fit("binary").model_to_string()
    assert "cat_threshold" in text
    assert np.isnan(data()[0]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_predictions_equal_lightgbms(pair: tuple[lightgbm.Booster, Booster], dtype: type, threads: int) -> None:
    theirs, ours = pair
    x = data()[0].astype(dtype)
    np.testing.assert_array_equal(ours.predict(x, threads=threads), theirs.predict(x))
    np.testing.assert_array_equal(ours.predict_raw(x, threads=threads), theirs.predict(x, raw_score=True))
    np.testing.assert_array_equal(ours.contributions(x, threads=threads), theirs.predict(x, pred_contrib=True))


def test_leaves_are_lightgbms(pair: tuple[lightgbm.Booster, Booster]) -> None:
    theirs, ours = pair
    np.testing.assert_array_equal(ours.leaves(data()[0]), theirs.predict(data()[0], pred_leaf=True))


def test_one_row_equals_many(pair: tuple[lightgbm.Booster, Booster]) -> None:
    theirs, ours = pair
    x = data(50)[0]
    assert [ours.predict_one(row) for row in x] == theirs.predict(x).tolist()
    np.testing.assert_array_equal([ours.contributions_one(row) for row in x], theirs.predict(x, pred_contrib=True))


def test_reads_a_file(tmp_path: Path) -> None:
    theirs = fit("binary")
    theirs.save_model(tmp_path / "m.txt")
    assert Booster.from_file(tmp_path / "m.txt").predict_one(data()[0][0]) == theirs.predict(data()[0][:1])[0]


def test_columns_laid_out_the_other_way_give_the_same(ours: Booster) -> None:
    x = data()[0]
    np.testing.assert_array_equal(ours.predict(np.asfortranarray(x)), ours.predict(x))
    np.testing.assert_array_equal(ours.predict(x[::2]), ours.predict(x)[::2])
    assert ours.predict_one(x[:, ::-1][3][::-1]) == ours.predict(x)[3]


def test_no_rows_give_no_predictions(ours: Booster) -> None:
    assert ours.predict(np.empty((0, 5))).shape == (0,)
    assert ours.contributions(np.empty((0, 5))).shape == (0, 6)


@pytest.mark.parametrize("matrix", [np.zeros((3, 4)), np.zeros(5), np.zeros((3, 5), dtype=np.int64)])
def test_wrong_shapes_and_types_are_refused(ours: Booster, matrix: np.ndarray) -> None:
    with pytest.raises(BoosterError, match=r"shape \(n, 5\)"):
        ours.predict(matrix)


def test_threads_share_one_booster(ours: Booster) -> None:
    x = np.tile(data()[0], (3, 1))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ours.predict_one, x)) == ours.predict(x).tolist()


def test_closed_means_closed(ours: Booster) -> None:
    ours.close()
    ours.close()
    with pytest.raises(BoosterError, match="closed"):
        ours.predict(data()[0])


@pytest.mark.parametrize(
    "text", ["", "hello", "tree\nversion=v4\n", "tree\n\nend of trees\n\nparameters:\n[boosting: gb"]
)
def test_half_a_model_is_refused(text: str) -> None:
    with pytest.raises(BoosterError, match="not a whole LightGBM model"):
        Booster.from_text(text)


def test_several_outputs_are_refused() -> None:
    x, y = data()
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    theirs = lightgbm.train(params, lightgbm.Dataset(x, np.digitize(y, [0, 1])), num_boost_round=2)
    with pytest.raises(BoosterError, match="3 outputs"):
        Booster.from_text(theirs.model_to_string())


def test_a_missing_system_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    booster_module._library.cache_clear()
    with pytest.raises(BoosterError, match="apt-get install libgomp1"):
        Booster.from_text("tree\n\nend of trees\n\nend of parameters\n")


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    fit("binary").save_model(tmp_path / "m.txt")
    code = (
        "import sys, pathlib, numpy as np\nfrom models.booster import Booster\n"
        "Booster.from_file(pathlib.Path(sys.argv[1])).predict(np.zeros((1, 5)))\n"
        "print(sorted({'lightgbm', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m.txt"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
