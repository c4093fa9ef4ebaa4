"""One customer on a page, in words that a customer-success person understands, in English or Chinese."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from features.clock import moment
from features.language import Lang, translator
from models.basis import is_modelled
from models.prediction import Points, Prediction, Reason
from models.rules.changes import change_text
from models.rules.conditions import alert_text, role_label
from models.rules.health import health_basis_label
from models.rules.pack import RulePack
from models.rules.playbooks import because_text, cadence_text, owner_text, playbook_text
from models.rules.reasons import rule_reason_text, shown_value
from models.rules.segments import segment_label
from models.rules.tiers import tier_label
from models.telling import Usual
from serving.changed import Changed, changed_lines, changed_of
from serving.curve_lines import curve_lines
from serving.drivers import Drivers, drivers_of, family_lines, in_language, worth_lines
from serving.errors import UnknownCustomerError
from serving.home import Home
from serving.rule_log import dated
from serving.stage_lines import departing, stage_lines
from serving.store import Account, Store
from serving.terminal import UNKNOWN, money, percent

LATEST = 5
"""Changes of segment that the page shows."""


@dataclass(frozen=True)
class Known:
    """What the store holds of one customer. `alerts`: open episodes; `changes`: changes of segment, oldest first.

    `drivers` and `changed` are worked out from what the home keeps of the scorings; None where it keeps nothing.
    """

    account: Account
    alerts: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    axes: dict[str, Any] = field(default_factory=dict)
    drivers: Drivers | None = None
    changed: Changed | None = None

    def data(self) -> dict[str, Any]:
        """The same for machines: the output row, who it is about, and moments in ISO 8601."""
        account = self.account
        row = account.prediction.model_dump(mode="json") | {"name": account.name, "owner": account.owner}
        row |= {"preferences": list(account.preferences), "mismatch": account.mismatch, "backfill": account.backfill}
        row |= {"axes": self.axes}
        row |= {"drivers": self.drivers.data() if self.drivers else None}
        row |= {"changed": self.changed.data() if self.changed else None}
        return row | {"open_alerts": [*map(dated, self.alerts)], "segment_changes": [*map(dated, self.changes)]}


def known_of(store: Store, customer: str, home: Home | None = None) -> Known:
    """All that is stored of `customer`, and with `home` what drives its risk and worth, and what changed them.

    Raises UnknownCustomerError for one never scored.
    """
    account = store.account(customer)
    if account is None:
        raise UnknownCustomerError(
            f"customer {customer}: never scored; run `remora score DATA` first, or check the key"
        )
    episodes = store.log.episodes(customer=customer).to_dicts()
    changes = store.log.segment_history(customer).to_dicts()
    known = Known(account, episodes, changes, store.log.axes(customer))
    if home is None:
        return known
    row = account.prediction
    return replace(known, drivers=drivers_of(home, row), changed=changed_of(store, home, row))


def page(known: Known, pack: RulePack, lang: Lang = "en", zone: dt.tzinfo = dt.UTC) -> RenderableType:
    """All that is known of the customer: risk, worth, score, segments, alerts, why, and what to do.

    Times are those of `zone`, the company's. A key of a row that another pack scored is shown as it is.
    """
    row = known.account.prediction
    parts = (
        _heading(row, lang, zone),
        _numbers(row, pack, lang),
        chain(_points(row, pack, lang), departing(row, pack, lang)),
        chain(_segments(row, known.changes, pack, lang, zone), _axes(known.axes, lang)),
        _alerts(row, known.alerts, pack, lang, zone),
        _why(row, known.drivers, pack, lang),
        family_lines(known.drivers, lang),
        worth_lines(known.drivers, lang),
        changed_lines(known.changed, pack, lang, zone),
        _todo(known.account, pack, lang, zone),
        stage_lines(row, pack, lang),
    )
    text = "\n\n".join("\n".join(lines) for part in parts if (lines := [*part]))
    return Panel(Text(text), title=Text(who(known.account)), title_align="left")


def _heading(row: Prediction, lang: Lang, zone: dt.tzinfo) -> Iterator[str]:
    _ = translator(lang).gettext
    stake = _("at stake") if row.at_stake else _("not at stake")
    yield _("as of {date} · {stake} · rests on {basis}").format(
        date=f"{row.as_of.astimezone(zone):%Y-%m-%d}", stake=stake, basis=_(row.basis)
    )


def _numbers(row: Prediction, pack: RulePack, lang: Lang) -> Iterator[str]:
    _ = translator(lang).gettext
    if row.churn_probability is not None:
        yield _("Risk of leaving in {days} days: {risk} ({band})").format(
            days=row.churn_horizon_days, risk=percent(row.churn_probability), band=_band(row.risk_band, pack, lang)
        )
    yield from curve_lines(row, lang)
    if row.expected_value is not None:
        yield _("Worth over {days} days: {worth} (8 of 10 such customers: {low} to {high})").format(
            days=row.value_horizon_days,
            worth=money(row.expected_value),
            low=money(row.value_low),
            high=money(row.value_high),
        )
    if row.value_if_retained is not None:
        yield _("If it stays: {kept} · value at risk: {risk}").format(
            kept=money(row.value_if_retained), risk=money(row.value_at_risk)
        )
    yield from _acting(row, lang)
    if row.health_score is not None:
        basis = _told(health_basis_label, row.health_basis, pack, lang)
        yield _("Health: {score} of 100 ({basis})").format(score=f"{row.health_score:.0f}", basis=basis)
    yield _score(row, pack, lang)


def _acting(row: Prediction, lang: Lang) -> Iterator[str]:
    """Whether acting on the customer pays, where it has a price."""
    if row.expected_profit is None:
        return
    _ = translator(lang).gettext
    worth = _("Worth acting: expected to earn {amount}")
    loss = _("Not worth acting: expected to cost {amount} more than it saves")
    yield (worth if row.expected_profit > 0 else loss).format(amount=money(abs(row.expected_profit)))


def _score(row: Prediction, pack: RulePack, lang: Lang) -> str:
    _ = translator(lang).gettext
    label, tier = pack.composite.label.text(lang), _told(tier_label, row.tier, pack, lang)
    if row.composite_score is None:
        return _("{label}: nothing is known that it could rest on").format(label=label)
    told = _("{label}: {score} of 100, from {coverage} of what it asks · tier: {tier}")
    return told.format(
        label=label, score=f"{row.composite_score:.1f}", coverage=percent(row.composite_coverage), tier=tier
    )


def _points(row: Prediction, pack: RulePack, lang: Lang) -> Iterator[str]:
    """The score, to be added up by hand."""
    for part in row.points:
        yield f"  {_sum(part, pack, lang)}"


def _sum(part: Points, pack: RulePack, lang: Lang) -> str:
    _ = translator(lang).gettext
    what, value = part.indicator, _("not known, the average counts") if part.value is None else f"{part.value:,.4g}"
    if indicator := pack.composite.indicators.get(part.indicator):
        what = indicator.label.text(lang)
        value = value if part.value is None else shown_value(part.value, indicator, lang)
    sums = f"{part.standardised:.3f} × {part.weight:.2f} = {part.points:.2f}"
    return _("{what}: {value} → {sums}").format(what=what, value=value, sums=sums)


def _segments(
    row: Prediction, changes: Sequence[dict[str, Any]], pack: RulePack, lang: Lang, zone: dt.tzinfo
) -> Iterator[str]:
    _ = translator(lang).gettext
    if row.segments:
        labels = _(", ").join(_told(segment_label, key, pack, lang) for key in row.segments)
        yield _("Segments: {labels}").format(labels=labels)
    for change in changes[-LATEST:]:
        told = _change(change, pack, lang)
        yield f"  • {moment(change['as_of']).astimezone(zone):%Y-%m-%d}: {told}"


def _axes(axes: Mapping[str, Any], lang: Lang) -> Iterator[str]:
    """D5's axes of value and potential, and whether class C is only where the customer ended up."""
    _ = translator(lang).gettext
    value, potential = (axes.get(name) for name in ("abc_value_axis", "abc_potential_axis"))
    if value is not None or potential is not None:
        told = _("Of 1: value {value}, potential {potential}")
        value, potential = (UNKNOWN if each is None else f"{each:.2f}" for each in (value, potential))
        yield told.format(value=value, potential=potential)
    if axes.get("segment_abc_flagged"):
        yield _("Class C because it fits neither A nor B")


