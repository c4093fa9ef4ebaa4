"""What every answer is made of: JSON, problem documents (RFC 9457), and the headers that all share."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from features.errors import RemoraError
from serving.errors import http_status, problem_kind
from serving.schemas import Problem, ProblemReport

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
)
PREFIX: Final = "urn:remora:problem:"
KINDS: Final = {
    400: "invalid-request", 404: "no-such-route", 405: "method-not-allowed", 408: "too-slow", 500: "service-error",
}  # fmt: skip
"""Status → the stable name of problems that no family of errors names."""


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Pydantic models and plain data; a NaN cannot come this far, and would be written as null."""
        return json_bytes(content)


class ProblemJson(Json):
    media_type = "application/problem+json"


def json_bytes(content: Any) -> bytes:
    """The body of an answer."""
    return to_json(content, inf_nan_mode="null")


def refusal(error: RemoraError) -> Response:
    """The answer to a request that `error` keeps from being done."""
    fields = getattr(error, "fields", ("",) * len(error.problems))
    problems = [Problem(field=field, reason=reason) for field, reason in zip(fields, error.problems, strict=True)]
    wait = getattr(error, "retry_after", None)
    headers = dict(getattr(error, "headers", {})) | ({"retry-after": str(max(ceil(wait), 1))} if wait else {})
    return problem(http_status(error), problem_kind(error), problems, headers)


def problem(
    status: int, kind: str = "", problems: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """A problem document; `kind` is by default that of the status."""
    title = HTTPStatus(status).phrase
    report = ProblemReport(
        type=PREFIX + (kind or KINDS.get(status, "other")),
        title=title,
        status=status,
        detail="; ".join(f"{p.field}: {p.reason}" if p.field else p.reason for p in problems) or title,
        problems=list(problems),
    )
    close = {"connection": "close"} if status == 408 else {}  # what else comes of that body, nobody will read
    return ProblemJson(report, status_code=status, headers={**(headers or {}), **close})
