"""What `quality.py` found, as Markdown: churn, its calibration, value, and what could be known at best."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.benchmarks.quality import Outcome
from training.bootstrap import Interval
from training.churn_choice import Recipe
from training.reports import BASE_RATE, BG_NBD, GAMMA_GAMMA, LAST_YEAR, LOGISTIC, RECENCY, RUN_RATE

UNKNOWN = "—"
SIMPLE = {"linear": LOGISTIC, "bg_nbd": BG_NBD}
VALUE_KINDS = {
    "mean": "trees, BG/NBD and log-linear regression, a third each",
    "bg_nbd": GAMMA_GAMMA,
    "run_rate": RUN_RATE,
    "blend of rhythm_value": "trees and BG/NBD, half each",
    "blend of subscription_amount": "trees and run rate, half each",
}
"""Kind of a value model → its words; the others are trees of that objective."""

CHURN_HEADINGS = (
    "churn: data set, as of", "churners / rows", "served", "ROC AUC (90 %)", "recency rule; served − it",
    "best other baseline; served − it", "verdict",
)  # fmt: skip
CALIBRATION_HEADINGS = (
    "calibration", "error (90 %)", "predicted / actual (90 %)", "churn rate: training → test",
    "Brier score; served − base rate", "verdict",
)  # fmt: skip
VALUE_HEADINGS = (
    "value: data set", "rows", "served", "Gini (90 %)", "run rate; served − it",
    "last year; served − it", "BG/NBD with Gamma-Gamma; served − it", "verdict", "in the 80 % range; aim ²",
)  # fmt: skip
TRUTH_HEADINGS = (
    "true risks: data set", "rows", "ROC AUC of the true risk (90 %)", "share of the attainable (90 %)",
    "mean distance to the true risk; of the base rate", "mean risk: predicted, true",
)  # fmt: skip

Cells = tuple[str, ...]


def sections(outcomes: Sequence[Outcome]) -> Iterator[list[str]]:
    """The tables in Markdown, each as lines."""
    for headings, cells in TABLES.items():
        rows = [_row(found) for outcome in outcomes if (found := cells(outcome))]
        if rows:
            yield [_row(headings), "|" + "---|" * len(headings), *rows]


def lines(outcome: Outcome) -> list[str]:
    """Every line that the tables hold of one case."""
    return [_row(found) for cells in TABLES.values() if (found := cells(outcome))]


def title_lines() -> list[str]:
    """The heading of each table."""
    return [_row(headings) for headings in TABLES]


def churn_cells(outcome: Outcome) -> Cells:
    """One row: how well those who leave are told from those who stay."""
    report = outcome.churn
    if report is None:
        return (_dated(outcome), outcome.refused, *(UNKNOWN,) * (len(CHURN_HEADINGS) - 2))
    aucs = {name: score.roc_auc for name, score in report.baselines.items() if name != BASE_RATE}
    gaps = {name: score.difference for name, score in report.baselines.items() if name != BASE_RATE}
    best = max(sorted(aucs.keys() - {RECENCY}), key=lambda name: aucs[name].estimate or 0.0)
    against = "it is what is served" if best == served(outcome) else _against(aucs, gaps, best)
    return (
        _dated(outcome), f"{report.churners:,} / {report.rows:,}", served(outcome), shown(report.model.roc_auc),
        _against(aucs, gaps, RECENCY), f"{best}: {against}", verdict(gaps),
    )  # fmt: skip


def calibration_cells(outcome: Outcome) -> Cells:
    """One row: whether probabilities are right on average, beside the shift of the churn rate; () if refused."""
    report = outcome.churn
    if report is None:
        return ()
    held, base = report.model.intervals, report.baselines[BASE_RATE].differences["brier_score"]
    before = sum(each.base_rate for each in outcome.served) / len(outcome.served)
    return (
        outcome.case.name, shown(held["calibration_error"]), shown(held["total_ratio"], digits=2),
        f"{before:.3f} → {report.churners / report.rows:.3f}",
        f"{held['brier_score'].estimate:.4f}; {shown(base, '+', 4)}", verdict({BASE_RATE: base}, lower_is_better=True),
    )  # fmt: skip


def value_cells(outcome: Outcome) -> Cells:
    """One row: how well customers are ordered by what they bring, and whether the range holds; () without value."""
    report = outcome.value
    if report is None:
        return ()
    ginis = {name: score.normalised_gini for name, score in report.baselines.items()}
    gaps = {name: score.difference for name, score in report.baselines.items()}
    kinds = Counter(VALUE_KINDS.get(each.value or "", f"{each.value} trees") for each in outcome.served)
    return (
        outcome.case.name, f"{report.rows:,}", _counted(kinds), shown(report.model.normalised_gini),
        *(_against(ginis, gaps, name) for name in (RUN_RATE, LAST_YEAR, GAMMA_GAMMA)), verdict(gaps),
        f"{shown(report.covered, digits=2)}; {report.coverage_aim:.2f}",
    )  # fmt: skip


def truth_cells(outcome: Outcome) -> Cells:
    """One row: how much of what could be known is; () where nobody knows the true risks."""
    found = outcome.attained
    if found is None:
        return ()
    return (
        outcome.case.name, f"{found.rows:,}", shown(found.true_auc), shown(found.share, digits=2),
        f"{found.distance:.3f}; {found.base_distance:.3f}", f"{found.mean_p:.3f}, {found.mean_risk:.3f}",
    )  # fmt: skip


def verdict(gaps: Mapping[str, Interval | None], *, lower_is_better: bool = False) -> str:
    """What the intervals of served − baseline say of all of them together."""
    known = {name: _better(gap, lower_is_better) for name, gap in gaps.items() if gap}
    worse = [name for name, (_, most) in known.items() if most < 0]
    if worse:
        return f"**worse** than {' and '.join(worse)}"
    return "better" if all(least > 0 for least, _ in known.values()) else "not worse"


def served(outcome: Outcome) -> str:
    """What is served, by date where dates differ."""
    return _counted(Counter(_recipe(each.recipe) for each in outcome.served))


def shown(interval: Interval | None, sign: str = "", digits: int = 3) -> str:
    """0.774 (0.762 – 0.786)."""
    if interval is None or interval.estimate is None:
        return UNKNOWN
    estimate, low, high = (
        "unknown" if bound is None else f"{bound:{sign}.{digits}f}".replace("-", "−")
        for bound in (interval.estimate, interval.low, interval.high)
    )
    return f"{estimate} ({low} – {high})"


def _better(gap: Interval, lower_is_better: bool) -> tuple[float, float]:
    """The least and the most by which what is served is better; unknown bounds say nothing."""
    if gap.low is None or gap.high is None:
        return float("-inf"), float("inf")
    return (-gap.high, -gap.low) if lower_is_better else (gap.low, gap.high)


def _against(scores: Mapping[str, Interval], gaps: Mapping[str, Interval | None], name: str) -> str:
    """`0.721; +0.060 (+0.050 – +0.071)`; a dash without the baseline."""
    return f"{scores[name].estimate:.3f}; {shown(gaps[name], '+')}" if name in scores else UNKNOWN


def _recipe(recipe: Recipe) -> str:
    simple = SIMPLE[recipe.simple] if recipe.simple else ""
    if recipe.kind == "blend":
        return f"trees {100 * recipe.trees_weight:.0f} %, {simple} {100 - 100 * recipe.trees_weight:.0f} %"
    return simple or "trees"


def _counted(kinds: Counter[str]) -> str:
    """`trees`, or `trees (3 of 4), blend (1 of 4)` where they differ."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "; ".join(f"{kind} ({count} of {kinds.total()})" for kind, count in kinds.most_common())


def _dated(outcome: Outcome) -> str:
    case = outcome.case
    more = f" and {len(case.earlier)} dates before" if case.earlier else ""
    return f"{case.name}, {case.as_of}{more}" + (" ¹" if case.cross_validated else "")


def _row(cells: Cells) -> str:
    return "| " + " | ".join(cells) + " |"


TABLES: Mapping[Cells, Callable[[Outcome], Cells]] = {
    CHURN_HEADINGS: churn_cells,
    CALIBRATION_HEADINGS: calibration_cells,
    VALUE_HEADINGS: value_cells,
    TRUTH_HEADINGS: truth_cells,
}
"""Headings → the cells of one case; no cells where the table has nothing to say of it."""
