"""Literal companies, a bundle that fits them, and commands asked in this process, for homes that tests share."""

import datetime as dt
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest

from features.build import Fitted, build
from features.clock import micros
from features.engines import Source
from features.settings import Settings
from models.bundle import Bundle, write_bundle
from models.manifest import ManifestParts
from models.rules.pack import DEFAULT_PACK, load_pack
from serving import terminal
from serving.cli import main
from serving.home import Home
from tests.literal import TODAY, ago, rows
from tests.serving.running import promote
from tests.small_bundle import customers, parts, texts
from training.rules import fit_rules

NOW = TODAY.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @property
    def problems(self) -> list[str]:
        """One line each of a mistake that the user can mend."""
        assert "Traceback" not in self.err
        assert (self.code, self.out) == (2, "")
        return [line.removeprefix("remora: ") for line in self.err.splitlines() if line.startswith("remora: ")]


def ask(home: Path, *arguments: object, settings: str = "") -> Answer:
    """`remora` with `arguments` under REMORA_HOME=`home`, in a folder with a remora.toml of `settings`, if any."""
    here = home.parent / f"{home.name}-here"
    here.mkdir(exist_ok=True)
    (here / "remora.toml").unlink(missing_ok=True)
    if settings:
        (here / "remora.toml").write_text(settings, encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(here)
        patch.setenv("REMORA_HOME", str(home))
        patch.setattr(terminal.out, "_width", 400)
        patch.setattr(sys, "argv", ["remora", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
    return Answer(int(left.value.code or 0), out.getvalue(), err.getvalue())


def orders(**last: tuple[float, ...]) -> list[dict[str, Any]]:
    """Transactions of 100 each, so many days before TODAY."""
    return rows(
        "customer_id occurred_at amount", *((who, ago(day), 100.0) for who, days in last.items() for day in days)
    )


def fitted_bundle(home: Path, source: Source, date: dt.datetime = NOW, **settings: Any) -> Bundle:
    """The small models with the rules fitted on `source` as of `date`, promoted in `home`."""
    churn, value = texts()
    return promoted_bundle(home, source, parts(), customers(), date, churn=churn, value=value, **settings)


def promoted_bundle(
    home: Path, source: Source, said: ManifestParts, reference: pl.DataFrame, date: dt.datetime = NOW, *,
    churn: str | None = None, value: Mapping[str, str] = MappingProxyType({}), curve: str | None = None,
    **settings: Any,
) -> Bundle:  # fmt: skip
    """Any models with the rules fitted on `source`, promoted in `home`; `reference` holds the models' features."""
    as_of, pack, known = micros(date), load_pack(), Fitted((), ("country",))
    past = source.until(as_of)
    learnt = fit_rules(past.tables, build(past.tables, as_of, known), as_of, pack, Settings(**settings), known)
    fitted: Mapping[str, Any] = learnt.model_dump(mode="json") | {"static": ["country"]}
    bundle = write_bundle(
        home / "bundles" / "small",
        said.model_copy(update={"as_of": date, "fitted": fitted}),
        churn=churn,
        value=value,
        curve=curve,
        pack=DEFAULT_PACK.read_text(encoding="utf-8"),
        reference=reference.head(50),
        created_at=date,
    )
    promote(Home(home), "small")
    return bundle
