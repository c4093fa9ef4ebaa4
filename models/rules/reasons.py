"""Why a customer's composite score is what it is: points won and lost, in plain words."""

from collections.abc import Mapping, Sequence
from string import Formatter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.prediction import REASON, Points, Reason
from models.rules.composite import weights_by_profile
from models.rules.fitted import FittedComposite
from models.rules.pack import Lang, RulePack
from models.rules.schema.composite import Indicator

SENTENCE = {
    ("en", "raises"): "weak on {what} ({value}): {points} of {most} points",
    ("en", "lowers"): "strong on {what} ({value}): {points} of {most} points",
    ("zh", "raises"): "{what}偏弱（{value}）：满分 {most} 分，得 {points} 分",
    ("zh", "lowers"): "{what}良好（{value}）：满分 {most} 分，得 {points} 分",
}
DAYS = {"en": " days", "zh": "天"}

AT_ONCE = 100_000
"""Rows whose sentences are made together: it bounds the memory."""

REASON_FIELDS = [field.name for field in REASON.fields]

Floats = NDArray[np.float64]


def rule_reasons(
    scored: pl.DataFrame, fitted: FittedComposite, pack: RulePack, lang: Lang = "en", top: int = 3
) -> pl.Series:
    """The `top` reasons of each row of `composite_score`'s result, largest first: List of `prediction.REASON`.

    An indicator below half of its points raises the risk by the points lost, another lowers it by the points won;
    size is the share of these points in the sum over the row's known indicators. What is not known is no reason.
    """
    names = [*weights_by_profile(fitted, pack)[None]]
    if not names or scored.is_empty():
        return pl.Series("reasons", [[]] * scored.height, pl.List(REASON))
    parts = (_reasons(part, names, fitted, pack, lang, top) for part in scored.iter_slices(AT_ONCE))
    return pl.concat(parts).alias("reasons")


def _reasons(
    scored: pl.DataFrame, names: Sequence[str], fitted: FittedComposite, pack: RulePack, lang: Lang, top: int
) -> pl.Series:
    most = _most(scored, fitted, pack)
    points, values = (_matrix(scored, kind, names) for kind in ("points", "value"))
    size, lost = _sizes(points, values, most)
    order = np.argsort(-size, axis=1, kind="stable")[:, :top]
    picked = {"size": size, "lost": lost, "points": points, "value": values, "most": most}
    columns = {key: np.take_along_axis(part, order, axis=1).ravel() for key, part in picked.items()}
    long = pl.DataFrame({"place": order.ravel(), **columns}, nan_to_null=True).with_row_index("row")
    parts = [_told(long, place, name, fitted, pack, lang) for place, name in enumerate(names)]
    told = pl.concat(parts).sort("row").select(pl.when(pl.col("size") > 0).then(pl.struct(REASON_FIELDS)))
    return told.to_series().reshape((scored.height, order.shape[1])).arr.to_list().list.drop_nulls()


def rule_reason_text(reason: Reason, points: Sequence[Points], pack: RulePack, lang: Lang) -> str:
    """A reason of `rule_reasons` as kept in a row, told again in `lang` from the row's `points`."""
    part = next((part for part in points if part.feature == reason.feature), None)
    if part is None or part.value is None or part.indicator not in pack.composite.indicators:
        return reason.text
    indicator, numbers = pack.composite.indicators[part.indicator], (part.value, part.points, part.weight)
    return str(pl.select(_sentence(indicator, reason.direction, lang, *map(pl.lit, numbers))).item())


def shown_value(value: float, indicator: Indicator, lang: Lang) -> str:
    """An indicator's value as people read it, with its unit."""
    return str(pl.select(shown(pl.lit(value), indicator.shown_as, lang)).item())


def shown(value: pl.Expr, kind: str, lang: Lang) -> pl.Expr:
    """A number as people read it: money, count and days without decimals, percent, or four digits.

    >>> pl.select(shown(pl.lit(-1234567.8), "money", "en")).item()
    '-1,234,568'
    """
    if kind == "percent":
        return pl.concat_str(_whole(value * 100), pl.lit("%"))
    if kind == "number":
        short = value.round_sig_figs(4).cast(pl.String).str.strip_suffix(".0")
        return pl.when(value.abs() < 10_000).then(short).otherwise(_whole(value))
    return pl.concat_str(_whole(value), pl.lit(DAYS[lang] if kind == "days" else ""))


def _whole(value: pl.Expr) -> pl.Expr:
    """Rounded, with a comma between thousands."""
    rounded = value.round(0, mode="half_to_even").cast(pl.Int64)
    digits = rounded.abs().cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "${1},")
    sign = pl.when(rounded < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, digits.str.strip_suffix(",").str.reverse())


def _told(
    long: pl.DataFrame, place: int, name: str, fitted: FittedComposite, pack: RulePack, lang: Lang
) -> pl.DataFrame:
    """The rows of one indicator with the fields of REASON; each by itself, or each row would try every sentence."""
    indicator, numbers = pack.composite.indicators[name], [pl.col(name) for name in ("value", "points", "most")]
    rows = long.filter(pl.col("place") == place)
    parts = [
        rows.filter(pl.col("lost") == (direction == "raises")).select(
            "row", "size", "value", feature=pl.lit(fitted.indicators[name].feature), direction=pl.lit(direction),
            text=_sentence(indicator, direction, lang, *numbers), level=pl.lit(None, pl.String),
        )
        for direction in ("raises", "lowers")
    ]  # fmt: skip
    return pl.concat(parts)


def _sentence(
    indicator: Indicator, direction: str, lang: Lang, value: pl.Expr, points: pl.Expr, most: pl.Expr
) -> pl.Expr:
    parts: Mapping[str, pl.Expr] = {
        "what": pl.lit(indicator.label.text(lang)),
        "value": shown(value, indicator.shown_as, lang),
        "points": points.round(1, mode="half_to_even").cast(pl.String),
        "most": most.round(1, mode="half_to_even").cast(pl.String),
    }
    cut = Formatter().parse(SENTENCE[lang, direction])
    return pl.concat_str(each for plain, name, *_ in cut for each in (pl.lit(plain), *([parts[name]] if name else [])))


def _most(scored: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> Floats:
    """Rows × indicators: the most points that each can earn under the row's profile."""
    weights = weights_by_profile(fitted, pack)
    table: Floats = np.array([[100 * weight for weight in each.values()] for each in weights.values()])
    places = {profile: number for number, profile in enumerate(weights) if profile is not None}
    at = scored["profile"].replace_strict(places, default=[*weights].index(None), return_dtype=pl.Int64)
    return np.asarray(table[at.to_numpy()])


def _matrix(scored: pl.DataFrame, kind: str, names: Sequence[str]) -> Floats:
    """Rows × indicators; null is NaN."""
    return scored.select(pl.col(f"{kind}_{name}").cast(pl.Float64) for name in names).to_numpy()


def _sizes(points: Floats, values: Floats, most: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Each indicator's share of the points lost or won (0 where unknown), and whether it lost them."""
    lost = points < most / 2
    amount = np.where(np.isnan(values), 0.0, np.where(lost, most - points, points))
    total = amount.sum(axis=1, keepdims=True)
    return np.divide(amount, total, out=np.zeros_like(amount), where=total > 0), lost
