"""Curves as SVG inside a page, in the page's colors. They need neither matplotlib nor scripts."""

import html
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras_resnet.reporting.style import COLORS, LINES
from keras_resnet.reporting.ticks import linear_ticks, log_ticks, thinned

WIDTH, HEIGHT = 360, 240  # of a chart, in its own units: about pixels on a phone
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 40  # margins
DOTS = 40  # points up to which each is a dot
MOST_TICKS = 6


class Curve(NamedTuple):
    """A curve of a chart.

    Attributes:
        label: for the legend.
        x: values, ascending.
        y: values; those that are not finite are left out.
        color: number of its color in `COLORS`; further ones begin anew.
        line: number of its dashes in `LINES`; further ones begin anew.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: int = 0
    line: int = 0


class Axis(NamedTuple):
    """The vertical axis of a chart.

    Attributes:
        title: what it shows, with its unit.
        log: whether it is logarithmic; values that are not above 0 are left out.
    """

    title: str
    log: bool = False


def line_chart(title: str, x_title: str, axis: Axis, curves: Sequence[Curve]) -> str:
    """A chart as an HTML `<figure>`: title, SVG, and a legend if there are several curves.

    A linear axis begins at 0.

    Args:
        title: what the chart shows.
        x_title: of the horizontal axis, with its unit.
        axis: the vertical axis.
        curves: to draw.

    Example:
        >>> from keras_resnet.reporting.charts import Axis, Curve, line_chart
        >>> line_chart("Loss", "epoch", Axis("loss", log=True), [Curve("training", [1, 2], [2.3, 1.1])])[:8]
        '<figure>'
    """
    points = [_shown(curve, axis) for curve in curves]
    every = [point for curve in points for point in curve]
    caption = f"<figcaption>{html.escape(title)}</figcaption>"
    if not every:
        return f"<figure>{caption}<p>No values yet.</p></figure>"
    x_ticks = linear_ticks(0, max(x for x, _ in every))
    y_ticks = _vertical_ticks([y for _, y in every], axis)
    horizontal = _scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
    vertical = _scale(_place(y_ticks[0], axis), _place(y_ticks[-1], axis), HEIGHT - BOTTOM, TOP)
    placed = [[(horizontal(x), vertical(_place(y, axis))) for x, y in curve] for curve in points]
    parts = [
        *(_vertical_tick(vertical(_place(tick, axis)), tick) for tick in thinned(y_ticks, MOST_TICKS)),
        *(_horizontal_tick(horizontal(tick), tick) for tick in thinned(_whole(x_ticks), MOST_TICKS)),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_title, "middle"),
        _upward_text(12, (TOP + HEIGHT - BOTTOM) / 2, axis.title),
        *(_line(curve, places) for curve, places in zip(curves, placed, strict=True)),
    ]
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
    legend = f'<ul class="legend">{"".join(map(_legend_entry, curves))}</ul>' if len(curves) > 1 else ""
    return f"<figure>{caption}{drawn}{legend}</figure>"


def _shown(curve: Curve, axis: Axis) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y) and (y > 0 or not axis.log)]


def _whole(ticks: list[float]) -> list[float]:
    """The whole numbers among the ticks, such as epochs, if there are several."""
    whole: list[float] = [tick for tick in ticks if isinstance(tick, int)]
    return whole if len(whole) > 1 else ticks


def _vertical_ticks(values: list[float], axis: Axis) -> list[float]:
    if axis.log:
        return log_ticks(min(values), max(values))
    return linear_ticks(min(0, *values), max(0, *values))


def _place(value: float, axis: Axis) -> float:
    return math.log10(value) if axis.log else value


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A function that maps low to start and high to end."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _vertical_tick(y: float, tick: float) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 6, y + 4, _number(tick), "end")


def _horizontal_tick(x: float, tick: float) -> str:
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    return line + _text(x, HEIGHT - BOTTOM + 16, _number(tick), "middle")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and abs(value) < 1_000_000 else f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _upward_text(x: float, y: float, text: str) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f}) rotate(-90)">{_text(0, 0, text, "middle")}</g>'


def _line(curve: Curve, places: list[tuple[float, float]]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    line = f'<polyline class="{line_class(curve)}" points="{points}"/>'
    dots = [f'<circle class="{line_class(curve)}" cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>' for x, y in places]
    return line + "".join(dots if len(dots) <= DOTS else [])


def _legend_entry(curve: Curve) -> str:
    key = f'<svg class="key" viewBox="0 0 28 8"><line class="{line_class(curve)}" x1="0" x2="28" y1="4" y2="4"/></svg>'
    return f"<li>{key}{html.escape(curve.label)}</li>"


def line_class(curve: Curve) -> str:
    """The classes of a curve in the page's style sheet, such as "c0 l1"."""
    return f"c{curve.color % len(COLORS)} l{curve.line % len(LINES)}"
