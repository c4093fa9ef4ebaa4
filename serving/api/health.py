"""Whether the service lives, whether it is ready, what it counts, which model it serves."""

from starlette.responses import Response

from models.basis import basis_of
from models.bundle import CARD
from serving import metrics
from serving.api.asking import Ask
from serving.api.replies import Json
from serving.predicting import Predictor
from serving.schemas import FeatureNeeded, ModelResponse, Readiness


def livez(ask: Ask) -> Response:
    """The process answers."""
    return Json({"live": True})


def readyz(ask: Ask) -> Response:
    """200 while predictions are served, else 503; `problem` says what to mend in either case."""
    champion, problem = ask.state.champion, ask.state.problem
    serving = champion.current
    report = Readiness(
        ready=serving is not None and ask.state.keys_known,
        model_version=serving and serving.model_version,
        problem=problem or champion.problem,
    )
    return Json(report, status_code=200 if report.ready else 503)


def figures(ask: Ask) -> Response:
    """Prometheus' text format."""
    ask.state.access_log.flush()
    return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE_LATEST})


def model(ask: Ask) -> Response:
    """The model in service."""
    return Json(_described(ask.state.champion.predictor()))


def _described(serving: Predictor) -> ModelResponse:
    manifest, card = serving.bundle.manifest, serving.bundle.folder / CARD
    return ModelResponse(
        **{name: serving.versions[name] for name in ("model_version", "rules_version", "bundle_version")},
        trained_as_of=manifest.as_of,
        created_at=manifest.created_at,
        definition=manifest.churn.definition,
        churn_horizon_days=manifest.churn.horizon_days,
        value_horizon_days=manifest.value.horizon_days if manifest.value else None,
        basis=basis_of(manifest.churn.mixture),
        features=[
            FeatureNeeded(name=c.name, kind=c.kind, levels=[*c.levels], required=c.name in serving.required)
            for c in manifest.features
        ],
        metrics=manifest.metrics,
        card=card.read_text(encoding="utf-8") if card.exists() else None,
    )
