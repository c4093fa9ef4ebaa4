"""The clock is moved: predictions go on, what was acknowledged stays, the audit chain holds, keys end in time."""

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from features.settings import Settings
from serving import alert_events
from serving.access import chain
from serving.access.audit import AuditLog
from serving.access.keys import KeyRing, Keys
from serving.api import acting, predict
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS
from serving.home import Home
from serving.state import State
from serving.store import open_store
from serving.tables import ALERTS
from tests.faults.conftest import Figure
from tests.faults.loading import BODY
from tests.serving.asking import ask, bearer
from tests.serving.running import fill

SHIFTS = (0, -400, 3, -1, 5, 0)
"""Days by which the clock is off, one after the other."""


class Clock:
    """The machine's clock, moved."""

    def __init__(self) -> None:
        self.off = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.off


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (alert_events, chain, acting, predict):
        monkeypatch.setattr(module, "now", made)
    return made


@pytest.fixture
def state(tmp_path: Path, clock: Clock) -> Iterator[State]:
    home = Home(tmp_path / "home")
    fill(home)
    row = {
        "key": "C0:a", "customer_id": "C0", "rule": "silent", "state": "open", "severity": 1, "contact": True,
        "signs": [], "opened_as_of": 0, "rules_version": "x",
    }  # fmt: skip
    with open_store(home.store) as store, transaction(store.engine, writes=True) as connection:
        connection.execute(sa.insert(ALERTS), row)
    made = State(Settings(home=home.folder))
    made.keys._clock = clock
    with made:
        while not (made.keys.known and made.champion.current):
            time.sleep(0.05)
        yield made


def test_the_clock_is_moved(state: State, clock: Clock, figure: Figure) -> None:
    acknowledged = set()
    for i, days in enumerate(SHIFTS):
        clock.off = dt.timedelta(days=days)
        headers = {"content-type": "application/json"}
        told = ask(state, "POST", "/v1/predict", content=BODY, headers=headers)
        assert told.status_code == 200
        assert told.json()["as_of"][:10] == f"{clock():%Y-%m-%d}"
        for _ in range(2):
            event = ask(
                state, "POST", "/v1/alerts/C0:a/events", json={"kind": "contacted"}, headers={"idempotency-key": str(i)}
            )
            assert event.status_code == 201
        acknowledged.add(str(i))
    engine = state.store().engine
    with transaction(engine) as connection:
        kept = connection.execute(sa.select(sa.func.count()).select_from(ALERT_EVENTS)).scalar_one()
    verified = AuditLog(engine).verify()
    assert (kept, verified.problem) == (len(acknowledged), None)
    figure(
        f"the clock moved by {', '.join(f'{days:+d}' for days in SHIFTS)} days",
        f"predictions go on, {kept} events sent twice kept once each, the audit chain whole",
    )


def test_a_key_ends_by_the_clock_there_is(state: State, clock: Clock) -> None:
    until = clock() + dt.timedelta(days=2)
    key = bearer(Keys(state.store().engine).create(["read"], "two days", expires_at=until))
    state.keys.refresh(state.store())
    answers = []
    for days in (0, 3, 1):
        clock.off = dt.timedelta(days=days)
        answers.append(ask(state, "GET", "/v1/model", headers=key).status_code)
    assert answers == [200, 401, 200]
    assert isinstance(state.keys, KeyRing)
