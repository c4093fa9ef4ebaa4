"""Requests a second of POST /v1/predict, one customer each, beside a bare Starlette route with the same churn model.

One worker, sixteen connections, on the loopback; printed by `make bench-speed`. `--small` asks fewer times.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from features.clock import micros, now, start_of
from models.bundle import Bundle
from serving.home import Home
from tests.serving.running import free_port, promote, running

CONNECTIONS = 16
ASKED = (
    (', `"include": []`', [], 1),
    (", with reasons", ["reasons"], 4),
    (", with reasons and composite score", ["reasons", "composite"], 8),
)
"""What is asked of the service: in words, as `include`, and the divisor of the number of requests."""

HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
BARE = """
import sys
import uvicorn
from pathlib import Path
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from models.bundle import Bundle
bundle = Bundle.load(Path(sys.argv[1]))

async def predict(request):
    features = (await request.json())["customers"][0]["features"]
    return JSONResponse({"churn_probability": float(bundle.churn.probability(bundle.rows([features]))[0])})

uvicorn.run(Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])]), port=int(sys.argv[2]),
            log_level="error", access_log=False)
"""


def a_bundle(home: Home) -> Bundle:
    """Models trained on a simulated company, promoted in `home`."""
    from features.demo import simulate
    from features.engines import open_source
    from features.settings import load_settings
    from training.pipeline import train

    company = simulate(home.folder / "company", customers=1000)
    settings = load_settings(company.folder / "remora.toml")
    day = start_of(company.end, settings.company.zone)
    bundle = train(open_source(company.folder, settings), micros(day), settings, now()).bundle
    home.bundles.mkdir(parents=True)
    bundle.folder.rename(home.bundles / bundle.id)
    promote(home, bundle.id)
    return Bundle.load(home.bundles / bundle.id)


def body(bundle: Bundle, include: list[str]) -> bytes:
    """A request for one customer of the reference."""
    row = bundle.reference().row(0, named=True)
    features = {name: row[name] for name in bundle.manifest.names}
    return json.dumps({"customers": [{"customer_id": "1", "features": features}], "include": include}).encode()


async def ask(port: int, content: bytes, count: int) -> tuple[float, list[float]]:
    """Send `count` requests over CONNECTIONS kept open; requests a second, and every latency in ms."""
    head = HEAD.format(path="/v1/predict", length=len(content)).encode()
    latencies: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // CONNECTIONS):
            started = time.perf_counter()
            writer.write(head + content)
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith(b"HTTP/1.1 200"), told
            length = next(row for row in told.lower().split(b"\r\n") if row.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            latencies.append((time.perf_counter() - started) * 1000)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return len(latencies) / (time.perf_counter() - started), latencies


@contextmanager
def bare(bundle: Bundle) -> Iterator[int]:
    """The bare route in a process of its own."""
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", BARE, str(bundle.folder), str(port)])
    try:
        yield port
    finally:
        child.terminate()
        child.wait(30)


def wait_for(port: int, content: bytes) -> None:
    """Ask until there is an answer."""
    for _ in range(200):
        try:
            asyncio.run(ask(port, content, CONNECTIONS))
            return
        except (OSError, AssertionError):
            time.sleep(0.2)
    raise SystemExit(f"no answer on port {port}")


def line(what: str, port: int, content: bytes, count: int, floor: float | None = None) -> tuple[str, float]:
    """One row of the table, after a warm-up, and its requests a second; `floor` are those of the bare route."""
    wait_for(port, content)
    asyncio.run(ask(port, content, count // 4))
    rate, latencies = asyncio.run(ask(port, content, count))
    median, late = np.percentile(latencies, [50, 99])
    return f"| {what} | {rate:,.0f} | {rate / (floor or rate):.2f} | {median:.1f} ms | {late:.1f} ms |", rate


def report(folder: Path, count: int) -> Iterator[str]:
    """The table, in Markdown."""
    home = Home(folder / "home")
    bundle = a_bundle(home)
    yield f"| one customer, {len(bundle.manifest.names)} features | requests a second | of bare | p50 | p99 |"
    yield "|---|---|---|---|---|"
    with bare(bundle) as port:
        told, floor = line("bare Starlette, the churn model alone", port, body(bundle, []), count)
        yield told
    with running(home.folder) as service:
        port = service.client.base_url.port or 0
        for what, include, share in ASKED:
            yield line(f"POST /v1/predict{what}", port, body(bundle, include), count // share, floor)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="fewer requests")
    small = parser.parse_args().small
    with tempfile.TemporaryDirectory() as place:
        for row in report(Path(place), 400 if small else 8000):
            print(row, flush=True)
