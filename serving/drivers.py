"""What drives the current prediction of one customer, worked out anew from the features of its scoring."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from features.catalog import family_label
from features.language import Lang, translator
from models.bundle import Bundle, BundleError
from models.contributions import by_family, chances
from models.explain import churn_contributions, usual_of, value_reasons
from models.manifest import read_manifest
from models.prediction import Prediction, Reason
from models.telling import Of, Usual, reason_text
from serving.home import Home
from serving.scorings import features_of

LEAST = 0.0005
"""Differences of probability below which nothing is told: they would read as 0.0 points."""


@dataclass(frozen=True)
class Drivers:
    """`usual`: feature → what is normal for this customer. `worth`: the reasons of the expected value.

    `families`: family → what it adds to the probability of an `average` customer, which gives the customer's own;
    both are None where no risk is told.
    """

    usual: Mapping[str, Usual]
    worth: Sequence[Reason]
    average: float | None = None
    families: Mapping[str, float] | None = None

    def data(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "average": self.average,
            "families": dict(self.families) if self.families is not None else None,
            "worth": [reason.model_dump() for reason in self.worth],
            "usual": {name: asdict(usual) for name, usual in self.usual.items()},
        }


def drivers_of(home: Home, row: Prediction) -> Drivers | None:
    """Of the scoring that `row` comes from; None where its features or its bundle are not kept."""
    bundle, kept = bundle_of(home, row.model_version), kept_features(home, row)
    if bundle is None or kept is None:
        return None
    matrix = bundle.matrix(kept)
    usual, worth = (
        usual_of(bundle, matrix),
        value_reasons(bundle, matrix, threads=1)[0] if bundle.manifest.value else [],
    )
    if row.churn_probability is None:
        return Drivers(usual, worth)
    risk = chances(churn_contributions(bundle, matrix, threads=1))
    families = {family: float(parts[0]) for family, parts in by_family(risk).items()}
    return Drivers(usual, worth, float(risk.base[0]), families)


def kept_features(home: Home, row: Prediction) -> pl.DataFrame | None:
    """The features that `row` was predicted from, one row; None where they are not kept."""
    return features_of(home.scorings, row.customer_id, row.as_of, row.model_version)


def bundle_of(home: Home, model: str) -> Bundle | None:
    """The promoted bundle of that id; None where it is gone, or of a layout that is no longer read."""
    for folder in (home.bundles / model, *sorted(home.bundles.glob("*"))):
        try:
            if read_manifest(folder).id == model:
                return Bundle.load(folder)
        except (BundleError, NotADirectoryError):
            continue
    return None


def family_lines(drivers: Drivers | None, lang: Lang) -> Iterator[str]:
    """From the average customer's risk to this one's, a family each."""
    if drivers is None or drivers.average is None or drivers.families is None:
        return
    _ = translator(lang).gettext
    yield _("From an average customer's {average} to this one's {own}, in points:").format(
        average=f"{drivers.average:.1%}", own=f"{drivers.average + sum(drivers.families.values()):.1%}"
    )
    told = sorted(drivers.families.items(), key=lambda each: -abs(each[1]))
    parts = (f"{family_label(family, lang)} {points(part)}" for family, part in told if abs(part) >= LEAST)
    yield "  " + " · ".join(parts)


def worth_lines(drivers: Drivers | None, lang: Lang) -> Iterator[str]:
    """Why the customer is worth what is expected."""
    if drivers is None or not drivers.worth:
        return
    yield translator(lang).gettext("Why this worth:")
    for reason in drivers.worth:
        text = in_language(reason, lang, drivers.usual, "worth")
        yield f"  • {text} [{reason.size:.0%}]"


def in_language(reason: Reason, lang: Lang, usual: Mapping[str, Usual], of: Of = "risk") -> str:
    """A reason of the models in `lang`; in English as it was told, with what was normal then."""
    return reason.text if lang == "en" else reason_text(reason, lang, usual.get(reason.feature), of)


def points(difference: float) -> str:
    """A difference of probabilities in percentage points, with its sign.

    >>> points(0.0942), points(-0.02)
    ('+9.4', '−2.0')
    """
    return f"{100 * difference:+.1f}".replace("-", "−")
