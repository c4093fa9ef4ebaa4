"""The documented rules at work: what they learn where no bundle holds it, and what is remembered of a scoring."""

import os

import polars as pl

from features.build import Fitted
from features.clock import moment
from features.engines import Source
from features.facts import contacted
from features.settings import Settings
from models.bundle import Bundle
from models.rules import RulePack
from models.rules.apply import FittedRules, Ruled, Rules
from models.rules.deadlines import WorkCalendar
from models.rules.episodes import Changes, advance, tier_role, week_of
from models.rules.standing import in_delivery
from serving.in_force import bundled_rules, pack_of
from serving.store import Store
from training.rules import fit_rules

STATUS = "customer_status"
"""The review of D3 that each scoring does: it brings every customer's status up to date."""


def rules_of(
    bundle: Bundle | None, source: Source, wide: pl.DataFrame, as_of: int, settings: Settings, fitted: Fitted
) -> Rules:
    """The pack in force and what it learnt: with the promoted bundle, or, without one, kept under REMORA_HOME."""
    if bundle is not None:
        return bundled_rules(bundle, settings)
    pack = pack_of(bundle, settings)
    kept = settings.home / "rules" / f"{pack.rules_version}.json"
    if not kept.exists():
        learnt = fit_rules(source.tables, wide, as_of, pack, settings, fitted)
        if wide.is_empty():  # kept, what nobody taught would leave every later customer without a score
            return Rules(pack, learnt)
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_name(f".{kept.name}.{os.getpid()}")  # half a file would stop every later scoring
        beside.write_text(learnt.model_dump_json(indent=2), encoding="utf-8")
        beside.replace(kept)
    return Rules(pack, FittedRules.model_validate_json(kept.read_text(encoding="utf-8")))


def remember(
    store: Store, source: Source, ruled: Ruled, rows: pl.DataFrame, rules: Rules, as_of: int, calendar: WorkCalendar
) -> Changes:
    """Open and close episodes, and note changes of segment; a rerun of the same date adds nothing.

    `rows` are those of the output contract.
    """
    monday = week_of(as_of, calendar)[0]
    spoken_to = contacted(source.tables, as_of, monday)
    pack, people = rules.pack, _people(ruled.rows, rows, rules.pack, as_of)
    store.log.note_segments(ruled.rows, as_of, pack)
    store.log.review_done(STATUS, moment(as_of).astimezone(calendar.zone).date())

    def step(episodes: pl.DataFrame, last: int | None) -> Changes:
        return advance(
            episodes,
            ruled.conditions,
            as_of,
            pack,
            calendar,
            people,
            last_as_of=last,
            contacted=spoken_to,
            unassessed=ruled.unassessed,
        )

    return store.log.advance(as_of, pack.rules_version, step)


def with_due(rows: pl.DataFrame, store: Store, as_of: int, pack: RulePack) -> pl.DataFrame:
    """`rows` with the deadline of each playbook: that of the alert behind it, where one is open (§2: it is stricter).

    Another playbook keeps the deadline it was given before while that lies ahead, or a daily scoring would push it on.
    """
    asked = {key: list(row.when.alert) for key, row in pack.playbooks.rows.items() if row.when.alert}
    behind = pl.DataFrame(
        [(key, rule) for key, rules in asked.items() for rule in rules], {"playbook_key": pl.String, "rule": pl.String},
        orient="row",
    )  # fmt: skip
    due = (
        store.log.episodes().join(behind, on="rule").group_by("customer_id", "playbook_key").agg(pl.col("due_at").min())
    )
    given = store.deadlines(as_of).filter(pl.col("given_at") >= as_of)
    keys = ["customer_id", "playbook_key"]
    both = rows.join(due, on=keys, how="left", maintain_order="left").join(
        given, on=keys, how="left", maintain_order="left"
    )
    chosen = pl.from_epoch(pl.coalesce("due_at", "given_at"), "us").dt.replace_time_zone("UTC")
    return both.with_columns(playbook_due=pl.coalesce(chosen, "playbook_due")).select(rows.columns)


def _people(ruled: pl.DataFrame, rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """Everyone looked at, with owner, value at risk, the role that owns the tier, and whether served 7×24 (D1)."""
    owner = pl.col("account_owner") if "account_owner" in ruled.columns else pl.lit(None, pl.String)
    clock = in_delivery(ruled, pack, as_of)
    people = ruled.select("customer_id", owner=owner, role=tier_role(pl.col("tier"), pack), round_the_clock=clock)
    return people.join(rows.select("customer_id", "value_at_risk"), on="customer_id", how="left")
