"""One POST: to the address that was checked and no other, never longer than its time, never further than its target."""

import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest

from features.clock import now
from serving.webhooks.addresses import Allowed
from serving.webhooks.sending import MAX_ANSWER, Answer, Courier
from serving.webhooks.target_url import place
from tests.serving.webhooks.receiver import Handler, Receiver, receiving, self_signed, status

LOCAL = Allowed.of(["127.0.0.1", "localhost"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def post(url: str, allowed: Allowed = LOCAL, timeout: float = 5.0) -> Answer:
    return Courier(allowed, timeout=timeout).post(place(url, allowed), b'{"a":1}', {"X-One": "1"})


def test_the_body_and_the_headers_arrive(receiver: Receiver) -> None:
    assert post(receiver.url + "?q=%20") == Answer(204, None)
    [got] = receiver.got
    assert (got.path, got.body, got.headers["x-one"]) == ("/hook?q=%20", b'{"a":1}', "1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_2xx_is_taken_in(receiver: Receiver, code: int) -> None:
    receiver.answers = [status(code)]
    assert post(receiver.url) == Answer(code, None)


@pytest.mark.parametrize("code", [400, 404, 410, 429, 500, 503])
def test_anything_else_is_a_problem(receiver: Receiver, code: int) -> None:
    receiver.answers = [status(code)]
    answer = post(receiver.url)
    assert (answer.status, answer.problem, answer.gone) == (code, f"HTTP {code}", code == 410)


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, code: int) -> None:
    with receiving() as inner:
        receiver.answers = [status(code, location=inner.url)]
        assert post(receiver.url).problem == f"HTTP {code}"
        assert (len(receiver.got), inner.got) == (1, [])


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url).problem is None


def test_the_name_is_looked_up_once_and_the_address_that_was_checked_is_used() -> None:
    """127.0.0.2 is allowed, 127.0.0.1 is not; the resolver answers the one, and ever after the other."""
    allowed, answers = Allowed.of(["127.0.0.2"]), iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])
    with receiving("127.0.0.2") as good, receiving("127.0.0.1", good.port) as bad:
        target = place(good.url, allowed)._replace(host="rebinding.example")
        courier = Courier(allowed, find=lambda *_: next(answers))
        assert courier.post(target, b"{}", {}).problem is None
        assert good.got[0].headers["host"] == f"rebinding.example:{good.port}"
        problem = courier.post(target, b"{}", {}).problem
        assert problem is not None
        assert "127.0.0.1 is loopback" in problem
        assert (len(good.got), len(bad.got)) == (1, 0)


