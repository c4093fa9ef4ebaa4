"""Why a risk and a score changed: the parts add up to the change, on the page and for machines, in both languages."""

import datetime as dt
import re
import shutil
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from rich.console import Console

from features.engines import open_source
from features.settings import Settings
from models.bundle import Bundle, write_bundle
from models.manifest import ManifestParts
from models.prediction import SCHEMA, Prediction
from models.rules import load_pack
from serving.changed import NO_BUNDLE, NO_FEATURES, OTHER_FEATURES, Changed, RiskChange, changed_of
from serving.drivers import bundle_of, drivers_of, kept_features
from serving.explained import Known, known_of, page
from serving.home import Home
from serving.store import Store, open_store
from tests.literal import ago, rows, written
from tests.serving.running import promote
from tests.serving.small_company import ask, fitted_bundle, orders
from tests.small_bundle import LEVELS, NAMES, customers, texts

STAYS, BUYS = "K1", "K2"
DAYS = ("2026-07-01", "2026-07-21", "2026-08-10")
PACK = load_pack()


def at(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """K1 says nothing more, K2 orders again before the second day."""
    bought = orders(**{STAYS: (300, 170, 40), BUYS: (300, 200, 100, -10)})
    people = rows("customer_id signed_up_at country", (STAYS, ago(900), "Spain"), (BUYS, ago(900), "France"))
    answers = rows("customer_id occurred_at score", (STAYS, ago(30), 9.0), (STAYS, ago(-15), 3.0))
    tables = {"customers": people, "transactions": bought, "nps_responses": answers}
    return written(tmp_path_factory.mktemp("literal"), tables)


@pytest.fixture(scope="module")
def place(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored on two days by one model and on a third by another."""
    folder = tmp_path_factory.mktemp("changed") / "home"
    first = fitted_bundle(folder, open_source(data, Settings()))
    for day in DAYS[:2]:
        assert ask(folder, "score", data, "--as-of", day).code == 0
    other_bundle(folder, first)
    assert ask(folder, "score", data, "--as-of", DAYS[2]).code == 0
    return folder


def other_bundle(folder: Path, first: Bundle) -> Bundle:
    """The same features, another churn model, promoted."""
    frame = customers().with_columns(pl.col("profile_country").replace_strict(LEVELS, list(range(len(LEVELS)))))
    matrix = frame.select(NAMES).cast(pl.Float32).to_numpy()
    level = matrix[:, 0] / 40 - matrix[:, 1] / 2 - matrix[:, 3] / 400 - np.nan_to_num(matrix[:, 4]) / 10
    target = (np.random.default_rng(6).logistic(level) > 0).astype(float)
    data = lightgbm.Dataset(matrix, target)
    options = {"objective": "binary", "num_leaves": 5, "verbose": -1, "num_threads": 1, "seed": 2}
    kept = {name: getattr(first.manifest, name) for name in ManifestParts.model_fields}
    made = write_bundle(
        folder / "bundles" / "other", ManifestParts(**kept), churn=lightgbm.train(options, data, 60).model_to_string(),
        value=texts()[1], pack=first.pack_text, reference=first.reference(), created_at=at(DAYS[2]),
    )  # fmt: skip
    promote(Home(folder), "other")
    return made


def store_of(place: Path) -> Store:
    return open_store(place / "remora.db")


def row_at(place: Path, customer: str, day: str) -> Prediction:
    """The row of one date."""
    with store_of(place) as store:
        current = store.customer(customer)
        assert current is not None
        found = current if current.as_of == at(day) else store.before(current, at(day) + dt.timedelta(days=1))
    assert found is not None
    assert found.as_of == at(day)
    return found


def changed(place: Path, customer: str, day: str, since: dt.datetime | None = None) -> Changed:
    with store_of(place) as store:
        found = changed_of(store, Home(place), row_at(place, customer, day), since)
    assert found is not None
    return found


def risk_of(place: Path, customer: str, day: str, since: dt.datetime | None = None) -> RiskChange:
    found = changed(place, customer, day, since).risk
    assert found is not None
    return found


def said(known: Known, lang: str = "en") -> str:
    console = Console(width=400)
    with console.capture() as caught:
        console.print(page(known, PACK, lang))  # type: ignore[arg-type]
    return "\n".join(line.strip("│╭╮╰╯─ ") for line in caught.get().splitlines())


def odds(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def test_the_features_of_each_scoring_are_kept(place: Path) -> None:
    """What was said follows from them, to the digit."""
    home = Home(place)
    assert len([*home.scorings.iterdir()]) == 3
    for day in DAYS:
        row = row_at(place, STAYS, day)
        bundle, features = bundle_of(home, row.model_version), kept_features(home, row)
        assert bundle is not None
        assert features is not None
        assert bundle.predict(bundle.matrix(features)).churn_probability[0] == pytest.approx(row.churn_probability)


@pytest.mark.parametrize("customer", [STAYS, BUYS])
@pytest.mark.parametrize(("day", "before"), [(DAYS[1], DAYS[0]), (DAYS[2], DAYS[1])])
def test_the_parts_add_up_to_the_change(place: Path, customer: str, day: str, before: str) -> None:
    risk = risk_of(place, customer, day)
    then, now = row_at(place, customer, before), row_at(place, customer, day)
    assert then.churn_probability is not None
    assert now.churn_probability is not None
    assert (risk.before, risk.after) == (pytest.approx(then.churn_probability), pytest.approx(now.churn_probability))
    parts = risk.model + risk.unmoved + sum(each.probability for each in risk.moved)
    assert parts == pytest.approx(now.churn_probability - then.churn_probability, abs=1e-9)
    logs = risk.model_log_odds + risk.unmoved_log_odds + sum(each.log_odds for each in risk.moved)
    assert logs == pytest.approx(odds(now.churn_probability) - odds(then.churn_probability), abs=1e-6)
    assert risk.models == (then.model_version, now.model_version)


def test_one_model_leaves_nothing_to_the_model(place: Path) -> None:
    risk = risk_of(place, STAYS, DAYS[1])
    assert risk.model == risk.model_log_odds == 0
    moved = {each.feature: (each.before, each.after) for each in risk.moved}
    assert moved["rfm_recency_days"] == (40.0, 60.0)
    assert moved["nps_score_last"] == (9.0, 3.0)
    assert "profile_country" not in moved


def test_the_part_of_a_changed_model_is_what_it_says_otherwise_of_the_same_features(place: Path) -> None:
    risk, home = risk_of(place, BUYS, DAYS[2]), Home(place)
    features = kept_features(home, row_at(place, BUYS, DAYS[1]))
    assert features is not None
    old, new = (bundle_of(home, model) for model in risk.models)
    assert old is not None
    assert new is not None
    chances = [each.predict(each.matrix(features)).churn_probability[0] for each in (old, new)]
    assert risk.model == pytest.approx(chances[1] - chances[0], abs=1e-9)
    assert abs(risk.model) > 0.001


def test_windows_of_one_feature_tell_one_story(place: Path) -> None:
    names = [each.feature.rsplit("_", 1)[0] for each in risk_of(place, BUYS, DAYS[1]).moved]
    assert len(names) == len(set(names))


def test_since_an_earlier_day(place: Path) -> None:
    found = changed(place, STAYS, DAYS[2], at(DAYS[1]))
    assert found.since == at(DAYS[0])
    assert found.risk is not None
    assert found.risk.before == pytest.approx(row_at(place, STAYS, DAYS[0]).churn_probability)


def test_the_first_scoring_has_changed_nothing(place: Path) -> None:
    row = row_at(place, STAYS, DAYS[0])
    with store_of(place) as store:
        assert changed_of(store, Home(place), row) is None
        assert store.before(row.model_copy(update={"customer_id": "nobody"})) is None


def test_the_score_by_indicator(place: Path) -> None:
    score = changed(place, STAYS, DAYS[1]).score
    assert score is not None
    then, now = row_at(place, STAYS, DAYS[0]), row_at(place, STAYS, DAYS[1])
    assert (score.before, score.after) == (then.composite_score, now.composite_score)
    steps = sum((after or 0) - (before or 0) for before, after in score.indicators.values())
    assert steps == pytest.approx(score.after - score.before, abs=1e-6)
    assert set(score.indicators) == {part.indicator for part in now.points}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_adds_up(place: Path, lang: str) -> None:
    """From the digits on the page alone: each is rounded, so the last one may differ."""
    with store_of(place) as store:
        text = said(known_of(store, BUYS, Home(place)), lang)
    head = re.search(r"(?:went from|流失风险从)\s?([\d.]+)%\s?(?:to|变为)\s?([\d.]+)%", text)
    assert head is not None, text
    lines = text[head.end() :].splitlines()[1:]
    parts = []
    for line in lines:
        if not line.startswith("• ") or not (found := re.search(r"[:：] ?([+−]\d+\.\d)$", line)):
            break
        parts.append(float(found[1].replace("−", "-")))
    assert len(parts) > 2
    assert sum(parts) == pytest.approx(float(head[2]) - float(head[1]), abs=0.05 * (len(parts) + 2))
    families = re.search(r"(?:average customer's|从平均客户的)\s?([\d.]+)%.*?([\d.]+)%.*\n(.*)", text)
    assert families is not None
    sums = [float(each.replace("−", "-")) for each in re.findall(r"[+−]\d+\.\d", families[3])]
    assert sum(sums) == pytest.approx(float(families[2]) - float(families[1]), abs=0.05 * (len(sums) + 3))


def test_the_page_in_words(place: Path) -> None:
    with store_of(place) as store:
        known = known_of(store, STAYS, Home(place))
    text, chinese = said(known), said(known, "zh")
    assert known.changed is not None
    assert known.changed.risk is not None
    old, new = known.changed.risk.models
    assert "Since 2026-07-21 the risk went from" in text
    assert f"• another model ({old} → {new}): " in text
    assert "last purchase 80 days ago (was 60): " in text
    assert "Why this worth:" in text
    assert "the worth) [" in text
    assert "最近一次购买在80天前（此前为60）：" in chinese
    assert "价值原因：" in chinese
    assert "更换了模型" in chinese


def test_machines_get_the_same(place: Path) -> None:
    with store_of(place) as store:
        known = known_of(store, STAYS, Home(place))
        bare = known_of(store, STAYS)
    told = known.data()
    assert known.changed is not None
    assert told["changed"]["since"] == "2026-07-21T00:00:00+00:00"
    assert told["changed"]["risk"]["moved"][0]["feature"] == known.changed.risk.moved[0].feature  # type: ignore[union-attr]
    families = told["drivers"]["families"]
    row = row_at(place, STAYS, DAYS[2])
    assert told["drivers"]["average"] + sum(families.values()) == pytest.approx(row.churn_probability)
    assert (bare.drivers, bare.changed, bare.data()["drivers"], bare.data()["changed"]) == (None, None, None, None)


@pytest.mark.parametrize(("gone", "why", "words"), [
    ("scorings/2026-07-21T000000Z.*", NO_FEATURES, "无法说明原因：两次评分中有一次的特征未保留"),
    ("bundles/small", NO_BUNDLE, "无法说明原因：两个模型中有一个已不存在"),
])  # fmt: skip
def test_what_is_gone_is_said(place: Path, tmp_path: Path, gone: str, why: str, words: str) -> None:
    home = Path(shutil.copytree(place, tmp_path / "home"))
    for path in home.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    risk = risk_of(home, STAYS, DAYS[2])
    assert (risk.why_not, risk.moved) == (why, ())
    with store_of(home) as store:
        known = known_of(store, STAYS, Home(home))
    assert f"• {why}" in said(known)
    assert f"• {words}" in said(known, "zh")


def test_features_that_were_not_known_then(place: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(place, tmp_path / "home"))
    (file,) = home.glob("scorings/2026-07-21*")
    pl.read_parquet(file).drop("nps_score_last").write_parquet(file)
    assert risk_of(home, STAYS, DAYS[2]).why_not == OTHER_FEATURES


def test_of_a_scoring_without_features_nothing_is_worked_out(place: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(place, tmp_path / "home"))
    shutil.rmtree(home / "scorings")
    assert drivers_of(Home(home), row_at(home, STAYS, DAYS[2])) is None


def test_changed_rules_are_named(place: Path, tmp_path: Path) -> None:
    """Two rows of the store that differ in the rules and in one indicator."""
    now = row_at(place, STAYS, DAYS[1])
    part = now.points[0]
    lower = part.model_copy(update={"points": part.points - 4.0})
    assert now.composite_score is not None
    old = {"as_of": at(DAYS[0]), "rules_version": "2025.1+old", "churn_probability": None,
           "points": [lower, *now.points[1:]], "composite_score": now.composite_score - 4.0}  # fmt: skip
    rows = [now.model_copy(update=old).model_dump(), now.model_dump()]
    with open_store(tmp_path / "home" / "remora.db") as store:
        store.save(pl.DataFrame(rows, schema=SCHEMA))
        known = known_of(store, STAYS, Home(tmp_path / "home"))
    assert known.changed is not None
    assert known.changed.risk is None
    text = said(known)
    assert f"• the rules changed (2025.1+old → {now.rules_version})" in text
    label = PACK.composite.indicators[part.indicator].label.en
    assert f"• {label}: +4.0 ({lower.points:.1f} → {part.points:.1f})" in text


def test_where_nothing_moved_one_line_says_so(place: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(place, tmp_path / "home"))
    row = row_at(home, STAYS, DAYS[2])
    later = at("2026-08-11")
    (file,) = home.glob("scorings/2026-08-10*")
    shutil.copy(file, file.with_name(file.name.replace("2026-08-10", "2026-08-11")))
    with store_of(home) as store:
        store.save(pl.DataFrame([row.model_copy(update={"as_of": later}).model_dump()], schema=SCHEMA))
        text = said(known_of(store, STAYS, Home(home)))
    assert f"Since 2026-08-10 the risk has stayed at {row.churn_probability:.1%}." in text
    assert "composite score: unchanged since 2026-08-10" in text
