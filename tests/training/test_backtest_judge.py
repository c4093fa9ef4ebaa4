"""When a backtest's date may be judged: literal tables, literal predictions."""

from pathlib import Path

import polars as pl
import pytest

from features.settings import Churn, Settings, Value
from tests.literal import T, ago, at, rows, source
from training.backtest_judge import Outlook, judge_date, judge_pooled
from training.backtest_kept import Facts, Kept

SETTINGS = Settings.model_construct(
    churn=Churn(definition="cancelled", horizon_days=30, grace_days=10), value=Value(horizon_days=60)
)
DAYS_PAID = 30.4375
SUBSCRIPTIONS = rows(
    "customer_id started_at ended_at monthly_amount",
    ("ends and comes back in the grace", ago(300), ago(85), DAYS_PAID),
    ("ends and comes back in the grace", ago(62), None, DAYS_PAID),
    ("goes", ago(300), ago(80), DAYS_PAID),
    ("stays", ago(300), None, DAYS_PAID),
    ("comes anew", ago(3), None, DAYS_PAID),
)
KEPT = Kept(
    pl.DataFrame(
        {
            "customer_id": ["ends and comes back in the grace", "goes", "stays"],
            "churn: model": [0.3, 0.7, 0.2],
            "churn: recency rule": [2.0, 1.0, 3.0],
            "value: model": [50.0, 10.0, 60.0],
        }
    ),
    Facts(trained=True, training_rows=9, training_churners=4),
)


@pytest.fixture
def outlook(tmp_path: Path) -> Outlook:
    opened = source(tmp_path, "duckdb", {"subscriptions": SUBSCRIPTIONS})
    return Outlook(opened.until(T), T, "cancelled", 40, "subscriptions")


def test_labels_and_value_of_a_closed_date(outlook: Outlook) -> None:
    found = judge_date(at(100), KEPT, outlook, SETTINGS)
    told = found.rows.select("customer_id", "churned", "value").rows()
    assert told == [("ends and comes back in the grace", 0, 37), ("goes", 1, 20), ("stays", 0, 60)]
    assert (found.result.status, found.result.churners, found.result.note) == ("judged", 1, "")
    assert found.result.churn["model"].roc_auc.estimate == 1
    assert found.result.churn["recency rule"].difference is not None
    assert found.result.churn["recency rule"].difference.estimate == 1
    assert found.result.value["model"].total_ratio == pytest.approx(120 / (37 + 20 + 60))


def test_open_until_the_grace_is_over(outlook: Outlook) -> None:
    found = judge_date(at(39), KEPT, outlook, SETTINGS)
    assert (found.result.status, found.result.note) == ("open", "open until 2026-07-02")
    assert found.result.churn == found.result.value == {}
    assert judge_date(at(40), KEPT, outlook, SETTINGS).result.status == "judged"


def test_value_may_be_open_longer(outlook: Outlook) -> None:
    found = judge_date(at(59), KEPT, outlook, SETTINGS).result
    assert (found.status, found.note, found.value) == ("judged", "value open until 2026-07-02", {})


def test_a_table_that_stopped_is_not_judged(tmp_path: Path) -> None:
    sales = rows("customer_id occurred_at amount", *[("a", ago(day), 1.0) for day in range(200, 90, -1)])
    opened = source(tmp_path, "duckdb", {"transactions": sales})
    settings = Settings.model_construct(churn=Churn(definition="no_purchase", horizon_days=30))
    found = judge_date(at(100), KEPT, Outlook(opened, T, "no_purchase", 30, None), settings).result
    assert found.status == "not judged"
    assert "transactions has no row after" in found.note


def test_nobody_at_stake_is_not_judged(outlook: Outlook) -> None:
    nobody = Kept(KEPT.rows.clear(), Facts(trained=False, refusal="too short"))
    found = judge_date(at(100), nobody, outlook, SETTINGS).result
    assert (found.status, found.note) == ("not judged", "rules only: too short; nobody was at stake")


def test_the_pool_takes_what_all_dates_have_and_only_models(outlook: Outlook) -> None:
    more = Kept(KEPT.rows.with_columns(pl.lit(0.5).alias("churn: base rate")), KEPT.facts)
    ruled = Kept(KEPT.rows.drop("churn: model"), Facts(trained=False, refusal="too few"))
    dates = ((100, more), (99, KEPT), (98, ruled), (39, KEPT))
    judged = [judge_date(at(days), kept, outlook, SETTINGS) for days, kept in dates]
    pooled = judge_pooled(judged)
    assert pooled is not None
    assert (pooled.dates, pooled.rows, pooled.customers, pooled.churners) == (2, 6, 3, 2)
    assert set(pooled.churn) == {"model", "recency rule"}
    assert judge_pooled(judged[2:]) is None
