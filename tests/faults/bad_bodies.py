"""Bodies picked by hand, each with the one answer that it must get: what, where, the status, a part of the reason.

A few are sound, though they look odd: they say where the line is.
"""

import gzip
import zlib

from tests.faults.bad_body import (
    EVENTS,
    FEATURES,
    GOOD,
    JSON,
    LEADS,
    NOT_JSON,
    NUMBER,
    PREDICT,
    SCORE,
    Bad,
    bought,
    changed,
    customer,
    event,
    everywhere,
    lead,
    leads,
    predict,
    score,
)
from tests.faults.bad_values import NUMBERS, TEXTS, TIMES

TWICE, STRING = "more than once", "valid string"
BOM = b"\xef\xbb\xbf"
DEEP = 100_000

SYNTAX = [
    *everywhere("empty", b"", 400, NOT_JSON),
    *everywhere("white space only", b" \r\n\t ", 400, NOT_JSON),
    *everywhere("null", b"null", 400, "object"),
    *everywhere("deep lists", b"[" * DEEP + b"]" * DEEP, 400, NOT_JSON),
    *everywhere("deep objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400, NOT_JSON),
    *everywhere("cut in half", {path: body[: len(body) // 2] for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("without its last brace", {path: body[:-1] for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("something after it", {path: body + b"x" for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("twice in a row", {path: body + body for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("single quotes", {path: body.replace(b'"', b"'") for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("an own name twice", changed(b"{", b'{"x": 1, "x": 1, '), 400, "not permitted"),
    *everywhere("UTF-16", {path: body.decode().encode("utf-16") for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("UTF-32", {path: body.decode().encode("utf-32-le") for path, body in GOOD.items()}, 400, NOT_JSON),
    *everywhere("a byte order mark", {path: BOM + body for path, body in GOOD.items()}, 400, NOT_JSON),
    Bad("a list", PREDICT, b"[]", 400, "object"),
    Bad("a text", PREDICT, b'"customers"', 400, "object"),
    Bad("a number", SCORE, b"7", 400, "object"),
    Bad("true", LEADS, b"true", 400, "object"),
    Bad("a line comment", PREDICT, b"// all\n" + predict(), 400, NOT_JSON),
    Bad("a block comment", SCORE, score().replace(b":", b": /* why */", 1), 400, NOT_JSON),
    Bad("a comma too many", PREDICT, predict().replace(b"]", b",]"), 400, NOT_JSON),
    Bad("a comma before a brace", EVENTS, b'{"kind": "contacted",}', 400, NOT_JSON),
    Bad("a comma missing", PREDICT, predict().replace(b", ", b" ", 1), 400, NOT_JSON),
    Bad("names without quotes", PREDICT, b"{customers: []}", 400, NOT_JSON),
    Bad("a NUL at the end", PREDICT, predict() + b"\0", 400, NOT_JSON),
    Bad("a NUL in a text", PREDICT, predict(customer('"a\0b"')), 400, NOT_JSON),
    Bad("a line break in a text", PREDICT, predict(customer('"a\nb"')), 400, NOT_JSON),
    Bad("JSON lines", PREDICT, predict() + b"\n" + predict(), 400, NOT_JSON),
    Bad("an XML document", PREDICT, b"<?xml version='1.0'?><customers/>", 400, NOT_JSON),
    Bad("an entity bomb", PREDICT, b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', 400, NOT_JSON),
    Bad("YAML", PREDICT, b"customers:\n  - customer_id: a\n", 400, NOT_JSON),
    Bad("a pickle", PREDICT, b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93.", 400, NOT_JSON),
    *(Bad(f"ends at byte {n}", PREDICT, predict()[:n], 400, NOT_JSON) for n in (1, 2, 13, 15, 16, 17, 32, 37, 50, 80)),
    *(Bad(f"ends at byte {n}", SCORE, score()[:n], 400, NOT_JSON) for n in (9, 11, 23, 34, 37, 52, 68, 90, -2)),
]
"""What is no JSON, or no object."""

DUPLICATES = [
    *everywhere(
        "at the top",
        {
            PREDICT: predict(more=f', "customers": [{customer()}]'),
            SCORE: score().replace(b"{", b'{"as_of": null, ', 1),
            LEADS: leads(more=f', "leads": [{lead()}]'),
            EVENTS: event(more=', "kind": "contacted"'),
        },
        400,
        TWICE,
    ),
    Bad("explain twice", PREDICT, predict(more=', "explain": true, "explain": false'), 400, TWICE),
    Bad("an id twice", PREDICT, predict(customer(more=', "customer_id": "b"')), 400, TWICE),
    Bad("features twice", PREDICT, predict(customer(more=f', "features": {{{FEATURES}}}')), 400, TWICE),
    Bad("a feature twice", PREDICT, predict(customer(features=f'"rfm_recency_days": 1, {FEATURES}')), 400, TWICE),
    Bad(
        "a feature twice, escaped",
        PREDICT,
        predict(customer(features=rf'"rfm\u005frecency_days": 1, {FEATURES}')),
        400,
        TWICE,
    ),
    Bad("a table twice", SCORE, score(more=f', "transactions": [{bought()}]'), 400, TWICE),
    Bad("a cell twice", SCORE, score(bought(more=', "amount": 11')), 400, TWICE),
    Bad("a lead's cell twice", LEADS, leads(lead(more=', "lead_id": "L2"')), 400, TWICE),
    Bad("a note twice", EVENTS, event(more=', "note": "a", "note": "b"'), 400, TWICE),
    Bad("the same customer twice", PREDICT, predict(customer(), customer()), 200, "predictions"),
    Bad("the same row twice", SCORE, score(bought(), bought()), 200, "predictions"),
    Bad(
        "the same customer in a table of customers",
        SCORE,
        score(more=', "customers": [{"customer_id": "a"}, {"customer_id": "a"}]'),
        200,
        "predictions",
    ),
    Bad("the same lead twice", LEADS, leads(lead(), lead()), 200, "leads"),
]
"""What is said more than once."""

SHAPES = [
    Bad("customers of another kind", PREDICT, b'{"customers": {"0": {}}}', 400, "valid array"),
    Bad("no customers", PREDICT, b'{"customers": []}', 400, "at least 1"),
    Bad("null customers", PREDICT, b'{"customers": null}', 400, "valid array"),
    Bad("a customer null", PREDICT, b'{"customers": [null]}', 400, "object"),
    Bad("a customer in a list", PREDICT, predict(f"[{customer()}]"), 400, "object"),
    Bad("1 001 customers", PREDICT, predict(*[customer()] * 1001), 400, "at most 1000"),
    Bad("a number as id", PREDICT, predict(customer("7")), 400, STRING),
    Bad("a list as id", PREDICT, predict(customer('["a"]')), 400, STRING),
    Bad("an object as id", PREDICT, predict(customer('{"$ne": null}')), 400, STRING),
    Bad("features as a list", PREDICT, b'{"customers": [{"customer_id": "a", "features": [300]}]}', 400, "object"),
    Bad("features null", PREDICT, b'{"customers": [{"customer_id": "a", "features": null}]}', 400, "object"),
    Bad("no features", PREDICT, predict(customer(features="")), 400, "missing"),
    Bad(
        "a feature nobody knows",
        PREDICT,
        predict(customer(features=FEATURES + ', "__proto__": {}')),
        400,
        "not a feature",
    ),
    Bad("an empty feature", PREDICT, predict(customer(features=FEATURES + ', "": 1')), 400, "not a feature"),
    Bad(
        "10 000 features",
        PREDICT,
        predict(customer(features=FEATURES + "".join(f', "x{i}": 1' for i in range(10_000)))),
        400,
        "more problems",
    ),
    Bad("__proto__", PREDICT, predict(more=', "__proto__": {"admin": true}'), 400, "not permitted"),
    Bad("a class", PREDICT, predict(more=', "__class__": "os.system"'), 400, "not permitted"),
    Bad("explain as text", PREDICT, predict(more=', "explain": "true"'), 400, "boolean"),
    Bad("explain as a number", PREDICT, predict(more=', "explain": 1'), 400, "boolean"),
    Bad("something else included", PREDICT, predict(more=', "include": ["shap"]'), 400, "'composite'"),
    Bad("the same included twice", PREDICT, predict(more=', "include": ["composite", "composite"]'), 400, "at most 1"),
    Bad("a country as a number", PREDICT, predict(customer(features=FEATURES.replace('"Spain"', "34"))), 400, "text"),
    Bad("no tables", SCORE, b'{"tables": {}}', 400, "missing"),
    Bad("tables as a list", SCORE, b'{"tables": []}', 400, "object"),
    Bad("a table as an object", SCORE, b'{"tables": {"transactions": {}}}', 400, "valid array"),
    Bad("a row as a list", SCORE, score('["a", "2026-06-01", 10]'), 400, "object"),
    Bad("a row null", SCORE, score("null"), 400, "object"),
    Bad("no rows", SCORE, b'{"tables": {"transactions": []}}', 400, "rows of 0 customers"),
    Bad("a table nobody knows", SCORE, score(more=', "passwords": []'), 400, "not a table"),
    Bad("__proto__ as a table", SCORE, score(more=', "__proto__": []'), 400, "not a table"),
    Bad("a column nobody knows", SCORE, score(bought(more=', "colour": "red"')), 400, "not permitted"),
    Bad("a column of an object", SCORE, score(bought(more=', "__dict__": {}')), 400, "not permitted"),
    Bad(
        "an extra of a customer", SCORE, score(more=', "customers": [{"customer_id": "a", "shoe": 42}]'), 400, "neither"
    ),
    Bad("501 columns", SCORE, score(bought(more="".join(f', "x{i}": 1' for i in range(501)))), 400, "at most 500"),
    Bad("101 customers", SCORE, score(*(bought(f'"{i}"') for i in range(101))), 400, "rows of 101 customers"),
    Bad("20 001 rows", SCORE, score(*[bought()] * 20_001), 400, "at most 20000"),
    Bad(
        "20 001 rows of two tables",
        SCORE,
        score(*[bought()] * 20_000, more=', "tickets": [{"customer_id": "a", "occurred_at": "2026-06-01"}]'),
        400,
        "20001 rows",
    ),
    Bad(
        "a score of twelve",
        SCORE,
        score(more=', "nps_responses": [{"customer_id": "a", "occurred_at": "2026-06-01", "score": "ten"}]'),
        400,
        NUMBER,
    ),
    Bad(
        "a flag as a number",
        SCORE,
        score(more=', "tickets": [{"customer_id": "a", "occurred_at": "2026-06-01", "is_complaint": 1}]'),
        400,
        "boolean",
    ),
    Bad("101 leads", LEADS, leads(*(lead(f'"{i}"') for i in range(101))), 400, "at most 100"),
    Bad("no leads", LEADS, b'{"leads": []}', 400, "at least 1"),
    Bad("a lead without its time", LEADS, b'{"leads": [{"lead_id": "L1"}]}', 400, "required"),
    Bad("a language nobody speaks", LEADS, leads(more=', "lang": "tlh"'), 400, "'en'"),
    Bad("a kind nobody knows", EVENTS, event("deleted"), 400, "does not match any"),
    Bad("a kind that is a list", EVENTS, b'{"kind": ["contacted"]}', 400, ""),
    Bad("no kind", EVENTS, b'{"note": "a"}', 400, "discriminator"),
    Bad("somebody else's words", EVENTS, event(more=', "outcome": "retained"'), 400, "not permitted"),
    Bad("an outcome nobody knows", EVENTS, event("outcome", ', "outcome": "promoted"'), 400, "'retained'"),
    Bad("somebody else as actor", EVENTS, event(more=', "actor": "admin"'), 400, "not permitted"),
]
"""JSON of another shape than is asked for."""

BOMB = gzip.compress(b" " * 20_000_000)
TYPES = [
    *everywhere("a form", b"customers=a", 415, JSON, "application/x-www-form-urlencoded"),
    *everywhere("no type", GOOD, 415, "without a type", None),
    Bad("plain text", PREDICT, predict(), 415, JSON, "text/plain"),
    Bad("said to be JSON lines", PREDICT, predict(), 415, JSON, "application/jsonl"),
    Bad("a type that begins so", PREDICT, predict(), 415, JSON, "application/jsonp"),
    Bad("a type that ends so", PREDICT, predict(), 415, JSON, "application/problem+json"),
    Bad("a part of a form", PREDICT, b"--x\r\n\r\n{}\r\n--x--", 415, JSON, "multipart/form-data; boundary=x"),
    Bad("two types in one", PREDICT, predict(), 415, JSON, "text/plain, application/json"),
    Bad("a type with a line's end", PREDICT, predict(), 415, JSON, "text/plain;\tapplication/json"),
    Bad("the type twice, a wrong one last", PREDICT, predict(), 415, JSON, JSON, (("Content-Type", "text/plain"),)),
    Bad("in capitals, with a charset", PREDICT, predict(), 200, "predictions", "Application/JSON ; Charset=UTF-8"),
    Bad("with a parameter", SCORE, score(), 200, "predictions", 'application/json; profile="x"'),
    Bad(
        "said to be UTF-16",
        PREDICT,
        predict().decode().encode("utf-16"),
        400,
        NOT_JSON,
        "application/json; charset=utf-16",
    ),
    *everywhere("a gzip bomb", BOMB, 415, "compressed", JSON, ("Content-Encoding", "gzip")),
    Bad(
        "a deflate bomb",
        PREDICT,
        zlib.compress(b" " * 20_000_000),
        415,
        "compressed",
        JSON,
        (("Content-Encoding", "deflate"),),
    ),
    Bad("said to be Brotli", PREDICT, b"\xce\xb2\xcf\x81", 415, "compressed", JSON, (("Content-Encoding", "br"),)),
    Bad("said to be Zstandard", PREDICT, b"\x28\xb5\x2f\xfd", 415, "compressed", JSON, (("Content-Encoding", "zstd"),)),
    Bad(
        "compressed twice", PREDICT, gzip.compress(BOMB), 415, "compressed", JSON, (("Content-Encoding", "gzip, gzip"),)
    ),
    Bad(
        "identity, then gzip",
        PREDICT,
        BOMB,
        415,
        "compressed",
        JSON,
        (("Content-Encoding", "identity"), ("Content-Encoding", "gzip")),
    ),
    Bad("compressed without a word", PREDICT, BOMB, 400, NOT_JSON),
    Bad("as it is, and said so", PREDICT, predict(), 200, "predictions", JSON, (("Content-Encoding", "Identity"),)),
    *everywhere("9 million bytes", b" " * 9_000_000, 413, "8388608 bytes"),
    Bad("as large as may be", PREDICT, b" " * (8_388_608 - len(predict())) + predict(), 200, "predictions"),
]
"""Bodies of another type, compressed ones, and large ones."""

CORPUS = [*SYNTAX, *TEXTS, *NUMBERS, *DUPLICATES, *SHAPES, *TIMES, *TYPES]
