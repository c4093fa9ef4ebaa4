"""The rule pack: the sections of `pack.toml` together, and how to load it."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from features.errors import RemoraError, raise_all
from models.rules.checks import cross_checks
from models.rules.schema.composite import Composite, Method, RiskBand
from models.rules.schema.curves import CrossSell, ValueCurve
from models.rules.schema.entries import Lang, Part, Text
from models.rules.schema.health import Alerts, Deadlines, Feedback, Health
from models.rules.schema.leads import Leads
from models.rules.schema.playbooks import Playbooks, StageActions
from models.rules.schema.review import Review
from models.rules.schema.segments import Segments, Strategies

__all__ = ["DEFAULT_PACK", "Lang", "Method", "PackError", "RulePack", "load_pack"]

DEFAULT_PACK = Path(__file__).with_name("pack.toml")


class PackError(RemoraError):
    """The rule pack breaks its schema; each problem names the path inside the file."""


class RulePack(Part):
    """Every number of the documented rules."""

    format: Literal[1]
    version: Text
    composite: Composite
    risk_bands: dict[str, RiskBand] = Field(min_length=1)
    health: Health
    alerts: Alerts
    feedback: Feedback
    deadlines: Deadlines
    segments: Segments
    strategies: Strategies
    leads: Leads
    value_curve: ValueCurve
    cross_sell: CrossSell
    stage_actions: StageActions
    playbooks: Playbooks
    review: Review

    @property
    def rules_version(self) -> str:
        """The pack's version and a hash of its content (comments and layout do not count): "2026.1+ab12cd34"."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def using(self, method: Method) -> "RulePack":
        """The same pack scored by the other `method`."""
        return self.model_copy(update={"composite": self.composite.model_copy(update={"method": method})})


def load_pack(path: Path | None = None) -> RulePack:
    """Read and check the pack at `path` (default: the one that ships with Remora).

    Raises PackError with all problems at once, each naming the path inside the file.
    """
    file = path or DEFAULT_PACK
    place = str(path) if path else file.name
    raw = _read(file, place)
    problems = [*cross_checks(raw)]
    try:
        pack = RulePack.model_validate(raw)
    except ValidationError as error:
        told = tuple(problem.partition(":")[0] for problem in problems)  # once is enough
        problems = [*(_problem(each) for each in error.errors() if _path(each) not in told), *problems]
    raise_all(PackError, [f"{place}: {problem}" for problem in problems])
    return pack


def _read(file: Path, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{place}: cannot be read ({error.strerror}); name an existing rule pack") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise PackError(f"{place}: not valid TOML: {error}") from None


def _problem(error: Any) -> str:
    message = error["msg"].removeprefix("Value error, ")
    plain = {"extra_forbidden": "unknown key; remove or correct it", "missing": "missing; add it"}
    return f"{_path(error)}: {plain.get(error['type'], message)}"


def _path(error: Any) -> str:
    return ".".join(map(str, error["loc"]))
