"""A fitted model with everything that is known about it."""

from dataclasses import dataclass, field

from models.bundle import Bundle
from training.curve_report import CurveReport
from training.fit import Fits
from training.gate import Evidence, GateDecision
from training.ladder import Rung
from training.profit import ProfitReport
from training.refit import Refit
from training.reports import ChurnReport, ValueReport
from training.snapshots import Snapshots
from training.targets import Targets
from training.tune import Tuning


@dataclass(frozen=True)
class Candidate:
    """What a training hands over; `bundle` lies in a folder of its own.

    `churn` and `value` are what was measured on the test rows, `fits` how the models came about, `evidence` what the
    gate decided by.
    """

    as_of: int
    targets: Targets
    snapshots: Snapshots
    rung: Rung
    fits: Fits
    bundle: Bundle
    churn: ChurnReport
    value: ValueReport | None
    evidence: Evidence
    decision: GateDecision
    training_rows: int
    training_churners: int
    importance: dict[str, dict[str, float]]
    profit: ProfitReport | None = None
    refit: Refit | None = None
    tuned: dict[str, int | float] = field(default_factory=dict)
    curve: CurveReport | None = None
    tuning: Tuning | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """How the models were chosen, name → sentence."""
        told = {"rung": self.rung.why}
        if self.refit:
            told["refit"] = self.refit.why
        if self.curve:
            told["curve"] = self.curve.why
        if self.tuned:
            told["parameters"] = ", ".join(f"{name} = {value:g}" for name, value in self.tuned.items())
        return told
