"""Pictures of how gradients flow through networks. Needs matplotlib (the `plots` extra)."""

import os

from keras_resnet.reporting.curves import Curves, add_legend, draw_curves, make_logarithmic, whole_numbers
from keras_resnet.reporting.style import COLORS, figure


def plot_gradients(
    norms: Curves, kernels: Curves, shortcut_shares: Curves, path_shares: Curves, path: str | os.PathLike
) -> None:
    """Draws the gradient of the loss at each block and each kernel, and what came through shortcuts.

    Args:
        norms: by the name of a model, the norm of the gradient at each block's output.
        kernels: the norm of the gradient at each kernel.
        shortcut_shares: the share of the gradient at each block's input that came through the block's shortcut.
        path_shares: the share that came from the loss through shortcuts alone.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.gradients_plots import plot_gradients
        >>> curves = {"net": [0.5, 0.25]}
        >>> plot_gradients(curves, curves, curves, curves, "gradients.png")
    """
    from matplotlib.ticker import PercentFormatter

    with figure(path, (8.0, 7.5)) as drawn:
        panels = drawn.subplots(2, 2)
        (at_blocks, at_kernels), (by_block, by_path) = panels
        for axes, curves, title, place, quantity in (
            (at_blocks, norms, "Gradient at each block's output", "block", "norm of the loss gradient"),
            (at_kernels, kernels, "Gradient at each kernel", "kernel", "norm of the loss gradient"),
            (by_block, shortcut_shares, "Part through the block's shortcut", "block", "share of the gradient at x"),
            (by_path, path_shares, "Part through shortcuts alone", "block", "share of the gradient at x"),
        ):
            draw_curves(axes, curves)
            axes.set(title=title, xlabel=f"{place} (1 = next to the image)", ylabel=quantity)
            whole_numbers(axes)
        for axes in panels[0]:
            make_logarithmic(axes)
        for axes in panels[1]:
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        add_legend(drawn, at_blocks)


def plot_gradients_in_training(epochs: Curves, first: Curves, last: Curves, path: str | os.PathLike) -> None:
    """Draws the gradient of the loss at the first and the last block along training.

    Args:
        epochs: by the name of a model, numbers of complete epochs.
        first: the norm of the gradient at the output of the first block, at each of them.
        last: the same of the last block.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.gradients_plots import plot_gradients_in_training
        >>> plot_gradients_in_training({"net": [0, 1]}, {"net": [0.5, 0.2]}, {"net": [0.1, 0.1]}, "training.png")
    """
    with figure(path, (8.0, 5.0)) as drawn:
        axes = drawn.subplots()
        for place, name in enumerate(epochs):
            color = COLORS[place % len(COLORS)]
            axes.plot(epochs[name], first[name], "-", marker="o", color=color, label=f"{name}, first block")
            axes.plot(epochs[name], last[name], "--", marker="s", color=color, label=f"{name}, last block")
        axes.set(
            title="Gradient at the first and the last block along training",
            xlabel="epochs of training",
            ylabel="norm of the loss gradient",
        )
        make_logarithmic(axes)
        whole_numbers(axes)
        add_legend(drawn, axes)
