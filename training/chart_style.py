"""One look for all plots: colours, labels beside the marks, titles that say the finding, PNG without a browser.

Altair and vl-convert take a second to import, so they are imported by the functions that draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import altair as alt

    Panel = alt.LayerChart | alt.FacetChart
    Chart = Panel | alt.VConcatChart
    Align = Literal["left", "center", "right"]

INK, QUIET, MODEL = "#1f2933", "#9aa5b1", "#0b6e99"
OTHERS = ("#c2410c", "#7c5cbf", "#5a7d2a", "#a3703a", "#b3407a", "#52606d")
WIDTH, HEIGHT, SCALE = 560, 400, 2
_AXIS: dict[str, Any] = {
    **{"gridColor": "#e9edf1", "domainColor": QUIET, "tickColor": QUIET, "labelColor": INK, "titleColor": INK},
    **{"titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 10, "labelFontSize": 12},
}
Rows = Sequence[Mapping[str, object]]


def color_of(line: int) -> str:
    """The colour of a score: the model is the first."""
    return (MODEL, *OTHERS)[line % (1 + len(OTHERS))]


def label(
    point: Mapping[str, object], x: alt.X, y: alt.Y, text: str, color: str, align: Align, dx: int, dy: int
) -> alt.Chart:
    """The name of a mark written beside it, which spares a legend."""
    import altair as alt

    mark = alt.Chart(data([point])).mark_text(
        text=text, color=color, align=align, dx=dx, dy=dy, fontSize=13, fontWeight="bold", baseline="middle"
    )
    named: alt.Chart = mark.encode(x, y)
    return named


def data(rows: Rows) -> alt.InlineData:
    """Rows inside the chart: nothing is fetched."""
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in rows])


def finish(layers: Panel, title: str, subtitle: list[str], height: int = HEIGHT) -> Chart:
    """A chart of one panel with its title and quiet axes."""
    return styled(layers.properties(width=WIDTH, height=height), title, subtitle)


def styled(chart: Chart, title: str, subtitle: list[str]) -> Chart:
    """A title that says the finding, where it was measured below it."""
    import altair as alt

    heading = alt.Title(title, subtitle=subtitle, anchor="start", fontSize=17, subtitleColor="#52606d", offset=14)
    finished: Chart = (
        chart.properties(title=heading, background="white", padding=18)
        .configure_view(stroke=None)
        .configure_axis(**_AXIS)
        .configure_title(subtitleFontSize=12, subtitlePadding=6, color=INK)
    )
    return finished


def save(chart: Chart, file: Path) -> Path:
    """Rendered in this process by vl-convert: no browser, no network."""
    import vl_convert

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(vl_convert.vegalite_to_png(chart.to_json(), scale=SCALE))
    return file
