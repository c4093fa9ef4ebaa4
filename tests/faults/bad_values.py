"""Texts, numbers and times picked by hand: those that are none, and the last ones that are."""

from tests.faults.bad_body import (
    EVENTS,
    LEADS,
    MOMENT,
    NOT_JSON,
    NUMBER,
    PREDICT,
    SCORE,
    TIME,
    Bad,
    bought,
    customer,
    days,
    event,
    everywhere,
    lead,
    leads,
    predict,
    score,
    snooze,
)

FINITE = "finite number"

TEXTS = [
    Bad("a byte that is no UTF-8", PREDICT, predict(customer('"@"')).replace(b"@", b"\xff"), 400, NOT_JSON),
    Bad("an overlong slash", PREDICT, predict(customer('"@"')).replace(b"@", b"\xc0\xaf"), 400, NOT_JSON),
    Bad("an overlong NUL", SCORE, score(bought('"@"')).replace(b"@", b"\xc0\x80"), 400, NOT_JSON),
    Bad("a surrogate as bytes", PREDICT, predict(customer('"@"')).replace(b"@", b"\xed\xa0\x80"), 400, NOT_JSON),
    Bad("half a character", LEADS, leads(lead('"@"')).replace(b"@", b"\xe2\x82"), 400, NOT_JSON),
    Bad("beyond Unicode", PREDICT, predict(customer('"@"')).replace(b"@", b"\xf4\x90\x80\x80"), 400, NOT_JSON),
    Bad("Latin-1", PREDICT, predict(customer('"@"')).replace(b"@", "é".encode("latin-1")), 400, NOT_JSON),
    *everywhere(
        "a lone surrogate",
        {
            PREDICT: predict(customer(r'"\ud800"')),
            SCORE: score(bought(r'"\ud800"')),
            LEADS: leads(lead(r'"\udc00"')),
            EVENTS: event(more=r', "note": "\ud83d"'),
        },
        400,
        NOT_JSON,
    ),
    Bad("surrogates the wrong way round", PREDICT, predict(customer(r'"\ude00\ud83d"')), 400, NOT_JSON),
    Bad("an escape that is none", PREDICT, predict(customer(r'"\x41"')), 400, NOT_JSON),
    Bad("half an escape", PREDICT, predict(customer(r'"\u12"')), 400, NOT_JSON),
    Bad("an id of 257 characters", PREDICT, predict(customer(f'"{"a" * 257}"')), 400, "at most 256"),
    Bad("an id of 257 characters", SCORE, score(bought(f'"{"a" * 257}"')), 400, "at most 256"),
    Bad("an id of 257 characters", LEADS, leads(lead(f'"{"a" * 257}"')), 400, "at most 256"),
    Bad("an id of 256 characters", PREDICT, predict(customer(f'"{"é" * 256}"')), 200, "é"),
    Bad("an id of a megabyte", PREDICT, predict(customer(f'"{"a" * 2**20}"')), 400, "at most 256"),
    Bad("an empty id", SCORE, score(bought('""')), 400, "at least 1"),
    Bad("an id of NUL", PREDICT, predict(customer(r'"\u0000"')), 200, r"\u0000"),
    Bad("an id of right-to-left marks", PREDICT, predict(customer('"\u202eabc\u202c"')), 200, "\u202eabc"),
    Bad("an id of no width", SCORE, score(bought('"\u200b\u200d"')), 200, "\u200b\u200d"),
    Bad("ids that differ by normalization", SCORE, score(bought('"\u00e9"'), bought('"e\u0301"')), 200, "e\u0301"),
    Bad("an id of white space", SCORE, score(bought('" "')), 200, '" "'),
    Bad("an id with markup", PREDICT, predict(customer('"<script>alert(1)</script>"')), 200, "<script>"),
    Bad("an id of SQL", SCORE, score(bought('"\'; DROP TABLE scores; --"')), 200, "DROP TABLE"),
    Bad("an id of a path", PREDICT, predict(customer('"../../etc/passwd"')), 200, "../../etc"),
    Bad("a template as id", PREDICT, predict(customer('"{{7*7}}${7*7}"')), 200, "{{7*7}}"),
    Bad(
        "a text of 10 001 characters", SCORE, score(bought(more=f', "product": "{"p" * 10_001}"')), 400, "at most 10000"
    ),
    Bad("a note of 2 001 characters", EVENTS, event(more=f', "note": "{"n" * 2001}"'), 400, "at most 2000"),
    Bad("a note of NUL", EVENTS, event(more=r', "note": "a\u0000"'), 400, "NUL"),
    Bad(
        "an empty reason",
        EVENTS,
        event("snoozed", ', "reason": "", "until": "2030-01-01T00:00:00Z"'),
        400,
        "at least 1",
    ),
]
"""Characters that are none, and texts that are too long."""

