"""AHP: published matrices with known eigenvectors, consistency, refusals; and written comparisons."""

import tomllib
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules import DEFAULT_PACK, load_pack
from models.rules.ahp import RANDOM_INDEX, AhpError, ahp
from models.rules.comparisons import Compared, compare

PACK = load_pack()
LIMIT = PACK.composite.consistency_limit.value


def matrix(text: str) -> list[list[float]]:
    return [[float(Fraction(cell)) for cell in line.split()] for line in text.strip().splitlines()]


def problems(*arguments: Any) -> list[str]:
    with pytest.raises(AhpError) as error:
        ahp(*arguments)
    return list(error.value.problems)


# Saaty, "Decision making with the analytic hierarchy process", Int. J. Services Sciences 1 (2008), table 2
DRINKS = ("coffee", "wine", "tea", "beer", "sodas", "milk", "water")
DRINK = matrix("""
    1   9 5 2   1   1   1/2
    1/9 1 1/3 1/9 1/9 1/9 1/9
    1/5 3 1 1/3 1/4 1/3 1/9
    1/2 9 3 1   1/2 1   1/3
    1   9 4 2   1   2   1/2
    1   9 3 1   1/2 1   1/3
    2   9 9 3   2   3   1""")

# Saaty, "How to make a decision: the analytic hierarchy process", Eur. J. Operational Research 48 (1990), table 2
HOUSES = ("size", "transport", "neighbourhood", "age", "yard", "modern", "condition", "financing")
HOUSE = matrix("""
    1   5   3   7 6   6   1/3 1/4
    1/5 1   1/3 5 3   3   1/5 1/7
    1/3 3   1   6 3   4   6   1/5
    1/7 1/5 1/6 1 1/3 1/4 1/7 1/8
    1/6 1/3 1/3 3 1   1/2 1/5 1/6
    1/6 1/3 1/4 4 2   1   1/5 1/6
    3   5   1/6 7 5   5   1   1/2
    4   7   5   8 6   6   2   1""")


def test_saatys_drinks() -> None:
    found = ahp(DRINK, DRINKS)
    assert list(found.weights.values()) == pytest.approx([0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327], abs=5e-4)
    assert found.consistency_ratio == pytest.approx(0.022, abs=5e-4)
    found.require_consistent(LIMIT)


def test_saatys_house_is_refused_and_the_pair_that_he_corrects_is_named() -> None:
    found = ahp(HOUSE, HOUSES)
    assert list(found.weights.values()) == pytest.approx(
        [0.173, 0.054, 0.188, 0.018, 0.031, 0.036, 0.167, 0.333], abs=1e-3
    )
    assert found.lambda_max == pytest.approx(9.669, abs=5e-4)
    assert found.consistency_index == pytest.approx(0.238, abs=5e-4)
    assert found.consistency_ratio == pytest.approx(0.169, abs=5e-4)
    assert found.worst_pair is not None
    assert (found.worst_pair.first, found.worst_pair.second, found.worst_pair.given) == (
        "neighbourhood",
        "condition",
        6,
    )
    assert found.worst_pair.consistent == pytest.approx(0.471, abs=1e-3)
    with pytest.raises(AhpError, match=r"0\.169.*neighbourhood over condition = 6, the other comparisons say 1/2\.12"):
        found.require_consistent(LIMIT)
    better = np.array(HOUSE)
    better[2, 6], better[6, 2] = 1 / 2, 2
    ahp(better, HOUSES).require_consistent(LIMIT)


@pytest.mark.parametrize(
    ("n", "index"),
    [(1, 0), (2, 0), (3, 0.58), (4, 0.90), (5, 1.12), (6, 1.24), (7, 1.32), (8, 1.41), (9, 1.45), (10, 1.49),
     (11, 1.51), (12, 1.48), (13, 1.56), (14, 1.57), (15, 1.59)],
)  # fmt: skip
def test_random_indices_are_saatys(n: int, index: float) -> None:
    assert RANDOM_INDEX[n - 1] == index
    names = [f"n{i}" for i in range(n)]
    found = ahp(np.ones((n, n)), names)
    assert list(found.weights.values()) == pytest.approx([1 / n] * n)
    assert found.consistency_ratio == pytest.approx(0, abs=1e-9)


def test_the_ratio_is_index_by_random_index() -> None:
    found = ahp(HOUSE, HOUSES)
    assert found.consistency_ratio == pytest.approx((found.lambda_max - 8) / 7 / 1.41)


def test_the_limit_itself_is_refused() -> None:
    """D2's project default 0.10: CR ≥ 0.10 is refused, just below is not."""
    ratio = ahp(HOUSE, HOUSES).consistency_ratio
    assert LIMIT == 0.10
    ahp(HOUSE, HOUSES).require_consistent(np.nextafter(ratio, 1))
    with pytest.raises(AhpError):
        ahp(HOUSE, HOUSES).require_consistent(ratio)


