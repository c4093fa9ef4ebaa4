"""The rule pack: what ships is complete, and a wrong copy is refused with every problem at once."""

import re
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.rules import DEFAULT_PACK, PackError, load_pack, tier_of

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
    assert "esg" in composite.indicators
    assert "esg" not in composite.enabled
    assert (composite.active_profiles, composite.core_features) == ({}, ())
    assert [(t.role, t.owner.en) for t in composite.tiers.values()] == [
        ("sales_director", "sales director"),
        ("account_manager", "account manager"),
        ("sales_representative", "sales representative"),
        ("customer_success_lead", "customer success lead"),
    ]


P = "project default"

NUMBERS: list[tuple[str, Any, str]] = [
    ("minimum_coverage", {"value": 0.5}, P),
    ("lower_percentile", {"value": 5}, P),
    ("upper_percentile", {"value": 95}, P),
    ("consistency_limit", {"value": 0.1}, P),
    ("cadence_at_risk", {"value": 2}, P),
    ("dimensions.current_value.share", {"value": 50}, "D2"),
    ("dimensions.behaviour.share", {"value": 30}, "D2"),
    ("dimensions.potential.share", {"value": 20}, "D2"),
    ("indicators.spend.weight", {"value": 25}, "D2"),
    ("indicators.tenure.weight", {"value": 15}, "D2"),
    ("indicators.margin.weight", {"value": 10}, "D2"),
    ("indicators.interactions.weight", {"value": 15}, "D2"),
    ("indicators.complaints.weight", {"value": 10}, "D2"),
    ("indicators.depth.weight", {"value": 10}, "D2"),
    ("indicators.industry_growth.weight", {"value": 8}, "D2"),
    ("indicators.size_fit.weight", {"value": 7}, "D2"),
    ("indicators.spend.bounds", {"low": 0, "high": 100_000, "currency": "CNY"}, "D2"),
    ("indicators.spend.winsorise", {"low": 1, "high": 99}, P),
    ("indicators.tenure.bounds", {"low": 0, "high": 40 * 30.4375}, "D2"),
    ("indicators.tenure.possible", {"low": 0}, "D2"),
    ("indicators.margin.possible", {"high": 1}, "D2"),
    ("indicators.size_fit.band",
     {"features": ["profile_employees"], "low": 50, "high": 500, "zero_below": 0, "zero_above": 1000}, P),
    ("tiers.strategic.score", {"low": 90}, "D2"),
    ("tiers.key.score", {"low": 70, "high": 90}, "D2"),
    ("tiers.regular.score", {"low": 50, "high": 70}, "D2"),
    ("tiers.watch.score", {"high": 50}, "D2"),
    ("tiers.strategic.cadence_days", {"value": 90}, "D2"),
    ("tiers.key.cadence_days", {"value": 30}, "D2"),
    ("tiers.regular.cadence_days", {"value": 90}, "D2"),
    ("tiers.watch.cadence_days", {"value": 30}, "D2"),
    ("tiers.watch.plan_days", {"value": 15}, "D2"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "numbers", "document"), NUMBERS)
def test_each_number_of_the_composite_score_and_its_document(path: str, numbers: dict[str, Any], document: str) -> None:
    found: Any = tomllib.loads(TEXT)["composite"]
    for key in path.split("."):
        found = found[key]
    assert found == numbers | {"from": document}


