"""The ranked list of accounts at risk, as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import HTMLResponse, Response

from features.errors import RemoraError
from models.action import is_priced
from models.basis import is_modelled
from models.prediction import Reason
from models.rules.pack import RulePack, load_pack
from models.rules.tiers import tier_label
from serving.api.asking import Ask, Operation
from serving.errors import require_price
from serving.ranking import Wanted
from serving.state import State
from serving.store import Account

PER_PAGE: Final = 25
_HERE: Final = Path(__file__).parent
_NOTHING_SCORED: Final = "No account is at stake here yet. Run `remora score DATA --as-of DATE` to fill this list."
_NO_MATCH: Final = "No account at stake matches this filter."
_STATIC: Final = {"workbench.css": "text/css", "remora.svg": "image/svg+xml"}
_MARKS: Final = {"raises": ("▲", "raises the risk"), "lowers": ("▼", "lowers the risk")}


@dataclass(frozen=True)
class Shown:
    """A reason, ready to be shown."""

    mark: str
    direction: str
    text: str


@dataclass(frozen=True)
class Row:
    """One account, ready to be shown."""

    rank: int
    who: str
    customer_id: str
    owner: str | None
    risk: str
    risk_percent: float
    band: str | None
    band_label: str | None
    worth: str
    at_risk: str
    profit: str
    tier: str | None
    tier_label: str
    reasons: tuple[Shown, ...]
    action: str | None
    note: str | None


@dataclass(frozen=True)
class Page:
    """All that the template of the list takes."""

    rows: tuple[Row, ...]
    total: int
    currency: str
    scored: str | None
    horizon: str | None
    model_version: str | None
    notices: tuple[str, ...]
    empty: str
    tier: str
    owner: str
    priced: bool
    worth_acting: bool
    tiers: Mapping[str, str]
    previous: str | None
    following: str | None


class PageQuery(BaseModel):
    """Which part of the ranked list the page shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offset: int = Field(0, ge=0, le=10_000_000)
    tier: str | None = None
    owner: str | None = None
    worth_acting: bool = False


def operations() -> tuple[Operation, ...]:
    """The pages of the workbench, and what they need besides themselves."""
    page = Operation("GET", "/", ranked, "The ranked list", "read", kind="text/html", answers={200: None})
    files = (Operation("GET", f"/{name}", static, name, kind=kind) for name, kind in _STATIC.items())
    return page, *files


def ranked(ask: Ask) -> Response:
    """`GET /`: the ranked list; `?tier=`, `?owner=`, `?worth_acting=` and `?offset=` choose a part of it."""
    wrong: tuple[str, ...] = ()
    try:
        query = _query(ask)
    except ValidationError as error:
        query, wrong = PageQuery(), tuple(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
    page = _page(ask, query, wrong)
    return HTMLResponse(_template("ranked.html").render(page=page), status_code=400 if wrong else 200)


def static(ask: Ask) -> Response:
    """`GET /workbench.css`, `GET /remora.svg`: what the pages need besides themselves."""
    name = ask.request.url.path.removeprefix("/")
    return Response(_static(name), media_type=_STATIC[name])


def _query(ask: Ask) -> PageQuery:
    """Empty fields of a form say nothing."""
    given = {name: value.replace("\0", "") for name, value in ask.request.query_params.items() if value}
    return PageQuery.model_validate(given)


def _page(ask: Ask, query: PageQuery, wrong: tuple[str, ...]) -> Page:
    state = ask.state
    accounts, total, broken = _accounts(ask, query)
    serving = state.champion.current
    pack = serving.pack if serving else load_pack()
    filtered = bool(query.tier or query.owner or query.worth_acting)
    priced, half = _priced(state)
    first = accounts[0].prediction if accounts else None
    told = dict.fromkeys((*wrong, *half, *broken, *filter(None, [state.champion.problem])))
    return Page(
        rows=tuple(_row(query.offset + i, account, pack) for i, account in enumerate(accounts, start=1)),
        total=total,
        currency=state.settings.company.currency or "",
        scored=f"{first.as_of:%-d %B %Y}" if first else None,
        horizon=f"{first.churn_horizon_days} days" if first and first.churn_horizon_days else None,
        model_version=first.model_version if first else None,
        notices=tuple(told),
        empty=_NO_MATCH if filtered else _NOTHING_SCORED,
        tier=query.tier or "",
        owner=query.owner or "",
        priced=priced,
        worth_acting=query.worth_acting,
        tiers={name: tier_label(name, pack) for name in pack.composite.tiers},
        previous=_link(query, query.offset - PER_PAGE) if query.offset else None,
        following=_link(query, query.offset + PER_PAGE) if query.offset + len(accounts) < total else None,
    )


def _priced(state: State) -> tuple[bool, tuple[str, ...]]:
    """Whether acting has a price, and what is wrong with it."""
    try:
        return is_priced(state.settings.action), ()
    except RemoraError as error:
        return False, error.problems


def _accounts(ask: Ask, query: PageQuery) -> tuple[list[Account], int, tuple[str, ...]]:
    """The accounts of this page, how many there are in all, and what kept them from being read."""
    wanted = Wanted(tier=query.tier, owner=query.owner, worth_acting=query.worth_acting, tenant=ask.caller.tenant)
    try:
        if query.worth_acting:
            require_price(ask.state.settings.action, "worth_acting")
        store = ask.state.store()
        found = store.at_risk(wanted, PER_PAGE, query.offset).accounts
        ask.saw("at_risk.read", *(account.prediction.customer_id for account in found))
        return found, store.count_at_risk(wanted), ()
    except RemoraError as error:
        return [], 0, error.problems


def _row(rank: int, account: Account, pack: RulePack) -> Row:
    p = account.prediction
    return Row(
        rank=rank,
        who=account.name or p.customer_id,
        customer_id=p.customer_id,
        owner=account.owner,
        risk="not known" if p.churn_probability is None else f"{p.churn_probability:.0%}",
        risk_percent=round(100 * (p.churn_probability or 0), 1),
        band=p.risk_band,
        band_label=_band_label(p.risk_band, pack),
        worth=_money(p.value_if_retained),
        at_risk=_money(p.value_at_risk),
        profit=_money(p.expected_profit),
        tier=p.tier,
        tier_label=tier_label(p.tier, pack) if p.tier in (None, *pack.composite.tiers) else str(p.tier),
        reasons=tuple(_shown(reason) for reason in p.reasons),
        action=p.playbook,
        note=None if is_modelled(p.basis) else p.basis,
    )


def _shown(reason: Reason) -> Shown:
    """The direction as a mark and as words, and the reason without it."""
    mark, direction = _MARKS[reason.direction]
    return Shown(mark, direction, reason.text.removesuffix(f" ({direction})"))


def _band_label(band: str | None, pack: RulePack) -> str | None:
    known = pack.risk_bands.get(band or "")
    return known.label.text("en") if known else band


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _link(query: PageQuery, offset: int) -> str:
    worth = "true" if query.worth_acting else None
    chosen = {"tier": query.tier, "owner": query.owner, "worth_acting": worth, "offset": max(offset, 0)}
    return "/?" + urlencode({name: value for name, value in chosen.items() if value})


@cache
def _template(name: str) -> Any:
    loader = FileSystemLoader(_HERE / "templates")
    return Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined).get_template(name)


@cache
def _static(name: str) -> str:
    return (_HERE / "static" / name).read_text(encoding="utf-8")
