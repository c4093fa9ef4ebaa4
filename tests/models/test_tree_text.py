"""A model that LightGBM wrote is sound; one with an index astray is not, though LightGBM might read it."""

from functools import cache

import lightgbm
import numpy as np
import pytest

from models.booster import BoosterError
from models.tree_text import _branches, check_trees

WAYS: list[dict[str, object]] = [
    {},
    {"bagging_fraction": 0.5, "bagging_freq": 1},
    {"boosting": "dart"},
    {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    {"data_sample_strategy": "goss"},
    {"objective": "quantile"},
    {"min_data_in_leaf": 4000},
]


def fit(**way: object) -> lightgbm.Booster:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 4))
    x[:, 3] = rng.integers(0, 40, 1000)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 3]) % 3 + rng.normal(size=1000)
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1, "num_leaves": 6, "seed": 1} | way
    return lightgbm.train(parameters, lightgbm.Dataset(x, y, categorical_feature=[3]), 12)


@cache
def text() -> str:
    return str(fit().model_to_string())


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_lightgbm_writes_is_sound(way: dict[str, object]) -> None:
    booster = fit(**way)
    check_trees(booster.model_to_string())
    check_trees(booster.model_to_string(num_iteration=5))


def first(name: str, values: str, keep_length: bool = True) -> str:
    """The model with another line of that name in its first tree, and tree_sizes made right."""
    head, tree, rest = text().partition("\nTree=0\n")
    lines = rest.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{name}="))
    longer = len(values) - len(lines[at].partition("=")[2])
    lines[at] = f"{name}={values}"
    size = int(head.partition("tree_sizes=")[2].split()[0])
    if keep_length:
        head = head.replace(f"tree_sizes={size} ", f"tree_sizes={size + longer} ")
    return head + tree + "\n".join(lines)


def was(name: str) -> list[str]:
    return text().partition(f"\n{name}=")[2].partition("\n")[0].split()


def set_at(name: str, place: int, value: str) -> str:
    values = was(name)
    values[place] = value
    return first(name, " ".join(values))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (lambda: first("leaf_value", "1", keep_length=False), "lengths that tree_sizes says"),
        (lambda: text().replace("Tree=1\n", "Tree=9\n"), "tree 1: it is called '9'"),
        (lambda: first("leaf_value", "1 2"), "tree 0: leaf_value holds 2 values, not 6"),
        (lambda: set_at("leaf_value", 2, "nan"), "tree 0: leaf_value is not finite"),
        (lambda: set_at("threshold", 0, "nan"), "tree 0: threshold is not a number"),
        (lambda: set_at("split_feature", 1, "4"), "split_feature leads out of the 4 columns"),
        (lambda: set_at("split_feature", 1, "-1"), "split_feature leads out of the 4 columns"),
        (lambda: set_at("left_child", 0, "99"), "do not name every node once"),
        (lambda: set_at("left_child", 0, "x"), "invalid literal for int"),
        (lambda: set_at("decision_type", 0, "64"), "decision_type is none that there is"),
        (lambda: set_at("leaf_count", 3, "1"), "the counts of its rows do not add up"),
        (lambda: set_at("cat_boundaries", 1, "7"), "cat_boundaries do not part cat_threshold"),
        (lambda: set_at("cat_threshold", 0, str(2**32)), "cat_threshold is no set of categories"),
        (lambda: first("num_cat", "0"), "its sets of categories are not those of its splits"),
        (lambda: first("is_linear", "1"), "its leaves are linear"),
        (lambda: first("shrinkage", "inf"), "shrinkage is not finite"),
        (lambda: text().replace("max_feature_idx=", "max_feature="), "'max_feature_idx' is missing"),
    ],
)
def test_what_is_astray_is_named(model: object, problem: str) -> None:
    assert callable(model)
    with pytest.raises(BoosterError, match=problem):
        check_trees(model())


def test_nodes_below_each_other_would_never_end() -> None:
    """Every node is named once, and who comes to 1 or 2 walks for ever."""
    counts = {"internal_count": ["2", "2", "2"], "leaf_count": ["1", "1", "0", "0"]}
    children = {"left_child": ["-1", "2", "1"], "right_child": ["-2", "-3", "-4"]}
    assert list(_branches(children | counts, 4)) == ["a node hangs below a later one"]