NUMBERS = [
    *(
        Bad(f"a number {value}", PREDICT, days(value), 400, FINITE)
        for value in (
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "1e39",
            "1" + "0" * 400,
            '"74"',
            '"NaN"',
            '"1e5"',
            "true",
            "[1]",
            "[[1]]",
            '{"value": 1}',
            '""',
        )
    ),
    *(
        Bad(f"a number {value}", PREDICT, days(value), 400, NOT_JSON)
        for value in (
            "nan",
            "inf",
            "+1",
            "01",
            "1.",
            ".5",
            "0x10",
            "1_000",
            "1e",
            "--1",
            "1,5",
            "٣",
            "0b1",
            "True",
            "undefined",
        )
    ),
    *(
        Bad(f"a number {value}", PREDICT, days(value), 200, "churn_probability")
        for value in ("-0.0", "5e-324", "1e-400", "1E+2", "0e0", "-1e30", "3." + "1" * 5000, "0.1e-5000")
    ),
    Bad("an integer of 5 000 digits", PREDICT, days("9" * 5000), 400, ""),
    Bad("an integer of 5 000 digits", SCORE, score(bought(amount="9" * 5000)), 400, ""),
    Bad("an integer of 5 000 digits", LEADS, leads(lead(more=f', "budget": {"9" * 5000}')), 400, ""),
    Bad("a million digits", PREDICT, days("9" * 1_000_000), 400, ""),
    Bad("an exponent of 5 000 digits", PREDICT, days("1e" + "9" * 5000), 400, ""),
    *(
        Bad(f"an amount {value}"[:40], SCORE, score(bought(amount=value)), 400, reason)
        for value, reason in (
            ("NaN", "finite"),
            ("Infinity", ""),
            ("-Infinity", ""),
            ("1e999", ""),
            ("1e19", "less than or equal"),
            ("-1e19", "greater than or equal"),
            ('"10"', NUMBER),
            ("true", NUMBER),
            ("[10]", NUMBER),
            ("{}", NUMBER),
        )
    ),
    Bad("an amount of -0.0", SCORE, score(bought(amount="-0.0")), 200, "predictions"),
    Bad("a subnormal amount", SCORE, score(bought(amount="5e-324")), 200, "predictions"),
    Bad("the largest amounts", SCORE, score(*(bought(amount="1e18") for _ in range(50))), 200, "predictions"),
    Bad("no amount", SCORE, score(bought(amount="null")), 200, "predictions"),
    Bad("a budget of NaN", LEADS, leads(lead(more=', "budget": NaN')), 400, "finite"),
]
"""Numbers that are none, and those that are too large."""

TIMES = [
    *(
        Bad(f"the time {value}", SCORE, score(bought(at=value)), 400, TIME)
        for value in (
            '"0000-01-01"',
            '"0999-01-01"',
            '"10000-01-01"',
            '"3000-01-01"',
            '"2026-02-30"',
            '"2026-13-01"',
            '"2026-06-01T24:00:00"',
            '"2026-06-30T23:59:60Z"',
            '"2026-06-01T10:00:00+99:99"',
            '"2026-06-01T10:00:00+24:00"',
            '"20260601"',
            '"1.6.2026"',
            '"2026-06-01T"',
            '"now"',
            '"2026-W22-1"',
            '"2026-06-01T10"',
            "1e20",
            "1780000000",
            "1780000000000000",
            '"1780000000"',
            '" 2026-06-01"',
            '"２０２６-06-01"',
            "true",
            "[]",
            '"2026-06-01T10:00:00.1234567Z"',
            '"2026-06-01t10:00:00z"',
            '"P1D"',
            '""',
        )
    ),
    *(
        Bad(f"the time {value}", SCORE, score(bought(at=value)), 200, "predictions")
        for value in (
            '"1000-01-01T00:00:00+23:59"',
            '"2999-12-31T23:59:59.999999-23:59"',
            '"2026-06-01 10:00"',
            '"1582-10-10"',
        )
    ),
    Bad("as of the year 1000", SCORE, score(as_of='"1000-01-01"'), 400, "lies before"),
    Bad("as of the year 2999", SCORE, score(as_of='"2999-12-31T23:59:59-23:59"'), 200, "3000-01-01"),
    Bad("as of a number", SCORE, score(as_of="1e20"), 400, TIME),
    *(
        Bad(f"as of {value}", PREDICT, predict(more=f', "as_of": {value}'), 400, MOMENT)
        for value in (
            "0",
            "1780000000",
            '"1780000000"',
            '"2999-02-29T00:00:00Z"',
            '"0000-01-01T00:00:00Z"',
            '"10000-01-01T00:00:00Z"',
            '"2026-06-01"',
            '"2026-06-01T10:00:00"',
            '"9999-12-31T23:59:59Z"',
            '"0001-01-01T00:00:00+23:59"',
            "1e20",
            "true",
            '"2026-06-01T10:00:00+99:99"',
            "[]",
            '"now"',
        )
    ),
    Bad("as of 1e400", PREDICT, predict(more=', "as_of": 1e400'), 400, ""),
    Bad(
        "the last moment of all",
        PREDICT,
        predict(more=', "as_of": "2999-12-31T23:59:59.999999-23:59"'),
        200,
        "3000-01-30",
    ),
    *(
        Bad(f"until {value}", EVENTS, snooze(value), 400, "until")
        for value in (
            '"2020-01-01T00:00:00Z"',
            '"9999-12-31T23:59:59Z"',
            '"9999-12-31T23:59:59-23:59"',
            '"0001-01-01T00:00:00+23:59"',
            '"2030-01-01"',
            "null",
            "1e300",
            '"soon"',
        )
    ),
    *(
        Bad(f"at {value}", EVENTS, event(more=f', "at": {value}'), 400, "at")
        for value in (
            '"9999-12-31T23:59:59-23:59"',
            '"0001-01-01T00:00:00+23:59"',
            '"1969-12-31T23:59:59Z"',
            "-1e300",
            '"2026-06-01"',
        )
    ),
]
"""Moments that never were, or that no calendar has."""
