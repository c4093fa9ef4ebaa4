"""Why a customer's composite score is what it is: points won and lost, in plain words."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.prediction import Points, Reason
from models.rules.composite import weights_by_profile
from models.rules.fitted import FittedComposite
from models.rules.pack import Lang, RulePack
from models.rules.schema.composite import Indicator

SENTENCE = {
    ("en", "raises"): "weak on {what} ({value}): {points:.1f} of {most:.1f} points",
    ("en", "lowers"): "strong on {what} ({value}): {points:.1f} of {most:.1f} points",
    ("zh", "raises"): "{what}偏弱（{value}）：满分 {most:.1f} 分，得 {points:.1f} 分",
    ("zh", "lowers"): "{what}良好（{value}）：满分 {most:.1f} 分，得 {points:.1f} 分",
}
SHOWN = {"money": "{:,.0f}", "count": "{:,.0f}", "percent": "{:.0%}", "number": "{:,.4g}", "days": "{:,.0f} "}
DAYS = {"en": "days", "zh": "天"}

Floats = NDArray[np.float64]


def rule_reasons(
    scored: pl.DataFrame, fitted: FittedComposite, pack: RulePack, lang: Lang = "en", top: int = 3
) -> list[list[Reason]]:
    """The `top` reasons of each row of `composite_score`'s result, largest first.

    An indicator below half of its points raises the risk by the points lost, another lowers it by the points won;
    size is the share of these points in the sum over the row's known indicators. What is not known is no reason.
    """
    most, names = _most(scored, fitted, pack), [*weights_by_profile(fitted, pack)[None]]
    points, values = (_matrix(scored, kind, names) for kind in ("points", "value"))
    size, lost = _sizes(points, values, most)
    order = np.argsort(-size, axis=1, kind="stable")[:, :top]
    tellers = [_teller(name, fitted, pack, lang) for name in names]
    picked = (np.take_along_axis(part, order, axis=1).tolist() for part in (size, lost, points, values, most))
    return [
        [tellers[column](*told) for column, *told in zip(*row, strict=True) if told[0] > 0]
        for row in zip(order.tolist(), *picked, strict=True)
    ]


def _most(scored: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> Floats:
    """Rows × indicators: the most points that each can earn under the row's profile."""
    weights = weights_by_profile(fitted, pack)
    place = {profile: number for number, profile in enumerate(weights)}
    table = np.array([[100 * weight for weight in each.values()] for each in weights.values()])
    return table[[place[profile] for profile in scored["profile"]]]


def rule_reason_text(reason: Reason, points: Sequence[Points], pack: RulePack, lang: Lang) -> str:
    """A reason of `rule_reasons` as kept in a row, told again in `lang` from the row's `points`."""
    part = next((part for part in points if part.feature == reason.feature), None)
    if part is None or part.value is None or part.indicator not in pack.composite.indicators:
        return reason.text
    return _sentence(
        pack.composite.indicators[part.indicator], reason.direction, part.points, part.weight, part.value, lang
    )


def shown_value(value: float, indicator: Indicator, lang: Lang) -> str:
    """An indicator's value as people read it, with its unit."""
    return SHOWN[indicator.shown_as].format(value) + (DAYS[lang] if indicator.shown_as == "days" else "")


def _sentence(indicator: Indicator, direction: str, points: float, most: float, value: float, lang: Lang) -> str:
    told = {"what": indicator.label.text(lang), "value": shown_value(value, indicator, lang)}
    return SENTENCE[lang, direction].format(points=points, most=most, **told)


def _teller(
    name: str, fitted: FittedComposite, pack: RulePack, lang: Lang
) -> Callable[[float, bool, float, float, float], Reason]:
    indicator, feature = pack.composite.indicators[name], fitted.indicators[name].feature

    def say(size: float, lost: bool, points: float, value: float, most: float) -> Reason:
        direction = "raises" if lost else "lowers"
        text = _sentence(indicator, direction, points, most, value, lang)
        return Reason(feature=feature, direction=direction, size=size, value=value, text=text)

    return say


def _matrix(scored: pl.DataFrame, kind: str, names: Sequence[str]) -> Floats:
    """Rows × indicators; null is NaN."""
    columns = [scored[f"{kind}_{name}"].to_numpy().astype(np.float64) for name in names]
    return np.column_stack(columns) if columns else np.empty((scored.height, 0))


def _sizes(points: Floats, values: Floats, most: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Each indicator's share of the points lost or won (0 where unknown), and whether it lost them."""
    lost = points < most / 2
    amount = np.where(np.isnan(values), 0.0, np.where(lost, most - points, points))
    total = amount.sum(axis=1, keepdims=True)
    return np.divide(amount, total, out=np.zeros_like(amount), where=total > 0), lost
