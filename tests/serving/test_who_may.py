"""Who may: every operation × scope × tenant, keys that end, limits, hosts; and what the audit log says of it."""

import base64
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from features.settings import Api, Settings
from serving.access.audit import AuditLog
from serving.access.keys import SCOPES, Keys, Scope
from serving.api.operations import OPERATIONS
from serving.database import transaction
from serving.home import Home
from serving.state import State
from serving.store import open_store
from serving.tables import ALERTS
from serving.workbench.page import operations as workbench
from tests.serving.asking import ask, bearer
from tests.serving.running import fill, promote
from tests.small_bundle import write_small_bundle

TENANTS = {"C0": "north", "C1": "north", "C2": "south", "ключ/7": "south"}
FEATURES = {
    "rfm_recency_days": 300, "rfm_orders_count_90d": 1, "rfm_orders_count_365d": 5.0, "rfm_amount_sum_180d": 120.5,
    "nps_score_last": None, "profile_country": "Spain",
}  # fmt: skip
BODIES = {
    "/v1/predict": {"customers": [{"customer_id": "a", "features": FEATURES}]},
    "/v1/score": {"tables": {"transactions": [{"customer_id": "a", "occurred_at": "2026-01-01", "amount": 1.0}]}},
    "/v1/leads/score": {"leads": [{"lead_id": "L1", "created_at": "2026-01-01"}]},
    "/v1/alerts/{key:path}/events": {"kind": "contacted"},
}
PATHS = {
    "/v1/customers/{customer_id:path}": "/v1/customers/C0",
    "/v1/alerts/{key:path}/events": "/v1/alerts/C0:a/events",
}
NEEDED: dict[str, Scope | None] = {
    "POST /v1/predict": "predict",
    "POST /v1/score": "predict",
    "POST /v1/leads/score": "predict",
    "GET /v1/customers/{customer_id:path}": "read",
    "GET /v1/at-risk": "read",
    "GET /v1/alerts": "read",
    "POST /v1/alerts/{key:path}/events": "act",
    "GET /v1/model": "read",
    "GET /metrics": "read",
    "GET /": "read",
    "GET /livez": None,
    "GET /readyz": None,
    "GET /openapi.json": None,
    "GET /docs": None,
    "GET /workbench.css": None,
    "GET /remora.svg": None,
}
"""What each operation needs, said a second time: whoever opens a door changes it here too."""
ANY_TENANT = {"GET /metrics"}
"""What a key that is held to a tenant may not ask, as it is about all of them."""


