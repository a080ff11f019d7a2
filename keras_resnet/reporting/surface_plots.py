"""The loss around the weights of models, as pictures. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping

import numpy as np

from keras_resnet.reporting.curves import look, make_logarithmic
from keras_resnet.reporting.style import figure

LEVELS = 15  # lines of equal loss, and borders of the colors
LOWEST = 1e-4  # loss that is drawn


def plot_surfaces(steps: np.ndarray, losses: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Draws the lines of equal loss around the weights of models, all with the same colors.

    Args:
        steps: (S,), of both directions.
        losses: by the model's name, (S, S), nats; infinite values count as the highest finite one.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.surface_plots import plot_surfaces
        >>> steps = np.linspace(-1, 1, 5)
        >>> plot_surfaces(steps, {"net": 1 + steps[:, None] ** 2 + steps**2}, "surface.png")
    """
    from matplotlib.colors import LogNorm

    levels = _levels(losses)
    columns = min(2, len(losses))
    rows = -(-len(losses) // columns)
    with figure(path, (8.0, 0.7 + (5.3 if columns == 1 else 3.2) * rows)) as drawn:
        all_axes = drawn.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, loss) in zip(all_axes, losses.items(), strict=False):
            shown = np.clip(loss, levels[0], levels[-1]).T  # rows of a picture are the vertical axis
            filled = axes.contourf(steps, steps, shown, levels, norm=LogNorm(levels[0], levels[-1]), cmap="viridis_r")
            crossed = [level for level in levels[1:-1:2] if shown.min() < level < shown.max()]
            if crossed:
                lines = axes.contour(steps, steps, shown, crossed, colors="black", linewidths=0.6)
                axes.clabel(lines, fmt=lambda value: f"{value:.2g}", fontsize=8)
            axes.plot(0, 0, "+", color="black", markersize=9)
            axes.set(title=name, xlabel="step in direction 1", ylabel="step in direction 2", aspect="equal")
            axes.grid(visible=False)
        for axes in all_axes[len(losses) :]:
            axes.axis("off")
        bar = drawn.colorbar(filled, ax=all_axes, label="loss (nats)", ticks=levels[::2])
        bar.ax.set_yticklabels([f"{level:.2g}" for level in levels[::2]])
        bar.minorticks_off()
        drawn.suptitle("Loss around the trained weights (+), in steps of a filter's norm")


def _levels(losses: Mapping[str, np.ndarray]) -> np.ndarray:
    """Losses with equal ratios, from the lowest to the highest of all."""
    values = np.concatenate([loss[np.isfinite(loss)] for loss in losses.values()])
    low, high = (max(LOWEST, float(value)) for value in (values.min(initial=1), values.max(initial=LOWEST)))
    return np.geomspace(low, max(high, 1.01 * low), LEVELS)


def plot_profiles(
    steps: np.ndarray, profiles: Mapping[str, tuple[np.ndarray, np.ndarray]], path: str | os.PathLike
) -> None:
    """Draws loss and error along one direction through the weights of models.

    Args:
        steps: (S,).
        profiles: by the model's name, loss in nats and error in percent, each (S,).
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.surface_plots import plot_profiles
        >>> steps = np.linspace(-1, 1, 5)
        >>> plot_profiles(steps, {"net": (0.1 + steps**2, 50 * steps**2)}, "profile.png")
    """
    with figure(path) as drawn:
        of_loss, of_error = all_axes = drawn.subplots(1, 2)
        for number, (name, profile) in enumerate(profiles.items()):
            for axes, values in zip(all_axes, profile, strict=True):
                axes.plot(steps, values, label=name, **look(number))
        of_loss.set(title="Loss", ylabel="loss (nats)")
        make_logarithmic(of_loss)
        of_error.set(title="Error", ylabel="error (%)", ylim=(0, 103))
        for axes in all_axes:
            axes.set_xlabel("step in a random direction")
        drawn.legend(*of_loss.get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(profiles)))
        drawn.suptitle("From the trained weights (0) in a random direction, in steps of a filter's norm")
