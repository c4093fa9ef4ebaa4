"""Requests at a steady rate, and processes looked at from outside."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FEATURES = {
    "rfm_recency_days": 300, "rfm_orders_count_90d": 1, "rfm_orders_count_365d": 5.0, "rfm_amount_sum_180d": 120.5,
    "nps_score_last": None, "profile_country": "Spain",
}  # fmt: skip
BODY = json.dumps({"customers": [{"customer_id": "a", "features": FEATURES}]}).encode()


@dataclass
class Told:
    """What came back: how often each status (0: none), and how long it took, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def request(headers: str = "") -> bytes:
    """`POST /v1/predict` for one customer."""
    head = (
        "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n{headers}\r\n"
    )
    return head.encode() + BODY


async def send(port: int, rate: float, seconds: float, connections: int = 16, retry: bool = False) -> Told:
    """`rate` requests a second, whatever the answers (an open loop), over `connections` that are kept open.

    With `retry`, who gets no answer asks again, on a new connection, until there is one.
    """
    told, queue, every = Told(), asyncio.Queue[float | None](), 1 / rate
    workers = [asyncio.create_task(_work(port, queue, told, retry)) for _ in range(connections)]
    began = time.perf_counter()
    for i in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + i * every - time.perf_counter()))
        queue.put_nowait(time.perf_counter())
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    return told


async def _work(port: int, queue: "asyncio.Queue[float | None]", told: Told, retry: bool) -> None:
    line = None
    while (due := await queue.get()) is not None:
        status = 0
        while status == 0:
            try:
                line = line or await asyncio.open_connection("127.0.0.1", port)
                status = await asyncio.wait_for(_ask(*line), 30)
            except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
                told.statuses[0] += 1
                if line:
                    line[1].close()
                line = None
                await asyncio.sleep(0.02)
                if not retry:
                    break
        if status:
            told.statuses[status] += 1
            told.seconds.append(time.perf_counter() - due)
    if line:
        line[1].close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    writer.write(_REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(row for row in head.lower().split(b"\r\n") if row.startswith(b"content-length"))
    await reader.readexactly(int(length.split(b":")[1]))
    return int(head.split(b" ", 2)[1])


_REQUEST = request()


def descendants(pid: int) -> list[int]:
    """The processes below one, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, ahead = [], [pid]
    while ahead:
        of = ahead.pop()
        children = [child for child, parent in parents.items() if parent == of]
        found += children
        ahead += children
    return found


def is_worker(pid: int) -> bool:
    """Whether a process is a worker of the service."""
    try:
        return b"_bentoml_impl.worker.service" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith("VmRSS")).split()[1]) / 1024
