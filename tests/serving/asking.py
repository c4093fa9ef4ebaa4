"""The application asked in this process, without a socket."""

import asyncio
from typing import Any

import httpx

from serving.api.app import build_app
from serving.state import State


def ask(
    state: State, method: str, path: str, client: tuple[str, int] = ("127.0.0.1", 9), host: str = "127.0.0.1",
    **options: Any,
) -> httpx.Response:  # fmt: skip
    """One request; the server's own address is the `host`'s."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(state), raise_app_exceptions=False, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            return await http.request(method, path, **options)

    return asyncio.run(send())


def bearer(token: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {token}"}
