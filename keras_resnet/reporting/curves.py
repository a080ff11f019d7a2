"""Curves of several models, and their axes. Needs matplotlib (the `plots` extra)."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_resnet.reporting.style import COLORS, LINES
from keras_resnet.reporting.ticks import log_ticks, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Sequence[float] | np.ndarray]
FEW = 30  # points of a curve, each of which has a marker
MOST_TICKS = 10  # of a logarithmic axis
MARKERS = ("o", "s", "^", "D", "v")  # besides colors and kinds of lines


def look(number: int) -> dict[str, Any]:
    """Color, kind of line, and marker of the curve of this number, as arguments of matplotlib's `plot`.

    Example:
        >>> from keras_resnet.reporting.curves import look
        >>> look(0)["marker"]
        'o'
    """
    kinds: dict[str, Sequence[str]] = {"color": COLORS, "linestyle": LINES, "marker": MARKERS}
    return {name: values[number % len(values)] for name, values in kinds.items()} | {"markersize": 4}


def draw_curves(axes: "Axes", curves: Curves, x: Curves | None = None) -> None:
    """Draws a curve for each model, each in its color and line style, which depend on its place among the models.

    Args:
        axes: where to draw.
        curves: values by name.
        x: where they are; default: 1, 2, ...

    Example:
        >>> from keras_resnet.reporting.curves import draw_curves
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("curves.png") as drawn:
        ...     draw_curves(drawn.subplots(), {"plain": [1, 2, 3], "residual": [1, 1, 1]})
    """
    for place, (name, values) in enumerate(curves.items()):
        markers = {} if len(values) <= FEW else {"marker": None}
        axes.plot(range(1, len(values) + 1) if x is None else x[name], values, label=name, **look(place) | markers)


def add_legend(drawn: "Figure", axes: "Axes") -> None:
    """Explains the curves of one panel, which those of the others share, below all panels.

    Example:
        >>> from keras_resnet.reporting.curves import add_legend, draw_curves
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("legend.png") as drawn:
        ...     axes = drawn.subplots()
        ...     draw_curves(axes, {"plain": [1, 2, 3]})
        ...     add_legend(drawn, axes)
    """
    handles, names = axes.get_legend_handles_labels()
    longest = max(map(len, names))
    columns = max(1, min(len(names), 90 // (longest + 8)))  # 90 characters fit into the width
    drawn.legend(handles, names, loc="outside lower center", ncols=columns, handlelength=3)


def whole_numbers(axes: "Axes", most: int = 10) -> None:
    """Labels whole numbers alone on the x-axis, in at most as many intervals.

    Example:
        >>> from keras_resnet.reporting.curves import whole_numbers
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("loss.png") as drawn:
        ...     axes = drawn.subplots()
        ...     _ = axes.plot([1, 2], [0.4, 0.02])
        ...     whole_numbers(axes)
    """
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))


def make_logarithmic(axes: "Axes") -> None:
    """Gives axes with curves a logarithmic y scale, with at least three labels, written as 0.05.

    Axes without a value that it could show keep a linear one.

    Example:
        >>> from keras_resnet.reporting.curves import make_logarithmic
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("loss.png") as drawn:
        ...     axes = drawn.subplots()
        ...     _ = axes.plot([1, 2], [0.4, 0.02])
        ...     make_logarithmic(axes)
    """
    values = [value for line in axes.lines for value in np.atleast_1d(line.get_ydata()) if 0 < value < math.inf]
    if values:
        axes.set_yscale("log")
        ticks = log_ticks(min(values), max(values))
        labeled = thinned(ticks, MOST_TICKS)
        axes.set_yticks(labeled, [f"{tick:g}" for tick in labeled])
        axes.set_yticks([], minor=True)
        axes.set_ylim(ticks[0], ticks[-1])
