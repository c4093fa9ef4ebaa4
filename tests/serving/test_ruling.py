"""The rules at work, scoring after scoring: episodes open and close once, and packs are replaced without training."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.clock import micros
from features.engines import Source, open_source
from features.settings import Company, RulesSection, Settings
from models.bundle import Bundle
from models.rules import load_pack
from models.rules.pack import DEFAULT_PACK
from serving.in_force import OldBundleError
from serving.score import run_score, score
from serving.store import Store, open_store
from tests.literal import ago, rows, written
from tests.serving.small_company import NOW, ask, fitted_bundle, orders

EVERY = ("open", "closed", "held_back")
PACK = load_pack()
LATER = NOW + dt.timedelta(days=15)
COLUMNS = ["customer_id", "rule", "state"]


def silent(step: str) -> None:
    pass


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`gone` has not bought for 200 days, `going` not for 170, `back` comes back 5 days after TODAY; `here` buys on.

    `quiet` has not bought for 150 days, which is too long only for a stricter pack.
    """
    folder = tmp_path_factory.mktemp("literal")
    bought = orders(
        gone=(500, 200), going=(500, 170), back=(500, 300, -5), here=tuple(range(-14, 400, 60)), quiet=(500, 150)
    )
    people = rows(
        "customer_id name account_owner signed_up_at country",
        *((who, who.title(), "Ada", ago(600), "Spain") for who in ("gone", "going", "back", "here", "quiet")),
    )
    answers = rows("customer_id occurred_at score", ("here", ago(40), 9.0), ("quiet", ago(40), 8.0))
    return written(folder, {"transactions": bought, "customers": people, "nps_responses": answers})


