"""The real service, in a process of its own: what it answers, what it refuses, and what it never does."""

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.bundle import Bundle
from models.rules.composite import composite_score
from models.rules.fitted import FittedComposite
from models.rules.pack import load_pack
from models.rules.tiers import risk_band
from serving.home import Home
from serving.schemas import AtRiskResponse, CustomerResponse, PredictResponse, ProblemReport
from tests.serving.running import Running, fill, promote, running
from tests.small_bundle import NAMES, customers, make_it_abort, with_ids, write_small_bundle

GOOD = {
    "rfm_recency_days": 300,
    "rfm_orders_count_90d": 1,
    "rfm_orders_count_365d": 5.0,
    "rfm_amount_sum_180d": 120.5,
    "nps_score_last": None,
    "profile_country": "Spain",
}


def asking(**changes: object) -> dict[str, object]:
    return {"customers": [{"customer_id": "a", "features": GOOD | changes}]}


def without(name: str) -> dict[str, object]:
    return {"customers": [{"customer_id": "a", "features": {k: v for k, v in GOOD.items() if k != name}}]}


def twice(name: bytes, value: bytes) -> bytes:
    return json.dumps(asking()).encode().replace(name, name + b": " + value + b", " + name)


@pytest.fixture(scope="module")
def bundle(service: Running) -> Bundle:
    return Bundle.load(service.home.bundles / "first")


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_predictions_are_the_bundles(service: Running, bundle: Bundle, rows: int) -> None:
    frame = with_ids().head(rows)
    body = {
        "customers": [
            {"customer_id": row["customer_id"], "features": {name: row[name] for name in NAMES}}
            for row in frame.to_dicts()
        ],
        "explain": True,
    }
    answer = service.post(body).raise_for_status()
    found = PredictResponse.model_validate_json(answer.content, strict=True)
    expected = bundle.predict(bundle.matrix(frame))
    assert [p.customer_id for p in found.predictions] == frame["customer_id"].to_list()
    assert [p.churn_probability for p in found.predictions] == expected.churn_probability.tolist()
    for name in ("expected_value", "value_low", "value_high", "value_if_retained"):
        assert [getattr(p, name) for p in found.predictions] == getattr(expected, name).tolist()
    at_risk = expected.churn_probability * np.asarray(expected.value_if_retained)
    assert [p.value_at_risk for p in found.predictions] == at_risk.tolist()
    assert {len(p.reasons) for p in found.predictions} <= {2, 3}
    assert (found.model_version, found.predictions[0].churn_horizon_days) == (bundle.id, 90)


def test_bands_and_composite_are_the_rules(service: Running, bundle: Bundle) -> None:
    frame = with_ids().head(40)
    pack = load_pack()
    fitted = FittedComposite.from_dict(bundle.manifest.fitted["composite"])
    probability = bundle.predict(bundle.matrix(frame)).churn_probability
    expected = composite_score(frame, fitted, pack).with_columns(
        risk_band=risk_band(pl.Series(probability), bundle.manifest.churn.base_rate, pack)
    )
    rows = [{"customer_id": r.pop("customer_id"), "features": r} for r in frame.to_dicts()]
    found = service.post({"customers": rows, "include": ["composite"]}).raise_for_status().json()["predictions"]
    for name in ("composite_score", "composite_coverage", "tier", "risk_band"):
        assert [p[name] for p in found] == expected[name].to_list(), name
    assert {p["risk_band"] for p in found} == {"low", "medium", "high"}
    assert all(p["playbook"] for p in found if p["tier"])


def test_reasons_are_words(service: Running) -> None:
    first = service.post(asking() | {"explain": True}).json()["predictions"][0]["reasons"][0]
    assert first["text"] == "last purchase 300 days ago (raises the risk)"


def test_what_is_not_asked_for_is_left_out(service: Running) -> None:
    found = service.post(asking()).json()["predictions"][0]
    whole = service.post(asking() | {"explain": True, "include": ["composite"]}).json()["predictions"][0]
    assert (found["reasons"], found["composite_score"], found["tier"]) == ([], None, None)
    assert (len(whole["reasons"]), whole["tier"] is None) == (3, False)
    assert found["churn_probability"] == whole["churn_probability"]


def test_what_may_be_unknown_may_be_left_out_and_is_listed(service: Running) -> None:
    left_out = service.post(without("nps_score_last")).raise_for_status().json()["predictions"][0]
    assert left_out["missing"] == ["nps_score_last"]
    assert left_out | {"missing": []} == service.post(asking(nps_score_last=None)).json()["predictions"][0]


