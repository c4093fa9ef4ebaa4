"""What the API answers when something behind it breaks; in this process, as a real service cannot be broken so."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from features.errors import RemoraError
from features.settings import Settings
from serving.api.app import build_app
from serving.errors import (
    BodyTooLargeError,
    BusyError,
    ForbiddenError,
    InvalidRequestError,
    NotJsonError,
    NotReadyError,
    UnknownCustomerError,
    exit_code,
    http_status,
)
from serving.schemas import ProblemReport
from serving.state import State
from serving.store import StoreError


def ask(state: State, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(state), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """One whose keys (none) have been read."""
    with State(Settings(home=tmp_path)) as made:
        made.keys.refresh(made.store())
        yield made


def test_a_bug_is_a_500_that_tells_nothing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(state, "store", broken)
    answer = ask(state, "/v1/customers/C0")
    assert answer.status_code == 500
    assert "swordfish" not in answer.text
    assert ProblemReport.model_validate_json(answer.content).title == "Internal Server Error"


def test_a_store_that_cannot_be_opened_is_a_503_and_the_page_says_why(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut() -> None:
        raise StoreError("store: written by a newer Remora; upgrade this one")

    monkeypatch.setattr(state, "store", shut)
    answer = ask(state, "/v1/at-risk")
    assert (answer.status_code, answer.json()["problems"][0]["reason"]) == (
        503,
        "store: written by a newer Remora; upgrade this one",
    )
    page = ask(state, "/")
    assert (page.status_code, "upgrade this one" in page.text) == (200, True)


def test_answers_are_counted(state: State) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("remora_requests_total", {"route": "/livez", "status": "200"}) or 0

    before = counted()
    ask(state, "/livez")
    state.access_log.flush()
    assert counted() == before + 1
    assert 'remora_request_seconds_bucket{le="0.001",route="/livez"}' in ask(state, "/metrics").text


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InvalidRequestError("x"), 2, 400),
        (UnknownCustomerError("x"), 2, 404),
        (BodyTooLargeError("x"), 2, 413),
        (NotJsonError("x"), 2, 415),
        (NotReadyError("x"), 2, 503),
        (BusyError("x"), 2, 429),
        (ForbiddenError("x"), 2, 403),
        (StoreError("x"), 2, 503),
        (RemoraError("x"), 2, 503),
    ],
)
def test_every_family_has_an_exit_code_and_a_status(error: RemoraError, code: int, status: int) -> None:
    assert (exit_code(error), http_status(error)) == (code, status)


def test_what_is_refused_names_no_customer_in_the_log(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def shut() -> None:
        raise StoreError("store: locked; try again")

    monkeypatch.setattr(state, "store", shut)
    assert ask(state, "/v1/customers/C-secret").status_code == 503
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("remora")]
    assert any("store: locked" in line for line in ours)
    assert not any("C-secret" in line for line in ours)
