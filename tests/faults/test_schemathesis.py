"""Requests made up from our own OpenAPI document, sound and unsound: nothing fails, nothing comes undocumented.

CI sends some hundreds of each kind; REMORA_FAULTS=full 20 000, one seed after another.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.faults.bad_body import GOOD
from tests.faults.besieged import Besieged, besieged, besieged_home, tenants_key
from tests.faults.conftest import Figure
from tests.faults.loading import FEATURES

MOST = 20_000
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
SHORT, WHOLE = "examples,fuzzing", "examples,coverage,fuzzing"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("document") / "home"
    besieged_home(folder)
    with besieged(folder) as started:
        yield started


@pytest.fixture(scope="module")
def document(siege: Besieged) -> Document:
    told: Document = siege.service.get("/openapi.json").json()
    return told


def knowing(document: Document) -> Document:
    """The document with what this service knows: without it, hardly a made-up request would come past a 404."""
    told: Document = json.loads(json.dumps(document))
    number, category = {"type": ["number", "null"]}, {"type": ["string", "null"]}
    told["components"]["schemas"]["CustomerFeatures"]["properties"]["features"] = {
        "type": "object",
        "properties": {name: category if name == "profile_country" else number for name in FEATURES},
        "required": [name for name in FEATURES if name != "nps_score_last"],
        "additionalProperties": False,
    }
    for operation in (each for methods in told["paths"].values() for each in methods.values()):
        for parameter in operation.get("parameters", []):
            known = {"key": [f"C{i}:a" for i in range(10)], "customer_id": [f"C{i}" for i in range(28)]}
            if names := known.get(parameter["name"]):
                parameter["schema"] = {"anyOf": [{"enum": names}, parameter["schema"]]}
    return told


def make_up(siege: Besieged, document: Document, folder: Path, phases: str, each: int, seed: int, *more: str) -> None:
    """Send what schemathesis makes up, `each` requests of an operation besides the examples and systematic ones."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(knowing(document)))
    command = [
        str(Path(sys.executable).with_name("st")), "run", str(file), "--url", siege.service.url, "--seed", str(seed),
        "--phases", phases, "--max-examples", str(each), "--checks", ",".join(CHECKS),
        "--continue-on-failure", "--no-shrink", "--warnings", "off", *more,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def answered(siege: Besieged) -> Counter[str]:
    """Status → how many answers so far, as the service counts them."""
    found: Counter[str] = Counter()
    for status, n in re.findall(r'remora_requests_total\{.*status="(\d+)"\} (\S+)', siege.service.get("/metrics").text):
        found[status] += int(float(n))
    return found


def test_what_the_document_says_is_so(
    siege: Besieged, document: Document, tmp_path: Path, full: bool, figure: Figure
) -> None:
    before, phases, seed = answered(siege), WHOLE if full else SHORT, 0
    sent: Counter[str] = Counter()
    while seed == 0 or (full and sent.total() < MOST):
        seed += 1
        make_up(siege, document, tmp_path, phases, 1000 if full else 60, seed)
        sent = answered(siege) - before
    assert not [status for status in sent if status >= "500"]
    assert {"200", "400", "404"} <= {*sent}
    assert sent.total() >= (MOST if full else 300)
    figure(f"{sent.total()} requests made up from the document", dict(sorted(sent.items())))


def test_and_for_a_key_of_a_tenant(
    document: Document, tmp_path: Path, full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tenant") / "home"
    key = tenants_key(besieged_home(folder))
    with besieged(folder) as siege:
        bearer = f"Authorization: Bearer {key}"
        make_up(siege, document, tmp_path, WHOLE if full else SHORT, 200 if full else 15, 1, "--header", bearer)
    assert "Traceback" not in siege.service.log.read_text()


def requests(document: Document) -> Iterator[tuple[str, Document, Any]]:
    """Path, schema and example of each body that goes in."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if body := operation.get("requestBody"):
                content = body["content"]["application/json"]
                yield from ((path, content["schema"], each["value"]) for each in content["examples"].values())


def fits(document: Document, schema: Document, value: Any) -> bool:
    """Whether a value is what a schema of the document says."""
    return jsonschema_rs.is_valid({**schema, "components": document["components"]}, value)


def test_every_body_that_goes_in_has_an_example_that_is_answered(siege: Besieged, document: Document) -> None:
    paths = {path for path, _, _ in requests(document)}
    assert paths == {path.replace("/C0:a/", "/{key}/") for path in GOOD}
    for path, schema, example in requests(document):
        assert fits(document, schema, example), path
        if path == "/v1/predict":  # another model has other features
            for customer in example["customers"]:
                customer["features"] = FEATURES
        if path == "/v1/score":  # and is of another day
            example["as_of"] = "2026-07-02"
        answer = siege.service.client.post(path.replace("{key}", "C0:a"), json=example)
        assert answer.is_success, (path, answer.text)


def test_every_success_and_every_refusal_has_an_example_that_fits(document: Document) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer["content"].items():
                    if "json" not in kind:
                        continue
                    examples = [each["value"] for each in content["examples"].values()]
                    assert examples, (method, path, status)
                    assert all(fits(document, content["schema"], each) for each in examples), (method, path, status)


def test_the_examples_of_answers_are_of_the_kind_that_comes(siege: Besieged, document: Document) -> None:
    """A real answer has the members that the example has."""
    asked = {
        "/v1/customers/{customer_id}": "/v1/customers/C0",
        **dict.fromkeys(("/v1/model", "/v1/at-risk", "/readyz")),
    }
    for path, real in asked.items():
        content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        answer: httpx.Response = siege.service.get(real or path)
        assert fits(document, content["schema"], answer.json())
        assert {*answer.json()} == {*next(iter(content["examples"].values()))["value"]}


def test_the_pages_beside_the_document_answer(siege: Besieged, document: Document) -> None:
    answers = {
        path: siege.service.get(path) for path in ("/docs", "/openapi.json", "/", "/workbench.css", "/remora.svg")
    }
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert all(path in answers["/docs"].text for path in document["paths"])