def settings(home: Path, **more: object) -> Settings:
    return Settings.model_construct(**dict(Settings(home=home, **more)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Memory:
    """What the log held after a scoring."""

    episodes: pl.DataFrame
    changes: pl.DataFrame

    @classmethod
    def of(cls, store: Store) -> "Memory":
        return cls(store.log.episodes(states=EVERY).sort("key"), store.log.segment_history())

    def about(self, rule: str) -> dict[str, str]:
        """Customer → state of the episode of `rule`."""
        return dict(self.episodes.filter(pl.col("rule") == rule).select("customer_id", "state").iter_rows())


@pytest.fixture(scope="module")
def story(company: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Memory]:
    """Scored by the rules alone: today, today again, 15 days later, today once more."""
    home = tmp_path_factory.mktemp("story")
    wanted, told = settings(home), {}
    source = open_source(company, wanted)
    with open_store(home / "remora.db") as store:
        for name, date in {"first": NOW, "again": NOW, "later": LATER, "older": NOW}.items():
            run_score(source, date, None, wanted, store, None, False, silent)
            told[name] = Memory.of(store)
    return told


def test_the_first_scoring_opens_what_holds_and_records_no_change_of_segment(story: dict[str, Memory]) -> None:
    assert story["first"].about("loss_risk") == {"gone": "open", "back": "open"}
    assert story["first"].changes.is_empty()
    gone = story["first"].episodes.filter(customer_id="gone", rule="loss_risk").row(0, named=True)
    assert gone["anchor"] == micros(ago(200).replace(tzinfo=dt.UTC))
    assert gone["key"] == f"gone:loss_risk:{gone['anchor']}"
    assert (gone["owner"], gone["opened_as_of"]) == ("Ada", micros(NOW))


def test_a_rerun_of_the_same_date_changes_no_alert_and_no_segment(story: dict[str, Memory]) -> None:
    assert_frame_equal(story["again"].episodes, story["first"].episodes)
    assert story["again"].changes.is_empty()


def test_a_later_date_opens_and_closes(story: dict[str, Memory]) -> None:
    assert story["later"].about("loss_risk") == {"gone": "open", "back": "closed", "going": "open"}
    kept = story["later"].episodes.filter(customer_id="gone", rule="loss_risk").row(0, named=True)
    assert kept["opened_as_of"] == micros(NOW)
    ended = story["later"].episodes.filter(customer_id="back", rule="loss_risk").row(0, named=True)
    assert ended["closed_as_of"] == micros(LATER)


def test_a_later_date_records_who_moved_and_why(story: dict[str, Memory]) -> None:
    moved = story["later"].changes.filter(pl.col("scheme") == "lifecycle")
    assert moved.select("customer_id", "before", "after").rows() == [
        ("back", "at_risk", "mature"),
        ("going", "mature", "at_risk"),
    ]
    assert set(moved["as_of"]) == {micros(LATER)}
    assert "days_since_purchase|170.0|185.0" in dict(moved.select("customer_id", "reason").iter_rows())["going"]


def test_an_older_date_changes_nothing(story: dict[str, Memory]) -> None:
    assert_frame_equal(story["older"].episodes, story["later"].episodes)
    assert_frame_equal(story["older"].changes, story["later"].changes)


@dataclass(frozen=True)
class Promoted:
    home: Path
    source: Source
    bundle: Bundle


@pytest.fixture(scope="module")
def promoted(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Promoted:
    """A home whose bundle was fitted today; only for reading."""
    home = tmp_path_factory.mktemp("promoted") / "home"
    source = open_source(company, settings(home))
    return Promoted(home, source, fitted_bundle(home, source))


def scored(of: Promoted, store: Store, date: dt.datetime = NOW, pack: Path | None = None) -> pl.DataFrame:
    wanted = settings(of.home, rules=RulesSection(pack=pack))
    return run_score(of.source, date, of.bundle, wanted, store, None, True, silent)


def test_backfill_opens_no_alert_and_records_no_segment(promoted: Promoted, tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        past = scored(promoted, store, NOW - dt.timedelta(days=10))
        assert past.filter(pl.col("alerts").list.contains("loss_risk")).height == 2  # the condition is told
        assert (store.log.episodes(states=EVERY).height, store.log.held_back()) == (0, (None, {}))
        now = scored(promoted, store)
        assert {"gone", "back"} == set(store.log.episodes(rule="loss_risk", states=EVERY)["customer_id"])
        assert store.log.segment_history().is_empty()  # the backfill was no first result
        assert now["rules_version"].unique().to_list() == [PACK.rules_version]


def changed_pack(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped pack with some text replaced."""
    text = DEFAULT_PACK.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    file = folder / "our-pack.toml"
    file.write_text(text, encoding="utf-8")
    return file


STRICTER = (
    "strict = false                                           # true: only with all signs together\n"
    'days = { value = 180, from = "D3" }'
)


def test_a_pack_of_ones_own_replaces_the_bundles_and_its_thresholds_count(promoted: Promoted, tmp_path: Path) -> None:
    pack = changed_pack(tmp_path, (STRICTER, STRICTER.replace("180", "140")))
    assert load_pack(pack).alerts.rules.loss_risk.days.value == 140
    with open_store(tmp_path / "theirs.db") as store:
        usual = scored(promoted, store)
        assert set(store.log.episodes(rule="loss_risk", states=EVERY)["customer_id"]) == {"gone", "back"}
    with open_store(tmp_path / "ours.db") as store:
        ours = scored(promoted, store, pack=pack)
        found = store.log.episodes(rule="loss_risk", states=EVERY)
        assert set(found["customer_id"]) == {"gone", "back", "going", "quiet"}
    assert usual["rules_version"].unique().to_list() == [PACK.rules_version]
    assert ours["rules_version"].unique().to_list() == [load_pack(pack).rules_version] != [PACK.rules_version]
    same = ["customer_id", "churn_probability", "composite_score"]  # the models and what was learnt stay
    assert_frame_equal(ours.select(same), usual.select(same))


ESG = """
[composite.indicators.loyalty]
label = { zh = "忠诚", en = "loyalty" }
dimension = "potential"
weight = { value = 5, from = "project default" }
features = ["rfm_orders_count_365d"]
direction = "higher"
shown_as = "count"

[composite.indicators.spend]
"""


def test_a_pack_that_asks_for_what_was_never_fitted_is_refused(
    promoted: Promoted, company: Path, tmp_path: Path
) -> None:
    pack = changed_pack(tmp_path, ("\n[composite.indicators.spend]\n", ESG))
    told = ask(promoted.home, "score", company, "--as-of", "2026-07-02", settings=f'[rules]\npack = "{pack}"\n')
    assert len(told.problems) == 1
    assert "composite.indicators.loyalty" in told.problems[0]
    assert "fit again" in told.problems[0]


def test_without_a_bundle_such_a_pack_is_fitted_and_an_older_pack_keeps_its_own(company: Path, tmp_path: Path) -> None:
    home, pack = tmp_path / "home", changed_pack(tmp_path, ("\n[composite.indicators.spend]\n", ESG))
    ours = f'[rules]\npack = "{pack}"\n'
    assert ask(home, "score", company, "--as-of", "2026-07-01", settings=ours).code == 0
    assert [file.name for file in (home / "rules").iterdir()] == [f"{load_pack(pack).rules_version}.json"]
    row = ask(home, "explain", "here", "--json", settings=ours).json
    assert "loyalty" in [part["indicator"] for part in row["points"]]


def test_nobody_known_is_nothing_to_learn_from(company: Path, tmp_path: Path) -> None:
    """Bounds of an empty population would be kept, and give nobody a score ever after."""
    home = tmp_path / "home"
    assert ask(home, "score", company, "--as-of", "2020-01-01").code == 0
    assert ask(home, "score", company, "--as-of", "2026-07-01").code == 0
    assert ask(home, "explain", "here", "--json").json["composite_score"] is not None


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ('country = "Atlantis"', "company.country 'Atlantis': no public holidays known; write an ISO 3166 code"),
        ('country = "DE-XX"', "company.country 'DE-XX': no public holidays known; write an ISO 3166 code"),
        (
            'business_hours = "nine to five"',
            "company.business_hours 'nine to five': not two times of day; write HH:MM-HH",
        ),
        ('business_hours = "18:00-09:00"', "company.business_hours '18:00-09:00': closes before it opens; write"),
    ],
)
def test_a_calendar_that_cannot_be_is_one_line_that_names_the_setting(
    company: Path, tmp_path: Path, section: str, says: str
) -> None:
    told = ask(tmp_path / "home", "score", company, "--as-of", "2026-07-01", settings=f"[company]\n{section}\n")
    assert len(told.problems) == 1
    assert told.problems[0].startswith(says)
    assert not (tmp_path / "home" / "remora.db").exists() or _empty(tmp_path / "home" / "remora.db")


def _empty(place: Path) -> bool:
    with open_store(place) as store:
        return store.count_at_risk() == 0 and store.log.episodes(states=EVERY).is_empty()


def test_both_mistakes_of_the_calendar_are_told_at_once(company: Path, tmp_path: Path) -> None:
    section = '[company]\ncountry = "Atlantis"\nbusiness_hours = "9"\n'
    told = ask(tmp_path / "home", "score", company, "--as-of", "2026-07-01", settings=section)
    assert ["country" in problem for problem in told.problems] == [False, True]


def test_a_holiday_moves_no_alert_but_the_country_is_heard(company: Path, tmp_path: Path) -> None:
    wanted = settings(tmp_path, company=Company(country="CN", timezone="Asia/Shanghai"))
    with open_store(tmp_path / "store.db") as store:
        run_score(open_source(company, wanted), NOW, None, wanted, store, None, False, silent)
        assert store.log.episodes(rule="loss_risk")["customer_id"].n_unique() == 2


def test_a_bundle_without_all_rules_is_one_line(promoted: Promoted) -> None:
    manifest = promoted.bundle.manifest
    fitted = {"composite": manifest.fitted["composite"], "core_features": [], "static": []}
    older = replace(promoted.bundle, manifest=manifest.model_copy(update={"fitted": fitted}))
    with pytest.raises(OldBundleError, match="train and promote again"):
        score(promoted.source, micros(NOW), older, settings(promoted.home), NOW)


def test_a_daily_scoring_does_not_push_a_deadline_on(company: Path, tmp_path: Path) -> None:
    """That of an alert is the episode's; another stays until it has passed."""
    wanted = settings(tmp_path)
    source, due = open_source(company, wanted), {}
    with open_store(tmp_path / "remora.db") as store:
        for day in (0, 1, 400):
            date = NOW + dt.timedelta(days=day)
            found = run_score(source, date, None, wanted, store, None, False, silent)
            due[day] = dict(found.select("customer_id", "playbook_due").iter_rows())
        episode = store.log.episodes(customer="gone", rule="loss_risk").row(0, named=True)
    assert micros(due[0]["gone"]) == micros(due[1]["gone"]) == episode["due_at"]
    assert due[0]["quiet"] == due[1]["quiet"] > NOW
    assert due[400]["quiet"] > NOW + dt.timedelta(days=400)
    assert due[400]["gone"] == due[0]["gone"]  # late, and shown as late
