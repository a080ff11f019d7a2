"""Training curves as an image. Needs matplotlib (the `plots` extra)."""

import math
import os


def plot_curves(rows: list[dict[str, float]], path: str | os.PathLike, total_epochs: float = math.inf) -> None:
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
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [min(row["epoch"] + 1, total_epochs) for row in rows]
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    loss, error, rate = figure.subplots(1, 3)
    for axes, title, metric, plotted in (
        (loss, "Loss", "loss", lambda value: value),
        (error, "Error (%)", "accuracy", lambda value: 100 * (1 - value)),
    ):
        for prefix, label, line in (("", "training (augmented)", "--"), ("val_", "validation", "-")):
            if rows and prefix + metric in rows[0]:
                values = [plotted(row[prefix + metric]) for row in rows]
                axes.plot(epochs, values, line, marker=".", label=label)
        axes.set_title(title)
        if axes.lines:
            axes.legend()
    loss.set_yscale("log")  # the first loss may be a thousand times the last
    error.set_ylim(bottom=0)
    rate.plot(epochs, [row["learning_rate"] for row in rows], color="tab:green", marker=".")
    rate.set_title("Learning rate at the end of the epoch")
    for axes in (loss, error, rate):
        axes.set_xlabel("epoch")
        axes.set_xlim(0, 1.03 * max([1, *epochs]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
