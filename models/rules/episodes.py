"""Alert episodes: opened once, kept with a margin, closed, held back by limits. Pure; storing them is the caller's.

An episode is named by the event that began it: key = customer:rule:anchor, anchor = that event's moment, or the first
`as_of` that saw the condition where no event is known. A key that was opened never opens again.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from features.clock import micros, moment, start_of
from models.rules.deadlines import WorkCalendar, due
from models.rules.pack import RulePack
from models.rules.rows import column

EPISODE = {
    "key": pl.String(), "customer_id": pl.String(), "rule": pl.String(), "anchor": pl.Int64(),
    "opened_as_of": pl.Int64(), "due_at": pl.Int64(), "owner_role": pl.String(), "owner": pl.String(),
    "severity": pl.Int64(), "signs": pl.List(pl.String), "contact": pl.Boolean(), "state": pl.String(),
    "closed_as_of": pl.Int64(),
}  # fmt: skip
"""Columns of an episode. severity: 1 is the most severe. state: open, closed or held_back. Of one that is held back,
opened_as_of is when it was first seen and due_at is null. contact: answering it is a proactive contact."""

RETENTION = ("risk", "warning")
"""Kinds of alert about the same matter: whether the customer leaves."""


@dataclass(frozen=True)
class Changes:
    """Frames of EPISODE columns. `held_back` is all that waits now; `kept` may be owned higher or due earlier than
    before; `opened` and `closed` are what this run changed. `held_back` comes in the order in which it would open.
    """  # fmt: skip

    opened: pl.DataFrame
    kept: pl.DataFrame
    closed: pl.DataFrame
    held_back: pl.DataFrame


def advance(
    episodes: pl.DataFrame,
    conditions: pl.DataFrame,
    as_of: int,
    pack: RulePack,
    calendar: WorkCalendar,
    customers: pl.DataFrame,
    *,
    last_as_of: int | None = None,
    contacted: Collection[str] = (),
    unassessed: Collection[str] = (),
) -> Changes:
    """What a run as of `as_of` does to the episodes.

    `episodes`: every episode so far, in any state. `conditions`: see `rules.conditions`. `customers`: customer_id of
    all that this run looked at, and, where known, owner (a person), value_at_risk, role (key of the role that owns the
    customer's tier, see `tier_role`) and round_the_clock (Boolean: served 7×24). `last_as_of`: the last date processed,
    at least the latest of the episodes: an older `as_of` changes nothing. `contacted`: customers with a proactive
    contact this week besides the episodes'. `unassessed`: rules that could not be looked at; their episodes wait, and
    so do those of customers that this run did not look at.

    Opening: `enters`, no open episode of the rule, a key never opened before, and room in the limits: proactive
    contacts a week and customer, alerts a week and owner (by severity, rank, value at risk). Closing: not `stays`.
    """
    now = episodes.select(*EPISODE).cast(EPISODE)  # type: ignore[arg-type]
    if as_of < max(_last(now), as_of if last_as_of is None else last_as_of):
        return Changes(_none(), _in(now, "open"), _none(), _in(now, "held_back"))
    run = _Run(now, _matched(conditions, pack), as_of, pack, calendar, customers, tuple(contacted), tuple(unassessed))
    kept, gone = run.standing(_in(now, "open"))
    candidates, unseen = run.candidates(kept)
    opening, waiting = run.within_limits(candidates)
    opened = run.with_deadlines(opening)
    together = run.higher_and_stricter(pl.concat([kept, opened.select(*EPISODE)]))
    is_new = pl.col("key").is_in(opened["key"].implode())
    closed = gone.with_columns(state=pl.lit("closed"), closed_as_of=pl.lit(as_of))
    held_back = pl.concat([waiting.select(*EPISODE), _sorted(unseen)]).cast(EPISODE)  # type: ignore[arg-type]
    return Changes(_sorted(together.filter(is_new)), _sorted(together.filter(~is_new)), _sorted(closed), held_back)


def recorded(episodes: pl.DataFrame, changes: Changes) -> pl.DataFrame:
    """Every episode after `changes`: what a store holds. What waited and no longer waits is forgotten."""
    changed = pl.concat([changes.opened, changes.kept, changes.closed, changes.held_back])
    before = episodes.select(*EPISODE).cast(EPISODE).filter(pl.col("state") == "closed")  # type: ignore[arg-type]
    return _sorted(pl.concat([before.join(changed, on="key", how="anti"), changed]))


def week_of(as_of: int, calendar: WorkCalendar) -> tuple[int, int]:
    """Start and end (microseconds, half-open) of the ISO week of `as_of`, by the company's days."""
    today = moment(as_of).astimezone(calendar.zone).date()
    monday = today - dt.timedelta(days=today.weekday())
    first, last = (start_of(day, calendar.zone) for day in (monday, monday + dt.timedelta(days=7)))
    return micros(first), micros(last)


def tier_role(tier: pl.Expr, pack: RulePack) -> pl.Expr:
    """The key of the role that owns a tier's customers (D2); null without a tier."""
    roles = {name: key for key, role in pack.alerts.roles.items() for name in role.tiers}
    return tier.replace_strict(roles, default=None, return_dtype=pl.String)


def held_back_by_owner(changes: Changes) -> dict[str, int]:
    """Owner (the role where nobody owns) → how many alerts the limits hold back."""
    owner = pl.coalesce("owner", "owner_role").alias("owner")
    counted = changes.held_back.group_by(owner).len().sort("owner")
    return dict(counted.iter_rows())


@dataclass(frozen=True)
class _Run:
    """One run's inputs and its steps."""

    episodes: pl.DataFrame
    conditions: pl.DataFrame
    as_of: int
    pack: RulePack
    calendar: WorkCalendar
    customers: pl.DataFrame
    contacted: tuple[str, ...]
    unassessed: tuple[str, ...]

    def standing(self, open_: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Open episodes that stay, and those that close."""
        staying = self.conditions.filter(pl.col("stays"))["match"]
        stays = _match(self.pack).is_in(staying.implode()) | ~self._seen()
        return open_.filter(stays), open_.filter(~stays)

    def candidates(self, kept: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What could open (EPISODE columns, rank, value_at_risk, round_the_clock), and what waits without a look."""
        held = _in(self.episodes, "held_back").with_columns(match=_match(self.pack))
        held = held.join(kept.select(match=_match(self.pack)), on="match", how="anti")
        fresh = self._fresh(kept, held)
        known = self.conditions.filter(pl.col("stays")).select("match", "signs", "rank").unique("match", keep="any")
        waiting = held.filter(self._seen()).drop("signs").join(known, on="match", how="inner")
        names = ["key", "customer_id", "rule", "anchor", "opened_as_of", "signs", "rank"]
        return self._with_owner(pl.concat([waiting.select(names), fresh.select(names)])), held.filter(
            ~self._seen()
        ).select(*EPISODE)

    def within_limits(self, candidates: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What opens, and what the limits hold back. Held candidates come again in the same order: a rerun is idle."""
        alerts, week = self.pack.alerts, self._of_this_week()
        used = pl.concat([week["customer_id"], pl.Series(self.contacted, dtype=pl.String)])
        order = candidates.sort(
            ["severity", "rank", "value_at_risk", "key"], descending=[False, True, True, False], nulls_last=True
        )
        free, bound = order.filter(~pl.col("contact")), order.filter("contact")
        in_week = _within(bound, used, alerts.contacts_per_week.value, "customer_id")
        limited = bound.with_columns(group=self._group()).filter(in_week)
        allowed = _within(limited, week.select(group=self._group())["group"], alerts.owner_limit.value, "group")
        opening = limited.filter(allowed | self._unlimited()).drop("group")
        return pl.concat([free, opening]), bound.join(opening.select("key"), on="key", how="anti").with_columns(
            state=pl.lit("held_back")
        )

    def with_deadlines(self, opening: pl.DataFrame) -> pl.DataFrame:
        """The opening episodes with due_at. The calendar is asked once for each moment, rule and kind of service."""
        asked = opening.with_columns(
            opened_as_of=pl.lit(self.as_of), state=pl.lit("open"), starts=self._starts()
        )  # fmt: skip
        each = asked.select("starts", "rule", "round_the_clock").unique()
        dues = [self._due(*row) for row in each.iter_rows()]
        with_due = each.with_columns(due_at=pl.Series(dues, dtype=pl.Int64))
        return asked.drop("due_at").join(with_due, on=["starts", "rule", "round_the_clock"], how="left")

    def higher_and_stricter(self, open_: pl.DataFrame) -> pl.DataFrame:
        """A customer's alerts of RETENTION are one matter: the higher role owns, the stricter deadline ahead counts."""
        alerts = self.pack.alerts
        retention = [key for key, rule in alerts.rules.by_key.items() if rule.kind in RETENTION]
        seniority = {role: place for place, role in enumerate(alerts.seniority)}
        is_one, ahead = pl.col("rule").is_in(retention), pl.col("due_at") >= self.as_of
        place = pl.col("owner_role").replace_strict(seniority, default=len(seniority), return_dtype=pl.Int64)
        highest = pl.when(is_one).then(pl.col("owner_role")).sort_by(pl.when(is_one).then(place), nulls_last=True)
        strictest = pl.when(is_one & ahead).then("due_at").min()
        return open_.with_columns(
            owner_role=pl.when(is_one).then(highest.first().over("customer_id")).otherwise("owner_role"),
            due_at=pl.when(is_one & ahead).then(strictest.over("customer_id")).otherwise("due_at"),
        )

    def _seen(self) -> pl.Expr:
        """Whether this run looked at an episode's customer and rule; a rule switched off counts as looked at."""
        looked = pl.col("customer_id").is_in(self.customers["customer_id"].implode())
        return looked & ~pl.col("rule").is_in(self.unassessed)

    def _fresh(self, kept: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
        """Conditions that hold and have no episode; not again what was opened before."""
        there = pl.concat([kept.select(match=_match(self.pack)), held.select("match")])
        began = pl.coalesce("anchor", pl.lit(self.as_of)).cast(pl.String)
        opened = self.episodes.filter(pl.col("state") != "held_back")
        return (
            self.conditions.filter("enters")
            .join(there, on="match", how="anti")
            .with_columns(
                key=pl.concat_str("customer_id", "rule", began, separator=":"), opened_as_of=pl.lit(self.as_of)
            )
            .join(opened, on="key", how="anti")
            .unique("key", keep="any")
        )

    def _with_owner(self, episodes: pl.DataFrame) -> pl.DataFrame:
        """Owner, role, severity and contact from the pack and the customers."""
        rules = self.pack.alerts.rules.by_key
        place = {key: number for number, key in enumerate(self.pack.alerts.severity, 1)}
        known = self.customers.select(
            "customer_id",
            *(column(self.customers, name, pl.String).alias(name) for name in ("owner", "role")),
            column(self.customers, "value_at_risk").fill_nan(None).alias("value_at_risk"),
            column(self.customers, "round_the_clock", pl.Boolean).fill_null(False).alias("round_the_clock"),
        ).unique("customer_id", keep="first", maintain_order=True)
        own = _by_rule({key: rule.owner for key, rule in rules.items()}, pl.String())
        of_tier = pl.col("rule").is_in([key for key, rule in rules.items() if rule.kind in RETENTION])
        return (
            episodes.join(known, on="customer_id", how="left")
            .with_columns(
                due_at=pl.lit(None, pl.Int64),
                owner_role=self._higher(own, pl.when(of_tier).then("role")),
                owner=pl.when(own.is_in(self.pack.alerts.unlimited)).then(None).otherwise("owner"),
                severity=_by_rule(place, pl.Int64()),
                contact=_by_rule({key: rule.contact for key, rule in rules.items()}, pl.Boolean()),
                state=pl.lit("held_back"),
                closed_as_of=pl.lit(None, pl.Int64),
                round_the_clock=pl.col("round_the_clock").fill_null(False),
            )
            .select(*EPISODE, "rank", "value_at_risk", "round_the_clock")
        )

    def _higher(self, one: pl.Expr, other: pl.Expr) -> pl.Expr:
        """The higher of two roles; `one` where the other is null."""
        place = {role: number for number, role in enumerate(self.pack.alerts.seniority)}
        least = len(place)
        first, second = (role.replace_strict(place, default=least, return_dtype=pl.Int64) for role in (one, other))
        return pl.when(second < first).then(other).otherwise(one)

    def _of_this_week(self) -> pl.DataFrame:
        """Contacts opened in the ISO week of `as_of`, by the company's days."""
        starts, ends = week_of(self.as_of, self.calendar)
        opened = pl.col("opened_as_of").is_between(starts, ends, closed="left")
        return self.episodes.filter(opened, pl.col("contact"), pl.col("state") != "held_back")

    def _group(self) -> pl.Expr:
        """Whose week an alert takes from: the owner's, or the rule's role. The role that was raised would move it."""
        own = _by_rule({key: rule.owner for key, rule in self.pack.alerts.rules.by_key.items()}, pl.String())
        return pl.coalesce(pl.concat_str(pl.lit("person:"), "owner"), pl.concat_str(pl.lit("role:"), own))

    def _unlimited(self) -> pl.Expr:
        return pl.col("group").is_in([f"role:{role}" for role in self.pack.alerts.unlimited])

    def _starts(self) -> pl.Expr:
        """What the deadline counts from: the event or the alert."""
        return pl.when(pl.col("rule").is_in(_per_event(self.pack))).then("anchor").otherwise(pl.lit(self.as_of))

    def _due(self, starts: int, rule: str, round_the_clock: bool) -> int:
        deadline = self.pack.alerts.rules.by_key[rule].deadline
        return micros(due(moment(starts), deadline, self.calendar, round_the_clock=round_the_clock))


def _matched(conditions: pl.DataFrame, pack: RulePack) -> pl.DataFrame:
    """Conditions with `match`: what an episode and a condition have in common."""
    return conditions.with_columns(match=_match(pack))


def _match(pack: RulePack) -> pl.Expr:
    """customer:rule, and the event where each event is an episode of its own."""
    event = pl.when(pl.col("rule").is_in(_per_event(pack))).then(pl.col("anchor").cast(pl.String)).fill_null("")
    return pl.concat_str("customer_id", "rule", event, separator=":")


def _per_event(pack: RulePack) -> list[str]:
    return [key for key, rule in pack.alerts.rules.by_key.items() if rule.per_event]


def _by_rule(values: dict[str, str] | dict[str, int] | dict[str, bool], kind: pl.DataType) -> pl.Expr:
    return pl.col("rule").replace_strict(values, default=None, return_dtype=kind)


def _within(candidates: pl.DataFrame, used: pl.Series, limit: float, group: str) -> pl.Series:
    """Per candidate, in order: whether its group has room for it beside those before it and the `used`."""
    counts = used.value_counts(name="used")
    taken = candidates.select(group).join(
        counts.rename({used.name: group}), on=group, how="left", maintain_order="left"
    )
    place = taken.select(pl.int_range(1, pl.len() + 1).over(group) + pl.col("used").fill_null(0))
    return place.to_series() <= limit


def _last(episodes: pl.DataFrame) -> int:
    """The latest date that left a trace; the distant past without one."""
    found = episodes.select(pl.max_horizontal(pl.col("opened_as_of", "closed_as_of").max())).item()
    return -(2**62) if found is None else int(found)


def _in(episodes: pl.DataFrame, state: str) -> pl.DataFrame:
    return episodes.filter(pl.col("state") == state)


def _sorted(episodes: pl.DataFrame) -> pl.DataFrame:
    return episodes.select(*EPISODE).cast(EPISODE).sort("severity", "key")  # type: ignore[arg-type]


def _none() -> pl.DataFrame:
    return pl.DataFrame(schema=EPISODE)
