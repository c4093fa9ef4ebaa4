"""`remora rules`: what it shows, refuses and replays; JSON for machines, one line for every mistake."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.build import Fitted
from features.clock import micros, start_of
from features.engines import open_source
from features.errors import RemoraError
from features.settings import Settings
from models.rules import DEFAULT_PACK, fit_composite, load_pack
from serving import terminal
from serving.errors import exit_code
from serving.rules import Customers, checked, customers_of, differed, in_force, outcome
from serving.rules_cli import rules_app
from serving.rules_tables import lines, section_tables
from serving.ruling import rules_of
from tests.company import AS_OF, shop

TEXT = DEFAULT_PACK.read_text(encoding="utf-8")
PACK = load_pack()


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @property
    def problems(self) -> list[str]:
        assert "Traceback" not in self.err
        assert (self.code, self.out) == (2, "")
        return [line.removeprefix("remora: ") for line in self.err.splitlines() if line.startswith("remora: ")]


Rules = Callable[..., Answer]


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Rules:
    """The sub-command in this process, in a folder of its own, ended as `serving.cli.main` ends it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal.out, "_width", 300)

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["rules", *map(str, arguments)])
        code = 0
        try:
            rules_app()
        except SystemExit as left:
            code = int(left.code or 0)
        except RemoraError as error:
            terminal.fail(error)
            code = exit_code(error)
        told = capsys.readouterr()
        return Answer(code, told.out, told.err)

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of transactions only."""
    folder = tmp_path_factory.mktemp("shop") / "data"
    folder.mkdir()
    shop(customers=80, days=300).write_parquet(folder / "transactions.parquet")
    return folder


def copy(folder: Path, *replacements: tuple[str, str]) -> Path:
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    file = folder / "copy.toml"
    file.write_text(text, encoding="utf-8")
    return file


KEY_FROM_60 = (("score = { low = 70, high = 90,", "score = { low = 60, high = 90,"), ("high = 70, f", "high = 60, f"))


# show


@pytest.mark.parametrize(("lang", "words"), [("en", "spend in the last 6 months"), ("zh", "近6个月消费金额")])
def test_show_tells_every_section_in_either_language(rules: Rules, lang: str, words: str) -> None:
    told = rules("show", "--lang", lang)
    assert told.code == 0
    assert words in told.out
    assert PACK.rules_version in told.out
    for title in ("composite.dimensions", "composite.tiers", "risk_bands"):
        assert title in told.out


def test_show_as_json_is_the_pack_with_its_documents(rules: Rules) -> None:
    told = rules("show", "--json").json
    assert told["rules_version"] == PACK.rules_version
    assert told["composite"]["dimensions"]["behaviour"]["share"] == {"from": "D2", "value": 30}
    assert told["composite"]["tiers"]["watch"]["label"] == {"zh": "观察客户", "en": "watch"}


def test_every_number_of_the_pack_is_in_the_tables_with_its_document() -> None:
    """Generic: whatever section is added is shown."""
    dumped = PACK.model_dump(mode="json", by_alias=True, exclude_none=True)

    def numbers(value: Any) -> int:
        if isinstance(value, dict):
            own = "from" in value and not any(isinstance(each, dict | list) for each in value.values())
            return 1 if own else sum(map(numbers, value.values()))
        return sum(map(numbers, value)) if isinstance(value, list) else 0

    for name, part in dumped.items():
        if isinstance(part, dict):
            shown = [line for line in lines(part, "en") if line.source]
            assert len(shown) >= numbers(part), name
            rows = sum(table.row_count for table in section_tables(name, part, "en"))
            assert rows == len(list(lines(part, "en"))), name


def test_lines_of_nested_parts() -> None:
    part = {
        "from": "D2",
        "label": {"zh": "甲", "en": "a"},
        "limit": {"value": 1_000, "from": "D3"},
        "span": {"low": 0.5, "high": 2, "from": "D1"},
        "words": ["slow", "late"],
        "steps": [{"days": 3, "from": "D4"}, {"days": 7, "from": "D5"}],
        "on": True,
        "deep": {"er": {"label": {"zh": "乙", "en": "b"}, "from": "D5"}},
    }
    assert [tuple(line) for line in lines(part, "zh")] == [
        ("label", "甲", "D2"),
        ("limit", "1,000", "D3"),
        ("span", "low 0.5, high 2", "D1"),
        ("words", "slow, late", "D2"),
        ("steps.1", "days 3", "D4"),
        ("steps.2", "days 7", "D5"),
        ("on", "yes", "D2"),
        ("deep.er.label", "乙", "D5"),
    ]


# check


def test_check_tells_every_problem_of_a_pack_at_once(rules: Rules, tmp_path: Path) -> None:
    file = copy(
        tmp_path,
        ("share = { value = 50,", "share = { value = 45,"),
        ('shown_as = "money"', 'shown_as = "money"\ncolour = "red"'),
        ("score = { low = 70, high = 90,", "score = { low = 60, high = 90,"),
        ('label = { zh = "合作时长", en = "tenure" }', 'label = { zh = "合作时长" }'),
    )
    assert sorted(problem.removeprefix(f"{file}: ").split(": ")[0] for problem in rules("check", file).problems) == [
        "composite.dimensions",
        "composite.indicators.spend.colour",
        "composite.indicators.tenure.label.en",
        "composite.tiers.regular.score",
    ]


def test_check_of_a_pack_from_the_future(rules: Rules, tmp_path: Path) -> None:
    assert any(
        "format: 2 is newer" in line for line in rules("check", copy(tmp_path, ("format = 1", "format = 2"))).problems
    )


def test_check_without_data(rules: Rules) -> None:
    assert rules("check", DEFAULT_PACK, "--json").json["rules_version"] == PACK.rules_version
    assert "no problems" in rules("check", DEFAULT_PACK).out


def test_check_with_data_tells_occupancy_methods_and_cleaning(rules: Rules, data: Path) -> None:
    told = rules("check", DEFAULT_PACK, data, "--as-of", AS_OF, "--json").json
    assert told["customers"] == sum(row["customers"] for row in told["tiers"]) > 50
    assert [row["tier"] for row in told["tiers"]] == ["strategic", "key", "regular", "watch", None]
    for row in told["tiers"]:
        if row["tier"]:
            assert told["methods"]["dimension"][row["tier"]] == row["customers"]
        assert row["share"] == pytest.approx(row["customers"] / told["customers"])
        assert any(row["label"] in text and "is empty" in text for text in told["warnings"]) is (
            row["customers"] == 0 and row["tier"] is not None
        )
    cleaning = {row["indicator"]: row for row in told["cleaning"]}
    assert cleaning["spend"]["missing"] == 0
    assert cleaning["spend"]["clipped"] > 0
    assert (cleaning["margin"]["feature"], cleaning["margin"]["missing"]) == (None, told["customers"])
    assert any(text.startswith("indicator margin: no data") for text in told["warnings"])
    assert any(text.startswith("indicator spend: the bounds are CNY") for text in told["warnings"])
    shown = rules("check", DEFAULT_PACK, data, "--as-of", AS_OF)
    assert f"of {told['customers']} customers change tier between the methods" in shown.out
    assert shown.err.count("remora:") == 0


def people(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": [str(i) for i in range(len(next(iter(columns.values()))))], **columns})


def known(wide: pl.DataFrame, settings: Any = None) -> Customers:
    return Customers(None, 0, settings or Settings(), wide, Fitted())  # type: ignore[arg-type]  # the source is not read


def test_how_many_change_tier_between_the_methods(tmp_path: Path) -> None:
    """B = 1, P = 0, V = 0.8: 70 under dimension, 75 under points; V = 0.72: 66 and 71."""
    columns = {
        "rfm_amount_sum_180d": [0.72, 0.8, 0.2], "profile_tenure_days": [0.72, 0.8, 0.2],
        "rfm_margin_rate_180d": [0.72, 0.8, 0.2], "engagement_interactions_count_180d": [1.0, 1, 0],
        "support_complaint_rate_365d": [0.0, 0, 1], "usage_depth_90d": [1.0, 1, 0],
        "profile_industry_growth_rate": [0.0, 0, 1], "profile_size_fit": [0.0, 0, 0],
    }  # fmt: skip
    bounds = 'bounds = { low = 0, high = 1, from = "D2" }'
    file = copy(
        tmp_path,
        ('bounds = { low = 0, high = 100_000, currency = "CNY", from = "D2" }', bounds),
        ('bounds = { low = 0, high = 1217.5, from = "D2" }', bounds),
        ('possible = { high = 1, from = "D2" }', bounds),
        ('possible = { low = -1, high = 1, from = "D2" }', bounds),
    )
    told = checked(load_pack(file), file, known(people(**columns)), "en")[0]
    assert told["methods"] == {
        "dimension": {"strategic": 0, "key": 1, "regular": 1, "watch": 1},
        "points": {"strategic": 0, "key": 2, "regular": 0, "watch": 1},
    }
    assert told["change_tier_between_methods"] == 1


# diff


def test_diff_of_the_same_pack_changes_nothing(rules: Rules, data: Path, tmp_path: Path) -> None:
    told = rules("diff", DEFAULT_PACK, data, "--as-of", AS_OF, "--json").json
    assert (told["change_tier"], told["moved"], told["gained"], told["lost"]) == (0, [], [], [])
    assert told["before"] == told["after"] == PACK.rules_version
    assert not (tmp_path / "home" / "rules").exists()  # asking keeps nothing


def test_diff_tells_who_changes_tier(rules: Rules, data: Path, tmp_path: Path) -> None:
    file = copy(tmp_path, *KEY_FROM_60)
    before = {row["tier"]: row["customers"] for row in rules("check", DEFAULT_PACK, data, "--json").json["tiers"]}
    after = {row["tier"]: row["customers"] for row in rules("check", file, data, "--json").json["tiers"]}
    told = rules("diff", file, data, "--json").json
    assert told["change_tier"] == after["key"] - before["key"] == len(told["moved"]) > 0
    assert {(row["before"], row["after"]) for row in told["moved"]} == {("regular", "key")}
    assert told["fitted_anew"] == []
    shown = rules("diff", file, data, "--lang", "zh")
    assert f"{told['change_tier']} of {told['customers']} customers change tier" in shown.out
    for words in ("普通客户", "重点客户", told["moved"][0]["customer_id"]):
        assert words in shown.out


def opened(data: Path, home: Path) -> Customers:
    settings = Settings(home=home)
    return customers_of(open_source(data, settings), micros(start_of(AS_OF, settings.company.zone)), None, settings)


def test_in_force_is_what_was_kept_else_fitted_now(data: Path, tmp_path: Path) -> None:
    customers = opened(data, tmp_path / "home")
    now = in_force(customers, None)
    assert now.fitted.composite == fit_composite(customers.wide, PACK)
    assert not (tmp_path / "home").exists()
    few = customers.wide.head(5)
    kept = rules_of(None, customers.source, few, customers.as_of, customers.settings, customers.fitted)
    assert in_force(customers, None).fitted == kept.fitted != now.fitted


def test_alerts_gained_and_lost_are_counted_by_rule(data: Path, tmp_path: Path) -> None:
    """Whatever function says which alerts a pack gives: here, an alert below the tier key."""

    def with_alerts(customers: Customers, rules: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
        scored, _ = outcome(customers, rules)
        low = pl.col("tier").is_in(["regular", "watch"])
        return scored, scored.filter(low).select("customer_id", rule=pl.lit("low [tier]"))

    customers, file = opened(data, tmp_path / "home"), copy(tmp_path, *KEY_FROM_60)
    told, *shown = differed(load_pack(file), file, customers, in_force(customers, None), "en", with_alerts)
    assert told["gained"] == []
    assert [row["customer_id"] for row in told["lost"]] == [row["customer_id"] for row in told["moved"]]
    assert told["rules"] == [
        {"rule": "low [tier]", "before": told["rules"][0]["before"],
         "after": told["rules"][0]["before"] - told["change_tier"], "gained": 0, "lost": told["change_tier"]}
    ]  # fmt: skip
    assert told["change_tier"] > 0
    titles = [str(each.title) for each in shown if hasattr(each, "title")]
    assert titles == ["Tiers", "Who changes tier", "Alerts", "Who loses an alert"]


# ahp

COMPARISONS = """
[dimensions]
"current_value over behaviour" = 2
"current_value over potential" = 3
"potential over behaviour" = "2/3"
"""


def test_ahp_prints_weights_and_the_lines_for_a_pack(rules: Rules, tmp_path: Path) -> None:
    file = tmp_path / "comparisons.toml"
    file.write_text(COMPARISONS, encoding="utf-8")
    told = rules("ahp", file, "--json").json
    assert told["shares"] == {"current_value": 54.55, "behaviour": 27.27, "potential": 18.18}
    assert told["levels"]["dimensions"]["consistency_ratio"] == pytest.approx(0, abs=1e-9)
    shown = rules("ahp", file, "--pack", DEFAULT_PACK).out
    assert '[composite.dimensions.behaviour]\nshare = { value = 27.27, from = "project default" }\n' in shown
    assert "54.5%" in shown


def test_ahp_refuses_contradictions_naming_the_pair(rules: Rules, tmp_path: Path) -> None:
    file = tmp_path / "comparisons.toml"
    file.write_text(COMPARISONS.replace('behaviour" = 2', 'behaviour" = "1/5"'), encoding="utf-8")
    (problem,) = rules("ahp", file).problems
    assert problem.startswith(f"{file}: dimensions: consistency ratio ")
    assert "the most inconsistent pair is behaviour over current_value = 5" in problem


# mistakes


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("show", "none.toml"), "none.toml: cannot be read"),
        (("check", "none.toml"), "none.toml: cannot be read"),
        (("diff", "none.toml", "none"), "none.toml: cannot be read"),
        (("ahp", "none.toml"), "none.toml: cannot be read"),
        (("check", DEFAULT_PACK, "no-data"), "no-data"),
        (("diff", DEFAULT_PACK, "no-data"), "no-data"),
    ],
)
def test_a_missing_file_is_one_line(rules: Rules, command: tuple[object, ...], expected: str) -> None:
    assert rules(*command).problems[0].startswith(expected)


def test_broken_comparisons_and_a_wrong_date(rules: Rules, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[dimensions", encoding="utf-8")
    assert rules("ahp", file).problems[0].startswith(f"{file}: not valid TOML")
    assert rules("check", DEFAULT_PACK, data, "--as-of", "tomorrow").problems[0].startswith("'tomorrow' is not a date")


def test_help_names_the_four_commands(rules: Rules) -> None:
    told = rules("--help")
    assert told.code == 0
    for command in ("show", "check", "diff", "ahp"):
        assert command in told.out
    assert rules("show", "--lang", "fr").code == 2


def test_a_copy_to_change_is_never_written_over(rules: Rules, tmp_path: Path) -> None:
    copy = tmp_path / "my-pack.toml"
    assert rules("show", "--out", copy).code == 0
    assert copy.read_text(encoding="utf-8") == DEFAULT_PACK.read_text(encoding="utf-8")
    copy.write_text("mine", encoding="utf-8")
    told = rules("show", "--out", copy)
    assert (told.code, copy.read_text(encoding="utf-8")) == (2, "mine")
    assert "exists already" in told.err
    assert rules("show", "--out", tmp_path / "no" / "folder.toml").code == 2
