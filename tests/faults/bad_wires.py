"""Bytes picked by hand that are no HTTP, or that two servers could read as two different things.

What the server itself refuses, before there is a request, is plain text and closes the connection.
"""

from tests.faults.bad_body import EVENTS, event, predict

BODY = predict()
SIZE = len(BODY)
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
ME = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (SIZE, BODY)
END = b"0\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"a" * 1_048_576
UPGRADE = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "


def sized(*sizes: object, body: bytes = BODY, more: bytes = b"") -> bytes:
    return HEAD + more + b"".join(f"Content-Length: {size}\r\n".encode() for size in sizes) + b"\r\n" + body


WIRES: dict[str, tuple[bytes, list[int]]] = {
    "a length too short": (sized(SIZE - 1), [400, 400]),
    "a negative length": (sized(-1), [400]),
    "a length with a sign": (sized("+5"), [400]),
    "a length in hexadecimal": (sized(hex(SIZE)), [400]),
    "a length of 20 digits": (sized("9" * 20), [400]),
    "a length of a terabyte": (sized(10**12), [413]),
    "two lengths that differ": (sized(SIZE, 5), [400]),
    "the same length twice": (sized(SIZE, SIZE), [400]),
    "two lengths in a list": (sized(f"{SIZE}, {SIZE}"), [400]),
    "a length and chunks": (sized(SIZE, body=CHUNK + END, more=b"Transfer-Encoding: chunked\r\n"), [400]),
    "no length and chunks": (sized(0, body=CHUNK + END, more=b"Transfer-Encoding: chunked\r\n"), [400]),
    "chunks and something else": (sized(body=CHUNK + END, more=b"Transfer-Encoding: chunked, identity\r\n"), [400]),
    "a coding nobody knows": (sized(body=BODY, more=b"Transfer-Encoding: gzip\r\n"), [400]),
    "nearly chunks": (sized(body=END, more=b"Transfer-Encoding: xchunked\r\n"), [400]),
    "a chunk with an extension": (CHUNKED + CHUNK.replace(b"\r\n", b';a=b;c="d"\r\n', 1) + END, [200]),
    "a chunk without a size": (CHUNKED + b"xyz\r\n" + BODY, [400]),
    "a chunk of 2^68 bytes": (CHUNKED + b"f" * 17 + b"\r\n" + BODY, [400]),
    "a chunk of -5 bytes": (CHUNKED + b"-5\r\n" + BODY, [400]),
    "a chunk with another end": (CHUNKED + b"%x\r\n%sXX" % (SIZE, BODY) + END, [400]),
    "a trailer": (CHUNKED + CHUNK + b"0\r\nContent-Length: 5\r\n\r\n", [400]),
    "chunks of one byte": (CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + END, [200]),
    "no host": (sized(SIZE).replace(b"Host: 127.0.0.1\r\n", b""), [421]),
    "another host": (sized(SIZE).replace(b"127.0.0.1", b"evil.example"), [421]),
    "two hosts": (sized(SIZE, more=b"Host: evil.example\r\n"), [421]),
    "a header without a colon": (sized(SIZE, more=b"nonsense\r\n"), [400]),
    "a space before the colon": (sized(SIZE, more=b"Transfer-Encoding : chunked\r\n"), [400]),
    "a folded header": (sized(SIZE, more=b"X: y\r\n z\r\n"), [400]),
    "NUL in a header": (sized(SIZE, more=b"X: a\0b\r\n"), [400]),
    "half a line's end": (sized(SIZE, more=b"X: a\rY: b\r\n"), [400]),
    "line feeds alone": (sized(SIZE).replace(b"\r\n", b"\n"), [400]),
    "an expectation nobody has": (sized(SIZE, more=b"Expect: tea\r\n"), [200]),
    "three at once": (sized(SIZE) * 3, [200, 200, 200]),
    "no version": (b"GET /livez\r\n\r\n", [200]),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "HTTP/9.9": (b"GET /livez HTTP/9.9\r\n\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
    "a tunnel": (b"CONNECT evil.example:443" + ME, [400]),
    "a trace": (b"TRACE /livez" + ME, [405]),
    "options of all": (b"OPTIONS *" + ME, [404]),
    "a method nobody knows": (b"BREW /livez" + ME, [400]),
    "a method in small letters": (b"get /livez" + ME, [400]),
    "another service's address": (b"GET http://evil.example/livez" + ME, [200]),
    "up a folder": (b"GET /v1/customers/../../etc/passwd" + ME, [404]),
    "up a folder, encoded": (b"GET /v1/customers/%2e%2e%2f%2e%2e%2fetc%2fpasswd" + ME, [404]),
    "a header in the path": (b"GET /v1/customers/a%0d%0aSet-Cookie:%20a=b" + ME, [404]),
    "no encoding at all": (b"GET /v1/customers/%zz%e2%28%ff" + ME, [404]),
    "NUL in the path": (b"GET /v1/customers/%00" + ME, [404]),
    "bytes in the path": (b"GET /v1/customers/\xd0\xba" + ME, [400]),
    "a slash too many": (b"GET //livez" + ME, [404]),
    "surrogates in the query": (b"GET /v1/at-risk?owner=%ed%a0%80&limit=%00" + ME, [400]),
    "30 000 parameters": (b"GET /v1/at-risk?" + b"&".join(b"a=1" for _ in range(15_000)) + ME, [400]),
    "bytes in the key": (
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: a\xff\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (EVENTS.encode(), len(event()), event()),
        [400],
    ),
}  # fmt: skip
"""Name → what is sent, and the status of each answer; nothing else comes, and a refused connection is closed."""

HEADS: dict[str, tuple[bytes, list[int]]] = {
    "an address of a megabyte": (b"GET /v1/customers/" + MEGABYTE + ME, [400]),
    "a header of a megabyte": (sized(SIZE, more=b"X: " + MEGABYTE + b"\r\n"), [400]),
    "50 000 headers": (sized(SIZE, more=b"X: y\r\n" * 50_000), [400]),
    "a web socket": (UPGRADE + b"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n", [200]),
    "HTTP/2 by an upgrade": (UPGRADE + b"h2c\r\nHTTP2-Settings: AAA\r\n\r\n", [200]),
}
"""The same for what `serving.api.connections` sees to."""