def test_every_number_names_its_document() -> None:
    def numbers_without_source(table: dict[str, Any], path: str) -> list[str]:
        own = [
            f"{path}.{key}"
            for key, value in table.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and "from" not in table
        ]
        below = [
            numbers_without_source(value, f"{path}.{key}") for key, value in table.items() if isinstance(value, dict)
        ]
        return [*own, *(found for each in below for found in each)]

    assert numbers_without_source(tomllib.loads(TEXT), "") == [".format"]


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
        ("times_base_odds = { value = 0", "times_base_odds = { value = 0.5", "risk_bands: one band must begin at 0"),
        ("format = 1", "format = 2", "format: 2 is newer than 1, which this Remora reads; update Remora"),
        ("format = 1", "format = 0", "format: Input should be 1"),
        ('from = "D2"\n\n[composite.tiers.key]', "\n[composite.tiers.key]", "composite.tiers.strategic.from: missing"),
        ("cadence_days = { value = 90", "cadence_days = { value = 0", "composite.tiers.strategic.cadence_days.value:"),
        (
            "expects.behaviour",
            "expects.loyalty",
            "composite.tiers.strategic.expects.loyalty: no such dimension; use one",
        ),
        (
            "expects.behaviour = { low = 0.8",
            "expects.behaviour = { low = 0.8, high = 0.5",
            "composite.tiers.strategic.",
        ),
        (
            "current_value = { value = 60",
            "current_value = { value = 50",
            "composite.profiles.high_value.shares: shares must add up to 100, but 50 + 25 + 15 = 90",
        ),
        (
            "shares.current_value = { value = 60",
            "shares.loyalty = { value = 60",
            "composite.profiles.high_value.shares.loyalty: no such dimension; use one of current_value, behaviour",
        ),
        (
            "shares.current_value = { value = 60",
            "weights.loyalty = { value = 60",
            "composite.profiles.high_value.weights.loyalty: no such indicator; use one of spend, tenure",
        ),
        (
            "shares.current_value = { value = 60",
            "weights.spend = { value = 0",
            "composite.profiles.high_value.weights: every weight must be above 0",
        ),
        (
            "shares.potential = { value = 15",
            "shares.potential = { value = 0",
            "composite.profiles.high_value.shares: every share must be above 0",
        ),
        ('in = ["flagship", "核心业务"], ', "", "composite.profiles.high_value.when: say either `in`"),
        (
            'in = ["flagship", "核心业务"], ',
            'in = ["a"], low = 1, ',
            "composite.profiles.high_value.when: say either `in`",
        ),
        ('in = ["flagship", "核心业务"], ', "in = [], ", "composite.profiles.high_value.when.in"),
        (
            'in = ["flagship", "核心业务"], ',
            "low = 3, high = 2, ",
            "composite.profiles.high_value.when: low 3 is not below",
        ),
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
    off = [(f"[composite.indicators.{name}]\n", f"[composite.indicators.{name}]\nenabled = false\n")
           for name in ("industry_growth", "size_fit")]  # fmt: skip
    assert problems(changed(tmp_path, *off)) == [
        "composite.dimensions.potential: no enabled indicator; add one or remove the dimension"
    ]  # fmt: skip


def test_profiles_are_weighed_by_the_packs_method(tmp_path: Path) -> None:
    points = ('method = "dimension"', 'method = "points"')
    on = ("[composite.profiles.high_value]\nenabled = false", "[composite.profiles.high_value]")
    shares = TEXT[TEXT.index("shares.current_value = { value = 60") : TEXT.index("\n[composite.profiles.new_industry]")]
    weights = 'weights.spend = {{ value = {}, from = "D2" }}\nweights.tenure = {{ value = 10, from = "D2" }}\n'
    load_pack(changed(tmp_path, on))
    load_pack(changed(tmp_path, on, (shares, weights.format(40))))
    load_pack(changed(tmp_path, points, on, (shares, weights.format(30))))
    path = "composite.profiles.high_value"
    assert problems(changed(tmp_path, points, on)) == [f'{path}.shares: do not count under "points"; give weights']
    assert problems(changed(tmp_path, points, on, (shares, weights.format(40)))) == [
        f"{path}.weights: weights must add up to 100, but 40 + 10 + 10 + 15 + 10 + 10 + 8 + 7 = 110"
    ]
    assert problems(changed(tmp_path, on, (shares, ""))) == [
        f"{path}: changes nothing; give shares or weights, or remove it"
    ]


FIVE = """
[composite.tiers.regular]
label = { zh = "普通客户", en = "regular" }
score = { low = 60, high = 70, from = "D2" }
trait = { zh = "中等价值", en = "medium value" }
strategy = { zh = "定期跟进", en = "regular follow-up" }
role = "sales_representative"
owner = { zh = "销售代表", en = "sales representative" }
cadence = { zh = "每季度", en = "quarterly" }
cadence_days = { value = 90, from = "D2" }
from = "D2"

[composite.tiers.developing]
label = { zh = "发展客户", en = "developing" }
score = { low = 50, high = 60, from = "project default" }
"""


def test_five_tiers_are_possible(tmp_path: Path) -> None:
    """D2: four or five tiers."""
    start = TEXT.index("[composite.tiers.regular]")
    old = TEXT[start : TEXT.index("trait", start)]
    pack = load_pack(changed(tmp_path, (old, FIVE.lstrip())))
    scores = [0.0, 49.9, 50.0, 59.9, 60.0, 69.9, 70.0, 89.9, 90.0, 100.0]
    found = pl.DataFrame({"score": scores}).select(tier_of(pl.col("score"), pack)).to_series().to_list()
    assert found == [tier for tier in ("watch", "developing", "regular", "key", "strategic") for _ in range(2)]


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
