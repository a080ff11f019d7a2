"""Reliability diagrams. Need matplotlib (the `plots` extra)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from keras_resnet.reporting.style import COLORS, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Diagram(NamedTuple):
    """A reliability diagram.

    Attributes:
        title: what it shows.
        images: number of images in each bin of confidence, (bins,); the bins have equal widths from 0 to 1.
        confidence: mean confidence in each bin, 0 to 1 (bins,); NaN in an empty one.
        accuracy: fraction of right images in each bin, 0 to 1 (bins,); NaN in an empty one.
    """

    title: str
    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def plot_reliability(diagrams: Sequence[Diagram], path: str | os.PathLike) -> None:
    """Draws reliability diagrams side by side, above the number of images in each bin.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, figure 1, https://arxiv.org/abs/1706.04599.

    Args:
        diagrams: such as before and after temperature scaling.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.calibration_plots import Diagram, plot_reliability
        >>> plot_reliability([Diagram("ECE 10 %", np.array([0, 9]), np.array([np.nan, 0.9]), np.array([np.nan, 0.8]))],
        ...     "calibration.png")
    """
    with figure(path, size=(8.0, 6.0)) as drawn:
        drawn.suptitle("Is the model right as often as it says?")
        upper, lower = drawn.subplots(2, len(diagrams), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1))
        for diagram, above, below in zip(diagrams, upper, lower, strict=True):
            _draw_accuracy(above, diagram)
            _draw_images(below, diagram)
        upper[0].set_ylabel("accuracy (%)")
        lower[0].set_ylabel("images")
        drawn.legend(*upper[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _places(diagram: Diagram) -> tuple[np.ndarray, float]:
    """The centers of the bins and their width, %."""
    width = 100 / len(diagram.images)
    return width * (np.arange(len(diagram.images)) + 0.5), width


def _draw_accuracy(axes: "Axes", diagram: Diagram) -> None:
    centers, width = _places(diagram)
    accuracy, confidence = 100 * np.nan_to_num(diagram.accuracy), 100 * np.nan_to_num(diagram.confidence)
    axes.bar(centers, accuracy, width, color=COLORS[0], alpha=0.7, edgecolor="white", label="accuracy")
    axes.bar(
        centers,
        confidence - accuracy,
        width,
        bottom=accuracy,
        facecolor="none",
        edgecolor=COLORS[1],
        hatch="///",
        label="gap to the mean confidence",
    )
    axes.plot([0, 100], [0, 100], "--", color=COLORS[-1], label="perfect calibration")
    axes.set(title=diagram.title, xlim=(0, 100), ylim=(0, 100))


def _draw_images(axes: "Axes", diagram: Diagram) -> None:
    centers, width = _places(diagram)
    axes.bar(centers, diagram.images, width, color=COLORS[2], alpha=0.7, edgecolor="white")
    axes.set_yscale("log")
    ticks = [10**power for power in range(len(f"{int(diagram.images.max())}") + 1)]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=9)
    axes.set_yticks([], minor=True)
    axes.set_ylim(0.7, ticks[-1])
    axes.set_xlabel("confidence (%)")
