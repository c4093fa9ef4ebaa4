"""How fast reasons are: churn for N customers, worth for the tenth with the most of it; a line each, in Markdown.

The models are trained on a simulated company with every family of features; its customers are repeated, each time a
little otherwise, to N. `--rows` N, default 100 000; `--small` is a hundredth, for a look.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.build import Fitted, build
from features.clock import micros, now, start_of
from features.demo import END, simulate
from features.engines import open_source
from features.settings import load_settings
from models.bundle import Bundle
from models.explain import churn_contributions, reason_series, value_contributions
from training.pipeline import train

CUSTOMERS, MONTHS = 800, 24
SEED = 7

Float32 = NDArray[np.float32]


def trained(folder: Path) -> tuple[Bundle, Float32]:
    """A bundle, and the matrix of the simulated company's customers."""
    data = folder / "data"
    simulate(data, customers=CUSTOMERS, months=MONTHS)
    settings = load_settings(data / "remora.toml", home=folder / "home", gate={"min_churners": 5})
    source, date = open_source(data, settings), start_of(END, settings.company.zone)
    bundle = train(source, micros(date), settings, now(), folder / "candidate").bundle
    wide = build(source.until(micros(date)).tables, micros(date), Fitted.kept(bundle.manifest.fitted))
    return bundle, bundle.matrix(wide)


def repeated(matrix: Float32, rows: int) -> Float32:
    """(rows, f): drawn from `matrix`, every number above 20 up to 5 % off, so that few sentences are the same."""
    rng = np.random.default_rng(SEED)
    drawn = matrix[rng.integers(0, len(matrix), rows)]
    off = rng.uniform(0.95, 1.05, drawn.shape).astype(np.float32)
    return np.where(np.abs(drawn) > 20, drawn * off, drawn)


def timed(work: Callable[[], object]) -> np.ndarray:
    """Seconds of wall time, and of CPU: on a busy machine only the latter can be compared."""
    started, spent = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - started, time.process_time() - spent])


def report(rows: int) -> Iterator[str]:
    """The table."""
    with tempfile.TemporaryDirectory() as place:
        bundle, known = trained(Path(place))
        matrix = repeated(known, rows)
        yield f"| {matrix.shape[1]} features | rows | seconds | of CPU | rows a second | a million rows, minutes |"
        yield "|---|---|---|---|---|---|"
        yield line("churn: contributions", rows, timed(lambda: in_batches(churn_contributions, bundle, matrix)))
        churn = timed(lambda: reason_series(bundle, matrix))
        yield line("churn: contributions and words", rows, churn)
        worth = bundle.predict(matrix).expected_value
        assert worth is not None
        best = matrix[np.argsort(-worth)[: max(rows // 10, 1)]]
        yield line("worth, top tenth: contributions", len(best),
                   timed(lambda: in_batches(value_contributions, bundle, best)))  # fmt: skip
        value = timed(lambda: reason_series(bundle, best, of="worth"))
        yield line("worth, top tenth: contributions and words", len(best), value)
        yield line("churn for all and worth for the top tenth", rows, churn + value)


def in_batches(explained: Callable[[Bundle, Float32], object], bundle: Bundle, matrix: Float32) -> None:
    """As `reason_series` does, without the words."""
    for start in range(0, len(matrix), 10_000):
        explained(bundle, matrix[start : start + 10_000])


def line(what: str, rows: int, seconds: np.ndarray) -> str:
    """One row of the table."""
    wall, cpu = seconds
    return f"| {what} | {rows:,} | {wall:.1f} | {cpu:.1f} | {rows / wall:,.0f} | {wall / rows * 1e6 / 60:.1f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--small", action="store_true", help="a hundredth of the rows")
    asked = parser.parse_args()
    for row in report(asked.rows // 100 if asked.small else asked.rows):
        print(row, flush=True)
