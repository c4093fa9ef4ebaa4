"""The rule pack: what ships is complete, and a wrong copy is refused with every problem at once."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.rules import DEFAULT_PACK, PackError, load_pack

TEXT = DEFAULT_PACK.read_text(encoding="utf-8")


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> Path:
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "copy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(PackError) as error:
        load_pack(file)
    assert all(problem.startswith(f"{file}: ") for problem in error.value.problems)
    return [problem.removeprefix(f"{file}: ") for problem in error.value.problems]


def test_the_shipped_numbers_are_those_of_d2() -> None:
    composite = load_pack().composite
    assert composite.method == "dimension"
    assert {name: d.share.value for name, d in composite.dimensions.items()} == {
        "current_value": 50,
        "behaviour": 30,
        "potential": 20,
    }
    assert {name: i.weight.value for name, i in composite.enabled.items()} == {
        "spend": 25, "tenure": 15, "margin": 10, "interactions": 15, "complaints": 10, "depth": 10,
        "industry_growth": 8, "size_fit": 7,
    }  # fmt: skip
    assert {name: (t.score.low, t.score.high) for name, t in composite.tiers.items()} == {
        "strategic": (90, None), "key": (70, 90), "regular": (50, 70), "watch": (None, 50)
    }  # fmt: skip
    assert composite.minimum_coverage.value == 0.5
    assert "esg" in composite.indicators
    assert "esg" not in composite.enabled


def test_every_number_names_its_document() -> None:
    def numbers_without_source(table: dict[str, Any], path: str) -> list[str]:
        own = [
            f"{path}.{key}" for key, value in table.items() if isinstance(value, int | float) and "from" not in table
        ]
        below = [
            numbers_without_source(value, f"{path}.{key}") for key, value in table.items() if isinstance(value, dict)
        ]
        return [*own, *(found for each in below for found in each)]

    assert numbers_without_source(tomllib.loads(TEXT), "") == [".format", ".composite.indicators.esg.enabled"]


def test_rules_version_follows_content_not_layout(tmp_path: Path) -> None:
    version = load_pack().rules_version
    assert re.fullmatch(r"2026\.1\+[0-9a-f]{8}", version)
    assert load_pack(changed(tmp_path, ("# Indicators.", "# Other words."))).rules_version == version
    other = load_pack(changed(tmp_path, ("low = 50\n", "low = 60\n"))).rules_version
    assert other.startswith("2026.1+")
    assert other != version


def test_all_problems_at_once_with_their_paths(tmp_path: Path) -> None:
    file = changed(
        tmp_path,
        ("share = { value = 50,", "share = { value = 45,"),
        ('label = { zh = "合作时长", en = "tenure" }', 'label = { zh = "合作时长" }'),
        ('weight = { value = 10, from = "D2" }', 'weight = { value = "10", from = "D2" }'),
        ('shown_as = "money"', 'shown_as = "money"\ncolour = "red"'),
        ("score = { low = 70, high = 90,", "score = { low = 75, high = 95,"),
        ('dimension = "potential"', 'dimension = "prospects"'),
        ('from = "project default" }  # below it', 'from = "D9" }  # below it'),
    )
    assert sorted(problem.split(": ")[0] for problem in problems(file)) == [
        "composite.dimensions",
        "composite.indicators.industry_growth.dimension",
        "composite.indicators.margin.weight.value",
        "composite.indicators.spend.colour",
        "composite.indicators.tenure.label.en",
        "composite.minimum_coverage.from",
        "composite.tiers.key.score",
        "composite.tiers.regular.score",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("share = { value = 50,", "share = { value = 45,", "composite.dimensions: shares must add up to 100, but"),
        ("share = { value = 20,", "share = { value = 0,", "composite.dimensions: every share must be above 0"),
        ("high = 70, f", "high = 75, f", "composite.tiers.regular.score: high 75 overlaps 'key', which begins at 70"),
        ("high = 70, f", "high = 65, f", "composite.tiers.regular.score: high 65 leaves a gap to 'key'"),
        ("score = { high = 50,", "score = { low = 10, high = 50,", "composite.tiers.watch.score: scores below 10"),
        ("score = { low = 90,", "score = { low = 90, high = 99,", "composite.tiers.strategic.score: scores from 99"),
        ("low = 0, high = 1217.5", "low = 2000, high = 1217.5", "composite.indicators.tenure.bounds: low 2000"),
        ("zero_above = 1000", "zero_above = 400", "composite.indicators.size_fit.band: expected zero_below"),
        ('direction = "band"', 'direction = "higher"', 'composite.indicators.size_fit: direction "band" and'),
        ("weight = { value = 7,", "weight = { value = 0,", "composite.indicators.size_fit: weight must be above 0"),
        ("lower_percentile = { value = 5", "lower_percentile = { value = 99", "composite.lower_percentile: expected"),
        ("times_base_rate = { value = 0", "times_base_rate = { value = 0.5", "risk_bands: one band must begin at 0"),
        ("format = 1", "format = 2", "format: Input should be 1"),
        ('version = "2026.1"', "", "version: missing; add it"),
        ('method = "dimension"', 'method = "average"', "composite.method: Input should be 'dimension' or 'points'"),
    ],
)
def test_one_problem(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = problems(changed(tmp_path, (old, new)))
    assert any(problem.startswith(expected) for problem in found), found


def test_weights_add_up_under_points_and_shares_need_not(tmp_path: Path) -> None:
    points = ('method = "dimension"', 'method = "points"')
    share = ("share = { value = 50,", "share = { value = 45,")
    weight = ("weight = { value = 25,", "weight = { value = 24,")
    load_pack(changed(tmp_path, points, share))
    assert problems(changed(tmp_path, points, weight)) == [
        "composite.indicators: weights must add up to 100, but 24 + 15 + 10 + 15 + 10 + 10 + 8 + 7 = 99"
    ]
    load_pack(changed(tmp_path, weight))


def test_a_dimension_needs_an_indicator(tmp_path: Path) -> None:
    text = TEXT.replace('dimension = "potential"', 'enabled = false\ndimension = "potential"').replace(
        "enabled = false\nlabel", "label"
    )
    file = tmp_path / "copy.toml"
    file.write_text(text, encoding="utf-8")
    assert problems(file) == [
        "composite.dimensions.potential: no enabled indicator; add one or remove the dimension"
    ]  # fmt: skip


def test_unreadable_files(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml")[0].startswith("cannot be read")
    broken = tmp_path / "broken.toml"
    broken.write_text("[composite", encoding="utf-8")
    assert problems(broken)[0].startswith("not valid TOML")


@pytest.mark.parametrize("text", ["", "composite = 1", "[composite]\ntiers = 3\nindicators = []\ndimensions.a = 1"])
def test_any_shape_is_a_pack_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text, encoding="utf-8")
    assert problems(file)
