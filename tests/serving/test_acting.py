"""The same numbers in batch and from the service: who is worth acting on, how the risk runs, and what it rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.engines import open_source
from features.settings import Action, Settings
from models.action import ActionError
from models.bundle import Bundle
from serving.champion import load
from serving.home import Home
from serving.predicting import Predictor
from serving.schemas import AtRiskResponse, CustomerResponse, PredictResponse, ScoredAccount
from tests.curve_bundle import buyers, curve_text, curved_parts, rhythm_parts
from tests.literal import ago, rows, written
from tests.serving.running import Running, running
from tests.serving.small_company import Answer, ask, orders, promoted_bundle
from tests.small_bundle import customers, texts

OF_EACH = {"cost": 9.0, "success_rate": 0.25}
OF_ONE = {"cost": 18.0, "success_rate": 0.25, "value_saved": 120.0}
SAME = (
    "churn_probability", "churn_curve", "expected_days", "risk_band", "expected_value", "value_low", "value_high",
    "value_if_retained", "value_at_risk", "expected_profit", "composite_score", "tier", "reasons", "basis",
)  # fmt: skip
LATELY, EVER, GONE = "K1", "K2", "K9"


@dataclass(frozen=True)
class Company:
    """A scored home and the service over it; `features` are those that the batch scored."""

    home: Path
    action: Mapping[str, float]
    bundle: Bundle
    features: pl.DataFrame
    service: Running

    def remora(self, *arguments: object) -> Answer:
        return ask(self.home, *arguments, settings=toml(self.action))

    def scored(self, customer: str) -> ScoredAccount:
        return CustomerResponse.model_validate_json(self.service.get(f"/v1/customers/{customer}").content).customer

    @property
    def accounts(self) -> list[ScoredAccount]:
        return [self.scored(customer) for customer in self.features["customer_id"]]


def toml(action: Mapping[str, float]) -> str:
    return "\n".join(["[action]", *(f"{name} = {number}" for name, number in action.items())]) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Buyers of all sorts; K9 bought nothing for over a year."""
    people = rows("customer_id country", *((f"K{n}", "Spain") for n in (1, 2, 3, 4, 5, 9)))
    answers = rows("customer_id occurred_at score", ("K1", ago(30), 9.0), ("K3", ago(60), 2.0))
    bought = orders(K1=(700, 170, 40, 3), K2=(800, 300), K3=(90,), K4=(364, 363), K5=(60, 50, 40, 30), K9=(900, 500))
    tables = {"customers": people, "transactions": bought, "nps_responses": answers}
    return written(tmp_path_factory.mktemp("buyers"), tables)


