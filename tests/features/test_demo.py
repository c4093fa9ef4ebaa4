"""The simulated company is believable, obeys the contract, and its true risks are true."""

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.demo import Company, SimulationError, simulate
from features.demo.latent import unfold
from features.demo.population import populate
from features.demo.timeline import Timeline, months_before, stream
from features.engines import open_source
from features.settings import load_settings
from features.sources import TABLES, Kind

TYPES: dict[Kind, pl.DataType] = {
    "text": pl.String(), "number": pl.Float64(), "flag": pl.Boolean(), "time": pl.Datetime("us")
}  # fmt: skip
DAY = dt.timedelta(days=1)

Read = Callable[[str], pl.DataFrame]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return simulate(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def read(company: Company) -> Read:
    return lambda name: pl.read_parquet(company.folder / f"{name}.parquet")


def fingerprint(company: Company) -> str:
    files = sorted(company.folder.iterdir())
    content = b"".join(file.name.encode() + file.read_bytes() for file in files)
    return hashlib.sha256(content + company.truth.write_csv().encode()).hexdigest()


def auc(came_true: pl.Series, chance: pl.Series) -> float:
    """Share of pairs (left, stayed) that the chance puts in order; ties count half."""
    left = chance.filter(came_true)
    rank = chance.rank("average").filter(came_true)
    stayed = len(chance) - len(left)
    return float((rank.sum() - len(left) * (len(left) + 1) / 2) / (len(left) * stayed))


def left_for_good(subscriptions: pl.DataFrame, as_of: dt.datetime) -> pl.DataFrame:
    """customer_id, churned, of those with a subscription at `as_of`: the definition `cancelled`, written out anew."""
    begins, ends = as_of + 90 * DAY, as_of + 104 * DAY
    last = pl.col("ended_at").fill_null(dt.datetime(9999, 1, 1))
    ran = ((pl.col("started_at") < as_of) & (last > as_of)).any()
    runs = ((pl.col("started_at") < ends) & (last > begins)).any()
    return subscriptions.group_by("customer_id").agg(ran=ran, churned=~runs).filter("ran")


def closed_truth(company: Company) -> pl.DataFrame:
    return company.truth.filter(pl.col("churned").is_not_null())


def last_year(company: Company) -> pl.DataFrame:
    truth = closed_truth(company)
    return truth.filter(pl.col("as_of") > months_before(truth["as_of"].max(), 12))


def departures(read: Read) -> pl.DataFrame:
    """customer_id, t: when a customer with 120 days or more of subscription left and did not come back."""
    ends = pl.col("ended_at").fill_null(dt.datetime(9999, 1, 1))
    spans = read("subscriptions").group_by("customer_id").agg(pl.col("started_at").min(), t=ends.max())
    enough = (pl.col("t") - pl.col("started_at") > 120 * DAY) & (pl.col("t") > dt.datetime(2024, 6, 1))
    return spans.filter(enough, pl.col("t") < dt.datetime(9999, 1, 1)).select("customer_id", "t")


def stayers(read: Read, leavers: pl.DataFrame) -> pl.DataFrame:
    """The moments of `leavers`, each with a customer who was there long before and is there long after."""
    subscriptions = read("subscriptions").with_columns(pl.col("ended_at").fill_null(dt.datetime(9999, 1, 1)))
    spans = subscriptions.group_by("customer_id").agg(pl.col("started_at").min(), pl.col("ended_at").max())
    pairs = leavers.select("t").join(spans, how="cross")
    there = (pl.col("started_at") < pl.col("t") - 120 * DAY) & (pl.col("ended_at") > pl.col("t") + 120 * DAY)
    return pairs.filter(there).sample(3000, seed=1).select("customer_id", "t")


def before(events: pl.DataFrame, moments: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Events in the days [t - first, t - last) of each moment."""
    joined = moments.join(events, on="customer_id")
    age = pl.col("t") - pl.col("occurred_at")
    return joined.filter(age > last * DAY, age <= first * DAY)


# The contract


@pytest.mark.parametrize("name", TABLES)
def test_every_table_obeys_the_contract(name: str, read: Read) -> None:
    frame, columns = read(name), TABLES[name].columns()
    assert not frame.is_empty()
    assert set(frame.columns) <= set(columns)
    assert set(TABLES[name].required()) <= set(frame.columns)
    floats = frame.with_columns(pl.selectors.integer().cast(pl.Float64))
    assert dict(floats.schema) == {column: TYPES[columns[column].kind] for column in frame.columns}


@pytest.mark.parametrize("name", TABLES)
def test_values_are_possible(name: str, read: Read) -> None:
    frame = read(name)
    for column, rule in TABLES[name].columns().items():
        values = frame[column].drop_nulls()
        assert len(values), column
        assert rule.low is None or values.min() >= rule.low
        assert rule.high is None or values.max() <= rule.high
        assert values.dtype != pl.Float64 or values.is_finite().all()
        known_missing = column != "customer_id" and rule.required and column != "ended_at"
        assert not (known_missing and frame[column].null_count()), column


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_known_from_the_end_on(name: str, read: Read, company: Company) -> None:
    table, frame = TABLES[name], read(name)
    filled = {column.filled_at for column in table.columns().values()} - {None}
    for column in {table.happened_at, "recorded_at", *filled} & set(frame.columns):
        assert frame[column].max() < dt.datetime.combine(company.end, dt.time()), column


def test_the_reader_takes_it_without_a_complaint(company: Company) -> None:
    source = open_source(company.folder, load_settings(company.folder / "remora.toml"))
    assert (source.absent, dict(source.ignored)) == ((), {})


def test_the_settings_say_what_the_company_is(company: Company) -> None:
    settings = load_settings(company.folder / "remora.toml")
    churn = settings.churn
    assert (churn.definition, churn.horizon_days, churn.grace_days) == ("cancelled", 90, 14)
    assert settings.value.source == "transactions"
    assert set(settings.profile.static) <= set(TABLES["customers"].columns())


# Size, time, seed


def test_two_thousand_customers_thirty_months_a_million_events(company: Company, read: Read) -> None:
    assert sum(company.rows.values()) >= 1_000_000
    assert company.rows == {name: len(read(name)) for name in TABLES}
    used = read("usage_events")["occurred_at"]
    assert (used.min().date(), used.max().date()) == (dt.date(2024, 1, 1), company.end - DAY)
    assert read("subscriptions")["customer_id"].n_unique() == 2000


def test_the_same_seed_gives_the_same_company(tmp_path: Path) -> None:
    one, same, other = (
        simulate(tmp_path / name, customers=60, months=8, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)


def test_progress_names_each_table(tmp_path: Path) -> None:
    told: list[str] = []
    simulate(tmp_path, customers=30, months=5, end=dt.date(2025, 3, 31), progress=told.append)
    assert told == list(TABLES)


@pytest.mark.parametrize("size", [{"customers": 19}, {"months": 2}])
def test_too_small_a_company_is_refused(size: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="20 customers and 3 months"):
        simulate(tmp_path, **size)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_company_works(seed: int, tmp_path: Path) -> None:
    small = simulate(tmp_path, customers=20, months=3, seed=seed)
    assert small.truth["true_probability"].is_between(0, 1).all()


def test_no_stay_begins_after_the_last_day() -> None:
    """The last week is a part of one: who would come back in the rest of it does not."""
    timeline = Timeline(dt.date(2024, 1, 1), dt.date(2025, 1, 1))
    for seed in range(5):
        history = unfold(stream(seed, "history"), populate(seed, 3000, timeline).traits, timeline)
        assert (history.stays.began < timeline.days).all()
        assert not (history.stays.ended >= timeline.days).any()
        assert not (history.opened >= history.closed).any()


def test_months_end_where_the_month_ends() -> None:
    assert months_before(dt.date(2026, 3, 31), 1) == dt.date(2026, 2, 28)
    firsts = Timeline(dt.date(2024, 1, 1), dt.date(2025, 1, 1)).firsts(every_months=3)
    assert firsts == [dt.date(2024, 4, 1), dt.date(2024, 7, 1), dt.date(2024, 10, 1)]


# Leaving, and the truth about it


def test_three_to_fifteen_percent_leave_a_quarter(read: Read) -> None:
    for year, month in ((2024, 10), (2025, 1), (2025, 4), (2025, 7), (2025, 10), (2026, 1)):
        label = left_for_good(read("subscriptions"), dt.datetime(year, month, 1))
        assert len(label) > 700
        assert 0.03 <= label["churned"].mean() <= 0.15


def test_the_attainable_auc_leaves_room_and_noise(company: Company) -> None:
    truth = last_year(company)
    assert truth["as_of"].n_unique() == 12
    assert 0.75 <= auc(truth["churned"], truth["true_probability"]) <= 0.85


def test_the_true_probabilities_are_calibrated(company: Company) -> None:
    truth = closed_truth(company).with_columns(fifth=pl.col("true_probability").rank("ordinal") * 5 // (pl.len() + 1))
    fifths = truth.group_by("fifth").agg(pl.col("churned").mean(), pl.col("true_probability").mean(), pl.len())
    # a customer counts in three overlapping windows: standard errors are about √3 of independent rows
    error = 1.75 * (fifths["true_probability"] * (1 - fifths["true_probability"]) / fifths["len"]).sqrt()
    assert ((fifths["churned"] - fifths["true_probability"]).abs() < 3.5 * error).all()


def test_the_truth_tells_what_came_to_pass(company: Company, read: Read) -> None:
    subscriptions = read("subscriptions")
    for as_of in (dt.date(2024, 5, 1), dt.date(2026, 3, 1)):
        label = left_for_good(subscriptions, dt.datetime.combine(as_of, dt.time()))
        told = company.truth.filter(pl.col("as_of") == as_of)
        assert dict(told.select("customer_id", "churned").iter_rows()) == dict(
            label.select("customer_id", "churned").iter_rows()
        )
    still_open = company.truth.filter(pl.col("as_of") > company.end - 104 * DAY)
    assert len(still_open)
    assert still_open["churned"].is_null().all()


def test_labels_are_quarterly_closed_and_by_the_definition(company: Company, read: Read) -> None:
    labels = read("labels")
    cut_offs = labels["as_of"].unique().sort().to_list()
    assert cut_offs == [dt.datetime(2024 + n // 4, 1 + 3 * (n % 4), 1) for n in range(1, 9)]
    assert cut_offs[-1].date() + 104 * DAY <= company.end
    assert labels.select("customer_id", "as_of").is_unique().all()
    truth = read("subscriptions").pipe(left_for_good, cut_offs[-1])
    latest = labels.filter(pl.col("as_of") == cut_offs[-1]).join(truth, on="customer_id", how="left", suffix="_true")
    assert (latest["churned"] == latest["churned_true"]).all()
    assert len(truth) - 15 <= len(latest) <= len(truth)  # a few starts were recorded late


def test_label_values_are_the_invoices_of_the_horizon(read: Read) -> None:
    as_of = dt.datetime(2025, 10, 1)
    worth = read("labels").filter(pl.col("as_of") == as_of).sort("value", descending=True).head(50)
    paid = read("transactions").filter(pl.col("occurred_at") >= as_of, pl.col("occurred_at") < as_of + 90 * DAY)
    sums = dict(paid.group_by("customer_id").agg(pl.col("amount").sum()).iter_rows())
    assert worth["value"].to_list() == pytest.approx([sums[customer] for customer in worth["customer_id"]])


def test_some_come_back_within_grace_and_some_later(read: Read) -> None:
    base = read("subscriptions").filter(pl.col("product") != "Insights").sort("customer_id", "started_at")
    gap = base.select(pl.col("started_at") - pl.col("ended_at").shift().over("customer_id")).to_series().drop_nulls()
    assert (gap >= dt.timedelta()).all(), "base subscriptions do not overlap"
    assert ((gap > dt.timedelta(hours=1)) & (gap < 14 * DAY)).sum() >= 10
    assert (gap > 20 * DAY).sum() >= 10


def test_who_comes_back_comes_back_with_the_seats_it_left_with(read: Read) -> None:
    base = read("subscriptions").filter(pl.col("product") != "Insights").sort("customer_id", "started_at")
    left = pl.col("ended_at").shift().over("customer_id")
    back = base.with_columns(left=left, seats_left=pl.col("seats").shift().over("customer_id")).filter(
        pl.col("started_at") > pl.col("left"))  # fmt: skip
    assert len(back) > 30
    assert (back["seats"] == back["seats_left"]).all()


def test_some_leave_without_warning_and_some_look_terrible_and_stay(company: Company) -> None:
    truth = last_year(company)
    calm, alarming = truth["true_probability"].quantile(0.5), truth["true_probability"].quantile(0.95)
    assert truth.filter(pl.col("true_probability") < calm)["churned"].sum() >= 20
    assert truth.filter(pl.col("true_probability") > alarming)["churned"].mean() < 0.75


# What can be seen beforehand


def test_use_falls_before_leaving(read: Read) -> None:
    use = read("usage_events").drop_nulls("customer_id").select("customer_id", "occurred_at", "quantity")
    leavers = departures(read)
    assert len(leavers) > 300
    rows = {name: [len(before(use, moments, *days)) for days in ((120, 60), (60, 0))]
            for name, moments in (("left", leavers), ("stayed", stayers(read, leavers)))}  # fmt: skip
    change = {name: late / early for name, (early, late) in rows.items()}
    assert change["left"] < 0.88
    assert change["left"] < change["stayed"] - 0.1
    assert rows["left"][1] / len(leavers) < 0.8 * rows["stayed"][1] / 3000


def test_nps_falls_before_leaving(read: Read) -> None:
    answers = read("nps_responses").drop_nulls("customer_id").select("customer_id", "occurred_at", "score")
    leavers = departures(read)
    near, far, fine = (
        before(answers, moments, *days)["score"].mean()
        for moments, days in ((leavers, (60, 0)), (leavers, (240, 120)), (stayers(read, leavers), (60, 0)))
    )
    assert near < far - 0.5
    assert near < fine - 1.0


@pytest.mark.parametrize(("table", "least"), [("tickets", 1.3), ("interactions", 1.05)])
def test_trouble_grows_before_leaving(table: str, least: float, read: Read) -> None:
    events = read(table).drop_nulls("customer_id").select("customer_id", "occurred_at")
    leavers = departures(read)
    per_leaver = len(before(events, leavers, 60, 0)) / len(leavers)
    assert per_leaver > least * len(before(events, stayers(read, leavers), 60, 0)) / 3000


def test_use_dips_in_summer_and_at_the_turn_of_the_year(read: Read) -> None:
    use = read("usage_events").group_by(pl.col("occurred_at").dt.date().alias("day")).agg(
        pl.len(), pl.col("customer_id").n_unique())  # fmt: skip
    workdays = use.filter(pl.col("day").dt.weekday() <= 5)
    active = {name: workdays.filter(pl.col("day").is_between(*span))["len"].mean() for name, span in {
        "spring": (dt.date(2025, 5, 1), dt.date(2025, 5, 31)), "summer": (dt.date(2025, 7, 20), dt.date(2025, 8, 15)),
        "autumn": (dt.date(2025, 10, 25), dt.date(2025, 11, 30)),
        "holidays": (dt.date(2025, 12, 24), dt.date(2026, 1, 3)),
    }.items()}  # fmt: skip
    assert active["summer"] < 0.9 * active["spring"]
    assert active["holidays"] < 0.7 * active["autumn"]
    weekend = use.filter(pl.col("day").dt.weekday() > 5)["len"].mean()
    assert weekend < 0.3 * workdays["len"].mean()


def test_orders_peak_before_the_year_ends(read: Read) -> None:
    orders = read("transactions").filter(pl.col("order_id").str.starts_with("ORD"))
    months = dict(orders.group_by(pl.col("occurred_at").dt.strftime("%Y-%m")).agg(pl.len()).iter_rows())
    for year in (2024, 2025):
        assert months[f"{year}-12"] > 1.4 * months[f"{year}-10"]
        assert months[f"{year}-08"] < 0.85 * months[f"{year}-10"]


# What a company's data are made of


def test_customers_join_over_time_under_names_of_their_own(read: Read) -> None:
    customers = read("customers")
    assert customers["customer_id"].is_unique().all()
    assert customers["name"].is_unique().all()
    joined = customers["signed_up_at"].dt.truncate("1q").value_counts().filter(pl.col("signed_up_at").dt.year() >= 2024)
    assert len(joined) == 10
    assert joined["count"].min() > 80
    assert (customers["signed_up_at"] < dt.datetime(2024, 1, 1)).mean() == pytest.approx(0.35, abs=0.05)


def test_subscriptions_grow_shrink_and_have_terms(read: Read) -> None:
    base = read("subscriptions").filter(pl.col("product") != "Insights").sort("customer_id", "started_at")
    change = base.select(pl.col("seats").cast(pl.Int64).diff().over("customer_id")).to_series()
    assert (change > 0).sum() > 200
    assert (change < 0).sum() > 100
    assert 0.3 < base["term_ends_at"].is_not_null().mean() < 0.9
    assert (base["ended_at"] <= base["term_ends_at"]).drop_nulls().all()
    assert [base[name].n_unique() for name in ("product", "renews")] == [3, 2]
    assert base["discount"].n_unique() > 3


def test_every_month_of_a_monthly_subscription_is_invoiced_once(read: Read) -> None:
    base = read("subscriptions").filter(pl.col("product") != "Insights")
    monthly = (pl.col("rows") == 1) & pl.col("term_ends_at").is_null()
    whole = base.group_by("customer_id").agg(pl.all().first(), rows=pl.len()).filter(
        monthly, pl.col("started_at") > dt.datetime(2024, 1, 2))  # fmt: skip
    invoices = read("transactions").unique().filter(
        pl.col("order_id").str.starts_with("INV"), pl.col("product") != "Insights")  # fmt: skip
    billed = invoices.group_by("customer_id").agg(n=pl.len(), price=pl.col("amount").mean())
    both = whole.join(billed, on="customer_id")
    assert len(both) > 100
    months = (pl.col("ended_at").fill_null(dt.datetime(2026, 7, 1)) - pl.col("started_at")).dt.total_seconds()
    expected = (both.select(months / 86_400 / 30.4375).to_series().ceil()).cast(pl.Int64)
    assert (expected - both["n"].cast(pl.Int64)).is_in([0, 1]).all()  # one may be lost to a late record or a null id
    assert (expected == both["n"]).mean() > 0.9
    assert both["price"].to_list() == pytest.approx(both["monthly_amount"].to_list())


def test_transactions_hold_invoices_orders_and_credit_notes_in_one_currency(read: Read) -> None:
    rows = read("transactions").with_columns(kind=pl.col("order_id").str.split("-").list.first())
    assert set(rows["kind"]) == {"INV", "ORD", "CN"}
    assert ((rows["amount"] < 0) == (rows["kind"] == "CN")).all()
    assert rows["currency"].unique().to_list() == ["EUR"]
    lines = rows.filter(pl.col("kind") == "ORD").unique().group_by("order_id").len()
    assert lines["len"].max() > 1


def test_usage_rows_and_quantities_say_different_things(read: Read) -> None:
    use = read("usage_events")
    assert use["feature"].n_unique() == 8
    customer = use.drop_nulls("customer_id").group_by("customer_id").agg(pl.len(), pl.col("quantity").sum())
    assert np.corrcoef(customer["len"], customer["quantity"])[0, 1] < 0.95


@pytest.mark.parametrize("table", ["nps_responses", "tickets"])
def test_some_customers_are_never_heard_of(table: str, read: Read) -> None:
    silent = read("customers").join(read(table), on="customer_id", how="anti")
    assert 50 < len(silent) < 700


def test_better_leads_are_won_more_often(read: Read) -> None:
    leads = read("leads").drop_nulls("outcome")
    points = leads.select(pl.sum_horizontal("budget", "authority", "need", "timing")).to_series()
    grade = leads.select(pl.sum_horizontal("need_clarity", "budget_match", "decision_chain", "urgency")).to_series()
    won = leads["outcome"] == "won"
    assert 0.6 < auc(won, points) < 0.95
    bands = (grade >= 15, (grade >= 10) & (grade < 15), grade < 10)
    first, second, third = (won.filter(band).mean() for band in bands)
    assert first > second > third
    assert leads.filter(won)["customer_id"].is_not_null().all()


def test_lead_stages_follow_each_other(read: Read) -> None:
    stages = read("lead_stages").join(read("leads").select("lead_id", "created_at", "outcome"), on="lead_id")
    assert (stages["entered_at"] >= stages["created_at"]).all()
    won = stages.filter(pl.col("outcome") == "won").sort("lead_id", "entered_at")
    passed = won.group_by("lead_id", maintain_order=True).agg("stage")["stage"].to_list()
    assert set(map(tuple, passed)) == {("new", "contacted", "qualified", "proposal", "won")}


def test_interventions_have_two_arms_and_some_outcomes(read: Read) -> None:
    rows = read("interventions")
    assert (rows["arm"] == "control").mean() == pytest.approx(0.25, abs=0.08)
    assert set(rows["outcome"].drop_nulls()) == {"kept", "lost"}
    assert (rows["outcome"].is_null() == rows["outcome_at"].is_null()).all()
    assert rows.filter(pl.col("arm") == "control")["plan_submitted_at"].is_null().all()


# Dirt


@pytest.mark.parametrize(
    "table", ["transactions", "usage_events", "nps_responses", "satisfaction_surveys", "interactions", "tickets"]
)
def test_rows_come_late_and_twice_and_without_a_customer(table: str, read: Read) -> None:
    rows = read(table)
    delay = (rows["recorded_at"] - rows["occurred_at"]).drop_nulls()
    assert (delay >= dt.timedelta()).all()
    assert 0.02 < (delay > DAY).mean() < 0.05
    assert (delay > 7 * DAY).any()
    again = len(rows) - len(rows.unique())
    assert 0.001 < again / len(rows) < 0.006
    assert 0 < rows["customer_id"].null_count() < 0.003 * len(rows) + 3


def test_optional_values_are_missing_here_and_there(read: Read) -> None:
    for table, column in (("customers", "size_fit"), ("transactions", "gross_margin"), ("usage_events", "quantity"),
                          ("tickets", "satisfaction"), ("leads", "budget"), ("interactions", "outcome")):  # fmt: skip
        assert 0 < read(table)[column].null_count() < 0.6 * len(read(table)), (table, column)


def test_a_few_customers_are_in_events_only(read: Read) -> None:
    strangers = read("subscriptions").join(read("customers"), on="customer_id", how="anti")["customer_id"].n_unique()
    assert 1 <= strangers <= 10
