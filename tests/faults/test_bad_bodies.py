"""Bodies and bytes picked by hand: each gets the answer that it must get, and the service is as before."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from serving.schemas import ProblemReport
from tests.faults.bad_bodies import CORPUS
from tests.faults.bad_body import DONE, GOOD, Bad
from tests.faults.bad_wires import HEAD, HEADS, WIRES
from tests.faults.besieged import PREDICT, Besieged, besieged, besieged_home
from tests.faults.conftest import Figure
from tests.faults.loading import resident_mib

MOST_GROWTH = 30
"""Mebibytes."""
DISTINCT = {(bad.path, bad.body, bad.kind, bad.more) for bad in CORPUS}


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("bodies") / "home"
    besieged_home(folder)
    with besieged(folder) as started:
        yield started


def send(siege: Besieged, bad: Bad) -> httpx.Response:
    headers = [*([("Content-Type", bad.kind)] if bad.kind else []), *bad.more]
    return siege.service.client.post(bad.path, content=bad.body, headers=headers)


def assert_answered(answer: httpx.Response, bad: Bad) -> None:
    assert answer.status_code == bad.status, answer.text
    if answer.is_success:
        assert bad.reason in answer.text
        return
    problem = ProblemReport.model_validate_json(answer.content)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem.status, problem.type[:19]) == (bad.status, "urn:remora:problem:")
    assert bad.reason in problem.detail
    assert len(answer.content) < 100_000


def assert_sound(siege: Besieged) -> None:
    """Every route answers what is right."""
    for path, body in GOOD.items():
        answer = send(siege, Bad("good", path, body, DONE[path], ""))
        assert answer.status_code == DONE[path], answer.text


@pytest.mark.parametrize("bad", CORPUS, ids=lambda bad: f"{bad.name[:60]} {bad.path}")
def test_a_bad_body(siege: Besieged, bad: Bad) -> None:
    assert_answered(send(siege, bad), bad)
    assert siege.service.send(GOOD[PREDICT]).status_code == 200


def test_the_corpus_leaves_nothing_behind(siege: Besieged, figure: Figure) -> None:
    """Sent twice before, as what is read for the first time stays: code, connections, the store's pages."""
    for _ in range(2):
        for bad in CORPUS:
            send(siege, bad)
    before = resident_mib(siege.worker)
    for bad in CORPUS:
        assert_answered(send(siege, bad), bad)
    grown = resident_mib(siege.worker) - before
    assert_sound(siege)
    assert grown < MOST_GROWTH
    assert len(DISTINCT) == len(CORPUS) >= 150
    figure(f"{len(CORPUS)} bad bodies", f"no 5xx, none hangs, memory {grown:+.0f} MiB")


def spoken(siege: Besieged, data: bytes, answers: int) -> bytes:
    """All that comes back, until as many answers are whole, or the connection is closed."""
    said = b""
    with socket.create_connection(siege.address, timeout=20) as line:
        with suppress(ConnectionError):  # it was refused before all was sent
            line.sendall(data)
        with suppress(ConnectionError):
            while (len(statuses(said)) < answers or not ended(said)) and (more := line.recv(65_536)):
                said += more
    return said


def statuses(said: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def ended(said: bytes) -> bool:
    """Whether the last answer has come to its end."""
    head, _, body = said[said.rfind(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


@pytest.mark.parametrize(("data", "expected"), WIRES.values(), ids=WIRES)
def test_bad_bytes(siege: Besieged, data: bytes, expected: list[int]) -> None:
    said = spoken(siege, data, len(expected))
    assert statuses(said) == expected, said
    assert b"set-cookie" not in said.lower()
    assert siege.service.send(GOOD[PREDICT]).status_code == 200


@pytest.mark.parametrize(("data", "expected"), HEADS.values(), ids=HEADS)
def test_heads_without_end(siege: Besieged, data: bytes, expected: list[int]) -> None:
    test_bad_bytes(siege, data, expected)


def test_ten_mebibytes_in_chunks(siege: Besieged) -> None:
    """And in so few bytes at a time that each is a message of its own."""
    for size in (65_536, 1_000):
        chunks = (b" " * size for _ in range(10 * 2**20 // size))
        answer = siege.service.client.post(PREDICT, content=chunks, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:remora:problem:body-too-large")
    assert_sound(siege)


def test_half_a_request_and_good_bye(siege: Besieged) -> None:
    """Callers that hang up at every byte of a request."""
    whole = HEAD + b"Content-Length: 9\r\n\r\n{"
    for n in range(len(whole) + 1):
        with socket.create_connection(siege.address) as line:
            line.sendall(whole[:n])
    assert_sound(siege)
    assert "Traceback" not in siege.service.log.read_text()