weights_strategy = st.lists(st.floats(1, 3), min_size=4, max_size=15)


@settings(deadline=None)
@given(weights=weights_strategy)
def test_consistent_comparisons_give_their_weights_back(weights: list[float]) -> None:
    names = [f"n{i}" for i in range(len(weights))]
    found = ahp(np.divide.outer(weights, weights), names)
    assert list(found.weights.values()) == pytest.approx([w / sum(weights) for w in weights])
    assert found.consistency_ratio == pytest.approx(0, abs=1e-9)


@settings(deadline=None)
@given(weights=weights_strategy, data=st.data())
def test_one_wrong_comparison_among_consistent_ones_is_the_one_named(weights: list[float], data: Any) -> None:
    names = [f"n{i}" for i in range(len(weights))]
    right = np.divide.outer(weights, weights)
    i, j = data.draw(st.sampled_from(list(combinations(range(len(weights)), 2))))
    wrong = right.copy()
    wrong[i, j] = right[i, j] * 2.5
    wrong[j, i] = 1 / wrong[i, j]
    pair = ahp(wrong, names).worst_pair
    assert pair is not None
    assert {pair.first, pair.second} == {names[i], names[j]}
    first, second = names.index(pair.first), names.index(pair.second)
    assert pair.consistent == pytest.approx(right[first, second])
    assert pair.given >= 1 - 1e-9


