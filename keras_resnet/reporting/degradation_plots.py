"""Error curves of plain and residual networks of several depths. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_resnet.reporting.curves import whole_numbers
from keras_resnet.reporting.style import COLORS, figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
# Column, label, and style of its line: solid and dashed as in the paper's figures.
MEASURES: dict[str, dict[str, Any]] = {
    "test_error": dict(label="test", linestyle="-", marker="o"),
    "training_error": dict(label="training", linestyle="--", marker="s"),
}
MARKED = 30  # epochs up to which each has a marker
HEADROOM = 2.5  # the top of the picture as a multiple of the largest last error: the first epochs may be cut off


class Curve(NamedTuple):
    """A value against the epoch, over seeds: mean, lowest and highest at each of the epochs; all (N,)."""

    epochs: np.ndarray
    mean: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


def over_seeds(rows: Sequence[Row], column: str) -> Curve:
    """A column against the epoch, over the seeds that have reached it.

    Args:
        rows: of one network, with the columns epoch and `column`.
        column: the name of the value.

    Example:
        >>> from keras_resnet.reporting.degradation_plots import over_seeds
        >>> rows = [dict(epoch=1, error=0.5), dict(epoch=2, error=0.4), dict(epoch=1, error=0.3)]
        >>> over_seeds(rows, "error").mean
        array([0.4, 0.4])
    """
    epochs = sorted({row["epoch"] for row in rows})
    values = [[row[column] for row in rows if row["epoch"] == epoch] for epoch in epochs]
    return Curve(np.array(epochs), *(np.array([of(some) for some in values]) for of in (np.mean, np.min, np.max)))


def plot_degradation(rows: Sequence[Row], data: str, path: str | os.PathLike) -> None:
    """Plots error against epochs, plain networks left and residual ones right, as the paper's figure 6.

    Lines are means over the seeds, bands go from the lowest to the highest.

    Args:
        rows: of degradation.csv.
        data: name of the data set, for the title.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.degradation_plots import plot_degradation
        >>> row = dict(depth=20, residual=False, seed=0, epoch=1, training_error=0.5, test_error=0.6)
        >>> plot_degradation([row, {**row, "epoch": 2, "training_error": 0.4}], "CIFAR-10", "degradation.png")
    """
    colors = _colors(sorted({row["depth"] for row in rows}))
    styles = _styles(rows)
    with figure(path) as drawn:
        sides = drawn.subplots(1, 2, sharex=True, sharey=True)
        for axes, residual in zip(sides, (False, True), strict=True):
            of_kind = [row for row in rows if row["residual"] == residual]
            for depth in colors:
                _draw([row for row in of_kind if row["depth"] == depth], colors[depth], styles, axes)
            axes.set_title("residual networks" if residual else "plain networks")
            axes.set_xlabel("epoch")
            whole_numbers(axes)
        sides[0].set_ylabel("error (%)")
        sides[0].set_ylim(0, _top(rows))
        sides[0].set_xlim(left=0)
        drawn.suptitle(f"Error of plain and residual networks on {data}")
        drawn.legend(handles=_legend(colors, styles, rows), loc="outside lower center", ncols=5)


def _colors(depths: Sequence[int]) -> dict[int, Any]:
    """A color for each depth; if there are too many to tell apart, from dark to light."""
    if len(depths) <= len(COLORS):
        return dict(zip(depths, COLORS, strict=False))
    import matplotlib

    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(depths)))
    return dict(zip(depths, shades, strict=True))


def _styles(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """`MEASURES`, without markers if there are many epochs."""
    if max(row["epoch"] for row in rows) <= MARKED:
        return MEASURES
    return {column: {**style, "marker": ""} for column, style in MEASURES.items()}


def _draw(rows: Sequence[Row], color: Any, styles: Mapping[str, dict[str, Any]], axes: "Axes") -> None:
    """Draws the curves of one network."""
    if not rows:
        return
    for column, style in styles.items():
        epochs, mean, lowest, highest = over_seeds(rows, column)
        axes.plot(epochs, 100 * mean, color=color, linewidth=1.4, markersize=3.5, **style)
        axes.fill_between(epochs, 100 * lowest, 100 * highest, color=color, alpha=0.15, linewidth=0)


def _top(rows: Sequence[Row]) -> float:
    """The upper end of the axis, percent: all errors, or a multiple of the largest error in the last epoch."""
    end = max(row["epoch"] for row in rows)
    last = max(row[column] for row in rows if row["epoch"] == end for column in MEASURES)
    highest = max(row[column] for row in rows for column in MEASURES)
    return 100 * max(0.01, min(1.05 * highest, HEADROOM * last))


def _legend(colors: Mapping[int, Any], styles: Mapping[str, dict[str, Any]], rows: Sequence[Row]) -> "list[Artist]":
    """A line for each depth, test and training error in black, and the band if there are several seeds."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [Line2D([], [], color=color, label=f"{depth} layers") for depth, color in colors.items()]
    handles += [Line2D([], [], color="black", markersize=3.5, **style) for style in styles.values()]
    seeds = len({row["seed"] for row in rows})
    if seeds > 1:
        handles.append(Patch(color="black", alpha=0.15, linewidth=0, label=f"range of {seeds} seeds"))
    return handles
