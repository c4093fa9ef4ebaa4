"""`remora rules`: the rule pack shown, checked, compared with the one in force, and weighed."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.options import AsOf, Config, Data, Json, Language
from serving.terminal import steps, tell

if TYPE_CHECKING:
    from models.bundle import Bundle
    from serving.rules import Customers

rules_app = typer.Typer(
    name="rules",
    help="The documented rules: show the pack, check a changed copy, see what it would change, weigh by comparison.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Pack = Annotated[Path, typer.Argument(metavar="FILE", help="Rule pack (TOML).")]


@rules_app.command()
def show(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: the pack that ships.")] = None,
    copy: Annotated[Path | None, typer.Option("--out", help="Also write it to this file, to change the copy.")] = None,
    lang: Language = "en",
    as_json: Json = False,
) -> None:
    """The pack as tables: every number with the document it comes from."""
    from models.rules import load_pack
    from serving.rules import copied, shown

    pack = load_pack(file)
    if copy is not None:
        copied(file, copy)
    tell(as_json, *shown(pack, lang))


@rules_app.command()
def check(
    file: Pack,
    data: Annotated[str | None, typer.Argument(metavar="[DATA]", help="How would these customers fall?")] = None,
    as_of: AsOf = None,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Every problem of a pack at once; with data, how full each tier is, and what cleaning meets."""
    from models.rules import load_pack
    from serving.rules import checked, valid

    pack = load_pack(file)
    if data is None:
        tell(as_json, *valid(pack, file))
        return
    customers, _ = _customers(data, as_of, config, "check")
    tell(as_json, *checked(pack, file, customers, lang))


@rules_app.command()
def diff(
    file: Pack,
    data: Data,
    as_of: AsOf = None,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What a changed pack would do to the current customers: who changes tier, who gains or loses an alert."""
    from models.rules import load_pack
    from serving.rules import differed, in_force

    pack = load_pack(file)
    customers, bundle = _customers(data, as_of, config, "diff")
    tell(as_json, *differed(pack, file, customers, in_force(customers, bundle), lang))


@rules_app.command()
def ahp(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Comparisons (TOML).")],
    pack: Annotated[Path | None, typer.Option("--pack", help="Whose weights (default: the pack that ships).")] = None,
    as_json: Json = False,
) -> None:
    """Weights from pairwise comparisons, refused where these contradict each other.

    FILE has a table [dimensions], or [indicators.behaviour] and the like, with lines such as
    "interactions over complaints" = 2; the other way round, "1/2".
    """
    from features.errors import raise_all
    from models.rules import load_pack
    from models.rules.ahp import AhpError
    from models.rules.comparisons import compare
    from serving.rules import compared

    try:
        result = compare(_read(file), load_pack(pack))
    except AhpError as error:
        raise_all(AhpError, [f"{file}: {problem}" for problem in error.problems])
        raise
    tell(as_json, *compared(result))


def _read(file: Path) -> dict[str, Any]:
    from models.rules.ahp import AhpError

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise AhpError(f"cannot be read ({error.strerror}); name an existing file of comparisons") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise AhpError(f"not valid TOML: {error}") from None


def _customers(data: str, day: str | None, config: Path | None, what: str) -> "tuple[Customers, Bundle | None]":
    from features.clock import micros
    from serving.champion import promoted
    from serving.home import Home
    from serving.opening import date_of, opened
    from serving.rules import customers_of

    settings, source = opened(data, config)
    date, bundle = date_of(source, settings, day), promoted(Home.of(settings))
    with steps(f"{what} as of {date:%Y-%m-%d}") as step:
        step("features")
        return customers_of(source, micros(date), bundle, settings), bundle
