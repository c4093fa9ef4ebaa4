"""The record of trainings: the only file that imports MLflow. Sqlite and artifacts lie under REMORA_HOME."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from pydantic import ValidationError

from features.clock import moment, now
from features.engines import fingerprint
from features.errors import RemoraError
from features.point_in_time import Tables
from features.settings import Settings
from models.manifest import BundleError, read_manifest, verify_files
from training.artifacts import metrics, parameters, write_artifacts
from training.candidate import Candidate
from training.repeat import PROVENANCE, Provenance, RepeatError, provenance
from training.tune import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL, EXPERIMENT, CHAMPION = "remora", "remora", "champion"
PASSED, REFUSALS, BUNDLE_ID = "gate.passed", "gate.refusals", "bundle.id"
PARENT = "mlflow.parentRunId"

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
}


class RegistryError(RemoraError):
    """The record has no such version, or none at all."""


@dataclass(frozen=True)
class Version:
    """One registered version of the model `remora`."""

    number: str
    run_id: str
    bundle_id: str
    passed: bool
    refusals: tuple[str, ...]
    champion: bool = False


def record(
    candidate: Candidate,
    tables: Tables,
    settings: Settings,
    place: str = "",
) -> Version:
    """Log a training as one run (parameters, provenance, metrics, plots, bundle) and register its bundle.

    `place` is where the data came from (`Source.place`). The trials of a search for parameters become runs below it.
    """
    client = _client(settings.home)
    run = client.create_run(_experiment(client), run_name=candidate.bundle.id)
    run_id = run.info.run_id
    made = _provenance(candidate, tables, settings, place)
    _log(client, run_id, parameters(candidate, settings, made), metrics(candidate))
    with tempfile.TemporaryDirectory() as folder:
        write_artifacts(Path(folder), candidate, settings, made)
        client.log_artifacts(run_id, folder)
    for trial in candidate.tuning.trials if candidate.tuning else ():
        _log_trial(client, run_id, trial)
    client.set_terminated(run_id)
    return _register(client, run_id, candidate)


def like(home: Path, run_id: str) -> Provenance:
    """What a run rested on. Raises RegistryError where there is no such run, or it was made without a provenance."""
    from mlflow.exceptions import MlflowException

    client = _client(home)
    try:
        client.get_run(run_id)
    except MlflowException:
        runs = ", ".join(found.run_id for found in versions(home)) or "none"
        raise RegistryError(f"run {run_id}: not in the record; there are {runs}") from None
    with tempfile.TemporaryDirectory() as folder:
        if PROVENANCE not in {file.path for file in client.list_artifacts(run_id)}:
            raise RegistryError(f"run {run_id}: holds no {PROVENANCE}: no training, or one of an older Remora")
        text = Path(client.download_artifacts(run_id, PROVENANCE, folder)).read_text(encoding="utf-8")
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        raise RepeatError(f"run {run_id}: {PROVENANCE} is of another Remora: {error.errors()[0]['msg']}") from None


def versions(home: Path) -> list[Version]:
    """Every registered version, the newest first."""
    client = _client(home)
    champion = _champion(client)
    found = client.search_model_versions(f"name = '{MODEL}'")
    return sorted((_version(v, champion) for v in found), key=lambda v: -int(v.number))


def version(home: Path, number: str | None = None) -> Version:
    """The version `number`, or the newest. Raises RegistryError naming those there are."""
    known = versions(home)
    if not known:
        raise RegistryError("no version is registered; run `remora train DATA` first")
    if number is None:
        return known[0]
    for candidate in known:
        if candidate.number == number:
            return candidate
    raise RegistryError(f"version {number}: not registered; there are {', '.join(v.number for v in known)}")


def download(home: Path, chosen: Version, folder: Path) -> Path:
    """Copy the bundle of a version to `folder`/<its id>, if it is not there whole, and return where it lies."""
    target = folder / chosen.bundle_id
    if _whole(target):
        return target
    client = _client(home)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as beside:
        client.download_artifacts(chosen.run_id, "bundle", beside)
        with FileLock(folder / ".lock"):
            if not _whole(target):
                shutil.rmtree(target, ignore_errors=True)
                (Path(beside) / "bundle").rename(target)
    return target


def _whole(folder: Path) -> bool:
    """Whether every file of a bundle is what its manifest says."""
    try:
        verify_files(folder, read_manifest(folder))
    except BundleError:
        return False
    return True


def crown(home: Path, chosen: Version, reason: str | None) -> None:
    """Point the alias `champion` at a version; `reason` says why the gate's refusal was overruled."""
    client = _client(home)
    if reason:
        client.set_model_version_tag(MODEL, chosen.number, "promotion.forced", reason)
    client.set_registered_model_alias(MODEL, CHAMPION, chosen.number)


