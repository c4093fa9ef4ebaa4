"""Why a customer's risk and score changed since an earlier scoring: read from both, told in words."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from features import catalog
from features.language import N_, Lang, translator
from models.bundle import Bundle, BundleError
from models.calibration import sigmoid
from models.change import Change
from models.explain import churn_contributions, values_of, window_groups
from models.prediction import Prediction
from models.rules.pack import RulePack
from models.telling import Cell
from serving.drivers import LEAST, bundle_of, kept_features, points
from serving.home import Home
from serving.store import Store

MOST = 5
"""Features, and indicators, that are told one by one."""

NO_FEATURES = N_("why cannot be told: the features of one of the two scorings are not kept")
NO_BUNDLE = N_("why cannot be told: one of the two models is no longer there")
OTHER_FEATURES = N_("why cannot be told: today's model asks for features that were not known then")


@dataclass(frozen=True)
class Moved:
    """A feature that moved and what that added: to the probability, and to the log-odds."""

    feature: str
    before: Cell
    after: Cell
    probability: float
    log_odds: float


@dataclass(frozen=True)
class RiskChange:
    """after − before = model + the moved ones' + unmoved, of probabilities and, where it says so, of log-odds.

    `model`: what the new model says otherwise of the old features (0 where it is the same); `unmoved`: what features
    that stayed as they were add by standing beside others. Where `why_not` is set, the parts are empty.
    """

    before: float
    after: float
    models: tuple[str, str]
    model: float = 0.0
    model_log_odds: float = 0.0
    moved: tuple[Moved, ...] = ()
    unmoved: float = 0.0
    unmoved_log_odds: float = 0.0
    why_not: str | None = None


@dataclass(frozen=True)
class ScoreChange:
    """The composite score before and after, and the points of each indicator; None: it was not asked then, or now."""

    before: float
    after: float
    rules: tuple[str, str]
    indicators: Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Changed:
    """Since when, and what changed; a part is None where it was not known at both dates."""

    since: dt.datetime
    risk: RiskChange | None
    score: ScoreChange | None

    def data(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self) | {"since": self.since.isoformat()}


def changed_of(store: Store, home: Home, row: Prediction, day: dt.datetime | None = None) -> Changed | None:
    """Since the latest scoring before `day` (default: before that of `row`); None where there is none."""
    then = store.before(row, day)
    return Changed(then.as_of, _risk(home, then, row), _score(then, row)) if then else None


def changed_lines(changed: Changed | None, pack: RulePack, lang: Lang, zone: dt.tzinfo) -> Iterator[str]:
    """What changed and by how much, the largest part first."""
    if changed is None:
        return
    date = f"{changed.since.astimezone(zone):%Y-%m-%d}"
    if changed.risk is not None:
        yield from _risk_lines(changed.risk, date, lang)
    if changed.score is not None:
        yield from _score_lines(changed.score, date, pack, lang)


def _risk(home: Home, then: Prediction, now: Prediction) -> RiskChange | None:
    if then.churn_probability is None or now.churn_probability is None:
        return None
    untold = RiskChange(then.churn_probability, now.churn_probability, (then.model_version, now.model_version))
    old, new = (bundle_of(home, model) for model in untold.models)
    before, after = kept_features(home, then), kept_features(home, now)
    if old is None or new is None:
        return replace(untold, why_not=NO_BUNDLE)
    if before is None or after is None:
        return replace(untold, why_not=NO_FEATURES)
    try:
        return _told(old, new, before, after)
    except BundleError:  # a column that the new model takes was not among those of then
        return replace(untold, why_not=OTHER_FEATURES)


def _told(old: Bundle, new: Bundle, before: pl.DataFrame, after: pl.DataFrame) -> RiskChange:
    """The change in two steps: what the new model says otherwise of the old features, and how the features moved."""
    x, y = new.matrix(before), new.matrix(after)
    said = churn_contributions(old, old.matrix(before), threads=1).total
    odds = Change.between(said, churn_contributions(new, x, threads=1), churn_contributions(new, y, threads=1))
    chance = odds.on(sigmoid)
    then, now = values_of(new, x), values_of(new, y)
    moved = np.array([then[name] != now[name] for name in odds.names])
    stories = odds.stories(window_groups(odds.names), moved)
    return RiskChange(
        float(chance.before[0]), float(chance.after[0]), (old.id, new.id),
        model=float(chance.model[0]),
        model_log_odds=float(odds.model[0]),
        moved=tuple(
            Moved(name, then[name], now[name], *(float(each.moved[0, places].sum()) for each in (chance, odds)))
            for places in stories
            if (name := odds.names[places[0]])
        ),
        unmoved=float(chance.moved[0, ~moved].sum()),
        unmoved_log_odds=float(odds.moved[0, ~moved].sum()),
    )  # fmt: skip


def _score(then: Prediction, now: Prediction) -> ScoreChange | None:
    if then.composite_score is None or now.composite_score is None:
        return None
    before, after = ({part.indicator: part.points for part in row.points} for row in (then, now))
    names = [*after, *(name for name in before if name not in after)]
    indicators = {name: (before.get(name), after.get(name)) for name in names}
    return ScoreChange(then.composite_score, now.composite_score, (then.rules_version, now.rules_version), indicators)


def _risk_lines(risk: RiskChange, date: str, lang: Lang) -> Iterator[str]:
    _ = translator(lang).gettext
    numbers = {"date": date, "before": f"{risk.before:.1%}", "after": f"{risk.after:.1%}"}
    if risk.why_not is None and not any(abs(part) >= LEAST for part in _parts(risk)):
        yield _("Since {date} the risk has stayed at {after}.").format(**numbers)
        return
    yield _("Since {date} the risk went from {before} to {after}, in points:").format(**numbers)
    if risk.why_not is not None:
        yield f"  • {_(risk.why_not)}"
        return
    if risk.models[0] != risk.models[1]:
        told = _("another model ({before} → {after})").format(before=risk.models[0], after=risk.models[1])
        yield _bullet(told, points(risk.model), lang)
    shown = [each for each in risk.moved[:MOST] if abs(each.probability) >= LEAST]
    for each in shown:
        yield _bullet(catalog.moved(each.feature, each.before, each.after, lang), points(each.probability), lang)
    yield from _rests(risk, risk.moved[len(shown) :], lang)


def _rests(risk: RiskChange, others: Sequence[Moved], lang: Lang) -> Iterator[str]:
    """What is left, so that the parts on the page add up."""
    _, rest = translator(lang).gettext, sum(each.probability for each in others)
    if abs(rest) >= LEAST:
        yield _bullet(_("all other changes"), points(rest), lang)
    if abs(risk.unmoved) >= LEAST:
        yield _bullet(_("what stayed as it was, but counts otherwise beside the rest"), points(risk.unmoved), lang)


def _parts(risk: RiskChange) -> list[float]:
    return [risk.model, risk.unmoved, *(each.probability for each in risk.moved)]


def _score_lines(score: ScoreChange, date: str, pack: RulePack, lang: Lang) -> Iterator[str]:
    _, label = translator(lang).gettext, pack.composite.label.text(lang)
    numbers = {"label": label, "date": date, "before": f"{score.before:.1f}", "after": f"{score.after:.1f}"}
    steps = {name: (after or 0.0) - (before or 0.0) for name, (before, after) in score.indicators.items()}
    told = sorted(
        (name for name, step in steps.items() if abs(step) >= 100 * LEAST), key=lambda name: -abs(steps[name])
    )
    other = score.rules[0] != score.rules[1]
    if not told and not other:
        yield _("{label}: unchanged since {date}, {after}").format(**numbers)
        return
    yield _("{label}: {before} on {date}, {after} now, in points:").format(**numbers)
    if other:
        yield "  • " + _("the rules changed ({before} → {after})").format(before=score.rules[0], after=score.rules[1])
    for name in told[:MOST]:
        indicator = pack.composite.indicators.get(name)
        before, after = (f"{each or 0.0:.1f}" for each in score.indicators[name])
        what = indicator.label.text(lang) if indicator else name
        yield _bullet(what, f"{points(steps[name] / 100)} ({before} → {after})", lang)
    rest = sum(steps[name] for name in steps if name not in told[:MOST])
    if abs(rest) >= 100 * LEAST:
        yield _bullet(_("all other changes"), points(rest / 100), lang)


def _bullet(what: str, number: str, lang: Lang) -> str:
    return "  • " + translator(lang).gettext("{what}: {number}").format(what=what, number=number)
