"""Curves of several models in one panel. Needs matplotlib (the `plots` extra)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_resnet.reporting.style import COLORS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Sequence[float] | np.ndarray]
FEW = 30  # points of a curve, each of which has a marker
MARKERS = "os^Dv"


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
        axes.plot(
            range(1, len(values) + 1) if x is None else x[name],
            values,
            linestyle=LINES[place % len(LINES)],
            color=COLORS[place % len(COLORS)],
            marker=MARKERS[place % len(MARKERS)] if len(values) <= FEW else None,
            markersize=4,
            label=name,
        )


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
