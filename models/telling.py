"""A feature's part in a prediction as a sentence: its value, what is normal, and what it does; in either language."""

from dataclasses import dataclass
from typing import Literal

from features import catalog
from features.language import Lang, translator
from models.manifest import FeatureColumn
from models.prediction import Reason

Of = Literal["risk", "worth"]
"""What a reason is a reason for."""

Cell = float | str | None


@dataclass(frozen=True)
class Usual:
    """What is normal for a feature: the customer's own rhythm (`own`), or what most customers have."""

    value: float | str
    own: bool


def reason_text(reason: Reason, lang: Lang, usual: Usual | None = None, of: Of = "risk") -> str:
    """A reason of `reasons` as kept in a row, told again in `lang`; what is normal only where it is given."""
    found = reason.level if reason.level is not None else reason.value
    return told(reason.feature, found, usual, reason.direction, lang, of)


def told(feature: str, value: Cell, usual: Usual | None, direction: str, lang: Lang = "en", of: Of = "risk") -> str:
    """A feature, its value, what is normal, and what it does, as a whole sentence."""
    what = catalog.phrase(feature, value, lang)
    normal = catalog.usual(feature, usual.value, usual.own, lang) if usual else None
    if normal:
        what = translator(lang).gettext("{what}; {normal}").format(what=what, normal=normal)
    return directed(what, direction, lang, of)


def directed(what: str, direction: str, lang: Lang, of: Of = "risk") -> str:
    """What raises or lowers the risk or the worth, as a whole sentence."""
    _ = translator(lang).gettext
    sentences = {
        ("risk", "raises"): _("{what} (raises the risk)"),
        ("risk", "lowers"): _("{what} (lowers the risk)"),
        ("worth", "raises"): _("{what} (raises the worth)"),
        ("worth", "lowers"): _("{what} (lowers the worth)"),
    }
    return sentences[of, direction].format(what=what)


def plain(column: FeatureColumn, value: float) -> Cell:
    """What a matrix cell stands for: a number, the level of a category, or nothing known."""
    if value != value:  # NaN
        return None
    return column.levels[int(value)] if column.kind == "category" else value