def test_a_name_with_one_bad_address_is_not_connected_to_at_all() -> None:
    with receiving("127.0.0.2") as good, receiving("127.0.0.1", good.port) as bad:
        allowed = Allowed.of(["127.0.0.2"])
        target = place(good.url, allowed)._replace(host="mixed.example")
        courier = Courier(allowed, find=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert "loopback" in str(courier.post(target, b"{}", {}).problem)
        assert good.got == bad.got == []


def test_localhost_is_refused_without_being_allowed() -> None:
    with receiving() as inner:
        allowed = Allowed.of(["other.example"])
        target = place(inner.url, LOCAL)
        for host in ("localhost", "127.0.0.1"):
            answer = Courier(allowed).post(target._replace(host=host), b"{}", {})
            assert "is loopback" in str(answer.problem)
        assert inner.got == []


def test_a_host_without_an_address_is_a_problem() -> None:
    def nobody(*_: object) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    target = place("https://nobody.example/", LOCAL)
    assert Courier(LOCAL, find=nobody).post(target, b"{}", {}).problem == (
        "ConnectError: nobody.example: Name or service not known"
    )
    assert "no address" in str(Courier(LOCAL, find=lambda *_: []).post(target, b"{}", {}).problem)


def test_the_next_address_is_tried_where_nothing_listens(receiver: Receiver) -> None:
    allowed = Allowed.of(["127.0.0.0/8"])
    courier = Courier(allowed, find=lambda *_: ["127.0.0.3", "127.0.0.1"])
    assert courier.post(place(receiver.url, allowed)._replace(host="two.example"), b"{}", {}).problem is None


def test_nothing_listening_is_a_problem() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "ConnectError" in str(post(f"http://127.0.0.1:{taken.getsockname()[1]}/").problem)


def waiting_for(left: threading.Event) -> Callable[[Handler], None]:
    def answer(_: Handler) -> None:
        left.wait(10)

    return answer


def test_a_slow_receiver_is_left_at_the_time_out(receiver: Receiver) -> None:
    left = threading.Event()
    receiver.answers = [waiting_for(left)]
    try:
        assert post(receiver.url, timeout=0.3).problem == "no answer within 0.3 s"
    finally:
        left.set()


def test_an_answer_that_drips_is_left_at_the_same_time_out(receiver: Receiver) -> None:
    """Each byte comes in time; all of them together do not."""
    left = threading.Event()

    def drip(handler: Handler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
            handler.wfile.write(bytes([letter]))
            if left.wait(0.05):
                return

    receiver.answers, began = [drip], time.monotonic()
    try:
        assert post(receiver.url, timeout=0.5).problem == "no answer within 0.5 s"
    finally:
        left.set()
    assert time.monotonic() - began < 10  # of the 500 s that it would take


def test_a_receiver_that_never_speaks_tls_is_left_too() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert post(url, timeout=0.3).problem == "no answer within 0.3 s"


def test_of_a_huge_answer_little_is_read(receiver: Receiver) -> None:
    sent = 0

    def flood(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("content-length", str(10**12))
        handler.end_headers()
        for _ in range(1_000):
            sent += handler.wfile.write(bytes(1_000_000))

    receiver.answers = [flood]
    assert post(receiver.url) == Answer(200, None)
    assert sent < 100 * MAX_ANSWER + 10_000_000


def test_huge_headers_are_a_problem(receiver: Receiver) -> None:
    receiver.answers = [status(200, **{f"x{number}": "x" * 60_000 for number in range(20)})]
    problem = post(receiver.url).problem
    assert problem is not None
    assert len(problem) <= 300


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"])
def test_garbage_is_a_problem(receiver: Receiver, garbage: bytes) -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(garbage)
        handler.close_connection = True

    receiver.answers = [answer]
    assert post(receiver.url).problem


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [("7", 7, 7), ("0", 0, 0), ("date", 25, 31), ("soon", None, None), ("-5", None, None), ("9" * 30, None, None)],
)
def test_retry_after_is_read(receiver: Receiver, said: str, low: int | None, high: int | None) -> None:
    if said == "date":
        said = format_datetime(now() + dt.timedelta(seconds=30), usegmt=True)
    receiver.answers = [status(503, retry_after=said)]
    wait = post(receiver.url).retry_after
    if low is None or high is None:
        assert wait is None
    else:
        assert wait is not None
        assert low <= wait.total_seconds() <= high


def test_tls_is_checked_against_the_name_in_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, "hooks.example")
    allowed = Allowed.of(["127.0.0.1", "hooks.example", "other.example"])
    with receiving(certificate=certificate) as receiver:
        target = place(receiver.url, allowed)

        def to(host: str) -> str | None:
            courier = Courier(allowed, find=lambda *_: ["127.0.0.1"])
            return courier.post(target._replace(host=host), b"{}", {}).problem

        assert "CERTIFICATE_VERIFY_FAILED" in str(to("hooks.example"))  # nobody vouches for it
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert to("hooks.example") is None
        assert "CERTIFICATE_VERIFY_FAILED" in str(to("other.example"))
        assert "CERTIFICATE_VERIFY_FAILED" in str(to("127.0.0.1"))
        assert len(receiver.got) == 1
