"""Clients that dawdle: over the head of a request, over its body, over reading the answer. Nobody else notices."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from serving.api.connections import HEAD_SECONDS, LOOK_SECONDS
from serving.api.reading import BODY_SECONDS
from tests.faults.bad_body import GOOD
from tests.faults.bad_wires import HEAD
from tests.faults.besieged import PREDICT, Besieged, besieged, besieged_home
from tests.faults.conftest import Figure
from tests.faults.loading import resident_mib

EACH = 200
MOST_SECONDS = max(HEAD_SECONDS, BODY_SECONDS) + 3 * LOOK_SECONDS + 90
"""After which a connection should long be closed, on however slow a machine."""
BETWEEN = 0.5
MOST_GROWTH = 30
"""Mebibytes."""

Address = tuple[str, int]
Clients = Callable[[Address], Awaitable[str]]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("slow") / "home"
    besieged_home(folder)
    with besieged(folder) as started:
        yield started


async def head(address: Address) -> str:
    """Send the head of a request byte by byte; what comes back."""
    return await dribbled(address, b"", HEAD)


async def body(address: Address) -> str:
    """Send the head at once, and its body byte by byte."""
    return await dribbled(address, HEAD + b"Content-Length: 1000\r\n\r\n", b" " * 1000)


async def nothing(address: Address) -> str:
    """Send the head, announce a body, and wait."""
    return await dribbled(address, HEAD + b"Content-Length: 1000\r\n\r\n", b"")


async def refused(address: Address) -> str:
    """Announce a body of another type, and send it byte by byte although it is refused."""
    return await dribbled(address, HEAD.replace(b"json", b"xml") + b"Content-Length: 1000\r\n\r\n", b" " * 1000)


async def dribbled(address: Address, at_once: bytes, slowly: bytes) -> str:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(at_once)
    answer = asyncio.create_task(_until_closed(reader))
    with suppress(ConnectionError):
        for byte in slowly:
            await asyncio.wait([answer], timeout=BETWEEN)
            if answer.done():
                break
            writer.write(bytes([byte]))
            await writer.drain()
    said = await answer
    writer.close()
    return said


async def _until_closed(reader: asyncio.StreamReader) -> str:
    said = b""
    with suppress(ConnectionError):
        said = await reader.read()
    return said[9:12].decode()


async def unread(address: Address) -> str:
    """Ask for far more than a connection holds, and read nothing of it until the connection is no more."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(line, address)
        await loop.sock_sendall(line, b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100)
        while line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and _is_open(line):
            await asyncio.sleep(BETWEEN)
    return "cut"


def _is_open(line: socket.socket) -> bool:
    """Whether the other end still takes what is sent."""
    try:
        line.send(b"\r")
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return True


def crowd(siege: Besieged, clients: Clients) -> Counter[str]:
    """What EACH clients at once are told, while others ask for predictions and get them."""

    async def run() -> Counter[str]:
        dawdling = [asyncio.create_task(_patient(clients, siege.address, i / 50)) for i in range(EACH)]
        async with httpx.AsyncClient(base_url=siege.service.url, timeout=60, trust_env=False) as others:
            while not all(task.done() for task in dawdling):
                answer = await others.post(PREDICT, content=GOOD[PREDICT], headers={"content-type": "application/json"})
                assert answer.status_code == 200
                await asyncio.sleep(BETWEEN)
        return Counter([task.result() for task in dawdling])

    return asyncio.run(run())


async def _patient(clients: Clients, address: Address, after: float) -> str:
    """One of them, who comes after so many seconds: it is for their slowness that they are here, not for their load."""
    await asyncio.sleep(after)
    return await asyncio.wait_for(clients(address), MOST_SECONDS)


def sockets(siege: Besieged) -> int:
    """How many the worker holds."""
    links = (str(link.readlink()) for link in Path(f"/proc/{siege.worker}/fd").iterdir() if link.is_symlink())
    return sum(link.startswith("socket:") for link in links)


@pytest.mark.parametrize(
    ("clients", "told"),
    [(head, {""}), (body, {"408"}), (nothing, {"408"}), (refused, {"415"}), (unread, {"cut"})],
    ids=["head", "body", "no body", "a refused body", "an unread answer"],
)
def test_200_dawdling_clients(siege: Besieged, clients: Clients, told: set[str], full: bool, figure: Figure) -> None:
    before, held = sockets(siege), []
    for _ in range(3 if full else 1):
        assert set(crowd(siege, clients)) == told
        held.append(resident_mib(siege.worker))
    end = time.monotonic() + 30
    while sockets(siege) > before + 2:  # those of the others who asked
        assert time.monotonic() < end
        time.sleep(0.2)
    assert held[-1] - held[0] < MOST_GROWTH
    assert "Traceback" not in siege.service.log.read_text()
    figure(f"{EACH} clients slow with {clients.__name__}", f"{', '.join(told) or 'closed'}; all sockets given back")