@pytest.fixture(scope="module", params=["trees with a curve", "BG/NBD alone"])
def company(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    home, source = tmp_path_factory.mktemp("acting") / "home", open_source(data, Settings())
    if request.param == "BG/NBD alone":
        action, bundle = OF_ONE, promoted_bundle(home, source, rhythm_parts(), buyers())
    else:
        churn, value = texts()
        models: dict[str, Any] = {"churn": churn, "value": value, "curve": curve_text()}
        action, bundle = OF_EACH, promoted_bundle(home, source, curved_parts(), customers(), **models)
    assert ask(home, "score", data, "--as-of", "2026-07-01", settings=toml(action)).code == 0
    (kept,) = (home / "scorings").glob("*.parquet")
    with running(home, **action) as service:
        service.wait_until(lambda ready: ready["ready"] is True)
        yield Company(home, action, bundle, pl.read_parquet(kept), service)


def test_the_service_says_what_the_batch_said(company: Company) -> None:
    """Of all at once and of each alone, to the last digit."""
    known = Predictor(company.bundle).kinds.keys() & set(company.features.columns)
    asked = [
        {"customer_id": row["customer_id"], "features": {name: row[name] for name in known}}
        for row in company.features.to_dicts()
    ]
    together = predicted(company, asked)
    assert [predicted(company, [one])[0] for one in asked] == together
    staked = 0
    for said, account in zip(together, company.accounts, strict=True):
        row = account.model_dump(mode="json")
        if row["at_stake"]:
            staked += 1
            assert {name: said[name] for name in SAME} == {name: row[name] for name in SAME}
    assert staked == 5


def predicted(company: Company, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = company.service.post({"customers": asked, "include": ["composite"], "explain": True}).raise_for_status()
    PredictResponse.model_validate_json(answer.content)
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def test_the_profit_is_the_formula(company: Company) -> None:
    """Recomputed from the row; nobody else has one."""
    for row in company.accounts:
        if not row.at_stake:
            assert row.expected_profit is row.churn_curve is row.expected_days is None
            continue
        saved = company.action.get("value_saved", row.value_if_retained)
        assert saved is not None
        assert row.churn_probability is not None
        assert row.expected_profit == pytest.approx(0.25 * row.churn_probability * saved - company.action["cost"])
    assert {row.at_stake for row in company.accounts} == {True, False}


def test_the_curve_passes_through_the_risk(company: Company) -> None:
    for row in company.accounts:
        if company.bundle.manifest.curve is None or not row.at_stake:
            assert row.churn_curve is None
            continue
        assert row.churn_curve is not None
        risks = [point.probability for point in row.churn_curve]
        assert [point.days for point in row.churn_curve] == [30, 60, 90, 180]
        assert risks[2] == row.churn_probability
        assert risks == sorted(risks, reverse=True)  # silent for longer is rarer
        steps = zip([0, 30, 60, 90], [30, 60, 90, 180], [1.0, *risks], risks, strict=False)
        area = sum((late - early) * (before + after) / 2 for early, late, before, after in steps)
        assert row.expected_days == pytest.approx(area)


def test_rows_say_which_model_they_rest_on(company: Company) -> None:
    model = "model: trees" if company.bundle.manifest.curve else "model: BG/NBD"
    gone = "rules: not at stake (no purchase in the period that makes a customer active)"
    assert {row.basis for row in company.accounts if row.at_stake} == {model}
    assert {row.basis for row in company.accounts if not row.at_stake} == {gone}


def test_who_is_worth_acting_on_comes_by_profit(company: Company) -> None:
    profits = {row.customer_id: row.expected_profit for row in company.accounts if (row.expected_profit or 0) > 0}
    ranked = sorted(profits, key=lambda who: -(profits[who] or 0))
    assert 0 < len(ranked) < 5  # else the filter were not seen
    found = AtRiskResponse.model_validate_json(company.service.get("/v1/at-risk?worth_acting=true").content)
    assert ([account.customer_id for account in found.accounts], found.total) == (ranked, len(ranked))
    everyone = AtRiskResponse.model_validate_json(company.service.get("/v1/at-risk").content)
    assert everyone.total == 5
    amounts = [account.value_at_risk or 0 for account in everyone.accounts]
    assert amounts == sorted(amounts, reverse=True)


def test_the_page_shows_what_acting_earns(company: Company) -> None:
    page, few = company.service.get("/").text, company.service.get("/?worth_acting=true").text
    first = AtRiskResponse.model_validate_json(company.service.get("/v1/at-risk?worth_acting=true").content)
    assert "Acting earns" in page
    assert page.count("data-customer=") == 5
    assert few.count("data-customer=") == first.total
    assert "worth acting on, the highest expected profit first" in few
    assert f'class="number profit">{first.accounts[0].expected_profit:,.0f}<' in few
    assert "rests on" not in page
    assert "model:" not in page  # only rows of the rules need a note


def test_the_customers_page_tells_curve_and_profit(company: Company) -> None:
    row, page = company.scored(EVER), company.remora("explain", EVER)
    assert row.expected_profit is not None
    word = "Worth acting: expected to earn" if row.expected_profit > 0 else "Not worth acting: expected to cost"
    assert f"{word} {abs(row.expected_profit):,.0f}" in page.out
    assert f"rests on {row.basis}" in page.out
    assert ("Still silent after: 30 days" in page.out) == (row.churn_curve is not None)
    gone = company.remora("explain", GONE)
    assert gone.code == 0
    assert "acting" not in gone.out
    assert "silent after" not in gone.out


def test_the_description_knows_the_new_fields(company: Company) -> None:
    document = company.service.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for model in ("PredictedCustomer", "ScoredAccount"):
        assert {"churn_curve", "expected_days", "expected_profit"} <= set(schemas[model]["properties"])
    assert set(schemas["CurvePoint"]["properties"]) == {"days", "probability"}
    assert "worth_acting" in [each["name"] for each in document["paths"]["/v1/at-risk"]["get"]["parameters"]]


def test_without_a_price_nobody_is_said_to_be_worth_it_or_not(service: Running) -> None:
    answer = service.get("/v1/at-risk?worth_acting=true")
    problem = answer.json()["problems"][0]
    assert (answer.status_code, problem["field"]) == (400, "worth_acting")
    assert "set [action] cost and success_rate in remora.toml" in problem["reason"]
    assert "Acting earns" not in service.get("/").text
    assert "acting has no price" in service.get("/?worth_acting=true").text
    assert service.get("/v1/at-risk?worth_acting=perhaps").json()["problems"][0]["field"] == "worth_acting"


def test_half_a_price_is_told_before_anything_is_scored_or_served(company: Company, data: Path, tmp_path: Path) -> None:
    half = ask(tmp_path / "home", "score", data, "--as-of", "2026-07-01", settings=toml({"cost": 5.0}))
    assert half.problems == ["[action] success_rate: missing; set it, or remove the section"]
    with pytest.raises(ActionError, match="success_rate: missing"):
        load(Home(company.home), Settings(action=Action(cost=5.0)))
