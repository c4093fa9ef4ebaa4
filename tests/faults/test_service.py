"""The service under load, and when what it stands on gives way."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest
import sqlalchemy as sa

from models.bundle import Bundle
from serving.access.audit import AuditLog
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS
from serving.home import Home
from serving.store import open_store
from serving.tables import ALERTS
from tests.faults.conftest import Figure
from tests.faults.loading import BODY, FEATURES, Told, descendants, is_worker, resident_mib, send
from tests.serving.running import Running, fill, promote, running
from tests.small_bundle import write_small_bundle

ALERT = "C0:a"


@contextmanager
def served(folder: Path, workers: int = 1) -> Iterator[Running]:
    """A service with a champion, scores and one open alert."""
    home = Home(folder)
    if not home.champion.exists():
        fill(home)
        row = {
            "key": ALERT, "customer_id": "C0", "rule": "silent", "state": "open", "severity": 1, "contact": True,
            "signs": [], "opened_as_of": 0, "rules_version": "x",
        }  # fmt: skip
        with open_store(home.store) as store, transaction(store.engine, writes=True) as connection:
            connection.execute(sa.insert(ALERTS), row)
    with running(folder, workers) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        yield service


def port_of(service: Running) -> int:
    return service.client.base_url.port or 0


def workers_of(service: Running) -> list[int]:
    return [pid for pid in descendants(service.pid) if is_worker(pid)]


def note(service: Running, key: str | None = None) -> httpx.Response:
    """Say that a customer was contacted."""
    headers = {"idempotency-key": key} if key else {}
    return service.client.post(f"/v1/alerts/{ALERT}/events", json={"kind": "contacted"}, headers=headers)


def noted(home: Home) -> int:
    with open_store(home.store) as store, transaction(store.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(ALERT_EVENTS)).scalar_one())


def during(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work)
    thread.start()
    return thread


def test_a_steady_load(tmp_path: Path, figure: Figure, full: bool) -> None:
    """300 single predictions a second: no error, and memory stays."""
    seconds = 300 if full else 15
    with served(tmp_path / "home") as service:
        (worker,) = workers_of(service)
        asyncio.run(send(port_of(service), 300, 5))
        before = resident_mib(worker)
        told = asyncio.run(send(port_of(service), 300, seconds))
        grown = resident_mib(worker) - before
    assert told.statuses == {200: 300 * seconds}
    assert grown <= 30
    late = np.percentile(told.seconds, 99) * 1000
    figure(
        f"300 single predictions a second for {seconds} s",
        f"{told.statuses[200]:,} answered, 0 errors, p99 {late:.0f} ms, memory {grown:+.1f} MiB of {before:.0f}",
    )


def test_four_times_too_much(tmp_path: Path, figure: Figure, full: bool) -> None:
    """Heavy requests: 100 customers with reasons and composite score each."""
    many = [{"customer_id": str(i), "features": FEATURES} for i in range(100)]
    heavy = json.dumps({"customers": many, "explain": True, "include": ["composite"]}).encode()
    seconds = 20 if full else 6
    with served(tmp_path / "home") as service:
        capacity = _capacity(service, heavy, 3)
        told = asyncio.run(_pour(service.url, heavy, 4 * capacity, seconds))
        began = time.monotonic()
        while service.client.post("/v1/predict", content=BODY, headers=JSON).status_code != 200:
            assert time.monotonic() - began < 5
        recovered = time.monotonic() - began
        assert service.post(json.loads(heavy)).status_code == 200
    assert set(told.statuses) == {200, 429}, told.statuses
    figure(
        f"four times overload ({4 * capacity:.0f} heavy requests a second) for {seconds} s",
        f"{told.statuses[200]:,} × 200, {told.statuses[429]:,} × 429, nothing else; "
        f"a prediction answered {recovered:.2f} s after",
    )


JSON = {"content-type": "application/json"}


def _capacity(service: Running, body: bytes, seconds: float) -> float:
    """Requests a second that eight who wait for their answers get done."""
    done = 0

    def work() -> None:
        nonlocal done
        with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
            while time.monotonic() < end:
                client.post("/v1/predict", content=body, headers=JSON).raise_for_status()
                done += 1

    end = time.monotonic() + seconds
    threads = [during(work) for _ in range(8)]
    for thread in threads:
        thread.join()
    return done / seconds


async def _pour(url: str, body: bytes, rate: float, seconds: float) -> Told:
    """`rate` requests a second, each on its own, however many wait."""
    told = Told()
    limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:

        async def one() -> None:
            try:
                answer = await client.post("/v1/predict", content=body, headers=JSON)
                told.statuses[answer.status_code] += 1
            except httpx.TransportError:
                told.statuses[0] += 1

        tasks, began = [], time.perf_counter()
        for i in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + i / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(one()))
        await asyncio.gather(*tasks)
    return told


def test_workers_are_killed_under_load(tmp_path: Path, figure: Figure, full: bool) -> None:
    """Who asks again loses nothing; who does not, loses what was on its way to the one that was killed."""
    kills, connections = 20 if full else 3, 8
    with served(tmp_path / "home", workers=2) as service:
        seconds = kills * 9.0

        def kill() -> None:
            for _ in range(kills):
                _all_back(service, 2)
                time.sleep(seconds / kills - 2)
                os.kill(workers_of(service)[0], signal.SIGKILL)

        thread = during(kill)
        told = asyncio.run(send(port_of(service), 100, seconds, connections, retry=True))
        thread.join()
        alive = _all_back(service, 2)
    assert set(told.statuses) - {0} == {200}
    assert told.statuses[200] == int(100 * seconds)
    assert told.statuses[0] <= kills * connections  # what was on its way
    assert alive == 2
    figure(
        f"kill -9 of a worker {kills} times, 100 requests a second",
        f"{told.statuses[200]:,} answered of {int(100 * seconds):,} after {told.statuses[0]} retries, "
        f"longest wait {max(told.seconds):.1f} s",
    )


def _all_back(service: Running, count: int) -> int:
    end = time.monotonic() + 30
    while len(workers_of(service)) < count and time.monotonic() < end:
        time.sleep(0.2)
    return len(workers_of(service))


def test_models_change_under_load(tmp_path: Path, figure: Figure, full: bool) -> None:
    """A promoted bundle is picked up by both workers, and no request fails meanwhile."""
    answers: list[tuple[float, str]] = []
    told, taken, done = Counter[int](), [], Event()
    with served(tmp_path / "home", workers=2) as service:
        ids = {"first": Bundle.load(service.home.bundles / "first").id}
        ids["second"] = write_small_bundle(service.home.bundles / "second", rules=True, trained="again").id

        def look() -> None:
            while not done.is_set():
                with httpx.Client(base_url=service.url, trust_env=False) as other:  # whichever worker takes it
                    answer = other.post("/v1/predict", content=BODY, headers=JSON).raise_for_status().json()
                answers.append((time.monotonic(), answer["model_version"]))

        def load() -> None:
            while not done.is_set():
                told.update(asyncio.run(send(port_of(service), 100, 2)).statuses)

        threads = [during(look), during(load)]
        for i in range(20 if full else 3):
            name, began = ("second", "first")[i % 2], time.monotonic()
            promote(service.home, name)
            while len(answers) < AGREE or {version for _, version in answers[-AGREE:]} != {ids[name]}:
                assert time.monotonic() < began + 60
                time.sleep(0.05)
            taken.append(max((at for at, version in answers if version != ids[name]), default=began) - began)
        done.set()
        for thread in threads:
            thread.join()
    assert set(told) == {200}
    figure(
        f"{len(taken)} promotions under 100 predictions a second, 2 workers",
        f"{told[200] + len(answers):,} answered, 0 errors; both workers switched after {np.median(taken):.1f} s, "
        f"{max(taken):.1f} s at most",
    )


AGREE = 100
"""So many new connections in a row would hardly all meet one worker of two."""


def test_the_store_is_locked(tmp_path: Path, figure: Figure, full: bool) -> None:
    """Predictions go on; what must be written is refused with a reason, and is there once it was acknowledged."""
    seconds = 30 if full else 8
    with served(tmp_path / "home") as service:
        holder = sqlite3.connect(str(service.home.store), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused: list[httpx.Response] = []

        def write() -> None:
            end = time.monotonic() + seconds - 1
            while time.monotonic() < end:
                with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
                    refused.append(client.post(f"/v1/alerts/{ALERT}/events", json={"kind": "contacted"}))
                    refused.append(client.get("/v1/at-risk"))

        threads = [during(write) for _ in range(4)]
        told = asyncio.run(send(port_of(service), 100, seconds))
        for thread in threads:
            thread.join()
        holder.execute("ROLLBACK")
        holder.close()
        assert noted(service.home) == 0
        assert (note(service).status_code, service.get("/v1/at-risk").status_code) == (201, 200)
        assert noted(service.home) == 1
    assert told.statuses == {200: 100 * seconds}
    assert {(r.status_code, r.headers["content-type"]) for r in refused} == {(503, "application/problem+json")}
    assert all("again" in r.json()["detail"] or "locked" in r.json()["detail"] for r in refused)
    figure(
        f"store locked for {seconds} s",
        f"{told.statuses[200]:,} predictions, 0 errors, p99 {np.percentile(told.seconds, 99) * 1000:.0f} ms; "
        f"{len(refused)} requests to the store refused with 503 and a reason; none half done",
    )


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, figure: Figure, full: bool) -> None:
    """Events are sent with keys of their own while the worker is killed; each is there once, and the chain holds."""
    kills, sent = 10 if full else 2, 0
    with served(tmp_path / "home") as service:
        for _ in range(kills):
            (worker,) = workers_of(service)
            killer = during(lambda pid=worker: (time.sleep(0.4), os.kill(pid, signal.SIGKILL)))
            for _ in range(40):
                _until_acknowledged(service, f"key-{sent}")
                sent += 1
            killer.join()
            _all_back(service, 1)
    with open_store(service.home.store) as store:
        verified = AuditLog(store.engine).verify()
    assert noted(service.home) == sent
    assert verified.problem is None
    figure(f"kill -9 between {sent} acknowledged events, {kills} times", "each kept once, the audit chain whole")


def _until_acknowledged(service: Running, key: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if note(service, key).status_code == 201:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{key} was never acknowledged\n{service.log.read_text()[-2000:]}")


def test_a_hundred_duplicates_have_one_effect(tmp_path: Path, figure: Figure) -> None:
    with served(tmp_path / "home", workers=2) as service:
        answers: list[httpx.Response] = []

        def twice() -> None:
            with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
                for _ in range(10):
                    headers = {"idempotency-key": "one"}
                    path, body = f"/v1/alerts/{ALERT}/events", {"kind": "contacted"}
                    answers.append(client.post(path, json=body, headers=headers))

        threads = [during(twice) for _ in range(10)]
        for thread in threads:
            thread.join()
        other = service.client.post(
            f"/v1/alerts/{ALERT}/events", json={"kind": "acknowledged"}, headers={"idempotency-key": "one"}
        )
        assert noted(service.home) == 1
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 99
    assert (other.status_code, other.json()["type"]) == (409, "urn:remora:problem:idempotency-conflict")
    figure("100 concurrent duplicates of one event, 2 workers", "1 effect, 100 equal answers; another body: 409")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 12 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        told = f"a tmpfs cannot be mounted here: {done.stderr.strip()}"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_the_disk_is_full(small_disk: Path, figure: Figure) -> None:
    with served(small_disk / "home") as service:
        filler = small_disk / "filler"
        with filler.open("wb") as out:
            try:
                while True:
                    out.write(b"x" * 65_536)
                    out.flush()
            except OSError:
                pass
        told = asyncio.run(send(port_of(service), 100, 4))
        refused = [note(service) for _ in range(20)]
        acknowledged = sum(answer.status_code == 201 for answer in refused)
        filler.unlink()
        assert note(service).status_code == 201
        kept = noted(service.home)
    assert told.statuses == {200: 400}
    assert {answer.status_code for answer in refused} <= {201, 503}
    assert any(answer.status_code == 503 for answer in refused)
    assert kept == acknowledged + 1
    figure(
        "disk full (tmpfs)",
        f"400 predictions, 0 errors; {20 - acknowledged} of 20 events refused with 503, the {acknowledged} "
        "acknowledged ones kept; works again once there is room",
    )


def test_mlflow_is_absent(tmp_path: Path, figure: Figure) -> None:
    """Neither its package nor its store is there."""
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "mlflow.py").write_text("raise ImportError('MLflow is not here')\n")
    home = tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "block"))
        with served(home) as service:
            assert service.client.post("/v1/predict", content=BODY, headers=JSON).status_code == 200
            assert service.get("/v1/model").status_code == 200
    figure("MLflow absent", "the service starts and answers")
