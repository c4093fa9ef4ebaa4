"""The BentoML service that hosts the API and the workbench, and the function that starts it.

Bento's own routes, metrics, access log and tracing are out of the way: every HTTP request goes straight to our
application (its API path is a sixteenth as fast as plain Starlette, and its start page loads a third-party tracker).
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS

from features.settings import Settings, load_settings
from serving.api.app import build_app
from serving.state import State

HOST: Final = "127.0.0.1"
TIMEOUT_SECONDS: Final = 5  # Bento never cancels its timers: longer ones pile up under load
SETTINGS_VARIABLE: Final = "REMORA_SERVICE_SETTINGS"
WORKERS_VARIABLE: Final = "REMORA_SERVICE_WORKERS"
WORKERS: Final = int(os.environ.get(WORKERS_VARIABLE, "1"))


class Entrance:
    """The middleware behind which Bento's own application never sees an HTTP request."""

    def __init__(self, app: ASGIApp) -> None:
        self._bento = app
        self._state = State(_settings(), WORKERS)
        self._app = build_app(self._state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve HTTP ourselves; live as long as Bento does."""
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            self._step_in_front(scope)
            with self._state:
                await self._state.settle()
                self._state.pulse.begin()
                await self._bento(scope, receive, send)
                self._state.pulse.end()

    def _step_in_front(self, scope: Scope) -> None:
        """Let requests come here straight: Bento's tracing, time-out task and timer cost more than a prediction.

        And uvicorn's own access log, which nobody reads, is not formatted.
        """
        scope["app"].middleware_stack = self
        logging.getLogger("uvicorn.access").propagate = False


@bentoml.service(
    name="remora",
    workers=WORKERS,
    traffic={"timeout": TIMEOUT_SECONDS},
    tracing={"excluded_urls": ".*"},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class RemoraService:
    """Churn and value predictions, ranked accounts, and the workbench."""


HTTP_PROTOCOLS["auto"] = "serving.api.connections:Connection"  # Bento leaves the choice to uvicorn
RemoraService.add_asgi_middleware(Entrance)  # type: ignore[attr-defined]  # the decorator makes a Service of the class


def serve(settings: Settings, port: int = 3000, workers: int = 1, host: str = HOST) -> None:
    """Serve on `host` until interrupted. Must come before anything else imports Bento's configuration."""
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


def _settings() -> Settings:
    """The settings that `serve` was given; for a Bento started by hand, those of the working folder."""
    told = os.environ.get(SETTINGS_VARIABLE)
    if told is None:
        return load_settings()
    values: dict[str, Any] = json.loads(told)
    return Settings.model_construct(**dict(Settings.model_validate(values)) | {"home": Path(values["home"])})
