"""What is sent of an event, and how its receiver knows that it came from here.

A receiver computes HMAC-SHA256, keyed with the shared secret, over the bytes of `t`, a full stop and the body exactly
as it came, compares it in constant time with each `v1` of the header `Remora-Signature: t=UNIX,v1=HEX[,v1=HEX]`, and
refuses a `t` more than TOLERANCE away from its own clock. It keeps the `id` of what it took in, as an event may come
more than once.
"""

import datetime as dt
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from serving.webhooks.outbox import Event

TOLERANCE: Final = dt.timedelta(minutes=5)
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


def cloud_event(event: Event, source: str) -> bytes:
    """An event as CloudEvents 1.0 in structured mode, the same bytes each time it is sent."""
    whole: dict[str, Any] = {
        "specversion": "1.0", "id": event.id, "source": source, "type": f"io.remora.{event.kind}.v1",
        "subject": event.customer_id, "time": event.at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json", "data": dict(event.data),
    }  # fmt: skip
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def signature(body: bytes, secrets: Sequence[bytes], at: dt.datetime) -> str:
    """The header that proves `body`: one `v1` for each secret, so that one can be replaced without a pause.

    >>> signature(b"{}", [b"s"], dt.datetime(1970, 1, 1, tzinfo=dt.UTC))[:12]
    't=0,v1=e79b1'
    """
    t = int(at.timestamp())
    signed = [hmac.digest(secret, f"{t}.".encode() + body, "sha256").hex() for secret in secrets]
    return ",".join([f"t={t}", *(f"v1={each}" for each in signed)])


def headers(event: Event, body: bytes, secrets: Sequence[bytes], attempt: int, at: dt.datetime) -> Mapping[str, str]:
    """Everything besides the body; `Remora-Attempt` counts from 1."""
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "Remora-Webhooks/1",
        "Remora-Signature": signature(body, secrets, at),
        "Remora-Delivery": event.id,
        "Remora-Attempt": str(attempt),
    }
