"""The service beside a no-op ASGI application and a bare Starlette route around the same Boosters, in one run.

One worker each, on the loopback, 60 features, reasons off, one customer a request; wrk asks. Printed by
`make bench-serve`; `--seconds` says how long each measurement takes, the best of three counts.
"""

import argparse
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import lightgbm
import numpy as np
import polars as pl

from models.bundle import Bundle, write_bundle
from models.calibration import Calibration
from models.manifest import ChurnPart, FeatureColumn, ManifestParts, ValuePart
from models.rules.pack import DEFAULT_PACK
from models.value_range import ValueRange, squeezed
from serving.home import Home
from serving.predicting import Predictor
from serving.schemas import PredictRequest
from tests.faults.loading import descendants, is_worker, resident_mib
from tests.serving.running import free_port, promote, running

FEATURES, ROWS, TREES = 60, 4_000, 300
DAY = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
BATCH = 1_000

NOOP = """
import sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""
BARE = """
import sys, uvicorn
from pathlib import Path
import numpy as np
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from models.bundle import Bundle

bundle = Bundle.load(Path(sys.argv[2]))
names = bundle.manifest.names
models = {"churn": bundle.churn.trees, **bundle.value}

async def predict(request):
    features = from_json(await request.body())["customers"][0]["features"]
    row = np.array([features[name] for name in names], dtype=np.float32)
    return Response(to_json({name: model.predict_one(row) for name, model in models.items()}),
                    media_type="application/json")

uvicorn.run(Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])]), port=int(sys.argv[1]),
            log_level="error", access_log=False)
"""
BENTO = """
import bentoml

