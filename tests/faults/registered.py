"""A home whose record holds versions of small real bundles: MLflow as training leaves it, without a training."""

import json
from pathlib import Path

from models.bundle import Bundle
from tests.small_bundle import write_small_bundle
from training import registry


def register(home: Path, beside: Path, remark: str) -> Bundle:
    """Log a small bundle as a run of its own and register it, as `registry.record` does; it passed the gate."""
    bundle = write_small_bundle(beside / remark, rules=True, remark=remark)
    client = registry._client(home)
    run = client.create_run(registry._experiment(client), run_name=bundle.id).info.run_id
    client.log_artifacts(run, str(bundle.folder), "bundle")
    client.set_terminated(run)
    tags = {registry.BUNDLE_ID: bundle.id, registry.PASSED: "true", registry.REFUSALS: json.dumps([])}
    client.create_model_version(registry.MODEL, source=f"runs:/{run}/bundle", run_id=run, tags=tags)
    return bundle
