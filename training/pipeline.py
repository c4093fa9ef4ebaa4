"""Training as a story: snapshots → fit → evaluate → refit → gate → a candidate, ready to be registered."""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from threadpoolctl import threadpool_limits

from features.at_stake import TABLE_OF
from features.build import beginnings, build, steady
from features.clock import DAY, MONTH_DAYS
from features.engines import Source
from features.given import columns_of
from features.point_in_time import known_before
from features.settings import Settings
from models.action import is_priced
from models.bundle import Bundle, write_bundle
from models.rules import FittedComposite, RulePack, fit_composite, load_pack
from models.rules.apply import FittedRules
from training import assembly
from training.candidate import Candidate
from training.card import card
from training.churn_choice import Tuned
from training.churn_curve import FittedCurve, fit_curve
from training.evidence import bounds, earlier_cutoffs, gather
from training.fit import Fits, Horizons, fit, fit_design, refitted, training_counts, with_rounds
from training.gate import TooFewChurners, decide, require_both, require_churners
from training.importance import importance
from training.judging import at_stake, judge_churn, judge_profit, judge_value
from training.labels import window_days
from training.ladder import Rung, rung
from training.refit import Refit, all_closed, as_served, older, widened
from training.refit import decide as decide_refit
from training.rules import fit_rules
from training.snapshots import Snapshots, fit_population, take
from training.split import Plan
from training.targets import Targets, targets
from training.tune import Tuning, tune
from training.value_choice import SimpleForecast

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """What every step of one training reads: the tables until its date, settings, targets and rows."""

    past: Source
    as_of: int
    settings: Settings
    aims: Targets
    rung: Rung
    snapshots: Snapshots
    horizons: Horizons
    progress: Progress
    refit: bool = True


def train(
    source: Source,
    as_of: int,
    settings: Settings,
    created_at: dt.datetime,
    folder: Path | None = None,
    progress: Progress = lambda step: None,
    *,
    champion: Path | None = None,
    tuned: Tuned | None = None,
    tune_minutes: float | None = None,
    refit: bool = True,
) -> Candidate:
    """Train churn and value as of `as_of` (microseconds): nothing later is read. The bundle lands below `folder`.

    `champion`: the folder of the bundle in service, to compare with. `tuned`: parameters of the trees instead of the
    defaults; `tune_minutes`: a budget to search for them. Without `refit` the model that was judged is the one to
    serve: whether a newer one would be better, up to a third of the time, is not asked. Raises TooFewChurners before
    anything is fitted, SplitError and LabelError where data and settings do not fit, ActionError where an action has
    half a price.
    """
    is_priced(settings.action)
    run = replace(_prepared(source.until(as_of), as_of, settings, progress), refit=refit)
    with threadpool_limits(1, user_api="blas"):  # products this small wait for other threads longer than they compute
        tuning = _tuning(run, tune_minutes)
        return _trained(run, tuning, tuned, folder or Path(tempfile.mkdtemp(prefix="remora-")), created_at, champion)


def _trained(
    run: Run, tuning: Tuning | None, given: Tuned | None, place: Path, created_at: dt.datetime, champion: Path | None
) -> Candidate:
    """Fit, judge, decide; then write the bundle with what was found out about it."""
    tuned = _parameters(run, tuning.parameters if tuning else given)
    run.progress("fit")
    fits = fit(run.snapshots, run.aims, run.horizons, run.rung.kind == "trees", tuned, _simple_forecast(run))
    fits = replace(fits, curve=_curve(run, fits, tuned))
    packer = _packer(run, place, created_at)
    run.progress("evaluate")
    candidate = _judged(run, packer, packer.write("draft", fits), fits, tuned, champion)
    run.progress("refit")
    refit, served = _refit(run, fits, tuned)
    candidate = replace(candidate, refit=refit, tuning=tuning, tuned=dict(tuned))
    metrics = {
        "importance": candidate.importance,
        "roc_auc": candidate.churn.model.roc_auc.model_dump(),
        "refit": refit.refit,
        "learnt_until": _learnt_until(run, refit),
    }
    told = card(candidate, run.settings, chosen=candidate.chosen, groups=candidate.evidence.groups)
    return replace(candidate, bundle=packer.write("bundle", served, metrics, told))