def _change(change: dict[str, Any], pack: RulePack, lang: Lang) -> str:
    try:
        return change_text(change["scheme"], change["before"], change["after"], change["reason"], pack, lang)
    except KeyError:  # the pack of that day had another scheme or segment
        return f"{change['scheme']}: {change['before'] or UNKNOWN} → {change['after'] or UNKNOWN}"


def _alerts(
    row: Prediction, tasks: Sequence[dict[str, Any]], pack: RulePack, lang: Lang, zone: dt.tzinfo
) -> Iterator[str]:
    _ = translator(lang).gettext
    if tasks or row.alerts:
        yield _("Alerts:")
    for task in tasks:
        due = minute(task["due_at"], zone)
        told = alert_text(task["rule"], task["signs"], pack, lang)
        owner = task["owner"] or role_label(task["owner_role"], pack, lang)
        yield "  • " + _("{alert} · {owner} · by {due}").format(alert=told, owner=owner, due=due)
    for rule in row.alerts:
        if rule not in {task["rule"] for task in tasks}:
            yield "  • " + _("{alert} · no task open").format(alert=alert_text(rule, (), pack, lang))


def _why(row: Prediction, drivers: Drivers | None, pack: RulePack, lang: Lang) -> Iterator[str]:
    if row.reasons:
        yield translator(lang).gettext("Why:")
    usual = drivers.usual if drivers else {}
    for reason in row.reasons:
        yield f"  • {_reason(reason, row, usual, pack, lang)} [{reason.size:.0%}]"


