"""Definition, value source, cut-offs and outcomes, from settings and tables as of a date."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.at_stake import LabelError
from features.clock import DAY, EPOCH, micros
from features.engines import Source
from features.settings import Churn, Settings, Snapshots, Value
from tests.company import shop
from tests.literal import T as NOW
from tests.literal import ago, at, rows, source
from training.split import SplitError
from training.targets import targets

END = dt.datetime(2026, 7, 1)
AS_OF = micros(END.replace(tzinfo=dt.UTC))


def settings(**sections: Any) -> Settings:
    return Settings.model_construct(
        churn=sections.get("churn", Churn(horizon_days=60)),
        value=sections.get("value", Value()),
        snapshots=sections.get("snapshots", Snapshots(every_days=30, count=4)),
    )


@pytest.fixture
def bought(tmp_path: Path) -> Source:
    return source(tmp_path, "polars", {"transactions": shop(80)})


def days(cutoffs: tuple[int, ...]) -> list[int]:
    return [(AS_OF - cutoff) // DAY for cutoff in cutoffs]


def test_an_embargo_of_one_window_stands_before_the_test(bought: Source) -> None:
    found = targets(bought, AS_OF, settings())
    assert found.definition == "no_purchase"
    assert found.churn.later_period
    assert days((found.churn.test, *found.churn.training)) == [60, 210, 180, 150, 120]
    assert found.churn.calibration == found.churn.training[-1]
    assert all(cutoff + 60 * DAY <= found.churn.test for cutoff in found.churn.training)
    assert found.warnings == ()


def test_cut_offs_go_back_while_sixty_days_of_history_lie_before(bought: Source) -> None:
    found = targets(bought, AS_OF, settings(snapshots=Snapshots(every_days=30, count=50)))
    begins = micros(shop(80)["occurred_at"].min().replace(tzinfo=dt.UTC))  # type: ignore[union-attr]
    assert 60 * DAY <= found.churn.training[0] - begins // DAY * DAY < 90 * DAY


def test_grace_belongs_to_the_window_of_cancelled(tmp_path: Path) -> None:
    running = rows(
        "customer_id started_at ended_at monthly_amount",
        *((f"C{n}", ago(700 - n), ago(600 - 9 * n) if n % 3 else None, 10.0) for n in range(60)),
        *((f"N{n}", ago(7 * n + 1), None, 10.0) for n in range(90)),
    )
    opened = source(tmp_path, "polars", {"subscriptions": running})
    found = targets(opened, NOW, settings(churn=Churn(horizon_days=60, grace_days=10)))
    assert (NOW - found.churn.test) // DAY == 70
    assert (found.churn.test - found.churn.calibration) // DAY == 70
    assert found.value_source == "subscriptions"


def test_short_history_has_no_embargo_and_says_so(tmp_path: Path) -> None:
    opened = source(tmp_path, "polars", {"transactions": shop(80, days=170)})
    found = targets(opened, AS_OF, settings())
    assert not found.churn.later_period
    assert days((found.churn.test, *found.churn.training)) == [60, 90, 60]


def test_a_history_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    opened = source(tmp_path, "polars", {"transactions": shop(80, days=50)})
    with pytest.raises(SplitError, match=r"history of 50 days .* too short for a window of 60 days; bring more"):
        targets(opened, AS_OF, settings())


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    opened = source(tmp_path, "polars", {"transactions": []})
    with pytest.raises(SplitError, match=r"history of 0 days"):
        targets(opened, AS_OF, settings())


def test_outcomes_are_of_everyone_at_stake_at_every_cut_off(bought: Source) -> None:
    found = targets(bought, AS_OF, settings())
    assert set(found.outcomes) == set(found.cutoffs)
    for cutoff, outcome in found.outcomes.items():
        moment = (EPOCH + dt.timedelta(microseconds=cutoff)).replace(tzinfo=None)
        lines = shop(80)
        stake = lines.filter(pl.col("occurred_at").is_between(moment - dt.timedelta(365), moment, closed="left"))
        stays = lines.filter(pl.col("occurred_at").is_between(moment, moment + dt.timedelta(60), closed="left"))
        wanted = {c: float(c not in set(stays["customer_id"])) for c in sorted(set(stake["customer_id"]))}
        assert dict(outcome.select("customer_id", "churned").iter_rows()) == wanted
    assert found.churners() == sum(int(found.outcomes[c]["churned"].sum()) for c in found.churn.training)


def test_a_longer_value_horizon_has_cut_offs_of_its_own(bought: Source) -> None:
    found = targets(bought, AS_OF, settings(value=Value(horizon_days=120)))
    assert found.value is not None
    assert days((found.value.test,)) == [120]
    assert all(cutoff + 120 * DAY <= found.value.test for cutoff in found.value.training)
    assert set(found.cutoffs) == {*found.churn.cutoffs, *found.value.cutoffs}


def test_a_table_that_stops_before_the_test_window_closes_is_refused(tmp_path: Path) -> None:
    cut = shop(80).filter(pl.col("occurred_at") < END - dt.timedelta(days=35))
    opened = source(tmp_path, "polars", {"transactions": cut})
    with pytest.raises(SplitError, match=r"test cut-off 2026-05-02: transactions has no row after 2026-05-2\d"):
        targets(opened, AS_OF, settings())


def test_a_training_window_that_a_gap_empties_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """Rows of 230 to 150 days before the date are lost, so the windows that close there know nothing."""
    lines = shop(80, days=700)
    gap = pl.col("occurred_at").is_between(END - dt.timedelta(days=230), END - dt.timedelta(days=150))
    opened = source(tmp_path, "polars", {"transactions": lines.filter(~gap)})
    found = targets(opened, AS_OF, settings(snapshots=Snapshots(every_days=30, count=10)))
    assert found.warnings
    left_out = set(range(120, 420, 30)) - set(days(found.churn.training))
    assert left_out
    assert all(150 <= day - 60 <= 230 for day in left_out)
    assert all("left out: transactions has no row after" in warning for warning in found.warnings)
    assert len(found.warnings) == len(left_out)


def test_a_value_source_must_be_chosen_where_two_would_count_twice(tmp_path: Path) -> None:
    subscribed = rows("customer_id started_at ended_at monthly_amount", ("S001", ago(300), None, 10.0))
    opened = source(tmp_path, "polars", {"transactions": shop(80), "subscriptions": subscribed})
    with pytest.raises(LabelError, match=r"value\.source is not set"):
        targets(opened, AS_OF, settings(churn=Churn(definition="no_purchase", horizon_days=60)))


LABELS = rows(
    "customer_id as_of churned",
    *((f"L{n}", ago(days), n % 4 == 0) for n in range(80) for days in (200, 100)),
)


def test_labels_of_ones_own_bring_their_cut_offs(tmp_path: Path) -> None:
    found = targets(source(tmp_path, "polars", {"labels": LABELS}), NOW, settings())
    assert (found.definition, found.value, found.value_source) == ("labelled", None, None)
    assert found.churn.later_period
    assert (found.churn.training, found.churn.test) == ((at(200),), at(100))
    assert found.outcomes[at(100)]["churned"].sum() == 20


def test_value_beside_labels_waits_for_its_window_to_close(tmp_path: Path) -> None:
    """The latest labels are 100 days old; a year of value cannot be known for them."""
    tables = {"labels": LABELS, "transactions": shop(80)}
    wanted = settings(churn=Churn(definition="labelled", horizon_days=60), value=Value(horizon_days=365))
    found = targets(source(tmp_path, "polars", tables), NOW, wanted)
    assert found.value is None or found.value.test + 365 * DAY <= NOW


def test_an_empty_table_of_value_does_not_crash(tmp_path: Path) -> None:
    used = rows(
        "customer_id occurred_at feature",
        *((f"U{n}", ago(day), "x") for n in range(40) for day in range(n % 7, 400, 7)),
    )
    tables = {"usage_events": used, "transactions": []}
    wanted = settings(churn=Churn(definition="inactive", horizon_days=60), value=Value(horizon_days=90))
    assert targets(source(tmp_path, "polars", tables), NOW, wanted).value_source in ("transactions", None)
