"""A company through training, promotion, scoring and monitoring: who its customers are stands in the store alone."""

import datetime as dt
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from serving.access.forget import forget
from serving.access.traces import Term, in_database, in_files
from serving.database import transaction
from serving.home import Home
from serving.store import Store, open_store
from serving.tables import SCORES
from tests.company import AS_OF, MLFLOW, shop
from tests.serving.small_company import ask

pytestmark = [pytest.mark.filterwarnings(MLFLOW), pytest.mark.slow]

WHO = "CUST-00007"
SETTINGS = """
[company]
currency = "EUR"
[churn]
definition = "no_purchase"
horizon_days = 60
[snapshots]
count = 2
[gate]
min_churners = 5
[profile]
static = ["country"]
"""


@dataclass(frozen=True)
class Ran:
    home: Path
    said: str


def people(ids: pl.Series) -> pl.DataFrame:
    """Customers whom nobody can take for anything else: each name and contact occurs once in the world."""
    numbers = [int(who[-5:]) for who in ids]
    return pl.DataFrame(
        {
            "customer_id": ids,
            "name": [f"Zzyname{n:05} Holding" for n in numbers],
            "email": [f"zzymail{n:05}@quxley.example" for n in numbers],
            "phone": [f"+49 555 77{n:05}" for n in numbers],
            "contact_person": [f"Zzyperson{n:05}" for n in numbers],
            "birthday": [dt.datetime(1957, 1, 1) + dt.timedelta(days=17 * n) for n in numbers],
            "signed_up_at": [dt.datetime(2024, 1, 1) + dt.timedelta(days=n) for n in numbers],
            "country": ["France" if n % 3 else "Spain" for n in numbers],
        }
    )


def answers(ids: pl.Series) -> pl.DataFrame:
    numbers, last = [int(who[-5:]) for who in ids], dt.datetime.fromisoformat(AS_OF)
    return pl.DataFrame(
        {
            "customer_id": ids,
            "occurred_at": [last - dt.timedelta(days=20 + n) for n in numbers],
            "score": [n % 11 for n in numbers],
            "respondent": [f"zzyanswer{n:05}@quxley.example" for n in numbers],
            "comment": [f"Zzycomment{n:05}: too dear" for n in numbers],
        }
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A home after every step, and all that was printed."""
    folder = tmp_path_factory.mktemp("named")
    data, home = folder / "data", folder / "home"
    data.mkdir()
    sales = shop(150).with_columns(customer_id=pl.format("CUST-00{}", pl.col("customer_id").str.slice(1)))
    ids = sales["customer_id"].unique().sort()
    sales.write_parquet(data / "transactions.parquet")
    people(ids).write_parquet(data / "customers.parquet")
    answers(ids).write_parquet(data / "nps_responses.parquet")
    said = [
        ask(home, *command, settings=SETTINGS)
        for command in (
            ("train", data, "--as-of", AS_OF),
            ("promote", "--force", "the test wants a champion"),
            ("score", data, "--as-of", AS_OF),
            ("monitor", data, "--as-of", AS_OF, "--html"),
        )
    ]
    assert [each.code for each in said if each.code not in (0, 3)] == [], said
    return Ran(home, "".join(each.out + each.err for each in said))


def test_it_went_through(ran: Ran) -> None:
    """So that what follows is not true of an empty folder."""
    kept = {file.name for file in ran.home.rglob("*") if file.is_file()}
    assert {"remora.db", "mlflow.db", "champion", "manifest.json", "reference.parquet", "drift.json"} <= kept
    assert len(list((ran.home / "scorings").glob("*.parquet"))) == 1


@pytest.mark.parametrize("marker", ["Zzyname", "zzymail", "+49 555 77", "Zzyperson", "zzyanswer", "Zzycomment"])
def test_names_and_contacts_stand_in_the_customers_of_the_store_alone(ran: Ran, marker: str) -> None:
    """By bytes in every file but the store, by columns there; in what was printed as well."""
    whole = {marker.encode(), json.dumps(marker)[1:-1].encode()}
    places = [
        str(file.relative_to(ran.home))
        for file in sorted(ran.home.rglob("*"))
        if file.is_file() and not file.name.startswith("remora.db")
        if any(each in file.read_bytes() for each in whole)
    ]
    assert places == []
    assert marker not in ran.said
    terms = [Term(f"{marker}{n:05}{end}", True) for n in (0, 7, 149) for end in ("", "@quxley.example", " Holding")]
    found = {trace.place.partition(": ")[2] for trace in in_files(ran.home, terms)[1] if ":" in trace.place}
    assert found <= ({"remora_customers.name"} if marker == "Zzyname" else set())


def test_birthdays_stand_nowhere(ran: Ran) -> None:
    columns = {
        f"{file.name}: {name}"
        for file in ran.home.rglob("*.parquet")
        for name in pl.read_parquet_schema(file)
        if any(word in name for word in ("birth", "mail", "phone", "contact_person", "name", "respondent", "comment"))
    }
    assert columns == set()
    birthday = f"{dt.datetime(1957, 1, 1) + dt.timedelta(days=17 * 7):%Y-%m-%d}"
    texts = [file for file in ran.home.rglob("*") if file.is_file() and birthday.encode() in file.read_bytes()]
    assert texts == []


def test_ids_are_kept_by_the_store_and_the_scorings_only(ran: Ran) -> None:
    """Golden rows, references, reports and the record of trainings hold none."""
    _, found = in_files(ran.home, [Term.of(WHO)])
    places = {trace.place.partition(":")[0].partition("/")[0] for trace in found}
    assert places == {"remora.db", "scorings"}


@pytest.fixture
def copied(ran: Ran, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(ran.home, tmp_path / "home")))


def test_one_is_forgotten_in_a_home_that_has_everything(copied: Home) -> None:
    with open_store(copied.store) as store:
        before = _scores(store)
        done = forget(WHO, copied, store, also=("zzymail00007@quxley.example", "Zzyname00007"))
        done.require_none_left()
        assert done.traces == ()
        assert done.rows["remora_scores"] == 1
        assert list(done.files.values()) == [1]
        assert in_database(store.engine, [Term.of("CUST-00008")], "remora_scores")
        assert _scores(store) == before - 1
    assert not any(WHO.encode() in file.read_bytes() for file in copied.folder.rglob("*") if file.is_file())


def _scores(store: Store) -> int:
    with transaction(store.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(SCORES)).scalar_one())
