"""`POST /v1/score` and `POST /v1/leads/score`: raw rows of the input contract in, scores out."""

from starlette.responses import Response

from features.clock import now
from serving.api.asking import Ask
from serving.api.replies import Json
from serving.schemas_score import LeadsScoreRequest, ScoreRequest
from serving.scoring_leads import score_leads_few


def score(ask: Ask) -> Response:
    """What batch scoring would say of these customers."""
    asked = ask.json(ScoreRequest)
    told = ask.state.scorer().answer(asked, now())
    ask.state.tally(ask.caller, "score", len(told["predictions"]))
    return Json(told)


def leads(ask: Ask) -> Response:
    """Grade, deadline and what to do about leads."""
    asked = ask.json(LeadsScoreRequest)
    told = score_leads_few(ask.state.pack(), asked, ask.state.settings)
    ask.state.tally(ask.caller, "leads.score", len(told["leads"]))
    return Json(told)
