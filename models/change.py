"""Why a prediction changed between two scorings: exact parts by feature, and of a changed model.

With the models f (then) and g (now) and the features x (then) and y (now), g(y) − f(x) is told in two steps: the model
changed, g(x) − f(x), and the features moved, g(y) − g(x), which the contributions of g split by feature.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.contributions import Contributions, Float64, Scale, slope_between

Places = NDArray[np.intp]
"""Numbers of columns."""


@dataclass(frozen=True)
class Change:
    """Of n customers, all on one scale: after − before = model + moved.sum(axis=1), but for rounding.

    `before` (n,) is what the model of then said, `model` (n,) what the model of now says otherwise of the features of
    then, `moved` (n, f) what each feature adds by having moved since.
    """

    names: tuple[str, ...]
    before: Float64
    model: Float64
    moved: Float64

    @classmethod
    def between(cls, before: Float64, then: Contributions, now: Contributions) -> Self:
        """From what was said `before`, and what one model, that of now, makes of the features of then and of now.

        Where the model stayed the same, `before` is then.total. Raises ValueError when `then` and `now` are not of one
        model.
        """
        if then.names != now.names or not np.allclose(then.base, now.base, rtol=0, atol=1e-9):
            raise ValueError("then and now must be contributions to one model")
        return cls(now.names, before, then.total - before, now.parts - then.parts)

    @property
    def after(self) -> Float64:
        """(n,) what the model of now says of the features of now."""
        return np.asarray(self.before + self.model + self.moved.sum(axis=1))

    def on(self, scale: Scale) -> "Change":
        """The same on another scale: each of the two steps has its own difference there, the second split as it was."""
        middle = self.before + self.model
        factor = slope_between(middle, self.after, scale)
        before = scale(self.before)
        return replace(self, before=before, model=scale(middle) - before, moved=self.moved * factor[:, None])

    def stories(self, groups: NDArray[np.intp], told: NDArray[np.bool_], row: int = 0) -> list[Places]:
        """Of one row: the `told` columns of each group, which tell one story; the larger story, and column, first.

        `groups` (f,): a number for each column.
        """
        parts = self.moved[row]
        own = [np.flatnonzero((groups == group) & told) for group in np.unique(groups[told])]
        each = [places[np.argsort(-np.abs(parts[places]), kind="stable")] for places in own]
        return sorted(each, key=lambda places: -abs(float(parts[places].sum())))