def _client(home: Path) -> "MlflowClient":
    """A client of the sqlite record, which is made once, under a lock: several processes on a fresh file brick it."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    from mlflow import MlflowClient

    home.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{home.resolve() / 'mlflow.db'}"
    with FileLock(home / "mlflow.lock"), quiet():
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        if not client.search_registered_models(f"name = '{MODEL}'"):
            client.create_registered_model(MODEL)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            client.create_experiment(EXPERIMENT, artifact_location=(home / "artifacts").resolve().as_uri())
    return client


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """MLflow's and Alembic's messages about making the database, held back."""
    import logging

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _log(client: "MlflowClient", run_id: str, parameters: dict[str, Any], metrics: dict[str, float]) -> None:
    from mlflow.entities import Metric, Param

    told = [Param(name, str(value)) for name, value in parameters.items()]
    when = int(now().timestamp() * 1000)
    client.log_batch(run_id, [Metric(name, number, when, 0) for name, number in metrics.items()], told)


def _experiment(client: "MlflowClient") -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    assert found is not None  # `_client` made it
    return str(found.experiment_id)


def _log_trial(client: "MlflowClient", parent: str, trial: TrialRecord) -> None:
    """One trial as a run below the training's; without a log loss it was cut short."""
    run = client.create_run(_experiment(client), tags={PARENT: parent}, run_name=f"trial {trial.number}")
    metrics = {"seconds": trial.seconds} | ({} if trial.value is None else {"log_loss": trial.value})
    _log(client, run.info.run_id, dict(trial.parameters), metrics)
    client.set_terminated(run.info.run_id)


def _provenance(candidate: Candidate, tables: Tables, settings: Settings, place: str) -> Provenance:
    bundle = candidate.bundle
    as_of = moment(candidate.as_of).astimezone(settings.company.zone)
    return provenance(settings, as_of, place, fingerprint(tables), bundle.pack_text, bundle.id, candidate.tuned)


def _register(client: "MlflowClient", run_id: str, candidate: Candidate) -> Version:
    decision = candidate.decision
    tags = {
        BUNDLE_ID: candidate.bundle.id,
        PASSED: str(decision.passed).lower(),
        REFUSALS: json.dumps(list(decision.refusals)),
    }
    made = client.create_model_version(MODEL, source=f"runs:/{run_id}/bundle", run_id=run_id, tags=tags)
    return Version(str(made.version), run_id, candidate.bundle.id, decision.passed, decision.refusals)


def _version(found: Any, champion: str | None) -> Version:
    tags = found.tags
    refusals = tuple(json.loads(tags.get(REFUSALS, "[]")))
    number = str(found.version)
    return Version(
        number, found.run_id, tags.get(BUNDLE_ID, ""), tags.get(PASSED) == "true", refusals, number == champion
    )


def _champion(client: "MlflowClient") -> str | None:
    aliases = client.get_registered_model(MODEL).aliases
    return str(aliases[CHAMPION]) if CHAMPION in aliases else None
