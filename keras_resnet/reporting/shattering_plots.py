"""Pictures of shattered gradients. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_resnet.reporting.curves import Curves, add_legend, draw_curves, make_logarithmic, whole_numbers
from keras_resnet.reporting.style import COLORS, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IN_A_ROW = 3  # panels of lines


def plot_shattering(
    lines: Curves, noises: Curves, correlations: Curves, cosines: Curves, changes: Curves, path: str | os.PathLike
) -> None:
    """Draws gradients along a line of images beside noises, their correlation, and the effect of rounding the weights.

    Args:
        lines: by the name of a model, the derivative of the loss at equidistant points from one image to another.
        noises: by name, as many values of noises, to compare with.
        correlations: by the name of a model or a noise, the mean correlation of two points, by the number of steps
            between them.
        cosines: by the name of a model, the cosine of the gradients at each kernel before and after rounding.
        changes: the relative change of each block's output.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.shattering_plots import plot_shattering
        >>> line = {"net": [1.0, -1.0, 0.5]}
        >>> plot_shattering(line, {"white noise": [0.1, -0.3, 0.9]}, line, line, line, "shattering.png")
    """
    shown = {**lines, **noises}
    rows = -(-len(shown) // IN_A_ROW)
    with figure(path, (8.0, 1.8 * rows + 6.0)) as drawn:
        grid = drawn.add_gridspec(rows + 2, 6, height_ratios=[*[1.8] * rows, 3.0, 2.5])
        for place, (name, values) in enumerate(shown.items()):
            row, column = divmod(place, IN_A_ROW)
            axes = drawn.add_subplot(grid[row, 2 * column : 2 * column + 2])
            _draw_line(axes, name, values)
            axes.set_ylabel("derivative" if column == 0 else "", fontsize="small")
        by_distance = drawn.add_subplot(grid[rows, :3])
        distances = {name: np.linspace(0, 1, len(values))[1:] for name, values in correlations.items()}
        draw_curves(by_distance, {name: values[1:] for name, values in correlations.items()}, distances)
        by_distance.set(
            title="Gradients at two images on the line",
            xlabel="distance (1 = the whole line)",
            ylabel="mean correlation",
            xscale="log",
        )
        by_distance.xaxis.set_major_formatter("{x:g}")
        by_distance.set_xticks([], minor=True)
        by_kernel, by_block = drawn.add_subplot(grid[rows, 3:]), drawn.add_subplot(grid[rows + 1, :])
        draw_curves(by_kernel, cosines)
        by_kernel.set(
            title="Gradients before and after rounding", xlabel="kernel (1 = next to the image)", ylabel="cosine"
        )
        draw_curves(by_block, changes)
        by_block.set(
            title="Change of the blocks' outputs when all weights are rounded to bfloat16",
            xlabel="block (1 = next to the image)",
            ylabel="relative change",
        )
        make_logarithmic(by_block)
        whole_numbers(by_kernel, 5)
        whole_numbers(by_block)
        add_legend(drawn, by_distance)


def _draw_line(axes: "Axes", name: str, values: Sequence[float] | np.ndarray) -> None:
    """The values along the line, in units of their standard deviation."""
    centered = np.asarray(values) - np.mean(values)
    deviation = np.std(values)
    axes.plot(np.linspace(0, 1, len(values)), centered / (deviation if deviation > 0 else 1), color=COLORS[0], lw=0.8)
    axes.set_title(name, fontsize="small")
    axes.set(xticks=[0, 1], yticks=[])
    first, last = axes.set_xticklabels(["first image", "last image"], fontsize="small")
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
