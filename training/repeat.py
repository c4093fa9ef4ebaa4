"""A training done again: what it rested on, kept as its provenance, and what is different now.

A training is a function of data, settings, rule pack, date, seed, code and packages. The provenance holds the small
ones whole and fingerprints of the large ones. Places of one machine (home, store) and passwords are no part of it.
"""

import datetime as dt
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from features.engines import is_url
from features.errors import RemoraError
from features.settings import Settings
from models.churn import SEED
from models.rules import DEFAULT_PACK

PACKAGES = ("lightgbm", "scikit-learn", "scipy", "numpy", "polars", "duckdb", "narwhals", "optuna")
"""Those whose version can change a bundle."""

PROVENANCE = "provenance.json"
"""The file of a run that holds it."""

_OF_THE_MACHINE: dict[str, Any] = {"home": True, "store": True, "memory_limit": True, "rules": {"pack"}}

Fingerprints = dict[str, dict[str, Any]]


class RepeatError(RemoraError):
    """What a run rested on cannot be followed by this version of Remora."""


class Provenance(BaseModel):
    """What a training rested on. `tuned` are the parameters that tuning found; `changed`: files were not committed.

    `data`: table → rows, first, last, hash. `place`: the folder, or the URL without its password.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    place: str
    as_of: dt.datetime
    settings: dict[str, Any]
    pack: str
    tuned: dict[str, int | float] = {}
    seed: int = SEED
    data: Fingerprints
    commit: str
    changed: bool
    versions: dict[str, str]
    bundle: str

    def settings_at(self, home: Path, folder: Path) -> Settings:
        """The settings of then with today's `home`; a rule pack of one's own is written to `folder`.

        Neither remora.toml nor variables are read. Raises RepeatError where a setting is no longer known.
        """
        own = self.pack != DEFAULT_PACK.read_text(encoding="utf-8")
        rules = {**self.settings.get("rules", {}), **({"pack": _written(folder, self.pack)} if own else {})}
        try:
            found = _Exactly(**{**self.settings, "rules": rules, "home": home})
        except ValidationError as error:
            places = (".".join(map(str, e["loc"])) for e in error.errors())
            raise RepeatError(
                *(f"settings of the run: {place}: not known to this Remora" for place in places)
            ) from None
        return Settings.model_construct(**dict(found))


class _Exactly(Settings):
    """Settings from what is handed over alone."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *others: Any, **named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def provenance(
    settings: Settings,
    as_of: dt.datetime,
    place: str,
    data: Mapping[str, Mapping[str, object]],
    pack: str,
    bundle: str,
    tuned: Mapping[str, int | float] | None = None,
) -> Provenance:
    """The provenance of the training that made `bundle` (its id) with the rule pack `pack` (TOML)."""
    return Provenance(
        place=place if is_url(place) or not place else str(Path(place).resolve()),
        as_of=as_of,
        settings=settings.model_dump(mode="json", by_alias=True, exclude=_OF_THE_MACHINE),
        pack=pack,
        tuned=dict(tuned or {}),
        data={name: dict(found) for name, found in data.items()},
        commit=commit(),
        changed=changed(),
        versions=versions(),
        bundle=bundle,
    )


def differences(then: Provenance, now: Provenance) -> list[str]:
    """What is not as it was, a line each; empty where the bundle must come out the same."""
    return [*_data(then.data, now.data), *_code(then, now), *_told(then, now)]


def outcome(then: Provenance, bundle: str) -> str:
    """Whether the bundle (its id) came out identical."""
    if bundle == then.bundle:
        return f"The bundle is identical: {bundle}."
    return f"The bundle is not identical: {then.bundle} then, {bundle} now."


def versions() -> dict[str, str]:
    """What runs: Python, the kind of machine, and the packages that can change a bundle."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {p: version(p) for p in PACKAGES}


def commit() -> str:
    """The commit of the running code; "unknown" outside a checkout, and without git."""
    return _git("rev-parse", "HEAD") or "unknown"


def changed() -> bool:
    """Whether files of the running code differ from its commit."""
    return bool(_git("status", "--porcelain"))


def _git(*command: str) -> str:
    where = Path(__file__).parents[1]
    try:
        found = subprocess.run(["git", *command], cwd=where, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _written(folder: Path, pack: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pack.toml"
    file.write_text(pack, encoding="utf-8")
    return file


def _data(then: Fingerprints, now: Fingerprints) -> list[str]:
    gone = [f"data: {name}: is not there any more" for name in then if name not in now]
    new = [f"data: {name}: was not there then" for name in now if name not in then]
    both = [line for name in then if name in now if (line := _table(name, then[name], now[name]))]
    return gone + new + both


def _table(name: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """How a table differs; a hash of another engine's version says nothing, rows and dates still do."""
    if dict(then) == dict(now):
        return None
    if then["rows"] != now["rows"]:
        return f"data: {name}: {then['rows']:,} rows then, {now['rows']:,} now"
    engine = [str(found["hash"]).split(":")[0] for found in (then, now)]
    if engine[0] != engine[1] and (then["first"], then["last"]) == (now["first"], now["last"]):
        return f"data: {name}: as many rows, hashed by {engine[0]} then and {engine[1]} now: not comparable"
    return f"data: {name}: as many rows, but not the same"


def _code(then: Provenance, now: Provenance) -> list[str]:
    names = dict.fromkeys([*then.versions, *now.versions])
    told = [(name, then.versions.get(name, "none"), now.versions.get(name, "none")) for name in names]
    code = [("commit", _short(then), _short(now))] if (then.commit, then.changed) != (now.commit, now.changed) else []
    lines = [f"{name}: {old} then, {new} now" for name, old, new in [*code, *told] if old != new]
    unsure = "commit: files were changed without a commit, then as now; they may differ"
    return lines + ([unsure] if then.changed and now.changed and then.commit == now.commit else [])


def _told(then: Provenance, now: Provenance) -> list[str]:
    """Settings, pack, date and parameters: the same where the training was repeated as it was."""
    found = [("as_of", then.as_of, now.as_of), ("seed", then.seed, now.seed), ("tuned", then.tuned, now.tuned)]
    lines = [f"{name}: {old} then, {new} now" for name, old, new in found if old != new]
    names = dict.fromkeys([*then.settings, *now.settings])
    sections = [name for name in names if then.settings.get(name) != now.settings.get(name)]
    lines += [f"settings: [{name}]: {then.settings.get(name)} then, {now.settings.get(name)} now" for name in sections]
    return lines + (["rule pack: another text"] if then.pack != now.pack else [])


def _short(found: Provenance) -> str:
    return found.commit[:12] + (" with uncommitted changes" if found.changed else "")
