"""A bundle whose value has a log-linear member: predicted, recorded, checked and explained as it was written."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.booster import Booster
from models.bundle import Bundle, write_bundle
from models.explain import value_contributions
from models.linear import Linear
from models.value_model import ValueMixture
from tests.small_bundle import AS_OF, customers, parts, texts

LINEAR = Linear(
    columns=("nps_score_last", "rfm_amount_sum_180d"), transforms=("log1p", "log1p"), centers=(1.7, 6.0),
    scales=(0.6, 0.8), weights=(0.3, 0.9), intercept=5.0,
)  # fmt: skip
MIXTURE = ValueMixture(trees="two_part", linear_weight=0.4, linear=LINEAR)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    whole, (churn, value) = parts(), texts()
    assert whole.value
    named = whole.model_copy(update={"value": whole.value.model_copy(update={"mixture": MIXTURE})})
    folder: Path = tmp_path_factory.mktemp("linear") / "b"
    return write_bundle(folder, named, churn=churn, value=value, pack="", reference=customers(), created_at=AS_OF)


def test_it_predicts_the_average_of_its_members(bundle: Bundle) -> None:
    frame = customers()
    matrix, (_, value) = bundle.matrix(frame), texts()
    any_, amount = (Booster.from_text(value[name]).predict(matrix) for name in ("any", "amount"))
    score, spent = (np.log1p(frame[name].cast(float).fill_null(np.nan).to_numpy()) for name in LINEAR.columns)
    logarithm = 5.0 + np.nan_to_num(0.3 * (score - 1.7) / 0.6) + 0.9 * (spent - 6.0) / 0.8
    assert bundle.predict(matrix).expected_value == pytest.approx(0.6 * any_ * amount + 0.4 * np.exp(logarithm))


def test_one_row_alone_is_worth_the_same(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers().head(20))
    many = bundle.predict(matrix).expected_value
    ones = [bundle.predict(matrix[i : i + 1]).expected_value for i in range(20)]
    assert many is not None
    assert [one[0] for one in ones if one is not None] == many.tolist()


def test_contributions_add_up_to_the_log_of_the_expected_value(bundle: Bundle) -> None:
    matrix = bundle.matrix(customers())
    worth = bundle.predict(matrix).expected_value
    assert worth is not None
    assert value_contributions(bundle, matrix).total == pytest.approx(np.log(worth), abs=1e-6)


def test_it_is_read_back_and_gives_its_golden_rows(bundle: Bundle) -> None:
    read = Bundle.load(bundle.folder)
    read.check_golden()
    assert read.manifest.value
    assert read.manifest.value.mixture == MIXTURE
    kept = json.loads((bundle.folder / "manifest.json").read_text())["value"]["mixture"]
    assert kept["linear"]["weights"] == [0.3, 0.9]