def test_an_answer_says_what_it_rests_on(service: Running, bundle: Bundle) -> None:
    found = PredictResponse.model_validate_json(service.post(asking() | {"as_of": "2026-06-01T00:00:00Z"}).content)
    assert (found.model_version, found.bundle_version) == (bundle.id, bundle.manifest.seal)
    assert found.rules_version == load_pack().rules_version
    assert (found.as_of, found.valid_until - found.as_of) == (
        dt.datetime(2026, 6, 1, tzinfo=dt.UTC),
        dt.timedelta(days=30),
    )


def test_an_unknown_category_is_missing_not_an_error(service: Running) -> None:
    assert service.post(asking(profile_country="Atlantis")).status_code == 200


BAD = [
    (b"", "", "Invalid JSON"),
    (b"x", "", "Invalid JSON"),
    (b"\xff\xfe", "", "Invalid JSON"),
    (b"[]", "", "object"),
    (b"null", "", "object"),
    (b'{"customers": [', "", "Invalid JSON"),
    (b"[" * 5000 + b"]" * 5000, "", "Invalid JSON"),
    ({}, "customers", "required"),
    ({"customers": []}, "customers", "at least 1"),
    ({"customers": [{"customer_id": "a", "features": GOOD}] * 1001}, "customers", "at most 1000"),
    ({"customers": {}}, "customers", "valid array"),
    ({"customers": [3]}, "customers.0", "object"),
    ({"customers": [{"features": GOOD}]}, "customers.0.customer_id", "required"),
    ({"customers": [{"customer_id": "a"}]}, "customers.0.features", "required"),
    ({"customers": [{"customer_id": 7, "features": GOOD}]}, "customers.0.customer_id", "string"),
    ({"customers": [{"customer_id": "", "features": GOOD}]}, "customers.0.customer_id", "at least 1"),
    ({"customers": [{"customer_id": "a" * 257, "features": GOOD}]}, "customers.0.customer_id", "at most 256"),
    ({"customers": [{"customer_id": "a", "features": []}]}, "customers.0.features", "object"),
    ({"customers": [{"customer_id": "a", "features": GOOD, "x": 1}]}, "customers.0.x", "not permitted"),
    (asking() | {"as_of": "2020-01-01"}, "as_of", "timezone"),
    (asking() | {"explain": "yes"}, "explain", "boolean"),
    (asking() | {"partial": True}, "partial", "not permitted"),
    (asking() | {"include": "composite"}, "include", "valid array"),
    (asking() | {"include": ["shap"]}, "include.0", "'composite'"),
    (b'{"customers": [], "customers": []}', "customers", "at least 1"),
    (twice(b'"customer_id"', b'"b"'), "customer_id", "more than once"),
    (twice(b'"nps_score_last"', b"3"), "nps_score_last", "more than once"),
    (asking(colour="red"), "customers.0.features.colour", "not a feature"),
    (without("rfm_recency_days"), "customers.0.features.rfm_recency_days", "missing"),
    (asking(rfm_recency_days="74"), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=True), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=[1]), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days={}), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=float("nan")), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=float("inf")), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=float("-inf")), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=1e39), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(rfm_recency_days=10**400), "customers.0.features.rfm_recency_days", "finite number"),
    (asking(profile_country=3), "customers.0.features.profile_country", "text"),
    (asking(profile_country=False), "customers.0.features.profile_country", "text"),
]


