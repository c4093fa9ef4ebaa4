"""What customers said in words, as the reasons that a list of words finds in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import narwhals as nw
import polars as pl

from features.point_in_time import Frame, Tables


class Voice(NamedTuple):
    """A column of customers' words; with `beside`, only of rows that have that column too, with `below`, not of
    rows whose score reaches it: what a contented customer writes is no complaint.
    """  # fmt: skip

    table: str
    column: str
    beside: str | None = None
    below: tuple[str, float] | None = None


VOICES = (
    Voice("cancellations", "reason"),
    Voice("cancellations", "feedback"),
    Voice("nps_responses", "comment", below=("score", 7.0)),  # 0 to 6 detract (D5)
    Voice("satisfaction_surveys", "suggestion"),
    Voice("satisfaction_surveys", "topic", beside="suggestion"),  # alone it is our question, not their answer
    Voice("interactions", "outcome"),
)


def feedback(known: Tables, patterns: Mapping[str, Sequence[str]]) -> pl.DataFrame | None:
    """customer_id, feedback, feedback_last_at of the customers who gave a reason; None where no table has words.

    `patterns` maps a reason's key to the words that name it, anywhere in the text and in any case.
    """
    texts = [_texts(known[voice.table], voice) for voice in VOICES if _there(known, voice)]
    if not texts:
        return None
    said = pl.concat(texts).with_columns(pl.col("text").str.to_lowercase())
    reasons = [pl.when(_names(words)).then(pl.lit(key)) for key, words in patterns.items() if any(words)]
    found = pl.concat_list(reasons).list.drop_nulls() if reasons else pl.lit([], pl.List(pl.String))
    heard = said.select("customer_id", "t", feedback=found).filter(pl.col("feedback").list.len() > 0)
    return (
        heard.explode("feedback")
        .group_by("customer_id")
        .agg(pl.col("feedback").unique().sort(), feedback_last_at=pl.col("t").max())
    )


def _there(known: Tables, voice: Voice) -> bool:
    if voice.table not in known:
        return False
    return {voice.column, voice.beside or voice.column} <= set(known[voice.table].collect_schema().names())


def _texts(rows: Frame, voice: Voice) -> pl.DataFrame:
    """customer_id, text, t (when the customer last said so): each text of a customer once."""
    said = ~nw.col(voice.column).is_null() & ~nw.col(voice.beside or voice.column).is_null()
    if voice.below and voice.below[0] in rows.collect_schema().names():
        score, bound = voice.below
        said &= nw.col(score).is_null() | (nw.col(score) < bound)
    spoken = rows.filter(said).select("customer_id", text=nw.col(voice.column), t=nw.col("occurred_at"))
    texts: pl.DataFrame = spoken.group_by("customer_id", "text").agg(nw.col("t").max()).collect("polars").to_native()
    return texts.select("customer_id", "text", "t")


def _names(words: Sequence[str]) -> pl.Expr:
    """Whether `text`, in lower case, holds one of `words`."""
    lowered = pl.Series([word for word in words if word], dtype=pl.String).str.to_lowercase()
    return pl.col("text").str.contains_any(lowered.to_list())
