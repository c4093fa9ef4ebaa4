"""The BentoML service that hosts the API and the workbench.

Bento's own routes, metrics, access log and tracing are out of the way: every HTTP request goes straight to our
application (its API path is a sixteenth as fast as plain Starlette, and its start page loads a third-party tracker).
"""

import gc
import logging
import os
from typing import Final

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS

from serving.starting import WORKERS_VARIABLE, told_settings

TIMEOUT_SECONDS: Final = 5  # Bento never cancels its timers: longer ones pile up under load
COLLECT: Final = (50_000, 50, 1_000)
"""How seldom garbage is collected: what a request makes is freed without, and what was loaded is frozen."""
WORKERS: Final = int(os.environ.get(WORKERS_VARIABLE, "1"))


class Entrance:
    """The middleware behind which Bento's own application never sees an HTTP request."""

    def __init__(self, app: ASGIApp) -> None:
        from serving.api.app import build_app  # late: Bento's first process has no use for it, and makes others wait
        from serving.state import State

        self._bento = app
        self._state = State(told_settings(), WORKERS)
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
                gc.set_threshold(*COLLECT)
                await self._bento(scope, receive, send)
                self._state.pulse.end()

    def _step_in_front(self, scope: Scope) -> None:
        """Let requests come here straight: Bento's tracing, time-out task and timer cost more than a prediction.

        And uvicorn's own access log, which nobody reads, is not formatted.
        """
        from serving.api import predict
        from serving.api.connections import AT_ONCE

        scope["app"].middleware_stack = self
        scope["state"][AT_ONCE] = {predict.PATH.encode(): self._app.at_once}
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
