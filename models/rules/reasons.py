"""Why a customer's composite score is what it is: points won and lost, in plain words."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.prediction import Reason
from models.rules.composite import weights
from models.rules.fitted import FittedComposite
from models.rules.pack import Lang, RulePack

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
    most = {name: 100 * weight for name, weight in weights(fitted, pack).items()}
    points, values = (_matrix(scored, kind, most) for kind in ("points", "value"))
    size, lost = _sizes(points, values, np.array(list(most.values())))
    order = np.argsort(-size, axis=1, kind="stable")[:, :top]
    tellers = [_teller(name, most[name], fitted, pack, lang) for name in most]
    picked = (np.take_along_axis(part, order, axis=1).tolist() for part in (size, lost, points, values))
    return [
        [tellers[column](*told) for column, *told in zip(*row, strict=True) if told[0] > 0]
        for row in zip(order.tolist(), *picked, strict=True)
    ]


def _teller(
    name: str, most: float, fitted: FittedComposite, pack: RulePack, lang: Lang
) -> Callable[[float, bool, float, float], Reason]:
    indicator, feature = pack.composite.indicators[name], fitted.indicators[name].feature
    what, shown = indicator.label.text(lang), SHOWN[indicator.shown_as]
    unit = DAYS[lang] if indicator.shown_as == "days" else ""

    def say(size: float, lost: bool, points: float, value: float) -> Reason:
        direction = "raises" if lost else "lowers"
        told = {"what": what, "value": shown.format(value) + unit, "points": points, "most": most}
        return Reason(
            feature=feature, direction=direction, size=size, value=value, text=SENTENCE[lang, direction].format(**told)
        )

    return say


def _matrix(scored: pl.DataFrame, kind: str, names: dict[str, float]) -> Floats:
    """Rows × indicators; null is NaN."""
    columns = [scored[f"{kind}_{name}"].to_numpy().astype(np.float64) for name in names]
    return np.column_stack(columns) if columns else np.empty((scored.height, 0))


def _sizes(points: Floats, values: Floats, most: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Each indicator's share of the points lost or won (0 where unknown), and whether it lost them."""
    lost = points < most / 2
    amount = np.where(np.isnan(values), 0.0, np.where(lost, most - points, points))
    total = amount.sum(axis=1, keepdims=True)
    return np.divide(amount, total, out=np.zeros_like(amount), where=total > 0), lost