def horizons_of(aims: Targets, settings: Settings) -> Horizons:
    """Days of the windows; labels of one's own close after the churn horizon."""
    window = window_days(aims.definition, settings.churn) or settings.churn.horizon_days
    return Horizons(window, settings.churn.horizon_days, settings.value_horizon_days)


def _prepared(past: Source, as_of: int, settings: Settings, progress: Progress) -> Run:
    """Targets, the rung that they can carry, and the rows at every cut-off."""
    progress("labels")
    aims = targets(past, as_of, settings)
    step = _rung(aims, settings)
    fitted = fit_population(past, aims.churn.calibration, aims.definition, settings)
    snapshots = take(past, aims, fitted, settings, lambda step: progress(f"features {step}"))
    return Run(past, as_of, settings, aims, step, snapshots, horizons_of(aims, settings), progress)


def _rung(aims: Targets, settings: Settings) -> Rung:
    """How much model the training rows can carry; raises TooFewChurners where that is none."""
    churners, stayers, customers = training_counts(aims.outcomes, aims.churn)
    require_churners(churners, settings.gate.min_churners)
    require_both(churners, stayers)
    found = rung(churners, stayers, customers, settings.gate.min_churners)
    if found.kind == "rules":
        raise TooFewChurners(f"refused: {found.why}; check the [churn] definition, or lower [gate] min_churners")
    return found


def _tuning(run: Run, minutes: float | None) -> Tuning | None:
    """A search for parameters of the trees, where there is a budget for one."""
    if minutes is None:
        return None
    return tune(
        run.snapshots, run.aims.churn, run.horizons.window, run.settings.home, minutes=minutes,
        progress=lambda trial: run.progress(f"tune {trial}"),
    )  # fmt: skip


def _parameters(run: Run, tuned: Tuned | None) -> Tuned:
    """Parameters of the trees that are not the defaults; with `[trees] early_stopping` their number too."""
    if not run.settings.trees.early_stopping or "rounds" in (tuned or {}):
        return dict(tuned or {})
    design = fit_design(run.snapshots, run.aims.churn, run.aims.churn.calibration, run.horizons)
    return with_rounds(run.snapshots, run.aims.churn, design, tuned)


def _curve(run: Run, fits: Fits, tuned: Tuned) -> FittedCurve:
    """One model for all horizons, where the definition allows and it is not surely worse than models of their own."""
    run.progress("curve")
    rows, aims = run.snapshots.rows.filter(pl.col("at_stake")), run.aims
    return fit_curve(
        run.past.tables, rows, aims.churn, run.horizons.window, fits.design, aims.definition, run.settings.churn,
        run.rung.kind == "trees", tuned,
    )  # fmt: skip


@dataclass(frozen=True)
class Packer:
    """Everything that goes into a bundle beside the models."""

    run: Run
    place: Path
    created_at: dt.datetime
    pack: RulePack
    composite: FittedComposite
    learnt: FittedRules
    reference: pl.DataFrame

    def write(self, name: str, fits: Fits, metrics: dict[str, object] | None = None, card: str = "") -> Bundle:
        """The bundle of `fits`, in the folder `name`."""
        run = self.run
        tables = run.past.tables
        known = {"begins": beginnings(known_before(tables, run.as_of)), "columns": columns_of(tables)}
        parts = assembly.parts(run.as_of, run.aims, run.snapshots, fits, self.learnt, known, run.settings)
        files = assembly.files(fits, self.reference, run.settings, self.created_at)
        return write_bundle(self.place / name, parts.model_copy(update={"metrics": metrics or {}}), card=card, **files)


