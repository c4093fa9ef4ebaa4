"""Settings: `remora.toml`, overridden by `REMORA_*` variables, overridden by flags (keyword arguments)."""

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from features.errors import RemoraError

Definition = Literal["no_purchase", "cancelled", "inactive", "labelled"]
ValueSource = Literal["transactions", "subscriptions", "both", "labels"]
WebhookKind = Literal["alert.opened", "tier.changed"]


class SettingsError(RemoraError):
    """A setting is unknown, of the wrong kind or out of range."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Company(Section):
    timezone: str = "UTC"
    currency: str | None = None
    country: str | None = None
    business_hours: str = "09:00-18:00"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone!r} is not a time zone name; write one such as 'Europe/Berlin'")
        return zone

    @property
    def zone(self) -> ZoneInfo:
        """The zone of dates and of timestamps that carry none."""
        return ZoneInfo(self.timezone)


class Churn(Section):
    definition: Definition | None = None
    horizon_days: int = Field(90, ge=1)
    active_within_days: int = Field(365, ge=1)
    grace_days: int = Field(14, ge=0)


class Value(Section):
    source: ValueSource | None = None
    horizon_days: int | None = Field(None, ge=1)
    measure: Literal["revenue", "margin"] = "revenue"
    annual_discount_rate: float = Field(0.0, ge=0)
    rates: dict[str, float] = {}


class Snapshots(Section):
    every_days: int = Field(30, ge=1)
    count: int = Field(6, ge=1)


class Trees(Section):
    """How trees are grown; `early_stopping` finds the number of rounds on customers set aside (`training.fit`)."""

    early_stopping: bool = False


class Profile(Section):
    static: tuple[str, ...] = ()


class Features(Section):
    exclude: tuple[str, ...] = ()


class Gate(Section):
    min_churners: int = Field(50, ge=0)
    max_calibration_error: float = Field(0.1, gt=0)
    champion_margin: float = Field(0.02, ge=0)
    max_auc_spread: float = Field(0.1, gt=0)
    max_feature_auc: float = Field(0.9, gt=0.5, le=1)
    max_auc: float = Field(0.98, gt=0.5, le=1)
    trusted_features: tuple[str, ...] = ()


class Fairness(Section):
    columns: tuple[str, ...] = ()
    max_auc_gap: float = Field(0.1, gt=0)
    max_calibration_gap: float = Field(0.1, gt=0)
    min_rows: int = Field(100, ge=1)
    min_churners: int = Field(20, ge=1)


class Action(Section):
    """What acting on a customer costs and saves, in money; `value_saved` unset = the row's value if retained."""

    cost: float | None = Field(None, ge=0)
    value_saved: float | None = Field(None, gt=0)
    success_rate: float | None = Field(None, gt=0, le=1)


class Api(Section):
    """The service's door: `tenant` names the column of `customers` that says to whom a customer belongs."""

    tenant: str | None = None
    hosts: tuple[str, ...] = ()
    per_minute: int = Field(60_000, ge=1)


class RulesSection(Section):
    pack: Path | None = None


class TableMapping(BaseModel):
    """`[tables.NAME]`: where a table comes from; every other key maps a contract column to a column of the source."""

    model_config = ConfigDict(extra="allow", frozen=True)
    origin: str | None = Field(None, alias="from")
    ended_at_is_term: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """Contract column → column of the source."""
        return {name: str(column) for name, column in (self.__pydantic_extra__ or {}).items()}


class ExportMap(BaseModel):
    """`[export.maps.NAME]`: what is exported; every other key maps a field of ours to the name it has over there."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str] = Field(init=False)
    what: Literal["scores", "alerts"] = "scores"

    @property
    def fields(self) -> dict[str, str]:
        """Field of ours → its name over there."""
        return dict(self.__pydantic_extra__)


class Export(Section):
    """What leaves for the CRM; `bom` makes Excel read CSV files as UTF-8."""

    bom: bool = False
    maps: dict[str, ExportMap] = {}


class WebhookTarget(Section):
    """`[webhooks.targets.NAME]`: who is told of what; `secret_env` names the variable that holds the signing secret.

    Several secrets in it, separated by commas, all sign: that is how one is replaced. With `tenant` only events of its
    customers.
    """

    url: str
    secret_env: str
    kinds: tuple[WebhookKind, ...] = ("alert.opened", "tier.changed")
    tenant: str | None = None


class Webhooks(Section):
    """Who is told of events; `allow` names hosts and networks that may be told although private or not by https."""

    source: str = "urn:remora"
    allow: tuple[str, ...] = ()
    targets: dict[str, WebhookTarget] = {}


class Settings(BaseSettings):
    """Everything a run depends on besides data and date."""

    model_config = SettingsConfigDict(
        env_prefix="REMORA_", env_nested_delimiter="__", extra="forbid", frozen=True, toml_file="remora.toml"
    )
    home: Path = Path(".remora")
    store: str | None = None
    memory_limit: str = "1400MB"
    company: Company = Company()
    churn: Churn = Churn()
    value: Value = Value()
    snapshots: Snapshots = Snapshots()
    trees: Trees = Trees()
    profile: Profile = Profile()
    features: Features = Features()
    gate: Gate = Gate()
    fairness: Fairness = Fairness()
    action: Action = Action()
    rules: RulesSection = RulesSection()
    api: Api = Api()
    export: Export = Export()
    webhooks: Webhooks = Webhooks()
    tables: dict[str, TableMapping] = {}

    @property
    def value_horizon_days(self) -> int:
        """Days over which value is counted: the churn horizon unless set."""
        return self.value.horizon_days or self.churn.horizon_days

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(file: Path | None = None, **flags: Any) -> Settings:
    """Read settings from `file` (default: `remora.toml` here, if any), variables and `flags`.

    Raises SettingsError with every problem at once, each naming the setting.
    """
    if file is not None and not file.exists():
        raise SettingsError(f"settings file {file}: not found; name an existing file, or leave --config out")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file or "remora.toml")

    try:
        return Settings.model_construct(**dict(FromFile(**flags)))
    except ValidationError as error:
        place = file or Path("remora.toml")
        raise SettingsError(
            *(f"{place}: {'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        ) from None
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise SettingsError(f"{file or 'remora.toml'}: not valid TOML: {error}") from None
