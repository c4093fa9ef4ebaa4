"""Promotion: from a registered version through the gate to the bundle that serves."""

from pathlib import Path

from features.errors import RemoraError
from models.trial import trial_load
from training import registry
from training.pointer import alone, point, settle, sweep
from training.registry import Version


class GateRefused(RemoraError):
    """The gate said no, and nobody overruled it with a reason."""


def promote(home: Path, number: str | None = None, force_reason: str | None = None) -> Version:
    """Promote a version (default: the newest): gate, local bundle, trial load, alias, then the serving pointer.

    Raises GateRefused with every refusal unless `force_reason` says why to promote all the same; it is recorded.
    The pointer comes last, so that an error leaves the old bundle in service; promoting again finishes what was
    begun.
    """
    chosen = registry.version(home, number)
    if not chosen.passed and not (force_reason or "").strip():
        remedy = 'mend the cause and train again, or promote with --force "the reason", which is recorded'
        refusals = [f"version {chosen.number} refused: {refusal}" for refusal in chosen.refusals]
        raise GateRefused(*refusals, remedy)
    with alone(home):
        sweep(home / "bundles")
        folder = registry.download(home, chosen, home / "bundles")
        trial_load(folder)
        settle(folder)
        registry.crown(home, chosen, None if chosen.passed else force_reason)
        point(home, chosen.bundle_id)
    return chosen
