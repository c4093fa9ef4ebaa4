"""Stage actions and playbooks (RULES §6) in the pack."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, model_validator

from models.rules.schema.entries import Label, Part, Sourced, Text

Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Family = Literal["rfm", "usage", "nps", "support", "engagement", "subscription", "profile"]


class Term(Sourced):
    """Hours on the clock or calendar days: one of them."""

    hours: Positive | None = None
    days: Positive | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.hours is None) == (self.days is None):
            raise ValueError("give either hours or days")
        return self


class Action(Sourced):
    """A key action of a stage: due `within` a time of what begins it, or again `every` so often."""

    action: Label
    output: Label
    owner: Label
    due: Label
    within: Term | None = None
    every: Term | None = None


class Stage(Part):
    """A stage, class or event: `segment` is the one it is for ("scheme:segment"), if it is for one."""

    label: Label
    goal: Label
    segment: Text | None = None
    actions: dict[str, Action] = Field(min_length=1)


class StageActions(Part):
    """RULES §6."""

    stages: dict[str, Stage]


class Role(Sourced):
    """Who acts: where documents differ, the higher rank owns."""

    label: Label
    rank: Annotated[float, Field(strict=True, ge=0)]


class Cadence(Sourced):
    """How often."""

    label: Label
    days: Positive


class When(Part):
    """What must hold for a playbook, all of it: the alerts, the segments ("scheme:segment"), tier, band of the model's
    risk, family of reason.
    """  # fmt: skip

    alert: tuple[Text, ...] = ()
    segment: tuple[Text, ...] = ()
    tier: Text | None = None
    risk_band: Text | None = None
    reason_family: Family | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.alert or self.segment or self.tier or self.risk_band or self.reason_family):
            raise ValueError("give at least one of alert, segment, tier, risk_band, reason_family")
        return self


class Playbook(Sourced):
    """What to do, who, how often, by when: without a first deadline that of its alert counts.

    `keeps_owner`: a higher role of the tier does not take over.
    """

    when: When
    label: Label
    owner: Text
    cadence: Text | None = None
    first_deadline: Term | None = None
    measures: Label
    keeps_owner: StrictBool = False

    @model_validator(mode="after")
    def _has_deadline(self) -> Self:
        if self.first_deadline is None and not self.when.alert:
            raise ValueError("first_deadline: missing; only a row for an alert may leave it out")
        return self


class Fallback(Sourced):
    """The playbook where no row holds."""

    label: Label
    owner: Text
    cadence: Text
    first_deadline: Term
    measures: Label
    because: Label


class Playbooks(Part):
    """The ordered table: the first row that holds is recommended."""

    reason_families: dict[Family, Label]
    alert_reason: Label
    reason_reason: Label
    risk_reason: Label
    tier_reason: Label
    joined_by: Label
    described: Label
    roles: dict[str, Role]
    cadences: dict[str, Cadence]
    rows: dict[str, Playbook] = Field(min_length=1)
    otherwise: Fallback
    nothing_known: Fallback

    @model_validator(mode="after")
    def _references(self) -> Self:
        if problems := [*self._unknown(), *self._never_reached()]:
            raise ValueError("; ".join(problems))
        return self

    def _unknown(self) -> Iterator[str]:
        entries = {"otherwise": self.otherwise, "nothing_known": self.nothing_known}
        rows: dict[str, Playbook | Fallback] = {**{f"rows.{key}": row for key, row in self.rows.items()}, **entries}
        for path, row in rows.items():
            if row.owner not in self.roles:
                yield f"{path}.owner: no role {row.owner!r}; use one of {', '.join(self.roles)}"
            if row.cadence is not None and row.cadence not in self.cadences:
                yield f"{path}.cadence: no cadence {row.cadence!r}; use one of {', '.join(self.cadences)}"
        if taken := {"otherwise", "nothing_known"} & set(self.rows):
            yield f"rows: {', '.join(sorted(taken))} cannot be the key of a row; rename it"

    def _never_reached(self) -> Iterator[str]:
        """A row that an earlier, wider row always takes."""
        earlier: list[tuple[str, frozenset[Any]]] = []
        for key, row in self.rows.items():
            asked = _asked(row.when)
            if above := next((name for name, wider in earlier if wider <= asked), None):
                yield f"rows.{key}: never reached, rows.{above} comes first; move it up"
            earlier.append((key, asked))


def _asked(when: When) -> frozenset[tuple[str, str]]:
    pairs = [("alert", key) for key in when.alert] + [("segment", key) for key in when.segment]
    pairs += [("tier", when.tier)] if when.tier else []
    pairs += [("risk_band", when.risk_band)] if when.risk_band else []
    pairs += [("reason_family", when.reason_family)] if when.reason_family else []
    return frozenset(pairs)


def reference_problems(raw: dict[str, Any]) -> Iterator[str]:
    """Segments, tiers and alerts that these sections name but the parsed pack does not have."""
    schemes = _table(raw, "segments", "schemes")
    segments = {f"{scheme}:{name}" for scheme in schemes for name in _table(schemes, scheme, "segments")}
    tiers, alerts = _table(raw, "composite", "tiers"), _table(raw, "alerts", "rules")
    for path, key in _named_segments(raw):
        if key not in segments:
            yield f"{path}: {key!r} is not a segment; name one of segments.schemes"
    for key, row in _table(raw, "playbooks", "rows").items():
        tier = _table(row, "when").get("tier")
        if tier is not None and tier not in tiers:
            yield f"playbooks.rows.{key}.when.tier: {tier!r} is not a tier; use one of {', '.join(tiers)}"
        band, bands = _table(row, "when").get("risk_band"), _table(raw, "risk_bands")
        if band is not None and band not in bands:
            yield f"playbooks.rows.{key}.when.risk_band: {band!r} is not a band; use one of {', '.join(bands)}"
        for alert in _list(_table(row, "when"), "alert"):
            if alert not in alerts:
                yield f"playbooks.rows.{key}.when.alert: {alert!r} is not an alert; use one of {', '.join(alerts)}"


def _named_segments(raw: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, row in _table(raw, "playbooks", "rows").items():
        yield from ((f"playbooks.rows.{key}.when.segment", name) for name in _list(_table(row, "when"), "segment"))
    for key, stage in _table(raw, "stage_actions", "stages").items():
        if isinstance(stage, dict) and "segment" in stage:
            yield f"stage_actions.stages.{key}.segment", stage["segment"]
    for part in ("rows", "company"):
        for key, row in _table(raw, "strategies", part).items():
            for field in ("segments", "unless"):
                yield from ((f"strategies.{part}.{key}.{field}", name) for name in _list(row, field))


def _table(raw: Any, *path: str) -> dict[str, Any]:
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any, key: str) -> list[Any]:
    found = raw.get(key) if isinstance(raw, dict) else None
    return found if isinstance(found, list) else []