@bentoml.service(name="bare", metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Bare:
    @bentoml.api(route="/ping")
    def ping(self) -> str:
        return ""
"""
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}")
wrk.body = file:read("*a")
file:close()
"""


def a_bundle(folder: Path, *, value: bool) -> Bundle:
    """300 trees of 15 leaves on 60 features for churn and, if `value`, five more Boosters of 100 trees."""
    rng = np.random.default_rng(1)
    matrix = rng.gamma(2, 30, (ROWS, FEATURES)).astype(np.float32)
    odds = (matrix[:, 0] - matrix[:, 1] + 0.3 * matrix[:, 2] - 0.3 * matrix[:, 3]) / 40
    churned = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    amount = matrix[:, 4] * rng.gamma(5, 0.2, ROWS) + 1
    wanted = {
        "any": ("binary", 1 - churned, {}),
        "amount": ("gamma", amount, {}),
        "retained": ("gamma", amount * 1.2, {}),
        "low": ("quantile", squeezed(amount, 30.0), {"alpha": 0.1}),
        "high": ("quantile", squeezed(amount, 30.0), {"alpha": 0.9}),
    }
    names = [f"rfm_amount_sum_{i + 1}d" for i in range(FEATURES)]
    said = ManifestParts(
        as_of=DAY,
        churn=ChurnPart(
            definition="no_purchase", horizon_days=90, active_within_days=365, grace_days=0, base_rate=0.4,
            calibration=Calibration(method="platt", slope=0.9, intercept=-0.1),
        ),
        value=ValuePart(
            source="transactions", measure="revenue", horizon_days=90,
            range=ValueRange(scale=30.0, low=-0.1, high=0.1, high_from_zero=0.2),
        ) if value else None,
        features=tuple(FeatureColumn(name=name) for name in names),
    )  # fmt: skip
    return write_bundle(
        folder,
        said,
        churn=_fitted(matrix, churned, "binary", TREES),
        value={n: _fitted(matrix, y, kind, 100, **more) for n, (kind, y, more) in wanted.items()} if value else {},
        pack=DEFAULT_PACK.read_text(encoding="utf-8"),
        reference=pl.DataFrame({name: matrix[:, i].astype(float) for i, name in enumerate(names)}).head(1000),
        created_at=DAY,
    )


def _fitted(matrix: np.ndarray, target: np.ndarray, objective: str, trees: int, **more: float) -> str:
    params = {"objective": objective, "num_leaves": 15, "max_depth": 4, "verbose": -1, "seed": 1, "num_threads": 1}
    return str(lightgbm.train(params | more, lightgbm.Dataset(matrix, target), trees).model_to_string())


def body_of(bundle: Bundle, count: int = 1) -> bytes:
    """A request for customers of the reference."""
    rows = bundle.reference().head(count).select(bundle.manifest.names).to_dicts()
    return json.dumps({"customers": [{"customer_id": str(i), "features": row} for i, row in enumerate(rows)]}).encode()


@contextmanager
def process(code: str, *arguments: object) -> Iterator[int]:
    """A server of its own; gives its port."""
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", code, str(port), *map(str, arguments)])
    try:
        wait(lambda: httpx.post(f"http://127.0.0.1:{port}/v1/predict", content=b"{}", trust_env=False).status_code)
        yield port
    finally:
        child.terminate()
        child.wait(30)


def wait(answered: Callable[[], object], seconds: float = 60) -> float:
    """Ask until there is an answer; gives the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if answered():
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit("no answer")


@dataclass(frozen=True)
class Measured:
    """Requests a second, and latencies in ms."""

    rate: float
    p50: float
    p99: float


def ask(port: int, script: Path, connections: int, seconds: int) -> Measured:
    """What wrk measures, once warm."""
    told = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
         f"http://127.0.0.1:{port}/v1/predict"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(told)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert rate, told
    return Measured(float(rate[1]), _ms(told, "50%"), _ms(told, "99%"))


def _ms(told: str, name: str) -> float:
    found = re.search(rf"\s{name}\s+([\d.]+)(us|ms|s)", told)
    assert found, told
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def best(ports: dict[str, int], script: Path, connections: int, seconds: int) -> dict[str, Measured]:
    """The best of three for each, taken in turns: what else the machine does hits all of them."""
    rounds = [{name: ask(port, script, connections, seconds) for name, port in ports.items()} for _ in range(3)]
    return {
        name: Measured(
            max(r[name].rate for r in rounds), min(r[name].p50 for r in rounds), min(r[name].p99 for r in rounds)
        )
        for name in ports
    }


def table(folder: Path, seconds: int) -> Iterator[str]:
    """The tables, in Markdown."""
    heads = ("one customer, 60 features, reasons off", "connections", "requests a second", "p50", "p99")
    yield f"| {' | '.join(heads)} | of bare | p50 of no-op | p99 of no-op |"
    yield "|---|---|---|---|---|---|---|---|"
    for value in (False, True):
        yield from _compared(folder / str(value), value, seconds)
    yield ""
    yield from _batches(folder / "True")
    yield from _starts(folder)


def _compared(folder: Path, value: bool, seconds: int) -> Iterator[str]:
    home = Home(folder / "home")
    bundle = a_bundle(home.bundles / "one", value=value)
    promote(home, "one")
    body, script = folder / "body.json", folder / "post.lua"
    body.write_bytes(body_of(bundle))
    script.write_text(LUA.format(body=body))
    with process(NOOP) as noop, process(BARE, bundle.folder) as bare, running(home.folder) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        ports = {"no-op": noop, "bare": bare, "Remora": service.client.base_url.port or 0}
        for port in ports.values():
            ask(port, script, 16, 1)
        for connections in (1, 16):
            yield from _lines(best(ports, script, connections, seconds), connections, value)


def _lines(found: dict[str, Measured], connections: int, value: bool) -> Iterator[str]:
    what = "churn and value (6 Boosters)" if value else "churn (1 Booster)"
    named = {"no-op": "no-op ASGI application", "bare": f"bare Starlette, {what}", "Remora": f"Remora, {what}"}
    floor, bare = found["no-op"], found["bare"]
    for name, each in found.items():
        if name == "no-op" and value:
            continue
        yield (
            f"| {named[name]} | {connections} | {each.rate:,.0f} | {each.p50:.3f} ms | {each.p99:.2f} ms | "
            f"{each.rate / bare.rate:.2f} | {each.p50 / floor.p50:.2f} | {each.p99 / floor.p99:.2f} |"
        )


def _batches(folder: Path) -> Iterator[str]:
    """A thousand customers at once, against the same in this process."""
    home = Home(folder / "home")
    bundle = Bundle.load(home.bundles / "one")
    body, predictor = body_of(bundle, BATCH), Predictor(bundle)
    asked = PredictRequest.model_validate_json(body)
    inside = _fastest(lambda: predictor.answer(asked, DAY))
    models = _fastest(lambda: bundle.predict(bundle.rows([customer.features for customer in asked.customers]), 1))
    with running(home.folder) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        headers = {"content-type": "application/json"}
        outside = _fastest(lambda: service.client.post("/v1/predict", content=body, headers=headers).raise_for_status())
    yield "| 1,000 customers a request, churn and value | customers a second | of the models' rate |"
    yield "|---|---|---|"
    for what, each in (("rows and models in process", models), ("the answer in process", inside), ("HTTP", outside)):
        yield f"| {what} | {BATCH / each:,.0f} | {models / each:.2f} |"
    yield ""


def _fastest(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(15):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _starts(folder: Path) -> Iterator[str]:
    """Start to ready, beside BentoML's own bare start; and memory after some load."""
    bare = min(_bare_start(folder) for _ in range(2))
    home = Home(folder / "True" / "home")
    began = time.monotonic()
    with running(home.folder) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        ready = time.monotonic() - began
        (worker,) = [pid for pid in descendants(service.pid) if is_worker(pid)]
        before = resident_mib(worker)
        ask(service.client.base_url.port or 0, folder / "True" / "post.lua", 16, 5)
        after = resident_mib(worker)
    yield "| start and memory | |"
    yield "|---|---|"
    yield f"| start to ready, beyond BentoML's own bare start ({bare:.1f} s) | {ready - bare:+.1f} s |"
    yield f"| resident memory of a worker: ready, after load | {before:.0f} MiB, {after:.0f} MiB |"


def _bare_start(folder: Path) -> float:
    place = folder / "bento"
    place.mkdir(exist_ok=True)
    (place / "bare_service.py").write_text(BENTO)
    port = free_port()
    env = {
        **os.environ,
        "BENTOML_HOME": str(place / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOST": "127.0.0.1",
    }
    command = [sys.executable, "-m", "bentoml", "serve", "bare_service:Bare", "--port", str(port)]
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(command, cwd=place, env=env, stdout=quiet, stderr=quiet)
    try:
        return wait(lambda: httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200)
    finally:
        child.terminate()
        child.wait(30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="how long each measurement takes")
    seconds = parser.parse_args().seconds
    if not shutil.which("wrk"):
        raise SystemExit("wrk is absent; install Debian's package wrk")
    with tempfile.TemporaryDirectory() as place:
        for row in table(Path(place), seconds):
            print(row, flush=True)
