"""The OpenAPI 3.1 document, made from the table of operations and the models."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.api.asking import Operation
from serving.api.examples import EXAMPLES, PROBLEMS
from serving.api.replies import problem
from serving.schemas import Problem, ProblemReport

VERSION: Final = "1.0"
"""Of the API, not of the program: it rises when something is added, and never breaks within 1."""
_REF: Final = "#/components/schemas/{model}"
_PROBLEMS: Final = {
    400: "A field is missing, unknown or wrong; `problems` names each",
    401: "No key, or one that is unknown, revoked or expired",
    403: "The key lacks the scope, or is held to a tenant",
    404: "There is no such thing, or not for this key",
    408: "The body did not arrive in time",
    409: "It was done otherwise already",
    413: "The body is too large",
    415: "The body is not application/json",
    421: "The request names another host",
    429: "Too much at once; wait as long as Retry-After says",
    500: "An error of the service, which its log describes",
    503: "It cannot be done now; `detail` says why",
}
_GUARDED: Final = (401, 403, 421, 429, 503)
"""What every operation that needs a scope may answer."""
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent again with the same key, a request changes nothing and gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_TEXT_HEADERS: Final = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}}


def described(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document of `operations`."""
    told = [operation for operation in operations if operation.described]
    schemas = _schemas(told)
    paths: dict[str, Any] = {}
    for operation in told:
        path = re.sub(r":path}", "}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Remora",
            "version": VERSION,
            "description": "Who is about to leave, what they are worth, and what to do first.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key made by `remora keys create`."},
    "password": {"type": "http", "scheme": "basic", "description": "The same key as password, with any user name."},
}


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    """Every model by name; what goes in as it is taken, what comes out as it is given."""
    taken: set[type[BaseModel]] = {m for o in operations for m in (o.body, o.query) if m}
    given: set[type[BaseModel]] = {m for o in operations for m in o.answers.values() if m} | {ProblemReport}
    wanted = [*((m, "validation") for m in taken), *((m, "serialization") for m in given - taken)]
    ordered = sorted(wanted, key=lambda each: each[0].__name__)
    _, found = models_json_schema(ordered, ref_template=_REF)  # type: ignore[arg-type]
    return dict(found["$defs"])


def _operation(operation: Operation, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    doc = operation.answer.__doc__ or ""
    told: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}{re.sub(r'[^a-z]+', '_', path)}".rstrip("_"),
        "summary": operation.summary,
        "description": doc.partition("\n")[0],
        "responses": _responses(operation),
        "security": [{"key": []}, {"password": []}, {}] if operation.scope else [],
    }
    if operation.scope:
        told["x-scope"] = operation.scope
    if parameters := [*_in_path(path), *_in_query(operation, schemas), *([_KEY] if operation.idempotent else [])]:
        told["parameters"] = parameters
    if operation.body:
        told["requestBody"] = {"required": True, "content": _content("application/json", operation.body)}
    return told


def _in_path(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": n, "in": "path", "required": True, "schema": schema} for n in re.findall(r"{(\w+)}", path)]


def _in_query(operation: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    model = schemas[operation.query.__name__]
    parts = model["properties"].items()
    return [{"name": name, "in": "query", "required": name in model.get("required", []), "schema": schema}
            for name, schema in parts]  # fmt: skip


def _responses(operation: Operation) -> dict[str, Any]:
    statuses = {*operation.refusals, *(_GUARDED if operation.scope else ()), 500} - set(operation.answers)
    success = {
        str(status): {"description": "OK" if status < 400 else "Not ready", "content": _content(operation.kind, model)}
        for status, model in operation.answers.items()
    }
    return success | {str(status): _refusal(status) for status in sorted(statuses)}


def _refusal(status: int) -> dict[str, Any]:
    kind, field, reason = PROBLEMS[status]
    example = json.loads(bytes(problem(status, kind, [Problem(field=field, reason=reason)]).body))
    content = _content("application/problem+json", ProblemReport, {kind: example})
    told = {"description": _PROBLEMS[status], "content": content}
    return told | ({"headers": _TEXT_HEADERS} if status == 429 else {})


def _content(kind: str, model: type[BaseModel] | None, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if model is None:
        return {kind: {}}
    named = EXAMPLES.get(model.__name__, {}) if examples is None else examples
    shown = {name: {"summary": name, "value": value} for name, value in (named or _declared(model)).items()}
    return {kind: {"schema": {"$ref": _REF.format(model=model.__name__)}, "examples": shown}}


def _declared(model: type[BaseModel]) -> dict[str, Any]:
    """The examples that stand beside a model itself."""
    extra = model.model_config.get("json_schema_extra")
    declared = extra.get("examples", []) if isinstance(extra, dict) else []
    return {f"example {i}": value for i, value in enumerate(declared, start=1)}  # type: ignore[arg-type]
