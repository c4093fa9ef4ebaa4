"""Open alerts as people and machines see them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from features.clock import micros, moment, now
from features.language import Lang, translator
from features.settings import load_settings
from models.rules.conditions import alert_text, role_label
from models.rules.deadlines import WorkCalendar, needs_notice, person_by
from models.rules.pack import RulePack
from serving.alert_page import Handled, as_plain, handled
from serving.champion import promoted
from serving.database import transaction
from serving.explained import minute
from serving.home import Home
from serving.in_force import calendar_of, pack_of
from serving.rule_log import dated
from serving.store import mismatch, open_store, preferred

People = Mapping[str, Mapping[str, Any]]
"""customer_id → what is known of who it is (`Store.people`)."""


def alert_list(
    config: Path | None, rule: str | None, owner: str | None, customer: str | None, held_back: bool, limit: int,
    lang: Lang,
) -> tuple[Any, ...]:  # fmt: skip
    """What `tell` takes: the episodes as data, and a table with what was held back. What is put off is left out."""
    settings = load_settings(config)
    home = Home.of(settings)
    pack = pack_of(promoted(home), settings)
    with open_store(home.store) as store:
        states = ("held_back",) if held_back else ("open",)
        every = store.log.episodes(states=states, rule=rule, owner=owner, customer=customer)
        with transaction(store.engine) as connection:
            done = handled(connection, every["key"].to_list())
        found = _in_sight(every, done)
        people = store.people(found["customer_id"].head(limit).to_list())
        as_of, waiting = store.log.held_back()
    calendar = calendar_of(pack, settings)
    data = {
        "as_of": moment(as_of).isoformat() if as_of is not None else None,
        "total": found.height,
        "snoozed": every.height - found.height,
        "alerts": [
            _told(row, people, pack, calendar, lang) | as_plain(done.get(row["key"], Handled()), now())
            for row in found.head(limit).iter_rows(named=True)
        ],
        "held_back": dict(waiting),
    }
    shown = _shown(found.head(limit), found.height, people, dict(waiting), pack, lang, calendar)
    return data, *shown


def _in_sight(episodes: pl.DataFrame, done: Mapping[str, Handled]) -> pl.DataFrame:
    at = now()
    snoozed = [key for key, each in done.items() if each.is_snoozed(at)]
    return episodes.filter(~pl.col("key").is_in(snoozed))


def _told(row: dict[str, Any], people: People, pack: RulePack, calendar: WorkCalendar, lang: Lang) -> dict[str, Any]:
    """The episode for machines: its text, how the customer wants to be reached, and the emergency notice."""
    text, who = alert_text(row["rule"], row["signs"], pack, lang), people.get(row["customer_id"])
    reached = {"preferences": list(preferred(who)) if who else [], "mismatch": mismatch(who) if who else None}
    return dated(row) | {"text": text, "notice": _notice(row, who, pack, calendar, lang), **reached}


def _notice(
    row: dict[str, Any], who: Mapping[str, Any] | None, pack: RulePack, calendar: WorkCalendar, lang: Lang
) -> str | None:
    """D5: outside working hours an emergency notice at once and a person by 09:00; None for anything else."""
    rule, anchor = pack.alerts.rules.by_key.get(row["rule"]), row["anchor"]
    clock = bool(who and who["round_the_clock"])
    if rule is None or rule.kind != "service" or anchor is None:
        return None
    if not needs_notice(moment(anchor), calendar, round_the_clock=clock):
        return None
    by = minute(micros(person_by(moment(anchor), calendar)), calendar.zone)
    return pack.deadlines.emergency.text(lang).format(time=by)


def _reached(who: Mapping[str, Any] | None, lang: Lang) -> Iterator[str]:
    """How the customer wants to be reached, and a warning where the last contact was another way (D5)."""
    _ = translator(lang).gettext
    if who and (wanted := preferred(who)):
        yield _("Wants to be reached by: {preferences}").format(preferences=_(", ").join(wanted))
    if who and (channel := mismatch(who)):
        yield _("Look out: the last contact was by {channel}").format(channel=channel)


def _shown(
    found: pl.DataFrame, total: int, people: People, waiting: dict[str, int], pack: RulePack, lang: Lang,
    calendar: WorkCalendar,
) -> list[RenderableType]:  # fmt: skip
    _ = translator(lang).gettext
    title = _("{shown} of {total} alerts").format(shown=found.height, total=f"{total:,}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in (_("due"), _("whose"), _("who"), _("what")):
        table.add_column(heading)
    for row in found.iter_rows(named=True):
        key = row["customer_id"]
        known = people.get(key)
        who = f"{known['name']} ({key})" if known and known["name"] else key
        role = role_label(row["owner_role"], pack, lang)
        owner = f"{row['owner']} ({role})" if row["owner"] else role
        notice = _notice(row, known, pack, calendar, lang)
        lines = (alert_text(row["rule"], row["signs"], pack, lang), notice, *_reached(known, lang))
        what = "\n".join(filter(None, lines))
        cells = (minute(row["due_at"], calendar.zone), owner, who, what)
        table.add_row(*(Text(cell) for cell in cells))
    held = sum(waiting.values())
    note = _("{held} alerts are held back by the weekly limits").format(held=f"{held:,}")
    return [table, Text(note)] if held else [table]
