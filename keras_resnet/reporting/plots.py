"""Training curves as an image. Needs matplotlib (the `plots` extra)."""

import math
import os
from collections.abc import Mapping, Sequence

from keras_resnet.reporting.curves import make_logarithmic, whole_numbers
from keras_resnet.reporting.style import figure


def plot_curves(rows: Sequence[Mapping[str, float]], path: str | os.PathLike, total_epochs: float = math.inf) -> None:
    """Plots loss, error and learning rate against the epoch.

    Args:
        rows: the rows of log.csv, as `keras_resnet.run_directory.Run.log` reads them.
        path: the file to write: PNG, SVG or PDF.
        total_epochs: where the run ends, if it may end within an epoch.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.plots import plot_curves
        >>> row = {"epoch": 0, "loss": 2.0, "accuracy": 0.3, "learning_rate": 0.1}
        >>> plot_curves([row, {**row, "epoch": 1, "loss": 1.5}], "curves.png")
    """
    epochs = [min(row["epoch"] + 1, total_epochs) for row in rows]
    with figure(path, size=(12, 4.2)) as drawn:
        loss, error, rate = drawn.subplots(1, 3)
        _plot_metric(loss, rows, epochs, "loss", lambda value: value)
        _plot_metric(error, rows, epochs, "accuracy", lambda value: 100 * (1 - value))
        rate.plot(epochs, [row["learning_rate"] for row in rows], marker=".")
        for axes, title, unit in (
            (loss, "Loss", "loss"),
            (error, "Error", "error (%)"),
            (rate, "Learning rate at the end of the epoch", "learning rate"),
        ):
            axes.set(title=title, xlabel="epoch", ylabel=unit, xlim=(0, 1.03 * max([1, *epochs])))
            whole_numbers(axes)
        error.set_ylim(bottom=0)
        if loss.lines:
            drawn.legend(handles=loss.lines, loc="outside lower center", ncols=2)
        make_logarithmic(loss)  # the first loss may be a thousand times the last


def _plot_metric(axes, rows, epochs, metric, plotted):
    """Plots a metric in training and validation."""
    for prefix, label, line in (("", "training (augmented)", "--"), ("val_", "validation", "-")):
        if rows and prefix + metric in rows[0]:
            axes.plot(epochs, [plotted(row[prefix + metric]) for row in rows], line, marker=".", label=label)