@dataclass
class Doors:
    state: State
    tokens: dict[tuple[Scope, str | None], str]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A service with customers of two tenants, and a key for each scope, with and without a tenant."""
    home = tmp_path_factory.mktemp("doors") / "home"
    fill(Home(home))
    with open_store(Home(home).store) as store:
        owned = {"customer_id": list(TENANTS), "tenant": list(TENANTS.values())}
        store.save_customers(pl.DataFrame(owned))
        for customer in TENANTS:
            _open_alert(store.engine, customer)
        keys = Keys(store.engine)
        tokens = {(s, t): keys.create([s], f"{s} {t}", tenant=t) for s in SCOPES for t in (None, "north", "south")}
    with State(Settings(home=home)) as state:
        _wait(state)
        yield Doors(state, tokens)


def _open_alert(engine: sa.Engine, customer: str) -> None:
    row = {
        "key": f"{customer}:a", "customer_id": customer, "rule": "silent", "state": "open", "severity": 1,
        "contact": True, "signs": [], "opened_as_of": 0, "rules_version": "x",
    }  # fmt: skip
    with transaction(engine, writes=True) as connection:
        connection.execute(sa.insert(ALERTS), row)


def _wait(state: State) -> None:
    end = time.monotonic() + 60
    while not (state.keys.known and state.champion.current):
        assert time.monotonic() < end, state.champion.problem
        time.sleep(0.05)


def names() -> list[str]:
    return [f"{each.method} {each.path}" for each in (*OPERATIONS, *workbench())]


def test_every_operation_is_in_the_table() -> None:
    assert sorted(NEEDED) == sorted(names())


@pytest.mark.parametrize("tenant", [None, "north", "south"])
@pytest.mark.parametrize("scope", [None, *SCOPES])
@pytest.mark.parametrize("name", NEEDED)
def test_every_operation_scope_and_tenant(doors: Doors, name: str, scope: Scope | None, tenant: str | None) -> None:
    method, path = name.split(" ")
    headers = bearer(doors.tokens[scope, tenant]) if scope else {}
    body = {"json": BODIES[path]} if path in BODIES else {}
    answer = ask(doors.state, method, PATHS.get(path, path), headers=headers, **body)
    assert (answer.status_code in (401, 403, 404)) == (_expected(name, scope, tenant) in (401, 403, 404)), answer.text
    if expected := _expected(name, scope, tenant):
        assert answer.status_code == expected, answer.text


def _expected(name: str, scope: Scope | None, tenant: str | None) -> int | None:
    """The refusal that must come; None where the request is answered."""
    needed = NEEDED[name]
    if needed is None:
        return None
    if scope is None:
        return 401
    if scope not in (needed, "admin") or (tenant and name in ANY_TENANT):
        return 403
    return 404 if tenant == "south" and ("customer_id" in name or "events" in name) else None


@pytest.mark.parametrize("tenant", ["north", "south"])
def test_nobody_sees_a_customer_of_another_tenant(doors: Doors, tenant: str) -> None:
    """Zero crossings: everything that a key can reach, for every customer there is."""
    own = {customer for customer, of in TENANTS.items() if of == tenant}
    key = bearer(doors.tokens["admin", tenant])
    everyone = [*(f"C{i}" for i in range(28)), "ключ/7", "gone"]
    seen = {c for c in everyone if ask(doors.state, "GET", f"/v1/customers/{c}", headers=key).status_code == 200}
    assert seen == own
    ranked = ask(doors.state, "GET", "/v1/at-risk?limit=500", headers=key).json()
    assert ({account["customer_id"] for account in ranked["accounts"]}, ranked["total"]) == (own, len(own))
    alerts = ask(doors.state, "GET", "/v1/alerts?limit=500", headers=key).json()["alerts"]
    assert {alert["customer_id"] for alert in alerts} == own
    page = ask(doors.state, "GET", "/", headers=key).text
    assert {c for c in everyone if f'data-customer="{c}"' in page} == own
    told = {
        c: ask(doors.state, "POST", f"/v1/alerts/{c}:a/events", headers=key, json={"kind": "contacted"}).status_code
        for c in TENANTS
    }
    assert told == {c: 201 if c in own else 404 for c in TENANTS}


def test_another_tenants_customer_is_told_as_one_who_never_was(doors: Doors) -> None:
    key = bearer(doors.tokens["read", "north"])
    theirs, nobodys = (ask(doors.state, "GET", f"/v1/customers/{c}", headers=key) for c in ("C2", "C9999"))
    assert theirs.text.replace("C2", "X") == nobodys.text.replace("C9999", "X")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer x", "Bearer rk_0_0", "Basic !", "Basic eA==", "Digest x"])
def test_what_is_no_key_is_refused_with_a_challenge(doors: Doors, given: str) -> None:
    answer = ask(doors.state, "GET", "/v1/at-risk", headers={"authorization": given} if given else {})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:remora:problem:unknown-key")
    assert "Basic" in answer.headers["www-authenticate"]


def test_a_browser_sends_the_key_as_password(doors: Doors) -> None:
    pair = base64.b64encode(f"ada:{doors.tokens['read', None]}".encode()).decode()
    assert "29 customers" in ask(doors.state, "GET", "/", headers={"authorization": f"Basic {pair}"}).text


def test_keys_end(doors: Doors) -> None:
    store = doors.state.store()
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5)
    short = bearer(Keys(store.engine).create(["read"], "short", expires_at=soon))
    other = bearer(token := Keys(store.engine).create(["read"], "other"))
    doors.state.keys.refresh(store)
    assert ask(doors.state, "GET", "/v1/model", headers=short).status_code == 200
    assert ask(doors.state, "GET", "/v1/model", headers=other).status_code == 200
    time.sleep(0.6)
    Keys(store.engine).revoke(token.split("_")[1])
    doors.state.keys.refresh(store)
    assert "expired" in ask(doors.state, "GET", "/v1/model", headers=short).text
    assert "revoked" in ask(doors.state, "GET", "/v1/model", headers=other).text


def test_who_asks_too_often_waits(doors: Doors) -> None:
    store = doors.state.store()
    slow = bearer(Keys(store.engine).create(["predict"], "slow", per_minute=12))
    doors.state.keys.refresh(store)
    answers = [ask(doors.state, "POST", "/v1/predict", headers=slow, json=BODIES["/v1/predict"]) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
    assert answers[-1].json()["type"] == "urn:remora:problem:busy"


def test_what_was_seen_and_done_is_in_the_audit_log(doors: Doors) -> None:
    token = doors.tokens["admin", None]
    before = AuditLog(doors.state.store().engine).verify()
    ask(doors.state, "GET", "/v1/customers/C5", headers=bearer(token))
    ask(doors.state, "GET", "/v1/at-risk?limit=7", headers=bearer(token))
    log = AuditLog(doors.state.store().engine)
    listed, read = log.entries(limit=2)
    assert (listed.action, len(listed.subjects), listed.actor) == ("at_risk.read", 7, token.split("_")[1])
    assert (read.action, len(read.subjects)) == ("customer.read", 1)
    assert read in log.entries("C5")
    assert "C5" not in str(read)
    after = log.verify()
    assert (after.problem, after.rows) == (None, before.rows + 2)


def test_without_keys_only_this_machine_may_ask(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write_small_bundle(home.bundles / "first", rules=True)
    promote(home, "first")
    with State(Settings(home=home.folder, api=Api(hosts=("remora.internal",)))) as state:
        _wait(state)
        assert ask(state, "GET", "/v1/model").status_code == 200
        assert ask(state, "GET", "/v1/model", headers={"host": "remora.internal:8443"}).status_code == 200
        rebound = ask(state, "GET", "/v1/model", headers={"host": "attacker.example"})
        assert (rebound.status_code, rebound.json()["type"]) == (421, "urn:remora:problem:misdirected")
        for elsewhere in ({"client": ("10.0.0.8", 5)}, {"host": "10.0.0.9"}):
            answer = ask(state, "GET", "/v1/model", **elsewhere)
            assert (answer.status_code, "remora keys create" in answer.text) == (403, True)
        assert ask(state, "GET", "/livez", client=("10.0.0.8", 5)).status_code == 200


def test_before_the_keys_are_read_nobody_passes(tmp_path: Path) -> None:
    state = State(Settings(home=tmp_path))
    answer = ask(state, "GET", "/v1/at-risk")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:remora:problem:not-ready")
