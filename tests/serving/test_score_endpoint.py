"""The functions behind `POST /v1/score` and `POST /v1/leads/score`: what is answered, what is refused, and how much.

That the numbers are those of batch scoring is `test_skew.py`.
"""

import datetime as dt
import json
import subprocess
import sys
from typing import Any

import pytest

from features.engines import open_source
from features.settings import Settings, load_settings
from models.rules import load_pack
from serving.errors import InvalidRequestError
from serving.predicting import Predictor
from serving.schemas import parse
from serving.schemas_score import (
    LeadsScoreRequest,
    LeadsScoreResponse,
    ScoreRequest,
    ScoreResponse,
)
from serving.scoring_few import FewScorer
from serving.scoring_leads import score_leads_few
from tests.company import ROOT
from tests.literal import TODAY, ago, rows, written
from tests.serving.skewed import Learnt

NOW = TODAY.replace(tzinfo=dt.UTC)
BERLIN = {"company": {"timezone": "Europe/Berlin"}, "profile": {"static": ("country", "vip", "plan")}}
SOLD = "customer_id occurred_at amount order_id"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(None, churn={"active_within_days": 365}, **BERLIN)


@pytest.fixture(scope="module")
def scorer(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> FewScorer:
    """A bundle of a shop in Berlin, without any row of use of a product."""
    folder = tmp_path_factory.mktemp("shop")
    people = ((f"K{i}", ago(400), "DE" if i % 2 else "FR", float(i % 3), "abc"[i % 3]) for i in range(60))
    customers = rows("customer_id signed_up_at country vip plan", *people)
    sales = rows(SOLD, *((f"K{i}", ago(day + i), 10.0 + i, None) for i in range(60) for day in (5, 80, 200, 330)))
    tickets = rows("customer_id occurred_at is_complaint closed_at",
                   *((f"K{i}", ago(20 + i), bool(i % 2), None) for i in range(0, 60, 3)))  # fmt: skip
    tables = {"customers": customers, "transactions": sales, "tickets": tickets}
    source = open_source(written(folder, tables), settings)
    bundle = Learnt(source, NOW, settings).bundle(folder / "bundle", "no_purchase")
    return FewScorer(Predictor(bundle), settings)


def ask(scorer: FewScorer, tables: object, now: dt.datetime = NOW, **more: object) -> dict[str, Any]:
    told = scorer.answer(parse(ScoreRequest, json.dumps({"tables": tables, **more}).encode()), now)
    ScoreResponse.model_validate(told)
    return told


def refused(scorer: FewScorer, tables: object, **more: object) -> dict[str, str]:
    """Field → reason."""
    with pytest.raises(InvalidRequestError) as error:
        ask(scorer, tables, **more)
    return dict(zip(error.value.fields, error.value.problems, strict=True))


def sold(*each: tuple[object, ...]) -> dict[str, object]:
    return {"transactions": rows("customer_id occurred_at amount", *each)}


def test_a_new_customer_and_one_who_is_not_at_stake(scorer: FewScorer) -> None:
    told = ask(scorer, sold(("new", "2026-06-20", 50), ("gone", "2024-01-02T10:00:00Z", 1.5)) | {"tickets": []})
    gone, new = told["predictions"]
    assert (gone["customer_id"], gone["at_stake"], gone["churn_probability"], gone["risk_band"]) == (
        "gone", False, None, None,
    )  # fmt: skip
    assert gone["basis"] == "rules: not at stake (no purchase in the period that makes a customer active)"
    assert (new["at_stake"], 0 < new["churn_probability"] < 1, new["basis"]) == (True, True, "model: trees")
    assert new["expected_value"] > 0
    assert new["reasons"]
    assert told["tables_missing"] == ["customers"]
    assert told["as_of"] == NOW
    assert told["valid_until"] - told["as_of"] == dt.timedelta(days=30)
    assert told["model_version"] == new["model_version"]
    assert told["rules_version"] == new["rules_version"]


def test_without_explanations_the_answer_is_the_same_but_for_them(scorer: FewScorer) -> None:
    asked = sold(("a", "2026-06-20", 50))
    whole, short = ask(scorer, asked)["predictions"][0], ask(scorer, asked, explain=False)["predictions"][0]
    assert whole["reasons"]
    assert whole["points"]
    assert short == whole | {"reasons": [], "points": []}


def test_rows_after_the_date_are_not_read_and_who_has_no_other_is_listed(scorer: FewScorer) -> None:
    asked = sold(("a", "2026-06-20", 50), ("b", "2026-07-10", 9))
    told = ask(scorer, asked | {"customers": [{"customer_id": "c"}]}, as_of="2026-07-02")
    assert [row["customer_id"] for row in told["predictions"]] == ["a"]
    assert told["customers_unknown"] == ["b", "c"]
    later = ask(scorer, asked, as_of="2026-07-11")
    assert [row["customer_id"] for row in later["predictions"]] == ["a", "b"]


def test_nobody_known_is_an_empty_list(scorer: FewScorer) -> None:
    told = ask(scorer, sold(("b", "2027-01-01", 9)))
    assert (told["predictions"], told["customers_unknown"]) == ([], ["b"])


def test_a_date_means_midnight_in_the_company(scorer: FewScorer) -> None:
    asked = sold(("a", "2026-07-02", 50))  # 22:00 UTC of the day before
    known = [len(ask(scorer, asked, as_of=as_of)["predictions"]) for as_of in ("2026-07-01T22:00:00Z", "2026-07-02",
                                                                                "2026-07-01T22:00:01Z")]  # fmt: skip
    assert known == [0, 0, 1]
    assert ask(scorer, asked, as_of="2026-07-02")["as_of"] == dt.datetime(2026, 7, 1, 22, tzinfo=dt.UTC)


def test_the_day_is_now_but_never_before_the_training(scorer: FewScorer) -> None:
    asked, later = sold(("a", "2026-06-20", 50)), NOW + dt.timedelta(days=3)
    assert ask(scorer, asked, later)["as_of"] == later
    assert ask(scorer, asked, NOW - dt.timedelta(hours=5))["as_of"] == NOW
    assert "the model was trained" in refused(scorer, asked, as_of="2026-06-01")["as_of"]


def test_a_table_that_is_left_out_is_unknown_and_an_empty_one_is_nothing(scorer: FewScorer) -> None:
    asked = sold(("a", "2026-06-20", 50))
    assert ask(scorer, asked)["tables_missing"] == ["customers", "tickets"]
    assert ask(scorer, asked | {"tickets": []})["tables_missing"] == ["customers"]


def test_a_null_that_is_left_out_is_a_null_as_in_training(scorer: FewScorer) -> None:
    """The bundle knows the columns of the company: what nobody of a request has is not absent."""
    said = [{"customer_id": "a", "occurred_at": "2026-06-20"}]
    told = [{"customer_id": "a", "occurred_at": "2026-06-20", "is_complaint": None, "closed_at": None}]
    asked = sold(("a", "2026-06-20", 50))
    assert ask(scorer, asked | {"tickets": said}) == ask(scorer, asked | {"tickets": told})


def test_what_a_customer_is_told_does_not_depend_on_the_others_of_a_request(scorer: FewScorer) -> None:
    mine = ("a", "2026-06-20", 50), ("a", "2026-03-20T12:00", 12.25)
    alone = ask(scorer, sold(*mine) | {"tickets": []})["predictions"]
    other = {"customer_id": "b", "occurred_at": "2026-06-20", "is_complaint": True, "severity": "high"}
    among = ask(scorer, sold(*mine, ("b", "2026-06-20", 50)) | {"tickets": [other]})["predictions"]
    assert among[0] == alone[0]


def test_columns_that_the_model_knows_of_a_customer(scorer: FewScorer) -> None:
    asked = sold(("a", "2026-06-20", 50))

    def churn(**columns: object) -> object:
        return ask(scorer, asked | {"customers": [{"customer_id": "a", **columns}]})["predictions"][0][
            "churn_probability"
        ]

    assert churn(plan="a") != churn(plan="b")
    assert churn(vip=True) == churn(vip=1)
    assert churn(vip=None) == churn()
    told = refused(scorer, asked | {"customers": [{"customer_id": "a", "plan": 1, "vip": "x", "shoe": 42}]})
    assert told == {
        "tables.customers.0.plan": "must be text or null",
        "tables.customers.0.vip": "must be a finite number or null",
        "tables.customers.0.shoe": "neither a column of the contract nor one that the model knows; "
        "remove it or correct its name",
    }


WRONG: dict[str, tuple[object, str]] = {
    "text for a number": (sold(("a", "2026-06-20", "50")), "tables.transactions.0.amount"),
    "a flag for a number": (sold(("a", "2026-06-20", True)), "tables.transactions.0.amount"),
    "too large": (sold(("a", "2026-06-20", 1e300)), "tables.transactions.0.amount"),
    "not a number": (sold(("a", "2026-06-20", float("nan"))), "tables.transactions.0.amount"),
    "infinite": (sold(("a", "2026-06-20", float("inf"))), "tables.transactions.0.amount"),
    "a number for a time": (sold(("a", 1782000000, 5)), "tables.transactions.0.occurred_at"),
    "no such day": (sold(("a", "2026-06-31", 5)), "tables.transactions.0.occurred_at"),
    "a week": (sold(("a", "2026-W22-1", 5)), "tables.transactions.0.occurred_at"),
    "another script": (sold(("a", "２０２６-06-20", 5)), "tables.transactions.0.occurred_at"),
    "before all calendars": (sold(("a", "0001-01-01", 5)), "tables.transactions.0.occurred_at"),
    "a number for a key": (sold((7, "2026-06-20", 5)), "tables.transactions.0.customer_id"),
    "no key": (sold((None, "2026-06-20", 5)), "tables.transactions.0.customer_id"),
    "empty key": (sold(("", "2026-06-20", 5)), "tables.transactions.0.customer_id"),
    "column left out": ({"transactions": [{"customer_id": "a", "amount": 5}]}, "tables.transactions.0.occurred_at"),
    "a list for a text": (sold(("a", "2026-06-20", 5)) | {"tickets": [
        {"customer_id": "a", "occurred_at": "2026-06-20", "category": ["x"]}]}, "tables.tickets.0.category"),
    "unknown column": (sold(("a", "2026-06-20", 5)) | {"tickets": [
        {"customer_id": "a", "occurred_at": "2026-06-20", "x": 1}]}, "tables.tickets.0.x"),
    "unknown table": (sold(("a", "2026-06-20", 5)) | {"invoices": []}, "tables.invoices"),
    "table of leads": (sold(("a", "2026-06-20", 5)) | {"leads": []}, "tables.leads"),
    "no table that says who is at stake": ({"tickets": []}, "tables.transactions"),
    "nobody": ({"transactions": []}, "tables"),
    "too many customers": (sold(*((f"c{i}", "2026-06-20", 5) for i in range(101))), "tables"),
    "too many rows": (sold(*[("a", "2026-06-20", 5)] * 20_001), "tables.transactions"),
    "two currencies": ({"transactions": rows("customer_id occurred_at amount currency", ("a", "2026-06-20", 5, "EUR"),
                                             ("a", "2026-06-20", 5, "USD"))}, "tables.transactions"),
    "a row that is none": ({"transactions": [["a"]]}, "tables.transactions.0"),
    "rows that are none": ({"transactions": {}}, "tables.transactions"),
    "no tables": ([], "tables"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_where_it_is(scorer: FewScorer, case: str) -> None:
    tables, field = WRONG[case]
    assert [*refused(scorer, tables)] == [field]


@pytest.mark.parametrize("as_of", [7, "yesterday", "2026-06-31", "2026-07-01 10:00 Europe/Berlin", True])
def test_a_date_that_is_none_is_refused(scorer: FewScorer, as_of: object) -> None:
    assert [*refused(scorer, sold(("a", "2026-06-20", 5)), as_of=as_of)] == ["as_of"]


def test_rows_of_several_tables_count_together(scorer: FewScorer) -> None:
    ticket = {"customer_id": "a", "occurred_at": "2026-06-20"}
    asked = sold(*[("a", "2026-06-20", 5)] * 10_001) | {"tickets": [ticket] * 10_000}
    assert refused(scorer, asked) == {"tables": "20001 rows; at most 20000 at a time"}


def test_all_that_is_wrong_is_told_at_once_and_a_flood_is_counted(scorer: FewScorer) -> None:
    with pytest.raises(InvalidRequestError) as error:
        ask(scorer, {"transactions": [{}] * 19_999, "tickets": [{"customer_id": 1}]})
    assert len(error.value.problems) == 21
    assert error.value.problems[-1].startswith("and 1")
    assert error.value.fields[:3] == tuple(
        f"tables.transactions.0.{name}" for name in ("customer_id", "occurred_at", "amount")
    )


def test_nothing_heavy_is_loaded() -> None:
    """A worker of the service stays small: no engine but Polars, no training."""
    heavy = {"duckdb", "pandas", "pyarrow", "scipy", "sklearn", "lightgbm", "mlflow", "evidently", "training"}
    loaded = f"', '.join({heavy!r} & sys.modules.keys()) or None"
    code = f"import sys, serving.scoring_few, serving.scoring_leads; sys.exit({loaded})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def leads(body: object) -> dict[str, Any]:
    told = score_leads_few(load_pack(), parse(LeadsScoreRequest, json.dumps(body).encode()), Settings())
    LeadsScoreResponse.model_validate(told)
    return told


def test_leads_are_graded_with_deadline_and_words() -> None:
    lead = {"lead_id": "L1", "created_at": "2026-06-01T09:00:00Z", "budget": 25, "authority": 20, "need": 25,
            "timing": 15, "industry": "retail", "employees": 40}  # fmt: skip
    weak = {"lead_id": "L2", "created_at": "2026-06-01", "budget": 1, "authority": 1, "need": 1, "timing": 1}
    late = {"lead_id": "L3", "created_at": "2026-07-01"}
    told = leads({"leads": [late, weak, lead], "as_of": "2026-06-05"})
    first, second = told["leads"]
    assert (first["lead_id"], first["grade"], first["bant_score"], first["grade_label"]) == ("L1", "a", 80.0, "A lead")
    assert first["first_contact_due"] == dt.datetime(2026, 6, 2, 9, tzinfo=dt.UTC)
    assert first["contacted_late"] is None
    assert first["action"] == "first contact in 24 hours"
    assert first["tag_labels"] == ["industry: retail", "size: small"]
    assert second["lead_id"] == "L2"
    assert told["leads_unknown"] == ["L3"]
    in_chinese = leads({"leads": [lead], "as_of": "2026-06-05", "lang": "zh"})["leads"][0]
    assert in_chinese["owner_key"] == first["owner_key"]
    assert in_chinese["owner"] != first["owner"]


def test_a_contact_that_came_late_or_lies_ahead() -> None:
    lead = {
        "lead_id": "L1",
        "created_at": "2026-06-01T09:00:00Z",
        "budget": 25,
        "authority": 20,
        "need": 25,
        "timing": 15,
    }
    for contacted, late in (("2026-06-02T08:00:00Z", False), ("2026-06-03T08:00:00Z", True), ("2026-08-01", True)):
        told = leads({"leads": [lead | {"first_contacted_at": contacted}], "as_of": "2026-06-05"})
        assert told["leads"][0]["contacted_late"] is late


@pytest.mark.parametrize(("body", "field"), [
    ({"leads": []}, "leads"),
    ({"leads": [{"lead_id": "L", "created_at": "2026-06-01"}] * 101}, "leads"),
    ({"leads": [{"lead_id": "L"}]}, "leads.0.created_at"),
    ({"leads": [{"lead_id": "L", "created_at": "2026-06-01", "budget": "much"}]}, "leads.0.budget"),
    ({"leads": [{"lead_id": "L", "created_at": "2026-06-01", "colour": "red"}]}, "leads.0.colour"),
    ({"leads": [{"lead_id": "L", "created_at": "2026-06-01"}], "lang": "fr"}, "lang"),
])  # fmt: skip
def test_what_is_wrong_with_leads_is_refused_where_it_is(body: object, field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        leads(body)
    assert error.value.fields == (field,)


@pytest.mark.parametrize("model", [ScoreRequest, LeadsScoreRequest])
def test_the_examples_are_requests(model: Any, scorer: FewScorer) -> None:
    for example in model.model_json_schema()["examples"]:
        asked = parse(model, json.dumps(example).encode())
        if isinstance(asked, ScoreRequest):
            scorer.answer(asked.model_copy(update={"as_of": None}), NOW)
        else:
            score_leads_few(load_pack(), asked, Settings())
