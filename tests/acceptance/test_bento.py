"""The built bento starts in an environment of its own, without this checkout; what it is made of is known."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.loading import BODY
from tests.serving.running import START_SECONDS, free_port, promote
from tests.small_bundle import write_small_bundle

from serving.home import Home  # isort: skip

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")
JSON = {"content-type": "application/json"}


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BENTOML_HOME with the bento in it."""
    home = tmp_path_factory.mktemp("bentos")
    env = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
    run(sys.executable, "-m", "bentoml", "build", cwd=ROOT, env=env)
    return home


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has what the bento asks for, and nothing of this checkout."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, place)
    (wanted,) = built.glob("bentos/remora/*/env/python/requirements.txt")
    run(UV, "pip", "install", "--quiet", "--python", place / "bin" / "python", "-r", wanted)
    return place / "bin" / "python"


@pytest.fixture(scope="module")
def url(built: Path, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the bento serves a promoted model."""
    home, port = Home(tmp_path_factory.mktemp("deployed") / "home"), free_port()
    write_small_bundle(home.bundles / "first", rules=True)
    promote(home, "first")
    env = {
        "PATH": "/usr/bin:/bin", "HOME": str(home.folder), "BENTOML_HOME": str(built), "BENTOML_DO_NOT_TRACK": "true",
        "REMORA_HOME": str(home.folder),
    }  # fmt: skip
    command = [str(python), "-m", "bentoml", "serve", "remora:latest", "--host", "127.0.0.1", "--port", str(port)]
    with (home.folder / "log").open("w") as log:
        child = subprocess.Popen(command, cwd=home.folder, env=env, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}", child, home.folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(30)


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_it_predicts(url: str) -> None:
    answer = httpx.post(f"{url}/v1/predict", content=BODY, headers=JSON, trust_env=False)
    assert answer.status_code == 200
    assert 0 < answer.json()["predictions"][0]["churn_probability"] < 1


def test_it_scores_rows_explains_and_shows_its_pages(url: str) -> None:
    asked = json.loads(BODY) | {"explain": True, "include": ["composite"]}
    assert httpx.post(f"{url}/v1/predict", json=asked, trust_env=False).json()["predictions"][0]["reasons"]
    lead = {"leads": [{"lead_id": "L1", "created_at": "2026-01-01"}]}
    assert httpx.post(f"{url}/v1/leads/score", json=lead, trust_env=False).status_code == 200
    for path in ("/", "/docs", "/openapi.json", "/v1/at-risk", "/v1/alerts", "/v1/model", "/metrics"):
        assert httpx.get(url + path, trust_env=False).status_code == 200, path


def test_it_lacks_what_training_needs(python: Path) -> None:
    there = set(re.findall(r'"name":"([^"]+)"', run(UV, "pip", "list", "--format", "json", "--python", python)))
    assert {"bentoml", "lightgbm", "polars"} <= there
    assert not there & {"mlflow", "pandas", "scikit-learn", "evidently", "altair", "optuna", "duckdb", "remora"}


@pytest.mark.parametrize("lock", ["requirements.lock", "serving/requirements.lock"])
def test_every_dependency_is_hashed(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.findall(r"^[A-Za-z0-9][^\n]*==.*?(?=^[A-Za-z0-9]|\Z)", text, re.M | re.S)
    assert len(blocks) > 50
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_bill_of_materials_names_every_package(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    tool = Path(sys.executable).parent / "cyclonedx-py"
    run(tool, "environment", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--spec-version", "1.6",
        "--output-format", "JSON", "--output-file", file, sys.executable)  # fmt: skip
    found = json.loads(file.read_text())
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    named = {re.sub(r"[-_.]+", "-", part["name"]).lower() for part in found["components"]}
    wanted = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "serving" / "requirements.lock").read_text(), re.M))
    absent = {"colorama", "greenlet", "pywin32", "tzlocal", "nvidia-ml-py"}
    assert wanted - named <= absent | {name for name in wanted if name.startswith("win")}, wanted - named


def test_nothing_is_unpickled() -> None:
    """No module of ours loads a pickle, by any name: a bundle is text, JSON and Parquet."""
    rooms = ("features", "models", "training", "monitoring", "serving")
    loads = re.compile(r"\b(pickle|joblib|cloudpickle|dill|shelve|marshal)\b|read_pickle|allow_pickle\s*=\s*True")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for room in rooms
        for file in (ROOT / room).rglob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if loads.search(line.split("#")[0]) and "import" in line
    ]
    assert found == []
