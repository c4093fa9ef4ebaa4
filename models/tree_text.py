"""Whether the text of a LightGBM model is sound: a check that reads it without LightGBM.

LightGBM trusts what it reads. An index that leads out of a tree or of its row may abort the process, or may read
foreign memory, and only for the one customer who comes that way: no sample of rows would tell. The format is that of
`LightGBM/src/io/tree.cpp` (Tree::ToString) and `src/boosting/gbdt_model_text.cpp`, version v4.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from models.booster import BoosterError

_CATEGORICAL = 1
_DECISIONS = frozenset(bits for bits in range(12))
"""Bit 0: a category; bit 1: missing goes left; bits 2 and 3: what missing is, of three ways."""


def check_trees(text: str) -> None:
    """Raise BoosterError naming the first thing that is wrong with a model of one output."""
    head, *trees = text.partition("\nend of trees\n")[0].split("\nTree=")
    try:
        said = _fields(head)
        width, sizes = int(said["max_feature_idx"][0]) + 1, [int(size) for size in said["tree_sizes"]]
        if not trees or sizes != [len(f"Tree={tree}\n".encode()) for tree in trees]:
            raise ValueError("the trees are not of the lengths that tree_sizes says")
    except (KeyError, IndexError, ValueError) as error:
        raise _unsound("", error) from None
    for number, tree in enumerate(trees):
        try:
            _check_tree(tree, number, width)
        except (KeyError, IndexError, ValueError) as error:
            raise _unsound(f"tree {number}: ", error) from None


def _check_tree(tree: str, number: int, width: int) -> None:
    if (name := tree.partition("\n")[0]) != str(number):
        raise ValueError(f"it is called {name!r}")
    for problem in _problems(_fields(tree), width):
        raise ValueError(problem)


def _unsound(place: str, error: Exception) -> BoosterError:
    told = f"{error} is missing" if isinstance(error, KeyError) else error
    return BoosterError(f"not a sound LightGBM model: {place}{told}")


def _fields(block: str) -> dict[str, list[str]]:
    """The lines `name=values` of a block."""
    pairs = (line.partition("=") for line in block.split("\n"))
    return {name: values.split(" ") if values else [] for name, equals, values in pairs if equals}


def _problems(tree: Mapping[str, list[str]], width: int) -> Iterator[str]:
    leaves = int(tree["num_leaves"][0])
    values, inner = _numbers(tree, "leaf_value", leaves), leaves - 1
    if tree["is_linear"] != ["0"]:
        yield "its leaves are linear"
    if not all(map(math.isfinite, values)):
        yield "leaf_value is not finite"
    if not math.isfinite(float(tree["shrinkage"][0])):
        yield "shrinkage is not finite"
    if inner == 0:
        return
    features = _whole(tree, "split_feature", inner)
    if not all(0 <= feature < width for feature in features):
        yield f"split_feature leads out of the {width} columns"
    yield from _branches(tree, leaves)
    yield from _splits(tree, inner)


def _branches(tree: Mapping[str, list[str]], leaves: int) -> Iterator[str]:
    """Every node hangs below exactly one earlier node, and as many rows come in as go out."""
    left, right = _whole(tree, "left_child", leaves - 1), _whole(tree, "right_child", leaves - 1)
    if sorted(left + right) != [*range(-leaves, 0), *range(1, leaves - 1)]:
        yield "left_child and right_child do not name every node once"
        return
    if any(0 <= child <= node for side in (left, right) for node, child in enumerate(side)):
        yield "a node hangs below a later one"
    inner, ends = _whole(tree, "internal_count", leaves - 1), _whole(tree, "leaf_count", leaves)
    rows = inner + ends[::-1]  # a leaf is named by a negative number, counted from the end
    if any(rows[left[node]] + rows[right[node]] != inner[node] for node in range(leaves - 1)):
        yield "the counts of its rows do not add up"


def _splits(tree: Mapping[str, list[str]], inner: int) -> Iterator[str]:
    """Every threshold is a number or, for a category, the place of a set of categories that is there."""
    thresholds, decisions = _numbers(tree, "threshold", inner), _whole(tree, "decision_type", inner)
    sets = int(tree["num_cat"][0])
    if not _DECISIONS.issuperset(decisions):
        yield "decision_type is none that there is"
    if any(map(math.isnan, thresholds)):  # inf is one: it parts what is missing from all else
        yield "threshold is not a number"
    named = [at for at, how in zip(thresholds, decisions, strict=True) if how & _CATEGORICAL]
    if sorted(named) != [*range(sets)]:
        yield "its sets of categories are not those of its splits"
    if sets:
        bounds, words = _whole(tree, "cat_boundaries", sets + 1), [int(word) for word in tree["cat_threshold"]]
        if bounds[0] != 0 or bounds[-1] != len(words) or any(late <= early for early, late in pairwise(bounds)):
            yield "cat_boundaries do not part cat_threshold"
        if not all(0 <= word < 2**32 for word in words):
            yield "cat_threshold is no set of categories"


def _whole(tree: Mapping[str, list[str]], name: str, count: int) -> list[int]:
    return [int(value) for value in _counted(tree, name, count)]


def _numbers(tree: Mapping[str, list[str]], name: str, count: int) -> list[float]:
    return [float(value) for value in _counted(tree, name, count)]


def _counted(tree: Mapping[str, list[str]], name: str, count: int) -> list[str]:
    if len(tree[name]) != count:
        raise ValueError(f"{name} holds {len(tree[name])} values, not {count}")
    return tree[name]
