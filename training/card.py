"""The model card: what a candidate is, for what it may be used, how good it is, and how it came about; in Markdown.

Without `created_at` and `provenance` the text depends on data and settings alone, so a bundle may hold it and still
come out the same on another day, machine or commit; the run's own card has both.

Reference: Mitchell et al. 2019, Model cards for model reporting, FAT*.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from features.clock import moment
from features.settings import Settings
from models.manifest import ChurnPart
from training.bootstrap import LEVEL, Interval
from training.fairness import Group
from training.printout import CHURN_ROWS, UNKNOWN, VALUE_ROWS
from training.repeat import Provenance
from training.reports import NOT_LATER, ChurnReport, ChurnScore, ValueReport, ValueScore

if TYPE_CHECKING:
    from training.candidate import Candidate

Lines = Iterator[str]
Score = ChurnScore | ValueScore

SHOWN_FEATURES = 10

MEANS = {
    "no_purchase": "at stake: bought in the {active} days before the date; churned: buys nothing in the {horizon} days "
    "from it",
    "cancelled": "at stake: a subscription runs on the date; churned: none runs {horizon} days later, nor in {grace} "
    "days more",
    "inactive": "at stake: used the product in the {active} days before; churned: does not use it in the {horizon} "
    "days from it",
    "labelled": "as the company's own table `labels` says, over {horizon} days",
}

USES = (
    "To rank customers by risk and by value at risk, and to decide whom to contact first.",
    "For customers of the kind, and dates of the season and market, that it was tested on.",
)
NOT_USES = (
    "Not to refuse a customer credit, cover, price or service, or to decide on a person without a person.",
    "Not as an effect: a high risk does not say that contact helps; treated customers are flagged, not corrected for.",
    "Not for dates before the training's, and not when `remora monitor` says that retraining is due.",
)


def card(
    candidate: "Candidate",
    settings: Settings,
    created_at: dt.datetime | None = None,
    provenance: Provenance | None = None,
    chosen: Mapping[str, str] | None = None,
    groups: Sequence[Group] = (),
) -> str:
    """The card of `candidate`. `chosen`: how it was chosen beyond what the bundle says, name → words.

    `groups`: the levels of `[fairness] columns` as they were judged.
    """
    sections = {
        "What it is": _what(candidate, settings, created_at),
        "Data": _data(candidate, provenance),
        "Intended use": _bullets(USES),
        "Not intended": _bullets(NOT_USES),
        "Churn": _churn(candidate.churn),
        "Value": _value(candidate.value),
        "Calibration": _calibration(candidate.churn),
        "Slices": _slices(candidate.churn, groups),
        "How it was chosen": _chosen(candidate, chosen or {}),
        "Limits": _bullets(_limits(candidate)),
        "Reproduce": _reproduce(provenance),
    }
    told = [f"## {heading}\n\n" + "\n".join(lines) for heading, lines in sections.items()]
    return "\n\n".join([f"# Churn and value as of {_day(candidate.as_of, settings)}", *told]) + "\n"


def _what(candidate: "Candidate", settings: Settings, created_at: dt.datetime | None) -> Lines:
    manifest = candidate.bundle.manifest
    part = manifest.churn
    yield f"- Predicts: probability of churn within {part.horizon_days} days ({part.definition}: {_meaning(part)})"
    if manifest.value:
        value = manifest.value
        yield f"- Predicts: {value.measure} of {value.source} over {value.horizon_days} days, with its 80 % range"
    cutoffs = ", ".join(_day(cutoff, settings) for cutoff in candidate.targets.churn.training)
    yield f"- Learnt at: {cutoffs}; tested at: {_day(candidate.targets.churn.test, settings)}"
    yield f"- Features: {len(candidate.snapshots.columns)} used, {len(candidate.snapshots.left_out)} left out"
    passed = "passed" if candidate.decision.passed else "refused: " + "; ".join(candidate.decision.refusals)
    yield f"- Gate: {passed}"
    if created_at:
        yield f"- Bundle: {candidate.bundle.id}, made {created_at:%Y-%m-%d %H:%M} UTC"


def _meaning(part: ChurnPart) -> str:
    numbers = {"active": part.active_within_days, "horizon": part.horizon_days, "grace": part.grace_days}
    return MEANS[part.definition].format(**numbers)


def _data(candidate: "Candidate", provenance: Provenance | None) -> Lines:
    rows, churners = candidate.training_rows, candidate.training_churners
    share = f"{churners:,} churned ({churners / rows:.1%})"
    yield f"{rows:,} rows train, of which {share}; a row is a customer at a cut-off."
    if provenance:
        yield ""
        cells = [
            (name, f"{found['rows']:,}", _date(found["first"]), _date(found["last"]), str(found["hash"]))
            for name, found in provenance.data.items()
        ]
        yield from _table(("table", "rows", "first", "last", "fingerprint"), cells)


def _churn(report: ChurnReport) -> Lines:
    who = f"{report.churners:,} churners among {report.rows:,} rows of {report.customers:,} customers"
    yield f"{who}. {_tested(report)}"
    yield ""
    yield from _scores(report.model, report.baselines, CHURN_ROWS)


def _value(report: ValueReport | None) -> Lines:
    if report is None:
        yield "No value data: value is not predicted."
        return
    yield f"{report.rows:,} rows of {report.customers:,} customers. {_tested(report)}"
    yield ""
    names = {metric: (name.format(unit=_unit(report)), digits) for metric, (name, digits) in VALUE_ROWS.items()}
    yield from _scores(report.model, report.baselines, names)
    yield ""
    cells = [(str(row.decile), f"{row.mean_predicted:,.2f}", f"{row.mean_actual:,.2f}") for row in report.deciles]
    yield from _table(("decile (1 = highest)", "mean predicted", "mean actual"), cells)
    if report.covered:
        yield from ("", *_range(report, report.covered))


def _range(report: ValueReport, covered: Interval) -> Lines:
    """Does the 80 % range hold? By decile of prediction."""
    yield f"Realised values inside the 80 % range: {_interval(covered)}; aim {_plain(report.coverage_aim)}."
    yield "The aim is what a perfect range would hold: over 80 % where many bring nothing, as nobody brings less."
    yield ""
    cells = [
        (str(row.decile), f"{row.coverage:.3f}", f"{row.aim:.3f}", f"{row.above:.3f}", f"{row.mean_width:,.2f}")
        for row in report.coverage
    ]
    yield from _table(("decile (1 = highest)", "inside", "aim", "above", "mean width"), cells)


def _scores(
    model: Score, baselines: Mapping[str, ChurnScore] | Mapping[str, ValueScore], names: Mapping[str, tuple[str, int]]
) -> Lines:
    scores: dict[str, Score] = {"model": model, **baselines}
    cells = [
        (name, *(_measured(score, metric, digits) for score in scores.values()))
        for metric, (name, digits) in names.items()
    ]
    yield from _table(("metric", *scores), cells)
    yield ""
    yield f"In brackets: the {LEVEL:.0%} interval, drawn by customer."


def _measured(score: Score, metric: str, digits: int) -> str:
    found = score.intervals.get(metric, getattr(score, metric))
    if isinstance(found, Interval):
        return _interval(found, digits)
    return _plain(found, digits)


def _plain(found: float | None, digits: int = 3) -> str:
    return UNKNOWN if found is None else f"{found:,.{digits}f}"


def _interval(found: Interval, digits: int = 3) -> str:
    if found.estimate is None:
        return UNKNOWN
    if found.low is None or found.high is None:
        return f"{found.estimate:,.{digits}f} (unknown)"
    return f"{found.estimate:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def _calibration(report: ChurnReport) -> Lines:
    yield "Tenths of the test rows by predicted probability; the same as a picture: `plots/reliability.png`."
    yield ""
    cells = [(f"{row.rows:,}", f"{row.mean_predicted:.1%}", f"{row.observed:.1%}") for row in report.reliability]
    yield from _table(("rows", "predicted", "churned"), cells)


def _slices(report: ChurnReport, groups: Sequence[Group]) -> Lines:
    headings = ("rows", "churners", "ROC AUC", "calibration error")
    by_kind = [
        (part.name, f"{part.rows:,}", f"{part.churners:,}", _interval(part.roc_auc), _interval(part.calibration_error))
        for part in report.four_way
    ]
    by_date = [
        (f"{part.as_of}", f"{part.rows:,}", f"{part.churners:,}", _interval(part.roc_auc),
         _interval(part.calibration_error))
        for part in report.by_cutoff
    ]  # fmt: skip
    tables = {"customers and period": by_kind, "test cut-off": by_date}
    for name, cells in tables.items():
        if cells:
            yield from (*_table((name, *headings), cells), "")
    if groups:
        yield from (*_groups(groups), "")
    if not (groups or any(tables.values())):
        yield "None were judged."


def _groups(groups: Sequence[Group]) -> Lines:
    cells = [
        (f"{group.column}: {group.level}", f"{group.rows:,}", f"{group.churners:,}",
         UNKNOWN if group.roc_auc is None else f"{group.roc_auc:.3f}",
         UNKNOWN if group.auc_gap is None else _interval(group.auc_gap))
        for group in groups
    ]  # fmt: skip
    yield from _table(("group", "rows", "churners", "ROC AUC", "above the others"), cells)


def _chosen(candidate: "Candidate", chosen: Mapping[str, str]) -> Lines:
    manifest = candidate.bundle.manifest
    mixture = manifest.churn.mixture
    told = {"kind": f"{mixture.kind} (trees {mixture.trees_weight:.0%})", "why": mixture.why}
    told["calibration"] = manifest.churn.calibration.method
    if manifest.value:
        told["value"] = f"{manifest.value.mixture.kind}: {manifest.value.mixture.why}".removesuffix(": ")
    yield from (f"- {name}: {words}" for name, words in {**told, **chosen}.items() if words)
    gains = list(candidate.importance.get("churn", {}).items())[:SHOWN_FEATURES]
    yield f"- reads most: {', '.join(f'{name} ({share:.0%})' for name, share in gains)}"


def _limits(candidate: "Candidate") -> Lines:
    if candidate.churn.split == NOT_LATER:
        yield "Not tested on a later period: how it does next season is not known."
    else:
        yield "Tested on what came later once: one period says little about another season."
    yield "Levels move with the season: a probability is right on average over the periods it was calibrated on."
    error = candidate.churn.model.calibration_error
    if error is not None:
        yield f"On the test rows probabilities were off by {100 * error:.1f} percentage points on average."
    yield from candidate.targets.warnings
    yield from candidate.decision.notes
    yield from (f"Left out: `{name}`: {why}" for name, why in candidate.snapshots.left_out.items())


def _reproduce(provenance: Provenance | None) -> Lines:
    yield "`remora train --like RUN_ID` with the run that holds this bundle repeats it and says what differs."
    if provenance:
        changed = " with uncommitted changes" if provenance.changed else ""
        yield ""
        yield f"- commit: {provenance.commit}{changed}"
        yield f"- seed: {provenance.seed}"
        yield f"- packages: {', '.join(f'{name} {number}' for name, number in provenance.versions.items())}"
        tuned = ", ".join(f"{name} = {value:g}" for name, value in provenance.tuned.items())
        yield f"- tuned parameters: {tuned or 'none, the defaults'}"


def _tested(report: ChurnReport | ValueReport) -> str:
    return f"Test rows: {report.split}" + (f" ({report.split_reason})." if report.split_reason else ".")


def _unit(report: ValueReport) -> str:
    return f", {report.unit}" if report.unit else ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    yield _row(headings)
    yield "|" + "---|" * len(headings)
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _bullets(sentences: Sequence[str] | Lines) -> Lines:
    yield from (f"- {sentence}" for sentence in sentences)


def _date(micros: object) -> str:
    return f"{moment(micros):%Y-%m-%d}" if isinstance(micros, int) else UNKNOWN


def _day(cutoff: int, settings: Settings) -> str:
    return f"{moment(cutoff).astimezone(settings.company.zone):%Y-%m-%d}"