@pytest.mark.parametrize(("body", "field", "reason"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_names_field_and_reason(service: Running, body: object, field: str, reason: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = service.send(content)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problems = ProblemReport.model_validate_json(answer.content).problems
    assert any(p.field == field and reason in p.reason for p in problems), problems


def test_many_problems_are_counted_not_poured_out(service: Running) -> None:
    problems = service.post(asking(**{f"x{i}": 1 for i in range(100)})).json()["problems"]
    assert len(problems) == 21
    assert problems[-1]["reason"] == "and 80 more problems"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
def test_json_only(service: Running, kind: str) -> None:
    assert service.send(json.dumps(asking()).encode(), kind).status_code == 415


def test_a_charset_is_json_too(service: Running) -> None:
    assert service.send(json.dumps(asking()).encode(), "Application/JSON; charset=utf-8").status_code == 200


def chunks() -> Iterator[bytes]:
    for _ in range(200):
        yield b" " * 50_000


@pytest.mark.parametrize("content", [b" " * 9_000_000, chunks()], ids=["with a length", "in chunks"])
def test_a_body_beyond_the_limit(service: Running, content: bytes | Iterator[bytes]) -> None:
    answer = service.send(content)
    assert answer.status_code == 413
    assert "8388608 bytes" in answer.json()["problems"][0]["reason"]


def test_a_scored_customer(service: Running) -> None:
    answer = service.get("/v1/customers/C0").raise_for_status()
    told = CustomerResponse.model_validate_json(answer.content)
    found = told.customer
    assert (found.customer_id, found.name, found.owner) == ("C0", "Nordwind Trading", "Ada")
    assert found.churn_probability == 0.93
    assert found.reasons[0].text == "last purchase 74 days ago"
    assert [past.churn_probability for past in told.history] == [0.93]
    assert (told.alerts, told.valid_until - found.as_of) == ([], dt.timedelta(days=30))


def test_any_id_can_be_asked_for(service: Running) -> None:
    assert service.get("/v1/customers/%D0%BA%D0%BB%D1%8E%D1%87/7").json()["customer"]["name"] == "Slash"


@pytest.mark.parametrize("customer", ["nobody", "%00", "C0%00", "'; drop table scores", "%FF", "a" * 5000])
def test_unknown_customers(service: Running, customer: str) -> None:
    answer = service.get(f"/v1/customers/{customer}")
    assert answer.status_code == 404
    assert answer.json()["problems"][0]["field"] == "customer_id"


@pytest.mark.parametrize(
    ("query", "ids", "total"),
    [
        ("?limit=3", ["C0", "C1", "C2"], 29),
        ("?band=high&limit=1", ["C0"], 5),
        ("?min_value=4000", ["C0", "C1", "C2"], 3),
        ("?segment=abc_a", [], 0),
        ("?tier=regular&limit=1", ["C6"], 14),
        ("?owner=Ada", ["C0", "ключ/7"], 2),
        ("?min_probability=0.9", ["C0", "C1"], 2),
    ],
)
def test_at_risk(service: Running, query: str, ids: list[str], total: int) -> None:
    found = AtRiskResponse.model_validate_json(service.get("/v1/at-risk" + query).raise_for_status().content)
    assert ([account.customer_id for account in found.accounts], found.total) == (ids, total)


def test_pages_follow_one_another(service: Running) -> None:
    """By key: a customer that comes or goes meanwhile moves nobody from one page to the next."""
    found, after = [], ""
    while True:
        answer = service.get(f"/v1/at-risk?limit=10{after}").raise_for_status()
        page = AtRiskResponse.model_validate_json(answer.content)
        found += [account.customer_id for account in page.accounts]
        if page.next is None:
            break
        after = f"&after={page.next}"
    assert found == [*(f"C{i}" for i in range(28)), "ключ/7"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?limit=x", "limit"),
        ("?limit=", "limit"),
        ("?limit=1e9", "limit"),
        ("?limit=5&limit=6", "limit"),
        ("?offset=1", "offset"),
        ("?after=x", "after"),
        ("?after=WzFlNDAwLCJhIl0=", "after"),
        ("?min_value=inf", "min_value"),
        ("?min_probability=1.5", "min_probability"),
        ("?min_probability=nan", "min_probability"),
        ("?tier=gold", "tier"),
        ("?colour=red", "colour"),
    ],
)
def test_bad_queries_name_the_parameter(service: Running, query: str, field: str) -> None:
    answer = service.get("/v1/at-risk" + query)
    assert answer.status_code == 400
    assert field in [p["field"] for p in answer.json()["problems"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/predict", 405),
        ("DELETE", "/v1/customers/C0", 405),
        ("POST", "/", 405),
        ("GET", "/nothing", 404),
        ("GET", "/docs.json", 404),
        ("GET", "/v1/alerts/x/events", 405),
        ("GET", "/schema.json", 404),
        ("GET", "/static_content/swagger-ui.css", 404),
        ("GET", "/workbench.css/", 404),
    ],
)
def test_nothing_else_answers(service: Running, method: str, path: str, status: int) -> None:
    answer = service.client.request(method, path)
    assert answer.status_code == status
    assert ProblemReport.model_validate_json(answer.content).status == status


def test_probes(service: Running, bundle: Bundle) -> None:
    assert service.get("/livez").json() == {"live": True}
    assert service.get("/readyz").json() == {"ready": True, "model_version": bundle.id, "problem": None}


def test_metrics_count_routes_not_paths(service: Running) -> None:
    def counted() -> float:
        text = service.get("/metrics").text
        found = re.search(
            r'remora_requests_total\{route="/v1/customers/\{customer_id:path\}",status="404"\} (\S+)', text
        )
        assert "secret-id" not in text
        return float(found[1]) if found else 0.0

    before = counted()
    service.get("/v1/customers/secret-id")
    assert counted() == before + 1


def test_openapi_describes_every_route_of_the_api(service: Running) -> None:
    document = service.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/score", "/v1/leads/score", "/v1/customers/{customer_id}", "/v1/at-risk", "/v1/alerts",
        "/v1/alerts/{key}/events", "/v1/model", "/readyz", "/livez", "/metrics",
    }  # fmt: skip
    assert set(document["paths"]["/v1/predict"]["post"]["responses"]) == {
        "200", "400", "401", "403", "408", "413", "415", "421", "429", "500", "503",
    }  # fmt: skip
    refs = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert refs <= set(document["components"]["schemas"])


@pytest.mark.parametrize("path", ["/", "/v1/at-risk", "/nothing", "/v1/customers/nobody"])
def test_every_answer_is_locked_down(service: Running, path: str) -> None:
    headers = service.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_only_this_machine_is_listened_to(service: Running) -> None:
    port = service.client.base_url.port
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port] == [
        f"0100007F:{port:04X}"
    ]