@settings(deadline=None)
@given(weights=weights_strategy, seed=st.integers(0, 99))
def test_the_order_of_names_does_not_matter(weights: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    noisy = np.triu(np.divide.outer(weights, weights) * rng.uniform(0.7, 1.4, (len(weights),) * 2), 1)
    noisy += np.divide(1, noisy.T, out=np.zeros_like(noisy), where=noisy.T > 0) + np.eye(len(weights))
    order = rng.permutation(len(weights))
    names = [f"n{i}" for i in range(len(weights))]
    one, other = ahp(noisy, names), ahp(noisy[np.ix_(order, order)], [names[i] for i in order])
    assert other.weights == pytest.approx(one.weights)
    assert other.consistency_ratio == pytest.approx(one.consistency_ratio)


@pytest.mark.parametrize(
    ("given_matrix", "expected"),
    [
        ([[1, 3], [1 / 2, 1]], "a over b = 3, but b over a = 0.5; one must be 1 / the other"),
        ([[1, -3], [-1 / 3, 1]], "a over b = -3; use Saaty's scale, from 1/9 to 9"),
        ([[1, 10], [1 / 10, 1]], "a over b = 10; use Saaty's scale"),
        ([[1, 0], [0, 1]], "b over a = 0; use Saaty's scale"),
        ([[1, float("nan")], [1, 1]], "a over b = nan; use Saaty's scale"),
        ([[2, 3], [1 / 3, 1]], "a over itself = 2; it must be 1"),
        ([[1, 2, 3], [1, 2, 3]], "matrix: expected 2 × 2 for a, b, but it is 2 × 3"),
        ([[1, 2], [1]], "matrix: expected numbers"),
        ([["x", 2], [1, 1]], "matrix: expected numbers"),
    ],
)
def test_no_comparison_matrix(given_matrix: Any, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(given_matrix, "ab"))


def test_all_problems_of_a_matrix_at_once() -> None:
    found = problems([[2, 12, 3], [1 / 12, 1, 5], [1 / 4, 1 / 5, 1]], "abc")
    assert len(found) == 4
    assert [problem.split(" =")[0] for problem in found] == ["a over itself", "a over b", "b over a", "a over c"]


def test_names_are_different_and_not_too_many() -> None:
    assert problems(np.ones((2, 2)), "aa") == ["matrix: a name stands twice; name each once"]
    assert problems(np.ones((16, 16)), "abcdefghijklmnop")[0].startswith("matrix: 16 names; between 1 and 15")
    assert problems(np.ones((0, 0)), "")[0].startswith("matrix: 0 names")


# comparisons as people write them

WRITTEN = """
[dimensions]
"current_value over behaviour" = 2
"current_value over potential" = 3
"potential over behaviour" = "2/3"
[indicators.behaviour]
"interactions over complaints" = 3
"depth over interactions" = "1/3"
"complaints over depth" = 1
"""


def written(text: str) -> Compared:
    return compare(tomllib.loads(text), PACK)


def refused(text: str) -> list[str]:
    with pytest.raises(AhpError) as error:
        written(text)
    return list(error.value.problems)


def test_shares_and_weights_in_percent() -> None:
    found = written(WRITTEN)  # current value : behaviour : potential = 6 : 3 : 2, and 3 : 1 : 1 within behaviour
    assert found.shares == {"current_value": 54.55, "behaviour": 27.27, "potential": 18.18}
    assert found.weights == pytest.approx(
        {
            "spend": 27.27, "tenure": 16.37, "margin": 10.91, "interactions": 16.36, "complaints": 5.46, "depth": 5.45,
            "industry_growth": 9.70, "size_fit": 8.48,
        },
        abs=0.011,
    )  # fmt: skip
    assert set(found.levels) == {"dimensions", "indicators.behaviour"}


def test_a_level_left_out_keeps_the_packs_proportions() -> None:
    behaviour = WRITTEN[WRITTEN.index("[indicators") :]
    assert written(behaviour).shares == {"current_value": 50, "behaviour": 30, "potential": 20}
    assert written(behaviour).weights["spend"] == 25


@settings(deadline=None)
@given(first=st.sampled_from([1, 1.5, 2, 3]), second=st.sampled_from([1, 0.5, 2, 2.5]))
def test_both_methods_of_a_pack_get_their_100(first: float, second: float) -> None:
    pairs = ["current_value over behaviour", "behaviour over potential", "current_value over potential"]
    found = compare({"dimensions": dict(zip(pairs, [first, second, first * second], strict=True))}, PACK)
    assert sum(found.shares.values()) == pytest.approx(100, abs=1e-9)
    assert sum(found.weights.values()) == pytest.approx(100, abs=1e-9)
    for dimension, share in found.shares.items():
        inside = [w for name, w in found.weights.items() if PACK.composite.indicators[name].dimension == dimension]
        assert sum(inside) == pytest.approx(share)


@pytest.mark.parametrize("method", ["dimension", "points"])
def test_the_printed_numbers_make_a_valid_pack(tmp_path: Path, method: str) -> None:
    found, text = written(WRITTEN), DEFAULT_PACK.read_text(encoding="utf-8")
    text = text.replace('method = "dimension"', f'method = "{method}"')
    for table, key, values in (("dimensions", "share", found.shares), ("indicators", "weight", found.weights)):
        for name, value in values.items():
            head, _, rest = text.partition(f"[composite.{table}.{name}]\n")
            before, _, after = rest.partition(f"{key} = {{ value = ")
            text = f"{head}[composite.{table}.{name}]\n{before}{key} = {{ value = {value:g}{after[after.index(',') :]}"
    file = tmp_path / "copy.toml"
    file.write_text(text, encoding="utf-8")
    assert load_pack(file).composite.dimensions["behaviour"].share.value == 27.27


def test_contradictions_are_refused_by_level() -> None:
    found = refused(
        '[dimensions]\n"current_value over behaviour" = 5\n"behaviour over potential" = 5\n'
        '"potential over current_value" = 3\n'
    )
    assert len(found) == 1
    assert found[0].startswith("dimensions: consistency ratio ")
    assert "the most inconsistent pair is current_value over behaviour = 5" in found[0]


def test_all_written_problems_at_once() -> None:
    found = refused("""
[dimensions]
"current_value over behaviour" = 3
"behaviour over current_value" = 3
"behaviour over loyalty" = 2
"behaviour over behaviour" = 1
"potential and behaviour" = 2
"potential over behaviour" = "many"
[indicators.potential]
[indicators.current_value]
"spend over tenure" = 12
"spend over margin" = 1
"tenure over margin" = -1
[indicators.loyalty]
[levels]
""")
    assert [problem.split(";")[0] for problem in found] == [
        "levels: unknown",
        "indicators.loyalty: not a dimension of the pack",
        'dimensions: "behaviour over current_value": this pair was compared already',
        'dimensions: "behaviour over loyalty": loyalty: not compared here',
        'dimensions: "behaviour over behaviour": nothing is compared with itself',
        'dimensions: "potential and behaviour": not a comparison',
        "dimensions: \"potential over behaviour\": 'many' is not a number above 0",
        'dimensions: "current_value over potential" is missing',
        'indicators.potential: "industry_growth over size_fit" is missing',
        'indicators.current_value: "spend over tenure": 12 is off Saaty\'s scale',
        'indicators.current_value: "tenure over margin": -1 is not a number above 0',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no comparisons; write"),
        ("dimensions = 3", "dimensions: expected a table"),
        ("[indicators]\nbehaviour = 3", "indicators.behaviour: expected a table"),
        ("indicators = 3", "indicators: expected a table"),
        (
            '[indicators.potential]\n"industry_growth over size_fit" = 12',
            'indicators.potential: "industry_growth over size_fit": 12 is',
        ),
        ('[indicators.potential]\n"industry_growth over size_fit" = true', 'indicators.potential: "industry_growth'),
    ],
)
def test_one_written_problem(text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in refused(text)), refused(text)
