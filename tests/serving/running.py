"""A real service in a child process, on a small real bundle and a real store."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import polars as pl

from models.prediction import SCHEMA
from serving.home import Home
from serving.store import open_store
from tests.small_bundle import AS_OF, write_small_bundle

START_SECONDS = 120
ACTION = "monthly in-depth conversation, tailored proposal (account manager, monthly)"


@dataclass
class Running:
    client: httpx.Client
    home: Home
    log: Path
    pid: int = 0

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, body: object) -> httpx.Response:
        return self.client.post("/v1/predict", json=body)

    def send(self, content: bytes | Iterable[bytes], kind: str = "application/json") -> httpx.Response:
        return self.client.post("/v1/predict", content=content, headers={"content-type": kind})

    def wait_until(self, true: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """Wait for a state of /readyz."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if true(found := self.get("/readyz").json()):
                return dict(found)
            time.sleep(0.1)
        raise AssertionError(f"/readyz stayed {found}\n{self.log.read_text()}")


@contextmanager
def running(folder: Path, workers: int = 1, **action: float) -> Iterator[Running]:
    """Serve the home `folder` until the end of the `with`; the process is ended by its id. `action` is its price."""
    port, log = free_port(), folder.parent / f"{folder.name}.log"
    code = (
        "import json, sys; from pathlib import Path; from features.settings import load_settings; "
        "from serving.starting import serve; "
        "action, company = json.loads(sys.argv[3]), {'currency': 'GBP'}; "
        "settings = load_settings(home=Path(sys.argv[1]), company=company, action=action); "
        "serve(settings, int(sys.argv[2]), int(sys.argv[4]))"
    )
    folder.mkdir(exist_ok=True)
    root = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(Path(__file__).parents[2])]))
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(port), json.dumps(action), str(workers)],
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root},
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            service = Running(client, Home(folder), log, child.pid)
            _wait_for_answer(service, child)
            yield service
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def _wait_for_answer(service: Running, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            service.get("/livez")
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"the service did not start:\n{service.log.read_text()}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def promote(home: Home, name: str) -> None:
    """Point at a bundle as promotion does: written beside, renamed."""
    beside = home.folder / ".champion"
    beside.write_text(name + "\n")
    beside.rename(home.champion)


def fill(home: Home) -> None:
    """A promoted bundle, and thirty scored customers."""
    write_small_bundle(home.bundles / "first", rules=True)
    promote(home, "first")
    with open_store(home.store) as store:
        store.save(scores())
        store.save_customers(
            pl.DataFrame(
                {
                    "customer_id": ["C0", "C1", "ключ/7"],
                    "name": ["Nordwind Trading", "<b>Bold & Sons</b>", "Slash"],
                    "account_owner": ["Ada", "Ben", "Ada"],
                }
            )
        )


def scores() -> pl.DataFrame:
    """C0 has the most value at risk, C1 the next, …; the last is not at stake."""
    ids = [*(f"C{i}" for i in range(28)), "ключ/7", "gone"]
    return pl.DataFrame([_score(i, name) for i, name in enumerate(ids)], schema=SCHEMA)


def _score(i: int, name: str) -> dict[str, object]:
    stake = name != "gone"
    probability = 0.93 - i * 0.02 if stake else None
    kept = 4200.0 - 100 * i
    reason = {"feature": "rfm_recency_days", "direction": "raises", "size": 0.5, "text": "last purchase 74 days ago"}
    other = {"feature": "nps_score_last", "direction": "lowers", "size": 0.2, "text": "last NPS answer was 9 of 10"}
    return {
        "customer_id": name,
        "as_of": AS_OF,
        "at_stake": stake,
        "churn_probability": probability,
        "churn_horizon_days": 90,
        "risk_band": ("high" if i < 5 else "medium" if i < 20 else "low") if stake else None,
        "expected_value": kept * 0.7,
        "value_low": 100.0,
        "value_high": 9000.0,
        "value_if_retained": kept,
        "value_horizon_days": 90,
        "value_at_risk": kept * probability if probability else None,
        "composite_score": 75.0 - i,
        "composite_coverage": 0.8,
        "tier": "key" if i < 6 else "regular" if i < 20 else "watch",
        "segments": [],
        "alerts": [],
        "reasons": [reason, other],
        "playbook": ACTION,
        "basis": "model: trees",
        "model_version": "2011-06-30.00000000",
        "rules_version": "2026.1+00000000",
        "scored_at": dt.datetime(2011, 7, 1, tzinfo=dt.UTC),
    }