def _reason(reason: Reason, row: Prediction, usual: Mapping[str, Usual], pack: RulePack, lang: Lang) -> str:
    if is_modelled(row.basis):
        return in_language(reason, lang, usual)
    return rule_reason_text(reason, row.points, pack, lang)


def _todo(account: Account, pack: RulePack, lang: Lang, zone: dt.tzinfo) -> Iterator[str]:
    _, row = translator(lang).gettext, account.prediction
    if row.playbook_key is None and row.playbook:  # scored before the store kept the key
        yield _("What to do: {playbook}").format(playbook=row.playbook)
    elif row.playbook_key is None:
        yield _("What to do: nothing to recommend; too little is known")
    else:
        yield _("What to do: {playbook}").format(playbook=_told(playbook_text, row.playbook_key, pack, lang))
        due = f"{row.playbook_due.astimezone(zone):%Y-%m-%d}" if row.playbook_due else UNKNOWN
        owner = _told(owner_text, row.playbook_owner, pack, lang) if row.playbook_owner else UNKNOWN
        cadence = _told(cadence_text, row.playbook_cadence, pack, lang) if row.playbook_cadence else UNKNOWN
        yield _("Who: {owner} · how often: {cadence} · first by {due}").format(owner=owner, cadence=cadence, due=due)
        yield _("Because: {because}").format(because=_told(because_text, row.playbook_because or "", pack, lang))
    if account.preferences:
        yield _("Wants to be reached by: {preferences}").format(preferences=_(", ").join(account.preferences))
    if account.mismatch is not None:
        yield _("Look out: the last contact was by {channel}").format(channel=account.mismatch)


def _told(text: Callable[[Any, RulePack, Lang], str], key: str | None, pack: RulePack, lang: Lang) -> str:
    """What the pack calls it; the key itself where the row was scored by a pack that had it."""
    try:
        return text(key, pack, lang)
    except KeyError:
        return str(key)


def minute(at: int | None, zone: dt.tzinfo) -> str:
    """A moment by the company's clock."""
    return UNKNOWN if at is None else f"{moment(at).astimezone(zone):%Y-%m-%d %H:%M}"


def _band(band: str | None, pack: RulePack, lang: Lang) -> str:
    known = pack.risk_bands.get(band or "")
    return known.label.text(lang) if known else band or UNKNOWN


def who(account: Account) -> str:
    """Name and key."""
    key = account.prediction.customer_id
    return f"{account.name} ({key})" if account.name else key
