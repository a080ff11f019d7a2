"""Training from a constructed solution and from scratch, as a picture. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping, Sequence

from keras_resnet.reporting.curves import look, make_logarithmic
from keras_resnet.reporting.style import figure

Row = Mapping[str, float]  # with the keys epoch, loss and error


def plot_construction(curves: Mapping[str, Sequence[Row]], given: Row, path: str | os.PathLike) -> None:
    """Draws loss and error on training images against the epoch.

    Args:
        curves: by the name of the start, the rows of its epochs: epoch, loss in nats, error in percent.
        given: loss and error of the network that the deeper one was constructed from.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.construction_plots import plot_construction
        >>> rows = [{"epoch": 0, "loss": 0.2, "error": 5.0}, {"epoch": 1, "loss": 0.1, "error": 3.0}]
        >>> plot_construction({"constructed": rows}, rows[0], "construction.png")
    """
    with figure(path) as drawn:
        of_loss, of_error = drawn.subplots(1, 2)
        for axes, metric in ((of_loss, "loss"), (of_error, "error")):
            for number, (name, rows) in enumerate(curves.items()):
                epochs, values = ([row[key] for row in rows] for key in ("epoch", metric))
                axes.plot(epochs, values, label=name, **look(number))
            axes.axhline(given[metric], color="black", linestyle=":", linewidth=1, label="the shallower network")
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        of_loss.set(title="Loss", ylabel="loss (nats)")
        make_logarithmic(of_loss)
        of_error.set(title="Error", ylabel="error (%)")
        of_error.set_ylim(bottom=0)
        drawn.legend(*of_loss.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        drawn.suptitle("Training images: the deeper network, from two starts")
