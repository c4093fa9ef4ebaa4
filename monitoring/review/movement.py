"""Tier movement (D2): from which tier to which, between the scores at the start and at the end of a month."""

from math import inf

import polars as pl

from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import Share, day, joined, percent, said, share_of
from monitoring.review.history import snapshot
from training.evaluate import Report


class Move(Report):
    """Customers who went from one tier to another (or stayed); None is "not enough known"."""

    before: str | None
    after: str | None
    customers: int


class Movement(Report):
    """`up`, `down` and `same` are shares of the customers with a tier on both dates.

    `tiers` are the pack's, highest first: rows and columns of the matrix that `moves` fills. `arrived` and `gone` were
    scored on one date only.
    """

    text: Label
    before: str | None = None
    after: str | None = None
    tiers: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    up: Share | None = None
    down: Share | None = None
    same: Share | None = None
    arrived: int = 0
    gone: int = 0
    pack_changed: bool = False


def movement(history: pl.DataFrame, start: int, end: int, pack: RulePack) -> Movement:
    """Compare the scores last made up to `start` with those last made up to `end` (microseconds).

    `history`: customer_id, as_of, tier, and rules_version where known.
    """
    rule = pack.review.movement
    first, last = snapshot(history, start), snapshot(history, end)
    if first.is_empty() or last.is_empty() or first["as_of"][0] == last["as_of"][0]:
        return Movement(text=said(rule.too_little))
    both = first.join(last, on="customer_id", suffix="_after")
    changed = "rules_version" in first.columns and _versions(first) != _versions(last)
    moved = _shares(both, pack)
    before, after = day(first["as_of"][0]), day(last["as_of"][0])
    text = _text(before, after, moved, pack)
    return Movement(
        text=joined([text, rule.pack_changed]) if changed else text,
        before=before,
        after=after,
        tiers=tuple(order(pack)),
        moves=_moves(both),
        arrived=last.height - both.height,
        gone=first.height - both.height,
        pack_changed=changed,
        **moved,
    )


def order(pack: RulePack) -> list[str]:
    """Keys of the pack's tiers, highest first."""

    def low(name: str) -> float:
        found = pack.composite.tiers[name].score.low
        return -inf if found is None else found

    return sorted(pack.composite.tiers, key=low, reverse=True)


def _moves(both: pl.DataFrame) -> tuple[Move, ...]:
    counts = both.group_by(before="tier", after="tier_after").agg(customers=pl.len()).sort("before", "after")
    return tuple(Move(before=before, after=after, customers=count) for before, after, count in counts.iter_rows())


def _shares(both: pl.DataFrame, pack: RulePack) -> dict[str, Share]:
    rank = {name: position for position, name in enumerate(order(pack))}

    def position(column: str) -> pl.Expr:
        return pl.col(column).replace_strict(rank, default=None, return_dtype=pl.Int64)

    change = both.select(down=position("tier_after") - position("tier"))["down"].drop_nulls()
    counts = {"up": (change < 0).sum(), "down": (change > 0).sum(), "same": (change == 0).sum()}
    return {name: share_of(int(hits), len(change), pack.review.level.value) for name, hits in counts.items()}


def _versions(rows: pl.DataFrame) -> set[str]:
    return set(rows["rules_version"].unique().to_list())


def _text(before: str, after: str, moved: dict[str, Share], pack: RulePack) -> Label:
    up, down = moved["up"], moved["down"]
    return said(
        pack.review.movement.moved,
        before=before, after=after, of=up.of, up=up.hits, down=down.hits,
        up_share=percent(up.share), down_share=percent(down.share),
    )  # fmt: skip
