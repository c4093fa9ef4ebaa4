"""Which fields leave an export, and under which names."""

from pathlib import Path

import polars as pl
import pytest

from features.settings import ExportMap, Settings, SettingsError, load_settings
from models.rules import load_pack
from serving.export.fields import KEYS, alert_fields, score_fields
from serving.export.mapping import find_map, layout_of
from serving.tables import CUSTOMERS

ALL = {"scores": score_fields(), "alerts": alert_fields(load_pack(), "en")}
SHIPPED = sorted(file.stem for file in Path("serving/export/maps").glob("*.toml"))


def a_map(**fields: str) -> ExportMap:
    return ExportMap.model_validate(fields)


@pytest.mark.parametrize("what", ["scores", "alerts"])
def test_who_someone_is_leaves_only_where_a_map_names_it(what: str) -> None:
    usual = layout_of(what, ALL[what], None, None).columns  # type: ignore[arg-type]
    assert not {"name", "account_owner", "owner"} & usual.keys()
    assert usual.keys() & {column.name for column in CUSTOMERS.c} == {"customer_id"}
    named = a_map(what=what, **{KEYS[what]: "Id", "name": "Name"})  # type: ignore[index]
    assert [*layout_of(what, ALL[what], "m", named).columns] == ["Id", "Name"]  # type: ignore[arg-type]


def test_a_map_gives_names_and_order() -> None:
    layout = layout_of("scores", ALL["scores"], "m", a_map(tier="Tier__c", customer_id="Id__c", as_of="Datum & Zeit"))
    assert [*layout.schema.items()] == [
        ("Tier__c", pl.String), ("Id__c", pl.String), ("Datum & Zeit", pl.Datetime("us", "UTC")),
    ]  # fmt: skip
    assert layout.key == "Id__c"


def test_everything_wrong_with_a_map_is_said_at_once() -> None:
    wrong = a_map(churn="Churn", tier="a", playbook="A", risk_band="=cmd()", basis="", model_version="ü" * 32)
    with pytest.raises(SettingsError) as refused:
        layout_of("scores", ALL["scores"], "mine", wrong)
    assert len(refused.value.problems) == 7
    told = str(refused.value)
    assert told.startswith("export map mine: churn is not a field of scores; choose among customer_id, as_of, ")
    assert "export map mine: customer_id has no name, so rows could not be told apart" in told
    assert "export map mine: 'a' names two fields" in told
    assert "'=cmd()' cannot be a column's name" in told


@pytest.mark.parametrize("name", SHIPPED)
def test_the_maps_that_ship_fit(name: str) -> None:
    chosen = find_map(name, Settings())
    assert len(layout_of(chosen.what, ALL[chosen.what], name, chosen).columns) > 5


def test_a_map_of_ones_own_comes_first_and_an_unknown_one_names_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "remora.toml"
    file.write_text("[export.maps.hubspot]\ncustomer_id = 'id'\n[export.maps.mine]\nwhat = 'alerts'\nkey = 'id'\n")
    settings = load_settings(file)
    assert find_map("hubspot", settings).fields == {"customer_id": "id"}
    assert find_map("mine", settings).what == "alerts"
    with pytest.raises(
        SettingsError, match=r"--map sap: no such map; .* one of dynamics, dynamics-tasks, hubspot, .*, mine, "
    ):
        find_map("sap", settings)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "remora.toml"
    file.write_text("[export.maps.mine]\ncustomer_id = 3\n")
    with pytest.raises(SettingsError, match=r"export\.maps\.mine\.customer_id: Input should be a valid string"):
        load_settings(file)
