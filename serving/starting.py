"""How the service is started: what BentoML and its workers are told, without loading either here."""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from features.settings import Settings, load_settings

HOST: Final = "127.0.0.1"
SETTINGS_VARIABLE: Final = "REMORA_SERVICE_SETTINGS"
WORKERS_VARIABLE: Final = "REMORA_SERVICE_WORKERS"


def serve(settings: Settings, port: int = 3000, workers: int = 1, host: str = HOST) -> None:
    """Serve on `host` until interrupted. This process becomes BentoML's."""
    os.environ.update(environment(settings, workers))
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:RemoraService"]
    os.execv(sys.executable, [*command, "--host", host, "--port", str(port)])


def environment(settings: Settings, workers: int = 1) -> dict[str, str]:
    """What Bento and its workers need to know."""
    home = settings.home.resolve()
    told = settings.model_copy(update={"home": home})
    return {
        SETTINGS_VARIABLE: told.model_dump_json(by_alias=True),
        WORKERS_VARIABLE: str(workers),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
    }


def told_settings() -> Settings:
    """The settings that `serve` was given; for a Bento started by hand, those of the working folder."""
    told = os.environ.get(SETTINGS_VARIABLE)
    if told is None:
        return load_settings()
    values: dict[str, Any] = json.loads(told)
    return Settings.model_construct(**dict(Settings.model_validate(values)) | {"home": Path(values["home"])})
