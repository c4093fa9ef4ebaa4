"""Policy replay: who moves, who gains and loses an alert, and which fitted values a changed pack keeps."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules import DEFAULT_PACK, RulePack, composite_score, fit_composite, load_pack
from models.rules.replay import Replay, fit_changed, replay

PACK = load_pack()


def tiers(**of: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"customer_id": list(of), "tier": list(of.values())}, schema={"customer_id": pl.String, "tier": pl.String}
    )


def alerts(*pairs: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema={"customer_id": pl.String, "rule": pl.String}, orient="row")


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> RulePack:
    text = DEFAULT_PACK.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "copy.toml").write_text(text, encoding="utf-8")
    return load_pack(tmp_path / "copy.toml")


def test_who_moves_and_who_gains_and_loses_an_alert() -> None:
    found = replay(
        tiers(a="key", b="key", c="watch", d=None, e=None),
        tiers(e=None, d="watch", c="watch", b="strategic", a="strategic"),
        alerts(("a", "no_order"), ("b", "no_order"), ("c", "survey")),
        alerts(("b", "no_order"), ("c", "no_order"), ("c", "no_order"), ("d", "survey")),
    )
    assert found.customers == 5
    assert found.tiers.rows() == [
        ("key", "strategic", 2),
        (None, None, 1),
        (None, "watch", 1),
        ("watch", "watch", 1),
    ]
    assert found.moved.rows() == [("a", "key", "strategic"), ("b", "key", "strategic"), ("d", None, "watch")]
    assert found.gained.rows() == [("c", "no_order"), ("d", "survey")]
    assert found.lost.rows() == [("a", "no_order"), ("c", "survey")]
    assert found.rules.columns == ["rule", "before", "after", "gained", "lost"]
    assert found.rules.rows() == [("no_order", 2, 2, 1, 1), ("survey", 1, 1, 1, 1)]


def test_nobody_and_nothing() -> None:
    found = replay(tiers(), tiers(), alerts(), alerts())
    assert found.customers == 0
    assert [getattr(found, name).height for name in ("tiers", "moved", "rules", "gained", "lost")] == [0] * 5


people = st.sampled_from("abcdefgh")
some_tiers = st.lists(st.sampled_from(["key", "watch", None]), min_size=8, max_size=8).map(
    lambda found: tiers(**dict(zip("abcdefgh", found, strict=True)))
)
some_alerts = st.lists(st.tuples(people, st.sampled_from(["x", "y"])), max_size=12).map(lambda found: alerts(*found))


@settings(deadline=None)
@given(before=some_tiers, after=some_tiers, old=some_alerts, new=some_alerts)
def test_counts_agree_and_the_way_back_is_the_mirror(
    before: pl.DataFrame, after: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame
) -> None:
    there, back = replay(before, after, old, new), replay(after, before, new, old)
    assert there.tiers["customers"].sum() == there.customers == 8
    stay = there.tiers.filter(pl.col("before").eq_missing(pl.col("after")))["customers"].sum()
    assert there.moved.height == 8 - stay == back.moved.height
    assert there.gained.equals(back.lost)
    assert there.lost.equals(back.gained)
    totals = there.rules.select(pl.col("before") + pl.col("gained") - pl.col("lost") == pl.col("after"))
    assert totals.to_series().all()
    assert there.rules["gained"].sum() == there.gained.height


# the fitted values of a changed pack

FRAME = pl.DataFrame(
    {
        "customer_id": list("abcdef"),
        "rfm_amount_sum_180d": [0.0, 100, 200, 300, 400, 90_000],
        "profile_tenure_days": [10.0, 100, 300, 600, 900, 1200],
        "rfm_margin_rate_180d": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    }
)
OLDER = FRAME.with_columns(pl.col("rfm_amount_sum_180d", "rfm_margin_rate_180d") * 0.5)
FITTED = fit_composite(OLDER, PACK)


def tiers_changed(pack: RulePack) -> tuple[Replay, tuple[str, ...]]:
    fitted, fresh = fit_changed(FRAME, pack, PACK, FITTED, None)
    old, new = composite_score(FRAME, FITTED, PACK), composite_score(FRAME, fitted, pack)
    return replay(old, new, alerts(), alerts()), fresh


def test_the_same_pack_changes_nothing() -> None:
    found, fresh = tiers_changed(PACK)
    assert (found.moved.height, fresh) == (0, ())
    assert fit_changed(FRAME, PACK, PACK, FITTED, None)[0] == FITTED


def test_what_is_bounded_otherwise_is_fitted_anew_and_the_rest_kept(tmp_path: Path) -> None:
    pack = changed(tmp_path, ("bounds = { low = 0, high = 1217.5", "bounds = { low = 0, high = 600"))
    fitted, fresh = fit_changed(FRAME, pack, PACK, FITTED, None)
    assert fresh == ("tenure",)
    assert fitted.indicators["tenure"].high == 600
    assert fitted.indicators["margin"] == FITTED.indicators["margin"]
    assert fitted.rules_version == pack.rules_version
    everything = changed(tmp_path, ("upper_percentile = { value = 95", "upper_percentile = { value = 90"))
    assert fit_changed(FRAME, everything, PACK, FITTED, None)[1] == ("spend", "tenure", "margin")


def test_weights_and_tiers_alone_need_no_fit(tmp_path: Path) -> None:
    pack = changed(tmp_path, ("score = { low = 90,", "score = { low = 80,"), ("high = 90,", "high = 80,"))
    found, fresh = tiers_changed(pack)
    assert fresh == ()
    scores = composite_score(FRAME, FITTED, PACK)
    between = scores.filter(pl.col("tier").is_not_null() & pl.col("composite_score").is_between(80, 90, closed="left"))
    assert found.moved["customer_id"].to_list() == between["customer_id"].to_list()


@pytest.mark.parametrize("column", ["profile_esg_willingness", None])
def test_an_added_indicator_is_fitted_where_it_has_data(tmp_path: Path, column: str | None) -> None:
    esg = DEFAULT_PACK.read_text(encoding="utf-8").partition("[composite.indicators.esg]")[2].splitlines()[0]
    pack = changed(
        tmp_path, (f"[composite.indicators.esg]{esg}\nenabled = false", "[composite.indicators.esg]\nenabled = true")
    )
    frame = FRAME.with_columns(pl.lit(0.5).alias(column)) if column else FRAME
    fitted, fresh = fit_changed(frame, pack, PACK, FITTED, None)
    assert fresh == (("esg",) if column else ())
    assert ("esg" in fitted.absent) is (column is None)
    composite_score(frame, fitted, pack)
