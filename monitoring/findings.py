"""What a readiness report says: plain, frozen, and the same after a trip through JSON."""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.suspects import Mark

Part = Literal["training", "calibration", "test", "training and test", "left out"]

Use = Literal["propose", "declared", "excluded", "leave out", "used by the labels' date"]


class Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Impossible(Finding):
    """Rows whose values cannot be: `what` names the columns and the rule that is broken."""

    what: str
    rows: int


class TableFinding(Finding):
    """One table. Shares are of rows, 0 to 1; None where the table has nothing that could tell."""

    table: str
    origin: str
    rows: int
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    customers: int = 0
    missing: dict[str, FiniteFloat] = {}
    without_customer: int = 0
    duplicate_rows: int = 0
    key: tuple[str, ...] = ()
    duplicate_keys: int | None = None
    future: int = 0
    strangers: int | None = None
    before_sign_up: int | None = None
    late_share: FiniteFloat | None = None
    impossible: tuple[Impossible, ...] = ()
    stopped: str | None = None
    ignored: tuple[str, ...] = ()
    trouble: str | None = None


class ColumnFinding(Finding):
    """One descriptive column of `customers`. `auc`: how well it alone tells churners apart, 0.5 to 1."""

    column: str
    known: int
    distinct: int
    auc: FiniteFloat | None = None
    marks: tuple[Mark, ...] = ()
    why: str = ""
    use: Use = "leave out"


class ProfileFinding(Finding):
    """`static` and `exclude` are the proposed settings; `auc_note` says which labels the AUC rests on, or why none."""

    columns: tuple[ColumnFinding, ...] = ()
    static: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    auc_note: str = ""


class CutoffFinding(Finding):
    """Who is at stake at one cut-off, and how many of them leave."""

    as_of: dt.datetime
    at_stake: int
    churners: int
    part: Part


class Outlook(Finding):
    """Whether there is enough to learn from. `obstacles` is empty exactly when training would start."""

    possible: tuple[str, ...] = ()
    definition: str | None = None
    horizon_days: int | None = None
    history_days: int | None = None
    value_source: str | None = None
    value_horizon_days: int | None = None
    later_period: bool = False
    cutoffs: tuple[CutoffFinding, ...] = ()
    training_churners: int | None = None
    needed_churners: int = 0
    warnings: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


class Readiness(Finding):
    """The whole report. `errors` are data to correct first; `obstacles` adds what else keeps training from starting."""

    place: str
    checked_at: dt.datetime
    as_of: dt.datetime | None
    as_of_reason: str
    tables: tuple[TableFinding, ...]
    absent: tuple[str, ...]
    customers: int
    currencies: tuple[str, ...] = ()
    profile: ProfileFinding | None = None
    outlook: Outlook
    errors: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Everything that keeps training from starting."""
        return tuple(dict.fromkeys((*self.errors, *self.outlook.obstacles)))

    @property
    def ready(self) -> bool:
        """Whether training would start."""
        return not self.obstacles

    @property
    def rules_work(self) -> bool:
        """Whether customers can be scored by the rules, which need no model."""
        return self.customers > 0
