"""The line of the customer's page on how the risk runs over time."""

from collections.abc import Iterator

from features.language import Lang, translator
from models.churn_curve import restricted_days
from models.prediction import Prediction
from serving.terminal import percent


def curve_lines(row: Prediction, lang: Lang) -> Iterator[str]:
    """The churn curve and the days to expect; nothing where none is known, or where it says no more than the risk.

    Where churning is leaving the curve rises with the days; where it is silence it falls, and a flat one is neither.
    """
    curve = row.churn_curve or []
    if row.expected_days is None or not curve or curve[0].probability == curve[-1].probability:
        return
    _ = translator(lang).gettext
    rising = curve[-1].probability > curve[0].probability
    by_days = _(", ").join(
        _("{days} days {risk}").format(days=point.days, risk=percent(point.probability)) for point in curve
    )
    told = (
        _("Left by: {by_days}; expected to stay {expected} of the next {days} days")
        if rising
        else _("Still silent after: {by_days}; expected to be silent for {expected} of the next {days} days")
    )
    days = restricted_days([point.days for point in curve])
    yield told.format(by_days=by_days, expected=f"{row.expected_days:.0f}", days=days)