def _packer(run: Run, place: Path, created_at: dt.datetime) -> Packer:
    """Learn the rules on everyone known today."""
    run.progress("rules")
    tables, settings, snapshots = run.past.tables, run.settings, run.snapshots
    pack = load_pack(settings.rules.pack)
    composite = fit_composite(_population(snapshots, run.aims.churn), pack, settings.company.currency)
    today = steady(build(tables, run.as_of, snapshots.fitted))
    learnt = fit_rules(tables, today, run.as_of, pack, settings, snapshots.fitted, composite)
    reference = assembly.reference(today, run.past, run.as_of, snapshots, run.aims, settings)
    return Packer(run, place, created_at, pack, composite, learnt, reference)


def _judged(run: Run, packer: Packer, draft: Bundle, fits: Fits, tuned: Tuned, champion: Path | None) -> Candidate:
    """The draft on the test rows, beside the baselines; its recipe at earlier cut-offs; and the gate's word."""
    snapshots, aims, settings = run.snapshots, run.aims, run.settings
    members, zone = fits.churn.members, settings.company.zone
    churn = judge_churn(draft, snapshots, aims, members, packer.composite, packer.pack, zone)
    value = judge_value(draft, snapshots, aims, run.past.tables, settings)
    procedure = as_served(snapshots, aims, run.horizons, fits.churn.recipe, tuned)
    earlier = earlier_cutoffs(snapshots, aims, run.horizons.window, procedure, settings)
    evidence = gather(churn, draft, run.past, snapshots, aims, settings, earlier, champion)
    training = at_stake(snapshots, aims.churn).training
    return Candidate(
        as_of=run.as_of,
        targets=aims,
        snapshots=snapshots,
        rung=run.rung,
        fits=fits,
        bundle=draft,
        churn=churn,
        value=value,
        evidence=evidence,
        decision=decide(evidence, bounds(settings)),
        training_rows=training.height,
        training_churners=int(training["churned"].sum()),
        importance=importance(draft),
        profit=judge_profit(draft, snapshots, aims, settings),
        curve=fits.curve.report if fits.curve else None,
    )


def _refit(run: Run, fits: Fits, tuned: Tuned) -> tuple[Refit, Fits]:
    """Whether the churn model is fitted again on every closed window, and what is served: the same, or the refit."""
    plan, every, aims = run.aims.churn, run.settings.snapshots.every_days, run.aims
    if not run.refit:
        return Refit(refit=False, why="not refitted: it was not asked whether that would be better"), fits
    if aims.definition == "labelled" or not plan.later_period:
        return Refit(refit=False, why="not refitted: no newer window has closed since"), fits
    table = TABLE_OF[aims.definition]
    begins = beginnings({table: run.past.tables[table]})[table]
    wide = widened(run.snapshots, run.past, aims, older(plan, run.horizons.window, every, begins), run.settings)
    procedure = as_served(wide, aims, run.horizons, fits.churn.recipe, tuned)
    found = decide_refit(wide.rows.filter(pl.col("at_stake")), plan, run.horizons.window, procedure)
    if not found.refit:
        return found, fits
    closed = all_closed(plan, every)
    newer = widened(run.snapshots, run.past, aims, closed.training, run.settings)
    return found, refitted(fits, newer, replace(aims, churn=closed), tuned)


def _learnt_until(run: Run, refit: Refit) -> int:
    """The latest moment (µs) whose outcomes the churn model has learnt from, the calibration included."""
    plan = run.aims.churn
    return (plan.test if refit.refit else plan.calibration) + run.horizons.window * DAY


def _simple_forecast(run: Run) -> SimpleForecast | None:
    """The column that counts the same money as value does, undiscounted; None where none does.

    Of all revenue from transactions it is what the rhythm of purchases expects, of subscriptions what is paid now.
    """
    value, days = run.settings.value, run.horizons.value
    if value.annual_discount_rate:
        return None
    if run.aims.value_source == "subscriptions":
        return SimpleForecast("subscription_amount", days / MONTH_DAYS)
    revenue = run.aims.value_source == "transactions" and value.measure == "revenue"
    return SimpleForecast("rhythm_value") if revenue else None


def _population(snapshots: Snapshots, plan: Plan) -> pl.DataFrame:
    """Everyone known at the latest training cut-off: what the composite score is fitted on."""
    return snapshots.rows.filter(pl.col("as_of") == plan.calibration)