def test_from_nothing_to_a_champion_past_a_damaged_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with running(home.folder) as service:
        found = service.wait_until(lambda ready: "promoted" in str(ready["problem"]))
        assert found["ready"] is False
        assert service.get("/readyz").status_code == 503
        refused = service.post(asking())
        assert (refused.status_code, "remora promote" in refused.text) == (503, True)
        assert "remora promote" in service.get("/").text
        assert "remora score" in service.get("/").text

        fill(home)
        one = service.wait_until(lambda ready: ready["ready"] is True)["model_version"]

        write_small_bundle(home.bundles / "second", rules=True, remark="second")
        (home.bundles / "second" / "churn.txt").write_text("tree\nend of trees")
        promote(home, "second")
        found = service.wait_until(lambda ready: ready["problem"] is not None)
        assert (found["ready"], found["model_version"]) == (True, one)
        assert "churn.txt is damaged" in str(found["problem"])
        assert "churn.txt is damaged" in service.log.read_text()
        assert service.post(asking()).json()["model_version"] == one

        write_small_bundle(home.bundles / "fatal", rules=True, remark="fatal")
        make_it_abort(home.bundles / "fatal")
        promote(home, "fatal")
        service.wait_until(lambda ready: "killed by signal" in str(ready["problem"]))
        assert service.post(asking()).json()["model_version"] == one

        three = write_small_bundle(home.bundles / "third", rules=True, remark="third").id
        promote(home, "third")
        service.wait_until(lambda ready: ready["model_version"] == three)
        assert service.get("/readyz").json()["problem"] is None
        assert service.post(asking()).json()["model_version"] == three

        promote(home, "../first")
        assert "not the name of a bundle" in str(service.wait_until(lambda ready: bool(ready["problem"]))["problem"])
        assert service.post(asking()).json()["model_version"] == three


def test_the_service_stays_light(tmp_path: Path) -> None:
    """Checked in a process that predicts, as what is imported late counts too."""
    write_small_bundle(tmp_path / "b", rules=True)
    code = (
        "import datetime as dt, sys, json; from pathlib import Path; import serving.service, serving.api.app\n"
        "from models.bundle import Bundle\n"
        "from serving.predicting import Predictor; from serving.schemas import PredictRequest\n"
        "asked = PredictRequest.model_validate_json(sys.argv[2])\n"
        "told = Predictor(Bundle.load(Path(sys.argv[1]))).answer(asked, dt.datetime.now(dt.UTC))\n"
        "assert told['predictions'][0]['reasons']\n"
        "heavy = 'training monitoring mlflow evidently pandas sklearn scipy lightgbm ruptures altair vl_convert'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "b"), json.dumps(asking() | {"explain": True})]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_customers_are_the_fixtures(service: Running) -> None:
    """The rows above hold missing values, or half of these tests would say nothing."""
    assert customers()["nps_score_last"].null_count() > 100
